"""`schema.sql` of each room says what the migrations make."""

import pytest

from tests.conftest import Database
from tools.schemas import ROOMS, file_of, schema_of


@pytest.mark.parametrize("room", ROOMS)
def test_schema_file_is_current(room: str, database: Database) -> None:
    now = schema_of(room, database.owner_dsn)

    assert file_of(room).read_text() == now, "run: python -m tools.schemas"

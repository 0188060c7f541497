"""Writes `schema.sql` of each room: its tables as they are today, made from the migrations by `pg_dump`.

Run it after adding a migration, as `python -m tools.schemas`. A house test holds the files against the database.
"""

import asyncio
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from sahut.app.engines import Engine, owner_dsn
from sahut.app.engines.binaries import find_programs
from sahut.db import known_migrations, migrate

HEAD = "-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.\n\n"
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\..*|\\(un)?restrict .*|CREATE SCHEMA .*)\n", re.MULTILINE)
_HOUSE = Path(__file__).resolve().parent.parent
# A room has tables when a migration makes its schema. `db` remembers migrations by itself and has no others to show.
ROOMS = tuple(
    room
    for migration in known_migrations()
    for room in re.findall(r"^create schema (\w+)", migration.text, re.MULTILINE)
)
# Where queries stand: most rooms keep them in one file, `work` in one for each of its parts.
PACKAGES = tuple(
    sorted(".".join(path.parent.relative_to(_HOUSE).parts) for path in (_HOUSE / "sahut").rglob("queries.sql"))
)


def file_of(room: str) -> Path:
    """Where the schema of a room stands."""
    return _HOUSE / "sahut" / room / "schema.sql"


def schema_of(room: str, dsn: str) -> str:
    """The definitions of one room's schema, without owners, rights and noise. Reads the database only."""
    command: list[str | Path] = [
        find_programs() / "pg_dump",
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--schema",
        room,
        "--exclude-table=*.*_[0-9][0-9][0-9][0-9]_[0-9][0-9]",  # months of the log: which there are depends on the day
        "-d",
        dsn,
    ]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return HEAD + re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", dumped)).strip() + "\n"


async def write_schemas() -> None:
    """Make a fresh database from the migrations and write down what it has."""
    home = Path(tempfile.mkdtemp(prefix="sahut-schemas-"))
    engine = Engine(home)
    await engine.start()
    try:
        await migrate(owner_dsn(home))
        for room in ROOMS:
            file_of(room).write_text(schema_of(room, owner_dsn(home)))
    finally:
        await engine.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(write_schemas())

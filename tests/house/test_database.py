"""The database of a test is real, its own, and has the application's rights only."""

import asyncpg
import pytest

from sahut.db import Pool


async def test_the_application_is_not_the_owner(pool: Pool) -> None:
    assert await pool.fetchval("select current_user") == "sahut_app"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("create schema mine")


async def test_each_test_has_a_database_of_its_own(pool: Pool) -> None:
    assert await pool.fetchval("select current_database()") != "sahut"
    assert await pool.fetchval("select count(*) from work.event") == 0

"""Writes `schema.sql` of each room: its tables as they are today, made from the migrations by `pg_dump`.

Run it after adding a migration: `.venv/bin/python -m tools.schemas`. A house test holds the files against the database.
"""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from sahut.app.engines import Engine, owner_dsn
from sahut.app.engines.binaries import find_programs
from sahut.db import migrate

ROOMS = ("work", "ledger", "people", "care")
HEAD = "-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.\n\n"
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\..*|\\(un)?restrict .*|CREATE SCHEMA .*)\n", re.MULTILINE)
_HOUSE = Path(__file__).resolve().parent.parent


def schema_of(room: str, dsn: str, pg_dump: Path) -> str:
    """The definitions of one room's schema, without owners, rights and noise. Reads the database only."""
    command = [pg_dump, "--schema-only", "--no-owner", "--no-privileges", "--schema", room, "--dbname", dsn]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return HEAD + re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", dumped)).strip() + "\n"

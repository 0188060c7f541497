"""The references, run by `pgbench -n -M prepared` on the very server that serves ours."""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from sahut.app.engines import superuser_dsn
from sahut.app.engines.binaries import find_programs
from sahut_lab.bench.report import REFERENCE

DATABASE = "postgres"  # apart from the tables of the product
SPARE = 15  # sessions of the bench itself and those that the server keeps back
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


async def prepare(home: Path) -> None:
    """Make the tables of the references afresh."""
    connection = await asyncpg.connect(superuser_dsn(home, DATABASE))
    try:
        await connection.execute((REFERENCE / "schema.sql").read_text())
        await connection.execute("analyze")
    finally:
        await connection.close()


async def clients_for(home: Path, callers: int) -> int:
    """As many clients as callers, or as many as the server lets in beside everybody else."""
    connection = await asyncpg.connect(superuser_dsn(home, DATABASE))
    try:
        return min(callers, int(await connection.fetchval("show max_connections")) - SPARE)
    finally:
        await connection.close()


async def pgbench(home: Path, script: str, *, clients: int, seconds: float, hot: bool = False) -> float:
    """Transactions per second of a script, without the time to connect."""
    address = urlsplit(superuser_dsn(home, DATABASE))
    password_file = home / "lab-pgpass"
    password_file.touch(mode=0o600)
    password_file.write_text(f"*:*:*:{address.username}:{address.password}\n")
    command = [
        str(find_programs() / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)),
        "-T", str(max(2, round(seconds))), "-D", f"hot={int(hot)}", "-f", str(REFERENCE / script),
        "-h", parse_qs(address.query)["host"][0], "-U", str(address.username), DATABASE,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "PGPASSFILE": str(password_file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    found = _TPS.search(said.decode())
    if process.returncode or not found:
        raise RuntimeError(f"pgbench {script} ended with {process.returncode}: {(said + complained).decode()[-800:]}")
    return float(found[1])


async def checkpoint(home: Path) -> None:
    """Before each round, so that no round pays for the one before it."""
    connection = await asyncpg.connect(superuser_dsn(home, DATABASE))
    try:
        await connection.execute("checkpoint")
    finally:
        await connection.close()

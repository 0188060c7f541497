"""`bench live`: many live streams of different persons in one web process: memory of each, commit to screen."""

import asyncio
import json
import os
import resource
import sys
from asyncio.subprocess import PIPE, Process
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sahut.db import open_pool, transaction
from sahut.people import SignIn, add_person, add_session
from sahut_lab.bench.report import figure, report
from sahut_lab.house import TREE, RunningHouse, temporary_home

STREAMS, QUICK_STREAMS = 2_000, 50
PER_S, SECONDS, QUICK_SECONDS = 200, 10, 2
SPARE_FILES = 200


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    count, seconds = (QUICK_STREAMS, QUICK_SECONDS) if quick else (size or STREAMS, SECONDS)
    _allow_files(count + SPARE_FILES)
    with temporary_home("bench-live") as home:
        house = RunningHouse(home, web=1, work=1)
        try:
            house.start()
            await house.await_ready()
            await house.await_whole(without=set())
            await _add_people(house, count)
            before, after, said = await _watch(house, seconds)
        finally:
            await house.stop()
    each = (after - before) * 1024 / count
    figures = [
        figure("memory of each stream in the web process", [each], "bytes"),
        figure("streams open", [said["opened"]], "streams"),
        figure("from commit to screen, p50", [said["p50_ms"]], "ms"),
        figure("from commit to screen, p99", [said["p99_ms"]], "ms"),
        figure("from commit to screen, longest", [said["max_ms"]], "ms"),
        figure("said and not shown", [said["said"] - said["shown"]], "messages"),
        figure("streams lost", [said["lost_streams"]], "streams"),
    ]
    return report("live", figures, streams=count, messages_per_s=PER_S, seconds=seconds, web_rss_before_kib=before)


def _allow_files(wanted: int) -> None:
    """As many open files as the streams need, if we may; children inherit it. Raises RuntimeError when we may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise RuntimeError(f"{wanted} open files are needed and {hard} are allowed: ask for fewer streams")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _add_people(house: RunningHouse, count: int) -> None:
    """One person with a session for each stream, through the doors of the room; their tokens go into a file."""
    pin_hash, known = SignIn.hash_pin("000000"), []
    pool = await open_pool(house.app_dsn, size=1, name="lab-people")
    try:
        async with transaction(pool) as connection:
            for number in range(count):
                person_id = await add_person(
                    connection,
                    name=f"Screen {number}",
                    phone=f"+6281300{number:06d}",
                    language="id",
                    role="customer",
                    pin_hash=pin_hash,
                )
                token, _ = await add_session(connection, person_id, datetime.now(UTC))
                known.append((person_id, token))
    finally:
        await pool.close()
    for name, text in (("lab-tokens", json.dumps(known)), ("lab-dsn", house.app_dsn)):
        path = house.home / name
        path.touch(mode=0o600)
        path.write_text(text)


async def _watch(house: RunningHouse, seconds: int) -> tuple[int, int, dict[str, float]]:
    """Memory of the web process before and with all streams, in KiB, and what the screens said."""
    (web,) = house.pids("web").values()
    before = _rss_kib(web)
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sahut_lab.bench.stream_client", str(house.port), str(house.home / "lab-dsn"),
        str(house.home / "lab-tokens"), str(PER_S), str(seconds),
        env={**os.environ, "PYTHONPATH": str(TREE)}, stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert client.stdin is not None
    try:
        opened = await _line(client, 120)
        await asyncio.sleep(1)
        after = _rss_kib(web)
        client.stdin.write(b"go\n")
        said = opened | await _line(client, seconds + 60)
        await client.wait()
    finally:
        if client.returncode is None:
            client.kill()
    return before, after, said


async def _line(client: Process, within_s: float) -> dict[str, float]:
    assert client.stdout is not None
    line = await asyncio.wait_for(client.stdout.readline(), within_s)
    if not line:
        assert client.stderr is not None
        raise RuntimeError((await client.stderr.read()).decode()[-1500:])
    answer: dict[str, float] = json.loads(line)
    return answer


def _rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"no memory of {pid}")

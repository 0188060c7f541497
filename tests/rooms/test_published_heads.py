"""Signed heads outside the database: each is published once, in order, with the proof that nothing was rewritten."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sahut.app.commands import app
from sahut.db import Pool
from sahut.work import Sealer, Signer, extends, prove_consistency, root_of, verify_heads
from sahut.work.log import publishing
from tests.rooms.conftest import Connect
from tests.rooms.log import write

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
Grow = Callable[[int, datetime], Awaitable[None]]


@pytest.fixture
async def publishing_sealer(app_dsn: str, connect: Connect, signer: Signer, tmp_path: Path) -> Sealer:
    made = Sealer(await connect(app_dsn), signer, tmp_path / "heads")
    await made.wait_for_turn()
    (tmp_path / "heads").mkdir()
    return made


@pytest.fixture
def grow(pool: Pool, publishing_sealer: Sealer) -> Grow:
    """Events, sealed, and the head over them signed at a moment."""

    async def grown(count: int, at: datetime) -> None:
        await write(pool, count)
        while await publishing_sealer.tick():
            pass
        await publishing_sealer.sign(at)

    return grown


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def told(folder: Path, signer: Signer) -> tuple[bool, str]:
    good, lines = verify_heads([path.read_bytes() for path in folder.iterdir()], signer.public_key)
    return good, " ".join(lines)


async def test_each_head_is_published_with_the_proof_that_it_extends_the_one_before(
    grow: Grow, tmp_path: Path, signer: Signer
) -> None:
    for number, count in enumerate((1, 2, 5, 300, 700)):
        await grow(count, NOON + timedelta(hours=4 * number))

    lines = lines_of(tmp_path / "heads")
    assert [(line["n"], line["extends"]["n"]) for line in lines] == [(1, 0), (3, 1), (8, 3), (308, 8), (1008, 308)]
    assert sorted(path.name for path in (tmp_path / "heads").iterdir()) == ["2031-01-01.jsonl", "2031-01-02.jsonl"]
    good, said = told(tmp_path / "heads", signer)
    assert good, said
    assert "5 heads, of 1 to 1008 events; the first extends the head of 0." in said


async def test_what_a_full_disk_held_up_is_published_afterwards(
    grow: Grow, publishing_sealer: Sealer, tmp_path: Path, signer: Signer, pool: Pool
) -> None:
    folder = tmp_path / "heads"
    await grow(1, NOON)
    folder.rename(tmp_path / "away")
    for minute in range(1, 15):
        await grow(1, NOON + timedelta(minutes=minute))
    (tmp_path / "away").rename(folder)
    assert len(lines_of(folder)) == 1

    await grow(1, NOON + timedelta(minutes=20))
    assert len(lines_of(folder)) == 1 + publishing.AT_ONCE
    await publishing_sealer.publish_missed()
    await publishing_sealer.publish_missed()

    assert [line["n"] for line in lines_of(folder)] == list(range(1, 17))
    assert told(folder, signer)[0]
    assert await pool.fetchval("select count(*) from work.signed_head") == 16


async def test_the_next_sealer_goes_on_after_the_last_whole_line(
    grow: Grow, pool: Pool, connect: Connect, app_dsn: str, signer: Signer, tmp_path: Path
) -> None:
    await grow(3, NOON)
    await grow(3, NOON + timedelta(minutes=1))
    file = tmp_path / "heads" / "2031-01-01.jsonl"
    file.write_bytes(file.read_bytes() + b'{"n": 7, "ro')  # torn off by a kill, or by a disk that was full
    await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                       " where application_name = 'sahut-test-beside' and datname = current_database()")  # fmt: skip
    after = Sealer(await connect(app_dsn), signer, tmp_path / "heads")
    await after.wait_for_turn()
    await write(pool, 3)
    await after.tick()
    await after.sign(NOON + timedelta(minutes=2))

    assert [line["n"] for line in lines_of(tmp_path / "heads")] == [3, 6, 9]
    assert told(tmp_path / "heads", signer)[0]


async def test_a_clock_that_is_set_back_loses_no_head(grow: Grow, tmp_path: Path, signer: Signer, pool: Pool) -> None:
    """Not even when it shows the very same moment again."""
    await grow(1, NOON)
    await grow(1, NOON + timedelta(days=2))
    await grow(1, NOON - timedelta(days=1))
    await grow(1, NOON)
    await grow(1, NOON + timedelta(minutes=1))

    assert await pool.fetchval("select count(*) from work.signed_head") == 5
    assert sorted(line["n"] for line in lines_of(tmp_path / "heads")) == [1, 2, 3, 4, 5]
    good, said = told(tmp_path / "heads", signer)
    assert good, said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[1].update(root="00" * 32), "signature is NOT good"),
        (lambda lines: lines[1].update(n=4), "signature is NOT good"),
        (lambda lines: lines[1]["extends"].update(root="00" * 32), "does NOT extend"),
        (lambda lines: lines[1]["extends"].update(proof=[]), "does NOT extend"),
        (lambda lines: lines.pop(1), "a file is missing"),
        (lambda lines: lines[1].pop("extends"), "has no proof"),
        (lambda lines: lines.append({**lines[2], "root": "11" * 32}), "two roots"),
        (lambda lines: lines[2].update(signed_at="yesterday"), "cannot be read"),
    ],
)
async def test_nothing_can_be_changed_in_what_was_published(
    grow: Grow, tmp_path: Path, signer: Signer, change: Callable[[list[dict[str, Any]]], object], said: str
) -> None:
    for minute in range(3):
        await grow(3, NOON + timedelta(minutes=minute))
    file = tmp_path / "heads" / "2031-01-01.jsonl"
    lines = lines_of(tmp_path / "heads")
    assert told(tmp_path / "heads", signer)[0]

    change(lines)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    good, words = told(tmp_path / "heads", signer)
    assert not good
    assert said in words


async def test_the_command_line_checks_published_files(grow: Grow, tmp_path: Path, signer: Signer) -> None:
    await grow(3, NOON)
    await grow(3, NOON + timedelta(days=1))
    files = [str(path) for path in sorted((tmp_path / "heads").iterdir())]
    run, key = CliRunner(), ["--key", signer.public_key.hex()]

    assert run.invoke(app, ["verify", *files, *key]).exit_code == 0
    assert run.invoke(app, ["verify", files[1], *key]).exit_code == 0  # it names what it extends
    assert run.invoke(app, ["verify", files[0], "--key", "00" * 32]).exit_code == 1
    assert run.invoke(app, ["verify", files[0]]).exit_code == 1
    (tmp_path / "other.jsonl").write_bytes(b"\xff{[")
    assert run.invoke(app, ["verify", str(tmp_path / "other.jsonl"), *key]).exit_code == 1


async def test_any_two_heads_are_shown_to_belong_together_by_the_tiles(pool: Pool, sealer: Sealer) -> None:
    await write(pool, 1500)
    while await sealer.tick():
        pass
    leaves = [row[0] for row in await pool.fetch("""
        select work.leaf(e.id, e.at, e.topic, e.subject, e.kind, e.body)
          from work.seal s join work.event e on e.id = s.event_id and e.at = s.at order by s.n""")]  # fmt: skip
    sizes = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1024, 1279, 1280, 1281, 1499, 1500]
    roots = {size: root_of(leaves[:size]) for size in sizes}

    async with pool.acquire() as connection:
        for first in sizes:
            for second in [size for size in sizes if size >= first]:
                path = await prove_consistency(connection, first, second)
                assert extends(first, roots[first], second, roots[second], path), (first, second)
        with pytest.raises(ValueError, match="no larger one"):
            await prove_consistency(connection, 2, 1)

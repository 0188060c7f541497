"""drill: the machine is lost while customers pay and write, and what the backups hold is held against their journals.

The archive's receiver and the database are killed on the way, a base backup is taken under load, and at the end all
processes are killed at one moment and the home is never looked at again. What was acknowledged more than a second
before must be in the restored home, and the books, the log and the published heads must agree.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sahut.app.backups import Restored, Store, drill, read_state, restore, take_base
from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, app_dsn
from sahut.app.logs import write_logs
from sahut.app.settings import Settings, read_settings
from sahut_lab.house import RunningHouse, kill, temporary_home
from sahut_lab.outside import Outcome
from sahut_lab.trial.books import Books, read_books
from sahut_lab.trial.load import open_world, tag
from sahut_lab.trial.verdict import Verdict

LOSS_AT_MOST_S = 1.0
CALM_S = 2.0
WITHIN_S = 30.0


async def trial(*, seed: int, seconds: int = 3) -> dict[str, Any]:
    """Run it once. `seconds`: how long customers go on after the last strike before everything is lost."""
    write_logs("error", "lab")  # to standard error: what we answer stands alone on standard output
    verdict, began, chance = Verdict("drill", seed), time.monotonic(), random.Random(seed)
    with temporary_home("drill-trial") as above:
        above.chmod(0o711)
        (above / "home").mkdir()
        settings = read_settings({"SAHUT_HOME": str(above / "home"), "SAHUT_BACKUP": str(above / "backup")})
        async with _running_house(above) as house:
            world = open_world(house.port, seed, above)
            try:
                await world.sign_everybody_in()
                world.start()
                await _strike(house, settings, chance)
                await asyncio.sleep(seconds)
                lost_at = asyncio.get_running_loop().time()
                house.kill_everything()
                known = [outcome for outcome in world.outcomes() if outcome.known_at <= lost_at]
            finally:
                await world.end()
        await _judge(above, settings, known, lost_at, verdict)
    verdict.count(seconds=round(time.monotonic() - began, 1))
    return verdict.as_dict()


@asynccontextmanager
async def _running_house(above: Path) -> AsyncIterator[RunningHouse]:
    house = RunningHouse(above / "home", web=1, work=1, more={"SAHUT_BACKUP": str(above / "backup")})
    try:
        house.start()
        await house.await_ready()
        await _until(lambda: bool(Store(above / "backup").read_bases()))
        yield house
    finally:
        await house.stop()


async def _strike(house: RunningHouse, settings: Settings, chance: random.Random) -> None:
    """Kill the receiver and the database in the middle of the load, and take a base backup in it."""
    await asyncio.sleep(CALM_S)
    kill(_pid(house, "archive-receive"))
    await asyncio.sleep(chance.uniform(0.1, 0.5))
    before = house.pids("postgres")
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    await house.await_whole(without=set(before.values()))
    await house.await_ready()
    await _until(lambda: (state := read_state(settings.home)) is not None and state.receiving)
    await take_base(settings, lambda _: None)


def _pid(house: RunningHouse, name: str) -> int:
    return int((house.home / "run" / f"{name}.pid").read_text())


async def _until(reached: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not reached():
            await asyncio.sleep(0.05)


async def _judge(above: Path, settings: Settings, known: list[Outcome], lost_at: float, verdict: Verdict) -> None:
    """The home is gone: only the backups and the journals speak."""
    try:
        restored = await restore(settings, above / "new", None, lambda _: None)
        drilled = await drill(settings, lambda _: None)
    except CannotStart as problem:
        verdict.must(False, f"the backups cannot be restored: {problem}")
        return
    engine = Engine(above / "new")
    await engine.start()
    try:
        books = await read_books(app_dsn(above / "new"))
    finally:
        await engine.stop()
    _judge_loss(books, known, lost_at, verdict)
    _judge_restored(restored, verdict)
    verdict.count(drill_ready_s=drilled.ready_s)
    verdict.must(drilled.restored.is_clean, f"the drill found: {drilled.restored.findings[:3]}")


def _judge_loss(books: Books, known: list[Outcome], lost_at: float, verdict: Verdict) -> None:
    ok = [outcome for outcome in known if outcome.verdict == "ok"]
    lost = [outcome for outcome in ok if not _is_there(books, outcome)]
    oldest_s = max((lost_at - outcome.known_at for outcome in lost), default=0.0)
    verdict.count(acknowledged=len(ok), lost=len(lost), loss_ms=round(oldest_s * 1e3, 1))
    verdict.must_be_zero(
        acknowledged_and_lost=sum(lost_at - outcome.known_at > LOSS_AT_MOST_S for outcome in lost),
        balances_that_do_not_sum=abs(sum(row["posted"] for row in books.balances)),
    )
    verdict.must(len(ok) > 100, "hardly anything was acknowledged, so this run has proved nothing")


def _is_there(books: Books, outcome: Outcome) -> bool:
    if outcome.deed.kind == "transfer":
        rows = books.by_memo.get(tag(outcome.deed.key), [])
        return any(str(row["id"]) == str(outcome.answer["transfer"]) for row in rows)
    return any(row["number"] == outcome.answer["number"] for row in books.by_key.get(outcome.deed.key, []))


def _judge_restored(restored: Restored, verdict: Verdict) -> None:
    verdict.count(log_n=restored.log_n, published_n=restored.published_n, missing=restored.missing)
    verdict.count(restore_s=round(sum(restored.steps_s.values()), 2), steps_s=restored.steps_s)
    verdict.must(not restored.findings, f"the restored books do not agree: {restored.findings[:3]}")
    verdict.must(restored.proven_n > 0, "no published head was compared, so the log is not proven")

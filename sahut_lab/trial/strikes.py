"""Strikes: who is killed, and how long it takes until the house is whole again and seals again."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from sahut_lab.house import RunningHouse, kill

VICTIMS = ("web", "work", "sealer", "postgres", "everything")
BOTH_WEBS = 0.3
HOLDER = """
    select a.application_name from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and a.application_name like 'work-% sealer'"""
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Strike:
    """One kill: seconds until /readyz says 200, until every process is back, until the log moves on."""

    victim: str
    killed: int
    ready_s: float
    whole_s: float
    seals_s: float


async def strike(house: RunningHouse, victim: str, chance: random.Random) -> Strike:
    """Kill the victim and wait until everything is as before."""
    head = await sealed_upto(house)
    sealer = await holder(house) if victim in {"work", "sealer"} else None
    began = time.monotonic()
    killed = _strike(house, victim, sealer, chance)
    ready_s, whole_s, seals_s = await asyncio.gather(
        house.await_ready(), house.await_whole(without=killed), _seals_again(house, head)
    )
    assert time.monotonic() - began >= max(ready_s, whole_s, seals_s)
    return Strike(victim, len(killed), ready_s, whole_s, seals_s)


def _strike(house: RunningHouse, victim: str, sealer: int | None, chance: random.Random) -> set[int]:
    if victim == "everything":
        killed = house.kill_everything()
        house.start()
        return killed
    if victim == "web":
        webs = list(house.pids("web").values())
        chosen = webs if chance.random() < BOTH_WEBS else [chance.choice(webs)]
    elif victim == "work":
        chosen = [chance.choice([pid for pid in house.pids("work").values() if pid != sealer])]
    elif victim == "sealer":
        assert sealer is not None
        chosen = [sealer]
    else:
        chosen = [house.pids("postgres")["postgres"]]
    for pid in chosen:
        kill(pid)
    return set(chosen)


async def holder(house: RunningHouse) -> int:
    """The process that seals now, as the database sees it."""
    async with asyncio.timeout(30):
        while True:
            with suppress(*_AWAY):
                connection = await asyncpg.connect(house.superuser_dsn, timeout=2)
                try:
                    name = await connection.fetchval(HOLDER)
                finally:
                    connection.terminate()
                if name and (pid := house.pids("work").get(name.split()[0])):
                    return pid
            await asyncio.sleep(0.05)


async def sealed_upto(house: RunningHouse) -> int:
    """n of the head, or 0 when the database is away."""
    with suppress(*_AWAY):
        connection = await asyncpg.connect(house.app_dsn, timeout=2)
        try:
            n: int = await connection.fetchval("select n from work.head", timeout=2)
            return n
        finally:
            connection.terminate()
    return 0


async def _seals_again(house: RunningHouse, before: int, within_s: float = 30.0) -> float:
    """Seconds until the log has moved by more than what may have been on its way."""
    began = time.monotonic()
    after_strike = 0
    while time.monotonic() - began < within_s:
        n = await sealed_upto(house)
        after_strike = after_strike or max(n, before)
        if n > after_strike + 20:
            return time.monotonic() - began
        await asyncio.sleep(0.03)
    return within_s


class LongTransaction:
    """Somebody's report: an open snapshot with a transaction id of its own, opened again whenever it is cut."""

    def __init__(self, house: RunningHouse) -> None:
        self._house = house
        self.opened, self.open_now = 0, False

    async def keep_open(self, each_s: float) -> None:
        """For ever: open one, hold it for so long, end it, open the next."""
        while True:
            with suppress(*_AWAY):
                await self.hold(each_s)
            self.open_now = False
            await asyncio.sleep(0.2)

    async def hold(self, seconds: float) -> None:
        connection = await asyncpg.connect(self._house.app_dsn, timeout=5)
        try:
            await connection.execute("begin isolation level repeatable read")
            await connection.fetchval("select pg_current_xact_id()::text")
            await connection.fetchval("select count(*) from work.event")
            self.opened, self.open_now = self.opened + 1, True
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                await asyncio.sleep(0.25)
                await connection.fetchval("select 1")
            await connection.execute("rollback")
        finally:
            self.open_now = False
            connection.terminate()

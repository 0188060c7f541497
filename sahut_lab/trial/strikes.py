"""Strikes: who is killed or made to hang, and how long it takes until the house is whole and everything goes on."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from sahut_lab.house import RunningHouse, kill

VICTIMS = ("web", "work", "sealer", "postgres", "everything", "hung_web")
BOTH_WEBS = 0.3
HANG_S = 8.0  # longer than a session may hold locks without a word
FEW_EVENTS, FEW_TRANSFERS = 20, 5  # more than may have been on their way at the strike
HOLDER = """
    select a.application_name from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and a.application_name like 'work-% sealer'"""
IN_TRANSACTION = """
    select exists (select from pg_stat_activity
                    where application_name = $1 and state = 'idle in transaction')"""
TRIES = 100
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike: seconds until /readyz says 200, until every process is back, until transfers and the log go on."""

    victim: str
    killed: int
    ready_s: float
    whole_s: float
    goes_on_s: float


async def strike(house: RunningHouse, victim: str, chance: random.Random) -> Strike:
    """Strike the victim and wait until everything is as before."""
    if victim == "hung_web":
        return await _hang(house, chance)
    done = await done_so_far(house)
    sealer = await holder(house) if victim in {"work", "sealer"} else None
    killed = _kill(house, victim, sealer, chance)
    ready_s, whole_s, goes_on_s = await asyncio.gather(
        house.await_ready(), house.await_whole(without=killed), _goes_on(house, done)
    )
    return Strike(victim, len(killed), ready_s, whole_s, goes_on_s)


async def _hang(house: RunningHouse, chance: random.Random) -> Strike:
    """Stop a web process in the middle of a transaction and let it wake when the server has given it up."""
    name, pid = chance.choice(list(house.pids("web").items()))
    await _stop_in_a_transaction(house, name, pid, chance)
    began, done = time.monotonic(), await done_so_far(house)
    try:
        ready_s, goes_on_s = await asyncio.gather(house.await_ready(), _goes_on(house, done))
        await asyncio.sleep(max(0.0, HANG_S - (time.monotonic() - began)))
    finally:
        os.kill(pid, signal.SIGCONT)
    return Strike("hung_web", 0, ready_s, 0.0, goes_on_s)


async def _stop_in_a_transaction(house: RunningHouse, name: str, pid: int, chance: random.Random) -> None:
    """Stopped between two statements it holds the ledger's turn or balances; otherwise it is let go and tried again."""
    connection = await asyncpg.connect(house.superuser_dsn)
    try:
        for _ in range(TRIES):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.05)  # what the server is still doing for it ends
            if await connection.fetchval(IN_TRANSACTION, name):
                return
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(chance.uniform(0, 0.05))
        os.kill(pid, signal.SIGSTOP)
    finally:
        connection.terminate()


def _kill(house: RunningHouse, victim: str, sealer: int | None, chance: random.Random) -> set[int]:
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


async def done_so_far(house: RunningHouse) -> tuple[int, int]:
    """Events sealed and transfers posted; zeros when the database is away."""
    with suppress(*_AWAY):
        connection = await asyncpg.connect(house.app_dsn, timeout=2)
        try:
            row = await connection.fetchrow(
                "select n, (select count(*) from ledger.transfer) as transfers from work.head", timeout=2
            )
            assert row is not None
            return row["n"], row["transfers"]
        finally:
            connection.terminate()
    return 0, 0


async def _goes_on(house: RunningHouse, before: tuple[int, int], within_s: float = 30.0) -> float:
    """Seconds until there are more events and transfers than what may have been on its way."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        events, transfers = await done_so_far(house)
        if events > before[0] + FEW_EVENTS and transfers > before[1] + FEW_TRANSFERS:
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

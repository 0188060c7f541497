"""`python -m sahut_lab.bench.poster HOME CALLERS HOT RIDERS SECONDS`: so many coroutines post through the real ledger.

Each waits for its answer before it sends the next. Accounts 1 to 1,000 pay; with HOT every transfer credits the last.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop

from sahut.app.engines import app_dsn
from sahut.bedrock import currency_number
from sahut.db import open_pool
from sahut.ledger import Ledger, Transfer, TransferKind
from sahut.work import EventRow, JobRow
from sahut_lab.bench.report import percentiles

WARM_UP_S = 0.5
IDR = currency_number("IDR")


class Maker:
    """Makes transfers between funded accounts. `riders`: each brings one event and one job."""

    def __init__(self, accounts: list[int], *, hot: bool, riders: bool) -> None:
        *self._spread, self._hot_account = accounts
        self._hot, self._riders = hot, riders
        self._chance = random.Random()

    def make(self) -> Transfer:
        chance, spread = self._chance, self._spread
        payer = chance.randrange(len(spread))
        other = chance.randrange(len(spread) - 1)
        payee = self._hot_account if self._hot else spread[other + (other >= payer)]
        key = chance.getrandbits(128)
        events: tuple[EventRow, ...] = ()
        jobs: tuple[JobRow, ...] = ()
        if self._riders:
            subject = key >> 66
            events = (EventRow("wallet", subject, "payment_reserved", {"payment": subject}),)
            jobs = (JobRow("lab_rider", f"rider {subject}", {"payment": subject}),)
        return Transfer(
            principal=payer + 1,
            key=UUID(int=key),
            debit=spread[payer],
            credit=payee,
            amount_minor=chance.randint(1, 1000),
            currency=IDR,
            kind=TransferKind.PERSON,
            events=events,
            jobs=jobs,
        )


async def accounts_of(dsn: str) -> list[int]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select id from ledger.account where kind = 'customer' order by id")
        return [row["id"] for row in rows]
    finally:
        await connection.close()


async def main(home: Path, callers: int, hot: bool, riders: bool, seconds: float) -> None:
    dsn = app_dsn(home)
    maker = Maker(await accounts_of(dsn), hot=hot, riders=riders)
    pool = await open_pool(dsn, size=2, name="lab-poster")
    ledger = Ledger(pool)
    waits: list[float] = []
    warm = time.perf_counter() + WARM_UP_S
    stop = warm + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < stop:
            await ledger.post(maker.make())
            if began > warm:
                waits.append((time.perf_counter() - began) * 1e3)

    used = time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    used = time.process_time() - used
    await ledger.batcher.close()
    await pool.close()
    cpu = round(used / (seconds + WARM_UP_S), 2)
    print(json.dumps({"per_s": len(waits) / seconds, "cpu": cpu, **percentiles(waits)}))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1", sys.argv[4] == "1", float(sys.argv[5])))

"""`python -m sahut_lab.bench.seal_process seal DSN NAME`, `… write DSN RATE SECONDS`: the parts of `bench seal`.

The sealer is the product's own. The writer inserts as the application does, in commits of twenty events (one below a
hundred a second), and says how many it wrote.
"""

import asyncio
import json
import sys
import time

from sahut.db import open_connection
from sahut.work import Signer, run_sealer

TOGETHER = 20
INSERT = """
    insert into work.event (topic, subject, kind, body)
    select 'bench', i, 'said', '{"amount_minor": 1500000, "payment": "1882593475819487235"}'
      from generate_series(1, $1::int) as i"""


async def write(dsn: str, rate: int, seconds: float) -> None:
    """Insert so many events a second, on four connections; what could not be written in time is not written later."""
    connections = [await open_connection(dsn, name="lab-writer") for _ in range(4)]
    together = TOGETHER if rate > 100 else 1
    began, written, turns = time.perf_counter(), 0, 0
    waiting: set[asyncio.Task[str]] = set()
    free = list(connections)
    while (now := time.perf_counter() - began) < seconds:
        if turns * together > rate * now or not free:
            await asyncio.sleep(0.001)
            continue
        turns += 1
        connection = free.pop()
        task = asyncio.create_task(connection.execute(INSERT, together))
        waiting.add(task)

        def done(ended: "asyncio.Task[str]", used: object = connection) -> None:
            waiting.discard(ended)
            free.append(used)  # type: ignore[arg-type]

        task.add_done_callback(done)
        written += together
    await asyncio.gather(*waiting)
    print(json.dumps({"written": written, "seconds": time.perf_counter() - began}))
    for connection in connections:
        connection.terminate()


if __name__ == "__main__":
    if sys.argv[1] == "seal":
        asyncio.run(run_sealer(sys.argv[2], Signer.from_seed(b"b" * 32), None, name=sys.argv[3]))
    else:
        asyncio.run(write(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))

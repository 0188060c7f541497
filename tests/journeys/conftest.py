"""A whole house in the test's own loop: database, sealer, worker, hub, and the application behind a real server."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn

from sahut.bedrock import SystemClock
from sahut.db import open_pool
from sahut.journey import Intake, job_kinds
from sahut.ledger import Ledger
from sahut.people import SignIn
from sahut.wallet import Transfers
from sahut.web import House, Hub, build_app
from sahut.work import JobRunner, Signer, listen, run_sealer
from sahut_lab.demo import PEOPLE, seed

SARI, BUDI, LI_NA, BIMA = PEOPLE


# Use → connections, as a web process has them.
POOLS = {"pages": 8, "doors": 3, "money": 3, "messages": 2}


@dataclass
class Service:
    """A running house. `address`: of its server, also the public one."""

    house: House
    address: str
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, **more: object) -> httpx.AsyncClient:
        """A client without anything: no cookie, no token."""
        return httpx.AsyncClient(base_url=self.address, timeout=10, **more)  # type: ignore[arg-type]

    async def token(self, who: object) -> str:
        """A session of one of the demo people, opened once a test."""
        phone, pin = who.phone, who.pin  # type: ignore[attr-defined]
        if phone not in self.tokens:
            self.tokens[phone] = (await self.house.sign_in.sign_in(phone, pin))[0]
        return self.tokens[phone]

    async def signed_in(self, who: object) -> httpx.AsyncClient:
        """A client with the Bearer token of one of the demo people."""
        return self.client(headers={"authorization": f"Bearer {await self.token(who)}"})


@contextlib.asynccontextmanager
async def open_service(
    dsn: str, *, port: int = 0, hub_options: dict[str, object] | None = None
) -> AsyncIterator[Service]:
    """All roles of a house in this loop, over a database with the demo world."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    address = f"http://localhost:{listening.getsockname()[1]}"
    clock, signer = SystemClock(), Signer.from_seed(bytes(range(32)))
    pools = [await open_pool(dsn, size=size, name=f"journeys {use}") for use, size in POOLS.items()]
    pool, doors, money, messages = pools
    ledger, intake = Ledger(money), Intake(messages, signer, b"n" * 32, clock)
    hub = Hub(dsn, clock, **(hub_options or {}))  # type: ignore[arg-type]
    await intake.start()
    await hub.start()
    runner = JobRunner(pool, job_kinds(clock))
    house = House(
        pool=pool, doors=doors, clock=clock, sign_in=SignIn(doors, clock), transfers=Transfers(money, ledger),
        intake=intake, hub=hub,
        public_url=address, public_key=signer.public_key, cursor_key=b"c" * 32, readiness=_ready,
    )  # fmt: skip
    server = uvicorn.Server(
        uvicorn.Config(build_app(house), lifespan="off", log_level="warning", server_header=False, ws="none")
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    tasks = [
        asyncio.create_task(run_sealer(dsn, signer, None, name="journeys sealer")),
        asyncio.create_task(runner.run()),
        asyncio.create_task(listen(dsn, lambda _n: runner.wake(), name="journeys bell")),
        asyncio.create_task(server._serve([listening])),
    ]
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield Service(house, address)
    finally:
        hub.end_streams()
        server.should_exit = True
        await asyncio.wait_for(tasks.pop(), 10)
        runner.stop()
        await asyncio.wait_for(tasks[1], 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
        await intake.close()
        await ledger.batcher.close()
        await asyncio.gather(*(one.close() for one in pools))


async def _ready() -> None:
    return None


@pytest.fixture
async def service(app_dsn: str) -> AsyncIterator[Service]:
    await seed(app_dsn)
    async with open_service(app_dsn) as opened:
        yield opened

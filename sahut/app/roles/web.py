"""The ``web`` role: pages, API and live streams of one process.

Nothing is kept here that is not also in the database, so a process may be killed at any moment and any number may stand
beside each other behind the same sockets.
"""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import Iterator, Sequence

import uvicorn
import uvloop

from sahut.app.house import open_house
from sahut.app.listening import listen_on
from sahut.app.logs import write_logs
from sahut.app.observing.collector import traced
from sahut.app.observing.process import observed
from sahut.app.roles.bounded_http import BoundedHttp
from sahut.app.roles.heart import beating, heart_of
from sahut.app.settings import Settings
from sahut.web import build_app

DRAIN_S = 4
KEEP_ALIVE_S = 75  # longer than the usual 60 of a balancer, so that it is the one who closes
_BACKLOG = 2048
_CONNECTIONS_AT_MOST = 16_000  # streams have a narrower bound of their own; beyond this the answer is 503


def web(settings: Settings, *, name: str, descriptors: Sequence[int], watched: bool) -> None:
    """Serve until SIGTERM or SIGINT.

    ``descriptors``: listening sockets inherited from ``up``; none: bind ``SAHUT_PORT`` ourselves. ``watched``: by
    ``up``, so logs go to the home.
    """
    write_logs(settings.log, name, settings.home / "log" / f"{name}.log" if watched else None)
    # Each stream is an open file, and the usual soft limit of 1,024 is for programs that wait with `select`.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with traced(name), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, name, descriptors, watched=watched))


async def _serve(settings: Settings, name: str, descriptors: Sequence[int], *, watched: bool) -> None:
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors] or await listen_on(settings.port)
    async with (
        beating(heart_of(settings.home, name)) if watched else contextlib.nullcontext(),
        open_house(settings, name) as house,
        observed(settings, name, house.missing, watched=watched),
    ):
        server = _Server(
            uvicorn.Config(
                build_app(house),
                http=BoundedHttp,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=DRAIN_S,
                backlog=_BACKLOG,
                limit_concurrency=_CONNECTIONS_AT_MOST,
            )
        )

        def end() -> None:
            house.hub.end_streams()  # a stream never ends by itself, and the server waits for open answers
            server.should_exit = True

        def drain() -> None:
            # Balancers ask `/readyz` first and send nobody new; whoever says it twice does not wait. The sockets of a
            # child belong to `up`, and with `up` all of them end.
            again = house.draining.is_set()
            house.draining.set()
            loop.call_later(0 if again or watched else settings.drain_s, end)

        loop = asyncio.get_running_loop()
        for order in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(order, drain)
        await server.serve(sockets=sockets)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers, which would end the process before the house is closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

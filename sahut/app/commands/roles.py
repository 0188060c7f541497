"""The commands that run Sahut: everything at once, or one role alone."""

import asyncio
import contextlib
from typing import Annotated

import typer

from sahut.app.commands.telling import tell

Demo = Annotated[bool, typer.Option("--demo", help="Use a demo home with invented people; it stays a demo for ever.")]
Name = Annotated[str, typer.Option(help="What logs and PostgreSQL show for this process.")]
ListenFd = Annotated[list[int] | None, typer.Option(help="An inherited listening socket.", hidden=True)]
GateFd = Annotated[int | None, typer.Option(help="What to wait for before anything is opened.", hidden=True)]
Watched = Annotated[bool, typer.Option("--watched", help="Started by `up`: logs go to the home.", hidden=True)]


def up(demo: Demo = False) -> None:
    """Run everything on this machine: database, pages, work; watched, and ended with Ctrl-C."""
    from sahut.app.roles.up import up as run_up  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    asyncio.run(run_up(read_settings(demo=demo), demo=demo, say=_say))


def web(name: Name = "web", listen_fd: ListenFd = None, gate_fd: GateFd = None, watched: Watched = False) -> None:
    """Serve pages, API and live streams; as many as you like beside each other."""
    from sahut.app.roles.children import Gate  # noqa: PLC0415
    from sahut.app.roles.web import web as run_web  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    Gate.wait(gate_fd)
    run_web(read_settings(), name=name, descriptors=listen_fd or [], watched=watched)


def work(name: Name = "work", gate_fd: GateFd = None, watched: Watched = False) -> None:
    """Do the durable jobs and number what happened; as many as you like beside each other."""
    from sahut.app.roles.children import Gate  # noqa: PLC0415
    from sahut.app.roles.work import work as run_work  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    Gate.wait(gate_fd)
    run_work(read_settings(), name=name, watched=watched)


def migrate() -> None:
    """Bring the database to this release; safe when several do it at once."""
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.engines import check_owner  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415
    from sahut.db import MigrationBlocked, MigrationChanged, NewerDatabase  # noqa: PLC0415
    from sahut.db import migrate as apply  # noqa: PLC0415

    settings = read_settings()
    owner = settings.owner_dsn
    if owner is None:
        raise CannotStart("SAHUT_DATABASE_OWNER_URL is missing: migrations run as the owner of the tables.")
    if settings.database_url is not None:
        asyncio.run(check_owner(owner))
    try:
        applied = asyncio.run(apply(owner))
    except (MigrationBlocked, MigrationChanged, NewerDatabase) as problem:
        raise CannotStart(f"The database stays as it is: {problem}.") from problem
    for migration in applied:
        tell(migration)


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that went away is no reason to end
        tell(sentence)

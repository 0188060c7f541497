"""The commands for durable jobs: what waits, what runs, what was buried with which story, and what to do about it."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sahut.app.commands.telling import tell

if TYPE_CHECKING:
    from sahut.db import Connection
    from sahut.work import BuriedJob, JobTold, KindOfJobs

Demo = Annotated[bool, typer.Option("--demo", help="Of the demo home that ./run uses.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Key = Annotated[str, typer.Argument(help="The job's key, as the list shows it.")]
KeyOrNone = Annotated[str | None, typer.Argument(help="The job's key, as the list shows it.")]
Kind = Annotated[str | None, typer.Option(help="All buried jobs of this kind instead of one key.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the log for ever, so it names no customer.")]

AnswerT = TypeVar("AnswerT")

jobs = typer.Typer(help="Show what is to be done, by kind; revive or bury a job.", add_completion=False)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_DATABASE_WAIT_S = 60.0


@jobs.callback(invoke_without_command=True)
def overview(context: typer.Context, as_json: Json = False, demo: Demo = False) -> None:
    """Show what is to be done, by kind; revive or bury a job."""
    if context.invoked_subcommand is not None:
        return
    from sahut.app.wiring import job_kinds  # noqa: PLC0415
    from sahut.work import buried_jobs, forgotten_kinds, jobs_by_kind  # noqa: PLC0415

    async def look(connection: "Connection") -> "tuple[list[KindOfJobs], list[BuriedJob]]":
        return await jobs_by_kind(connection), await buried_jobs(connection)

    kinds, buried = _with_database(look, demo=demo)
    known = {kind.name for kind in job_kinds()}
    sentences = forgotten_kinds(kinds, known)
    if as_json:
        told_kinds = [{**asdict(one), "known": one.kind in known} for one in kinds]
        _print_json({"kinds": told_kinds, "buried": [asdict(one) for one in buried], "sentences": sentences})
    else:
        _print_table(kinds, known)
        for one in buried:
            tell(f"Buried since {one.buried_at:%Y-%m-%d %H:%M} UTC: {one.key}")
        for sentence in sentences:
            tell(sentence)


@jobs.command("show")
def show(key: Key, as_json: Json = False, demo: Demo = False) -> None:
    """Show one job with the story of its failures. Exit code 1 when there is none with this key."""
    from sahut.work import job_told  # noqa: PLC0415

    told = _with_database(lambda connection: job_told(connection, key), demo=demo)
    if told is None:
        _say_no(f"There is no job {key!r}: it is done, or never was.")
    elif as_json:
        _print_json(asdict(told))
    else:
        _print_job(told)


@jobs.command("revive")
def revive(reason: Reason, key: KeyOrNone = None, kind: Kind = None, demo: Demo = False) -> None:
    """Let a buried job, or all of a kind, be tried again with all its tries. Exit code 1 when none is buried there."""
    from sahut.app.by_hand import who  # noqa: PLC0415
    from sahut.work import revive as revive_one  # noqa: PLC0415
    from sahut.work import revive_kind  # noqa: PLC0415

    if (key is None) == (kind is None):
        raise typer.BadParameter("give either a KEY or --kind")
    by, why = who(), _checked(reason)
    if kind is not None:
        count = _with_database(lambda connection: revive_kind(connection, kind, by=by, reason=why), demo=demo)
        if not count:
            _say_no(f"No job of the kind {kind!r} is buried.")
        tell(f"{count} jobs of the kind {kind} are in line again." + _more(count))
    else:
        assert key is not None
        if not _with_database(lambda connection: revive_one(connection, key, by=by, reason=why), demo=demo):
            _say_no(f"No job {key!r} is buried.")
        tell(f"{key} is in line again.")


@jobs.command("bury")
def bury(key: Key, reason: Reason, demo: Demo = False) -> None:
    """Keep a job from being tried until it is revived. Exit code 1 when there is none, or it is buried already."""
    from sahut.app.by_hand import who  # noqa: PLC0415
    from sahut.work import bury as bury_one  # noqa: PLC0415

    by, why = who(), _checked(reason)
    if not _with_database(lambda connection: bury_one(connection, key, by=by, reason=why), demo=demo):
        _say_no(f"There is no job {key!r} to bury: it is done, never was, or is buried already.")
    tell(f"{key} is buried. What it was doing just now is undone.")


def _with_database(ask: "Callable[[Connection], Awaitable[AnswerT]]", *, demo: bool) -> AnswerT:
    """Ask in one transaction with the rights of the application. **Refuses**: `CannotStart`."""
    import asyncpg  # noqa: PLC0415

    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415
    from sahut.db import AWAY, open_connection  # noqa: PLC0415

    async def answer() -> AnswerT:
        reading = {"enable_seqscan": "on", "plan_cache_mode": "auto"}  # a list reads the whole table
        connection = await open_connection(dsn, name="sahut-jobs", command_timeout_s=_DATABASE_WAIT_S, **reading)
        try:
            async with connection.transaction():
                return await ask(connection)
        finally:
            await connection.close()

    dsn = read_settings(demo=demo).app_dsn
    try:
        return asyncio.run(answer())
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
        raise CannotStart("The database is of an older release: `sahut migrate` brings it to this one.") from None
    except AWAY:
        raise CannotStart("The database does not answer: is Sahut running?") from None


def _checked(reason: str) -> str:
    from sahut.work import REASON_CHARACTERS  # noqa: PLC0415

    reason = " ".join(reason.split())
    if not 0 < len(reason) <= REASON_CHARACTERS or not reason.isprintable():
        raise typer.BadParameter(f"a reason has from 1 to {REASON_CHARACTERS} characters", param_hint="--reason")
    return reason


def _more(count: int) -> str:
    from sahut.work import REVIVED_AT_MOST  # noqa: PLC0415

    return " There may be more: say it again." if count >= REVIVED_AT_MOST else ""


def _print_table(kinds: "list[KindOfJobs]", known: set[str]) -> None:
    if not kinds:
        tell("Nothing is to be done.")
        return
    width = max(len("kind"), *(len(one.kind) for one in kinds))
    tell(f"{'kind':<{width}} {'waiting':>9} {'due':>9} {'running':>9} {'buried':>9}  oldest due")
    for one in kinds:
        since = _ago(one.oldest_due_s) if one.due else "-"
        unknown = "" if one.kind in known else "  not known to this release"
        tell(f"{one.kind:<{width}} {one.waiting:>9} {one.due:>9} {one.running:>9} {one.buried:>9}  {since}{unknown}")


def _print_job(told: "JobTold") -> None:
    tell(f"{told.key}: {told.state}, of the kind {told.kind}.")
    if told.state in ("waiting", "due"):
        when = f"in {_ago(told.due_in_s)}" if told.due_in_s > 0 else f"since {_ago(-told.due_in_s)}"
        tell(f"Due {when} ({told.run_at:%Y-%m-%d %H:%M:%S} UTC).")
    if told.held_by:
        tell(f"Claimed last by {told.held_by}.")
    if told.buried_at is not None:
        tell(f"Buried at {told.buried_at:%Y-%m-%d %H:%M:%S} UTC.")
    tell(f"Tried {told.attempts - told.forgiven} times, and {told.forgiven} times more that do not count.")
    tell(f"Body: {json.dumps(told.body)[:2000]}")
    for failure in told.story:
        tell(f"  {str(failure.get('at'))[:19]}  {failure.get('error')}")


def _print_json(answer: dict[str, Any]) -> None:
    tell(json.dumps(answer, default=str))


def _say_no(sentence: str) -> None:
    tell(sentence, err=True)
    raise typer.Exit(1)


def _ago(seconds: float) -> str:
    """A duration in its largest unit that is not zero."""
    if not math.isfinite(seconds):
        return "for ever"
    unit_s, unit = next(((size, name) for size, name in _UNITS if seconds >= size), (1, "s"))
    return f"{int(seconds // unit_s)} {unit}"

"""The commands of backup and restore."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sahut.app.commands.telling import tell

if TYPE_CHECKING:
    from sahut.app.backups import Restored

Demo = Annotated[bool, typer.Option("--demo", help="Of the demo home that ./run uses.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DrillToo = Annotated[bool, typer.Option("--drill", help="Restore the newest into a temporary home and audit it.")]
Moment = Annotated[str, typer.Option("--to", help="`latest`, or a moment with its zone: 2026-03-01T12:00:00+07:00.")]
Into = Annotated[Path | None, typer.Option(help="The home to make; without it the one that SAHUT_HOME names.")]
Timeline = Annotated[int | None, typer.Option(help="Follow this timeline instead of the newest.")]
Name = Annotated[str, typer.Option(help="What logs and PostgreSQL show for this process.")]
Watched = Annotated[bool, typer.Option("--watched", help="Started by `up`: logs go to the home.", hidden=True)]
GateFd = Annotated[int | None, typer.Option(help="Wait until this descriptor ends.", hidden=True)]


def backup(drill: DrillToo = False, as_json: Json = False, demo: Demo = False) -> None:
    """Take a base backup now, or with --drill prove that the newest can be restored."""
    from sahut.app.backups import drill as do_drill  # noqa: PLC0415
    from sahut.app.backups import give_place_to_service, take_base  # noqa: PLC0415
    from sahut.app.logs import write_logs  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415
    from sahut.app.stepping_down import act_for_owner  # noqa: PLC0415

    write_logs("warning", "backup")
    settings = read_settings(demo=demo)
    if settings.home.exists():  # a drill needs none
        give_place_to_service(settings)
        act_for_owner(settings.home)
    if drill:
        done = asyncio.run(do_drill(settings, _say(as_json)))
        if as_json:
            _print(done.as_dict())
        else:
            _tell(done.restored)
            tell(f"The drill took {done.ready_s:.1f} s; nothing of it stays but its record.")
        if not done.restored.is_clean:
            raise typer.Exit(1)
        return
    base = asyncio.run(take_base(settings, _say(as_json)))
    if as_json:
        _print({name: getattr(base, name) for name in base.__slots__})
        return
    tell(f"{base.name}: {base.bytes / 1e6:.1f} MB in {base.took_s:.1f} s, every file checked.")
    if settings.backup is not None and settings.backup.passphrase_file is None:
        tell("The keys lie there unencrypted: SAHUT_BACKUP_PASSPHRASE_FILE closes them.")


def restore(
    to: Moment, into: Into = None, timeline: Timeline = None, as_json: Json = False, demo: Demo = False
) -> None:
    """Make a home from the backups, as it was at a moment or at the end; never over another one."""
    from sahut.app.backups import parse_moment  # noqa: PLC0415
    from sahut.app.backups import restore as do_restore  # noqa: PLC0415
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.logs import write_logs  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    write_logs("warning", "backup")
    settings = read_settings(demo=demo)
    target = into or settings.home
    if not target.is_absolute():
        raise CannotStart(f"--into must be an absolute path, not {str(target)!r}.")
    restored = asyncio.run(do_restore(settings, target, parse_moment(to), _say(as_json), timeline))
    if as_json:
        _print(restored.as_dict())
    else:
        _tell(restored)
        tell(f"{target} is ready for `sahut up`.")
    if not restored.is_clean:
        raise typer.Exit(1)


def archive(name: Name = "archive", watched: Watched = False, gate_fd: GateFd = None) -> None:
    """Receive the write-ahead log as it is written, and take base backups when they are due; `up` runs it."""
    from sahut.app.roles.archive import archive as run_archive  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    run_archive(read_settings(), name=name, watched=watched, gate_fd=gate_fd)


def _tell(restored: "Restored") -> None:
    ended = restored.ended_at.isoformat() if restored.ended_at else "the base backup"
    tell(f"Restored from {restored.base}, up to {ended}: {restored.transfers} transfers, {restored.contacts} contacts.")
    if restored.last_transfer_at is not None:
        tell(f"The last transfer is of {restored.last_transfer_at.isoformat()}.")
    if restored.published_at is None:
        tell(f"The log ends at n={restored.log_n}; no published head was found to hold it against.")
    else:
        missing = "no event is missing" if restored.missing == 0 else f"{restored.missing} events are missing"
        tell(
            f"The log ends at n={restored.log_n}; the last published head "
            f"({restored.published_at.isoformat()}) said n={restored.published_n}: {missing}."
        )
        if restored.proven_n:
            tell(f"Its first {restored.proven_n} events are the published ones, by their hashes.")
    for finding in restored.findings:
        tell(finding)
    tell("The books agree." if restored.is_clean else f"{len(restored.findings)} findings.")


def _say(as_json: bool) -> Any:
    return lambda sentence: tell(sentence, err=as_json)


def _print(told: dict[str, Any]) -> None:
    tell(json.dumps(told, default=str))

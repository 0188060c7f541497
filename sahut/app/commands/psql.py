"""`sahut psql`: the database by hand, for whoever says why."""

from typing import Annotated

import typer

Demo = Annotated[bool, typer.Option("--demo", help="Of the demo home that ./run uses.")]
Owner = Annotated[bool, typer.Option("--owner", help="As the owner of the tables instead of the application.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log for ever, with your name. No personal data.")]
Rest = Annotated[list[str] | None, typer.Argument(help="What psql gets, after `--`: -c 'select 1', -f FILE …")]


def psql(reason: Reason, rest: Rest = None, owner: Owner = False, demo: Demo = False) -> None:
    """Open psql on the database, as the application. It can show customers' data, so the log says who and why."""
    from sahut.app.by_hand import open_psql  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    open_psql(read_settings(demo=demo), reason, rest or [], owner=owner)

"""The commands of the laboratory: worlds to try, figures to measure, plugs to pull."""

import asyncio
import json
from typing import Annotated, Any

import typer

from sahut.app.commands.telling import tell

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quick = Annotated[bool, typer.Option("--quick", help="Only prove that it runs.")]
Size = Annotated[int | None, typer.Option(help="How much: seconds, streams, kills or events, as each says.")]
Seed = Annotated[int, typer.Option(help="The same seed repeats the same run.")]
Which = Annotated[str, typer.Argument(help="Its name; an unknown one shows all names.")]


def demo() -> None:
    """Fill a demo home with invented people; `up --demo` does it by itself."""
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.home import Home  # noqa: PLC0415
    from sahut.app.laboratory import laboratory  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    settings = read_settings(demo=True)
    home = Home(settings.home)
    if not home.is_demo:
        raise CannotStart(f"{settings.home} is not a demo home: `sahut up --demo` makes one.")
    home.refuse_elsewhere(settings)
    asyncio.run(laboratory("demo").seed(settings.app_dsn))


def bench(which: Which, as_json: Json = False, quick: Quick = False, size: Size = None) -> None:
    """Measure one thing beside its reference, in the same run; `all` measures everything."""
    part = _part("bench", which, all_too=True)
    names = list(part.NAMES) if which == "all" else [which]
    outcomes = {name: part.run(name, quick=quick, size=size) for name in names}
    _show(outcomes if which == "all" else outcomes[which], as_json=as_json)


def trial(which: Which, as_json: Json = False, seed: Seed = 0, size: Size = None) -> None:
    """Pull plugs while clients work, and compare what they wrote down with the books. Exit code 1 when it failed."""
    outcome = _part("trial", which).run(which, seed=seed, size=size)
    _show(outcome, as_json=as_json)
    if not outcome["passed"]:
        raise typer.Exit(1)


def _part(name: str, which: str, *, all_too: bool = False) -> Any:
    """Give a part of the laboratory that knows ``which``. **Refuses**: ``CannotStart`` with all that it knows."""
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.laboratory import laboratory  # noqa: PLC0415

    part = laboratory(name)
    if which not in part.NAMES and not (all_too and which == "all"):
        known = "\n".join(f"  {known:<10} {what}" for known, what in part.NAMES.items())
        raise CannotStart(f"No {name} is named {which}. There are:\n{known}")
    return part


def _show(outcome: Any, *, as_json: bool) -> None:
    tell(json.dumps(outcome, indent=None if as_json else 2, ensure_ascii=False, default=str))

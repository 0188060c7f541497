"""The commands of the laboratory: worlds to try, figures to measure, plugs to pull."""

import asyncio
import json
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Seed = Annotated[int, typer.Option(help="The same seed repeats the same run.")]
Which = Annotated[str, typer.Argument(help="Its name; an unknown one shows all names.")]


def demo() -> None:
    """Fill a demo home with invented people; `up --demo` does it by itself."""
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.home import Home  # noqa: PLC0415
    from sahut.app.laboratory import laboratory  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    settings = read_settings(demo=True)
    if not Home(settings.home).is_demo:
        raise CannotStart(f"{settings.home} is not a demo home: `sahut up --demo` makes one.")
    asyncio.run(laboratory("demo").seed(settings.app_dsn))


def bench(which: Which, as_json: Json = False) -> None:
    """Measure one thing beside its reference, in the same run."""
    from sahut.app.laboratory import laboratory  # noqa: PLC0415

    _show(laboratory("bench").run(which), as_json=as_json)


def trial(which: Which, as_json: Json = False, seed: Seed = 1) -> None:
    """Pull plugs while clients work, and compare what they wrote down with the books."""
    from sahut.app.laboratory import laboratory  # noqa: PLC0415

    outcome = laboratory("trial").run(which, seed=seed)
    _show(outcome, as_json=as_json)
    if not outcome.get("passed", False):
        raise typer.Exit(1)


def _show(outcome: Any, *, as_json: bool) -> None:
    typer.echo(json.dumps(outcome, indent=None if as_json else 2, ensure_ascii=False, default=str))

"""`sahut doctor`: what is wrong, in sentences, and what to do."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sahut.app.commands.telling import tell

if TYPE_CHECKING:
    from sahut.app.doctor import Finding

Demo = Annotated[bool, typer.Option("--demo", help="Of the demo home that ./run uses.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
All = Annotated[bool, typer.Option("--all", help="Show also what is as it should be.")]
_MARKS = {"ok": "  ok   ", "warn": "  WARN ", "wrong": "WRONG  "}


def doctor(as_json: Json = False, demo: Demo = False, everything: All = False) -> None:
    """Say what is wrong with this installation and what to do. Exit code 1 when something is wrong."""
    findings = _examine(demo=demo)
    is_wrong = any(finding.severity == "wrong" for finding in findings)
    if as_json:
        tell(json.dumps({"healthy": not is_wrong, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            if everything or finding.severity != "ok":
                advice = f"\n         {finding.advice}" if finding.advice else ""
                tell(f"{_MARKS[finding.severity]}{finding.check}: {finding.sentence}{advice}")
        fine = sum(finding.severity == "ok" for finding in findings)
        tell(f"{len(findings)} checks, {fine} of them fine.")
    if is_wrong:
        raise typer.Exit(1)


def _examine(*, demo: bool) -> "list[Finding]":
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.app.doctor import Finding, Severity, examine  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415
    from sahut.app.wiring import job_kinds  # noqa: PLC0415

    try:
        settings = read_settings(demo=demo)
    except CannotStart as sentence:
        return [Finding("settings", Severity.WRONG, str(sentence), "Correct it and ask again.")]
    return asyncio.run(examine(settings, frozenset(kind.name for kind in job_kinds())))

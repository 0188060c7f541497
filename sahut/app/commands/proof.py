"""The commands that prove: the books of money and care, the sealed log, one receipt."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
File = Annotated[
    Path, typer.Argument(help="A receipt or a proof, as JSON.", exists=True, dir_okay=False, readable=True)
]
Key = Annotated[str | None, typer.Option(help="The public key in hex; without it the one that the file names.")]


def audit(as_json: Json = False) -> None:
    """Go over the books of money and care and the sealed log. Exit code 1 when anything does not agree."""
    from sahut.app.audit import audit as go_over  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415

    findings = asyncio.run(go_over(read_settings().app_dsn))
    if as_json:
        typer.echo(json.dumps({"clean": not findings, "findings": [str(finding) for finding in findings]}))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo("The books agree." if not findings else f"{len(findings)} findings.")
    if findings:
        raise typer.Exit(1)


def verify(file: File, key: Key = None, as_json: Json = False) -> None:
    """Check a receipt and its proof of inclusion offline. Exit code 1 when it does not hold."""
    from sahut.app.cannot_start import CannotStart  # noqa: PLC0415
    from sahut.journey import verify_contact_file  # noqa: PLC0415

    try:
        trusted = None if key is None else bytes.fromhex(key)
    except ValueError:
        raise CannotStart("--key takes the public key in hex, 64 characters.") from None
    verdict = verify_contact_file(file.read_bytes(), trusted)
    if as_json:
        typer.echo(json.dumps({"good": verdict.good, "lines": verdict.lines}, ensure_ascii=False))
    else:
        typer.echo("\n".join(verdict.lines))
    if not verdict.good:
        raise typer.Exit(1)

"""The commands that prove: the books of money and care, the sealed log, one receipt."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

Demo = Annotated[bool, typer.Option("--demo", help="Of the demo home that ./run uses.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
File = Annotated[
    Path,
    typer.Argument(
        help="A receipt, or what *Download receipt* saved: receipt and proof, as JSON.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]
Key = Annotated[str | None, typer.Option(help="The public key in hex; without it the one that the file names.")]


def audit(as_json: Json = False, demo: Demo = False) -> None:
    """Go over the books of money and care and the sealed log. Exit code 1 when anything does not agree."""
    from sahut.app.audit import audit as go_over  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415
    from sahut.app.wiring import signer_of  # noqa: PLC0415

    settings = read_settings(demo=demo)
    findings = asyncio.run(go_over(settings.app_dsn, signer_of(settings).public_key))
    if as_json:
        typer.echo(json.dumps({"clean": not findings, "findings": [str(finding) for finding in findings]}))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo("The books agree." if not findings else f"{len(findings)} findings.")
    if findings:
        raise typer.Exit(1)


_HOLDS = {
    False: "It holds.",
    True: "It holds for the key in the file; give ours with --key to be sure that it is ours.",
}


def verify(file: File, key: Key = None, as_json: Json = False) -> None:
    """Check a receipt and its proof of inclusion offline. Exit code 1 when anything it claims does not hold."""
    from sahut.journey import verify_contact_file  # noqa: PLC0415

    try:
        public_key = None if key is None else bytes.fromhex(key)
    except ValueError:
        public_key = b""
    if public_key is not None and len(public_key) != 32:
        raise typer.BadParameter("a public key is 64 hex digits", param_hint="--key")
    verdict = verify_contact_file(file.read_bytes(), public_key)
    if as_json:
        typer.echo(json.dumps({"good": verdict.good, "lines": verdict.lines}))
    else:
        typer.echo("\n".join([*verdict.lines, _HOLDS[key is None] if verdict.good else "It does NOT hold."]))
    if not verdict.good:
        raise typer.Exit(1)

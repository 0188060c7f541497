"""The commands that prove: the books of money and care, the sealed log, one receipt."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from sahut.app.commands.telling import tell

Demo = Annotated[bool, typer.Option("--demo", help="Of the demo home that ./run uses.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Files = Annotated[
    list[Path],
    typer.Argument(
        help="A receipt, or what *Download receipt* saved, as JSON; or files of published heads (*.jsonl).",
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
        tell(json.dumps({"clean": not findings, "findings": [str(finding) for finding in findings]}))
    else:
        for finding in findings:
            tell(str(finding))
        tell("The books agree." if not findings else f"{len(findings)} findings.")
    if findings:
        raise typer.Exit(1)


_HOLDS = {
    False: "It holds.",
    True: "It holds for the key in the file; give ours with --key to be sure that it is ours.",
}


def verify(files: Files, key: Key = None, as_json: Json = False) -> None:
    """Check a receipt with its proof, or published heads of the log, offline. Exit code 1 when it does not hold."""
    try:
        public_key = None if key is None else bytes.fromhex(key)
    except ValueError:
        public_key = b""
    if public_key is not None and len(public_key) != 32:
        raise typer.BadParameter("a public key is 64 hex digits", param_hint="--key")
    good, lines = _checked(files, public_key)
    if as_json:
        tell(json.dumps({"good": good, "lines": lines}))
    else:
        tell("\n".join([*lines, _HOLDS[key is None] if good else "It does NOT hold."]))
    if not good:
        raise typer.Exit(1)


def _checked(files: list[Path], public_key: bytes | None) -> tuple[bool, list[str]]:
    """The verdict on a receipt, or on all the heads of some files."""
    from sahut.journey import verify_contact_file  # noqa: PLC0415
    from sahut.work import verify_heads  # noqa: PLC0415

    if len(files) == 1 and files[0].suffix != ".jsonl":
        verdict = verify_contact_file(files[0].read_bytes(), public_key)
        return verdict.good, verdict.lines
    return verify_heads([file.read_bytes() for file in files], public_key)


Months = Annotated[int, typer.Option("--months", help="How many whole months before this one are kept, 3 at least.")]
Yes = Annotated[bool, typer.Option("--yes", help="Take them away, not only show them.")]


def retain(months: Months, yes: Yes = False, as_json: Json = False, demo: Demo = False) -> None:
    """Show which old months of the log would go; with --yes take them away. Signed heads and proofs stay for ever."""
    from sahut.app.retention import NoOwner, take_old_months  # noqa: PLC0415
    from sahut.app.settings import read_settings  # noqa: PLC0415
    from sahut.work import NotRetired  # noqa: PLC0415

    try:
        old = asyncio.run(take_old_months(read_settings(demo=demo), months, yes=yes))
    except (NotRetired, NoOwner) as refused:
        tell(str(refused), err=True)
        raise typer.Exit(1) from refused
    if as_json:
        told = [{"month": f"{one.month:%Y-%m}", "events": one.events, "unsealed": one.unsealed} for one in old]
        tell(json.dumps({"gone": yes, "months": told}))
        return
    for one in old:
        tell(f"{one.month:%Y-%m}: {one.events} events, {one.unsealed} of them without a number")
    done = "They are gone." if yes else "With --yes they go; nothing was changed."
    tell(done if old else "Nothing is so old.")

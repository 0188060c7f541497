"""What SQL is made of, as far as it must be told apart: what stands in quotes or comments, and the text between.

PostgreSQL's own rules: doubled quotes, backslashes in `E''`, dollar quotes with tags, quoted identifiers, and block
comments that nest.
"""

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["text", "quoted", "comment"]

_OPENING = re.compile(
    r"(?P<block>/\*)|(?P<line>--)|(?P<escaped>(?<!\w)[eE]')|(?P<single>')|(?P<double>\")"
    r"|(?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)"
)
_CLOSING = {
    "line": re.compile(r"[^\n]*"),
    "escaped": re.compile(r"(?:[^'\\]|\\.|'')*'", re.DOTALL),
    "single": re.compile(r"(?:[^']|'')*'"),
    "double": re.compile(r'(?:[^"]|"")*"'),
}
_BLOCK = re.compile(r"/\*|\*/")


class Unfinished(ValueError):
    """A quote or a comment that never ends."""


def tokens(written: str) -> Iterator[tuple[Kind, str]]:
    """The parts of a text of SQL in their order; put together they are the text again.

    Refuses: `Unfinished`.
    """
    at = 0
    while found := _OPENING.search(written, at):
        if found.start() > at:
            yield "text", written[at : found.start()]
        at = _end(written, found)
        yield "comment" if found.lastgroup in {"block", "line"} else "quoted", written[found.start() : at]
    if at < len(written):
        yield "text", written[at:]


def statements(written: str) -> list[str]:
    """The statements of a text, without the semicolons between them; comments alone are none."""
    parts: list[tuple[str, bool]] = [("", False)]  # text so far, and whether it says anything
    for kind, part in tokens(written):
        pieces = part.split(";") if kind == "text" else [part]
        for index, piece in enumerate(pieces):
            if index:
                parts.append(("", False))
            text, says = parts[-1]
            parts[-1] = (text + piece, says or (kind != "comment" and bool(piece.strip())))
    return [text.strip() for text, says in parts if says]


def bare(written: str) -> str:
    """The text in small letters with single spaces, without comments and without what stands in quotes."""
    said = ((kind, part) for kind, part in tokens(written) if kind != "comment")
    return " ".join(
        "".join("''" if kind == "quoted" and part[0] != '"' else part for kind, part in said).lower().split()
    )


def _end(written: str, opening: re.Match[str]) -> int:
    kind = opening.lastgroup
    if kind == "block":
        return _end_of_block(written, opening.start())
    if kind == "dollar":
        end = written.find(opening[0], opening.end())
        if end >= 0:
            return end + len(opening[0])
    else:
        assert kind is not None
        closed = _CLOSING[kind].match(written, opening.end())
        if closed is not None:
            return closed.end()
    raise Unfinished(f"what begins with {written[opening.start() : opening.start() + 20]!r} never ends")


def _end_of_block(written: str, start: int) -> int:
    depth = 0
    for mark in _BLOCK.finditer(written, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    raise Unfinished(f"the comment {written[start : start + 20]!r} never ends")

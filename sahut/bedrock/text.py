"""Text with bounds: what comes from outside is checked once, here, before anything keeps it."""

import re

from sahut.bedrock.refusal import Refusal

# C0 and C1 but for tab and line ends (NUL is refused), and the bidirectional controls of UAX #9.
_UNSEEN = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class BadText(Refusal):
    """The text is empty, too long, or has characters that no table can keep."""

    code = "bad_text"
    shown = ("field", "reason", "at_most")

    def __init__(self, field: str, reason: str, at_most: int) -> None:
        self.field, self.reason, self.at_most = field, reason, at_most
        super().__init__(field, reason)


def bounded_text(text: str, field: str, *, at_most: int, at_least: int = 1, at_most_bytes: int | None = None) -> str:
    """The text without white space around it and without control characters, line ends and tabs aside.

    What turns the direction of writing goes too: it comes along from other programs unseen, and can make a text look
    like another.

    `at_least`, `at_most`: length in characters (code points). `at_most_bytes`: length in UTF-8, where something outside
    counts bytes; without it a text takes at most four for each character.
    Refuses: `bad_text` with the reason `too_short`, `too_long`, `too_many_bytes` (then `at_most` is that of the bytes),
    `nul` (PostgreSQL keeps none) or `not_unicode` (a lone surrogate).
    """
    if len(text) > at_most * 2 + 64:  # do not even strip what is far too long
        raise BadText(field, "too_long", at_most)
    text = _UNSEEN.sub("", text).strip()
    if len(text) < at_least:
        raise BadText(field, "too_short", at_most)
    if len(text) > at_most:
        raise BadText(field, "too_long", at_most)
    if "\0" in text:
        raise BadText(field, "nul", at_most)
    try:
        written = text.encode()
    except UnicodeEncodeError:
        raise BadText(field, "not_unicode", at_most) from None
    if at_most_bytes is not None and len(written) > at_most_bytes:
        raise BadText(field, "too_many_bytes", at_most_bytes)
    return text

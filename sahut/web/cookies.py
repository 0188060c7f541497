"""Reading cookies: our own by their exact names, in one pass, and only values that we could have given.

The standard library unquotes what browsers quote, in time that grows with the square of what a stranger sends. Our
values need no quotes: they are tokens and base64url.
"""

import re

HEADER_AT_MOST = 8192
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")
_RECEIPT = re.compile(r"[A-Za-z0-9_-]{20,4096}")


def token_in(header: str, name: str) -> str | None:
    """The token in our cookie `name`; None without one, and for whatever cannot be a token."""
    return _value_in(header, name, _TOKEN)


def receipt_in(header: str, name: str) -> str | None:
    """The base64url text in our cookie `name`; None without one, and for whatever cannot be a receipt."""
    return _value_in(header, name, _RECEIPT)


def _value_in(header: str, name: str, shape: re.Pattern[str]) -> str | None:
    if len(header) > HEADER_AT_MOST:
        return None
    for pair in header.split(";"):
        found, equals, value = pair.strip(" \t").partition("=")
        if equals and found == name:
            return value if shape.fullmatch(value) else None
    return None

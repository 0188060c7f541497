"""Reading what a client sends: bounded while it arrives, strict, and every no has a name and a field.

JSON is read by the standard library because it lets us see a key that stands twice; the shape is then checked by
msgspec. Forms of our own pages become the same sort of value, so a view sees one kind of request.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Message, Receive

from sahut.web.rules import (
    BadCharacters,
    BodyTooLarge,
    BodyTooSlow,
    DuplicateField,
    MissingField,
    NotJson,
    UnknownField,
    WrongContentType,
    WrongField,
)

AT_MOST_BYTES = 64 * 1024
AT_MOST_FIELDS = 64
BODY_WITHIN_S = 15
READ_ON_AT_MOST_BYTES = 1024 * 1024
READ_ON_S = 3.0

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Left(Exception):
    """The client went away before the request was complete; nobody waits for an answer."""


async def read_body(receive: Receive, declared: str | None, *, at_most: int = AT_MOST_BYTES) -> bytes:
    """The whole body.

    `declared`: the `Content-Length` that was sent, which saves reading what is too large anyway; the bound holds while
    reading, whatever was declared. Refuses: `body_too_large`, `body_too_slow`.
    """
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await _read_bounded(receive, declared, at_most)
    except TimeoutError:
        raise BodyTooSlow(BODY_WITHIN_S) from None


async def _read_bounded(receive: Receive, declared: str | None, at_most: int) -> bytes:
    if declared is not None and declared.isascii() and declared.isdigit() and int(declared[:12]) > at_most:
        if int(declared[:12]) <= READ_ON_AT_MOST_BYTES:
            await _read_on(receive, {"more_body": True})
        raise BodyTooLarge(at_most)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Left
        part = message.get("body", b"")
        size += len(part)
        if size > at_most:
            await _read_on(receive, message)
            raise BodyTooLarge(at_most)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _read_on(receive: Receive, message: Message) -> None:
    """Let a client finish that is a little over the bound: one who is still sending would not hear our answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_ON_S):
            while message.get("more_body", False) and size <= READ_ON_AT_MOST_BYTES:
                message = await receive()
                size += len(message.get("body", b""))


def read_json(body: bytes, content_type: str, shape: type[Shape]) -> Shape:
    """The body as a value of the shape.

    Refuses: `wrong_content_type`, `not_json`, `duplicate_field`, `missing_field`, `unknown_field`, `wrong_field`,
    `bad_characters`.
    """
    _check_content_type(content_type, "application/json")
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, more digits than a number can have, too deep
        raise NotJson from None
    if "\\u" in text:  # only an escape can bring in a NUL or half of a surrogate pair
        _check_characters(value, "")
    return _shaped(value, shape)


def read_form(body: bytes, content_type: str, shape: type[Shape]) -> Shape:
    """A form of ours as a value of the shape, whose fields are all texts. Refuses what `read_json` refuses."""
    _check_content_type(content_type, "application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=AT_MOST_FIELDS, separator="&"
        )
    except ValueError:
        raise NotJson from None
    value = _object(pairs)
    _check_characters(value, "")
    return _shaped(value, shape)


def read_number(text: str | None, field: str, *, default: int, at_most: int = 2**63 - 1) -> int:
    """A whole number out of an address or a header. Refuses: `wrong_field`."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= at_most):
        raise WrongField(field, f"a whole number from 0 to {at_most}")
    return int(text)


def _check_content_type(content_type: str, expected: str) -> None:
    essence, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if essence.strip().lower() != expected or (charset.startswith("charset=") and charset != "charset=utf-8"):
        raise WrongContentType(expected)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateField(printable(name))
            seen.add(name)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are JavaScript, not JSON


def _check_characters(value: Any, path: str) -> None:
    if isinstance(value, str):
        if not _is_kept(value):
            raise BadCharacters(path or "body")
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not _is_kept(name):
                raise BadCharacters(path or "body")
            _check_characters(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _check_characters(inner, f"{path}[{place}]")


def _is_kept(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def printable(text: str) -> str:
    """The text without what cannot be encoded, so that it can be shown in an answer."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def _shaped(value: Any, shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as wrong:
        raise _named(str(wrong)) from None


# msgspec says what is wrong in English: "Expected `str`, got `int` - at `$.phone`".
def _named(said: str) -> Exception:
    what, _, place = said.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    quoted = what.split("`")[1] if "`" in what else ""
    within: Callable[[str], str] = lambda name: f"{place}.{name}" if place else name  # noqa: E731
    if what.startswith("Object missing required field"):
        return MissingField(within(quoted))
    if what.startswith("Object contains unknown field"):
        return UnknownField(within(quoted))
    expected = what.removeprefix("Expected ").partition(", got")[0].replace("`", "")
    return WrongField(place or "body", expected)

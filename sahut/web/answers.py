"""Answers: JSON in its shape, problems by RFC 9457, and pages out of templates. No words stand here."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import Response

from sahut.bedrock import Refusal, money_in_words, show_number
from sahut.care import TEXT_AT_MOST
from sahut.wallet import NOTE_AT_MOST
from sahut.web.house import House
from sahut.web.refusals import PROBLEM_TYPE, detail_of, row_of, title_of
from sahut.web.static import static_path
from sahut.web.words import LANGUAGES, Words, utc_text

_encode = msgspec.json.Encoder().encode


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value of the shapes as JSON."""
    return Response(_encode(value), status, dict(headers or {}), "application/json")


def problem(refusal: Refusal, words: Words, path: str) -> Response:
    """The refusal as a problem document; its fields stand beside the members of RFC 9457."""
    row = row_of(refusal)
    members: dict[str, Any] = {
        "type": f"urn:sahut:refusal:{refusal.code}",
        "title": title_of(refusal, words),
        "status": row.status,
        "detail": detail_of(refusal, words),
        "instance": path,
        "code": refusal.code,
    }
    extra = {name: value for name, value in refusal.fields().items() if name not in members}
    headers = {**refusal_headers(refusal), "content-language": words.language}
    return Response(_encode({**members, **extra}), row.status, headers, PROBLEM_TYPE)


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """The headers that go with a refusal, whatever its body."""
    row = row_of(refusal)
    fields = refusal.fields()
    headers: dict[str, str] = {}
    if row.status in {429, 503}:
        headers["retry-after"] = str(fields.get("retry_after_s", 2))
    if row.status == 401:
        headers["www-authenticate"] = 'Bearer realm="sahut"'
    if row.status in {408, 413}:
        headers["connection"] = "close"  # the rest of the body is not read
    allowed = fields.get("allowed")
    if isinstance(allowed, tuple):
        headers["allow"] = ", ".join(allowed)
    return headers


def page(
    template: str,
    words: Words,
    house: House,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page or a part of one, in the language of the words. `values`: what the template names."""
    html = render(template, words, house, **values)
    given = {"content-language": words.language, "vary": "accept-language, cookie", **(headers or {})}
    return Response(html, status, given, "text/html")


def render(template: str, words: Words, house: House, **values: Any) -> str:
    """The template filled in."""
    return (
        _environment()
        .get_template(template)
        .render(t=words.html, words=words, lang=words.language, house=house, now=house.clock.now(), **values)
    )


def trouble_page(refusal: Refusal, words: Words, house: House) -> Response:
    """A page for what went wrong: what happened, what can be done, and the way to us."""
    return page(
        "trouble.html",
        words,
        house,
        status=row_of(refusal).status,
        headers=refusal_headers(refusal),
        tone=row_of(refusal).tone,
        title=title_of(refusal, words),
        detail=detail_of(refusal, words),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sahut.web", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["number"] = show_number
    environment.filters["utc"] = utc_text
    environment.filters["lines"] = _lines
    environment.globals.update(
        static=static_path,
        languages=LANGUAGES,
        money=money_in_words,
        text_at_most=TEXT_AT_MOST,
        note_at_most=NOTE_AT_MOST,
    )
    return environment


def _lines(text: str) -> Markup:
    """Text of a person with its line breaks, everything in it escaped."""
    return Markup("<br>").join(text.splitlines())

"""What all forms of our pages share: fresh ids, errors beside the field."""

import secrets
from collections import defaultdict
from typing import Any

from starlette.responses import Response

from sahut.bedrock import Refusal
from sahut.web.answers import page, problem, refusal_headers
from sahut.web.refusals import detail_of, row_of
from sahut.web.visit import Visit


def errors_beside(refusal: Refusal | None, visit: Visit, *, otherwise: str) -> dict[str, str]:
    """Field of the form → what is wrong with it, empty for all others.

    A refusal that belongs to no field stands at `otherwise`.
    """
    beside: dict[str, str] = defaultdict(str)
    if refusal is None:
        return beside
    # A text that cannot be taken names its own field; all others belong to the field in the table.
    named = refusal.fields().get("field") if refusal.code == "bad_text" else row_of(refusal).field
    beside[str(named or otherwise)] = detail_of(refusal, visit.words)
    return beside


def new_id() -> str:
    """A fresh id for a form, so that sending it twice is sending it once."""
    return secrets.token_urlsafe(18)


def part_or_problem(visit: Visit, template: str, refusal: Refusal | None, **values: Any) -> Response:
    """The part of a page that our script asked for, with the status of the refusal that it shows."""
    if refusal is not None and row_of(refusal).status >= 500:
        return problem(refusal, visit.words, visit.address)
    return page(template, visit.words, visit.house, **said_with(refusal), **values)


def said_with(refusal: Refusal | None) -> dict[str, Any]:
    """Status and headers of a page that shows this refusal, or none."""
    return {"status": row_of(refusal).status, "headers": refusal_headers(refusal)} if refusal else {}

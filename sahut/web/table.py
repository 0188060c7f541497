"""What a row of the route table is, and the router that is made from the rows.

A row says everything about an address: method, path, view, who may ask, what is sent, what is answered and which
refusals to expect. Nothing is reachable that has no row.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec
from starlette.datastructures import Headers
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sahut.web.house import House
from sahut.web.reading import read_body, read_form, read_json
from sahut.web.rules import NotForYou, NotHere, SignInNeeded, WrongMethod
from sahut.web.shapes import PersonsForm
from sahut.web.visit import Visit, check_origin, check_person, find_actor, read_query, words_for

ANYONE = frozenset({"anonymous", "customer", "agent"})
SIGNED_IN = frozenset({"customer", "agent"})
CUSTOMER = frozenset({"customer"})
AGENT = frozenset({"agent"})

# What every row can refuse: who asks and from where, and that we cannot answer.
ALWAYS = frozenset({
    "wrong_host", "foreign_origin", "sign_in_needed", "other_person", "not_for_you", "wrong_method", "database_away",
    "contended", "our_fault",
})  # fmt: skip
# What every row can refuse that takes a body.
OF_A_BODY = frozenset({
    "body_too_large", "body_too_slow", "wrong_content_type", "not_json", "duplicate_field", "missing_field",
    "unknown_field", "wrong_field", "bad_characters", "outcome_unknown",
})  # fmt: skip

View = Callable[[Visit], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Row:
    """One method of one address.

    `allowed`: who may ask (anonymous, customer, agent). `takes`: the shape of the body (JSON under /api, else a form).
    `gives`: the shape of the answer, None for pages. `refuses`: the codes beside `ALWAYS` and,
    when it takes a body, `OF_A_BODY`.
    """

    method: str
    path: str
    view: View
    allowed: frozenset[str]
    status: int = 200
    takes: type[msgspec.Struct] | None = None
    gives: type[msgspec.Struct] | None = None
    refuses: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """What the address does, in one line: the first of the view's docstring."""
        return (self.view.__doc__ or "").strip().partition("\n")[0]

    @property
    def can_refuse(self) -> frozenset[str]:
        """Every code that the address can answer with."""
        return ALWAYS.union(self.refuses, OF_A_BODY if self.takes else ())

    @property
    def is_page(self) -> bool:
        """Whether people reach it with a browser, not programs with the API."""
        return not is_for_programs(self.path)


def is_for_programs(path: str) -> bool:
    """Whether errors at this path are told as `application/problem+json`."""
    return path.startswith(("/api", "/livez", "/readyz", "/.well-known", "/openapi"))


def make_router(rows: Iterable[Row], house: House) -> Router:
    """The router over all rows. An address without a row refuses `not_here`, a method without a row `wrong_method`."""
    by_path: dict[str, dict[str, Row]] = {}
    for row in rows:
        methods = by_path.setdefault(row.path, {})
        assert row.method not in methods, f"{row.method} {row.path} stands twice in the table"
        methods[row.method] = row
    routes = [Route(path, _Endpoint(methods, house)) for path, methods in by_path.items()]
    return Router(routes, redirect_slashes=False, default=_nothing_here)


async def _nothing_here(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotHere


class _Endpoint:
    """All methods of one path: understands the request, calls the view, sends its answer."""

    def __init__(self, rows: dict[str, Row], house: House) -> None:
        self._rows = rows
        self._path = next(iter(rows.values())).path
        self._house = house
        self._allowed = tuple(sorted([*rows, *(["HEAD"] if "GET" in rows else [])]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        scope["sahut.route"] = self._path
        row = self._rows.get("GET" if method == "HEAD" else method)
        if row is None:
            raise WrongMethod(self._allowed)
        response = await row.view(await self._understand(row, scope, receive))
        await response(scope, receive, send)

    async def _understand(self, row: Row, scope: Scope, receive: Receive) -> Visit:
        headers = Headers(scope=scope)
        query = read_query(scope)
        acts = row.method not in {"GET", "HEAD"}
        if acts and row.is_page:
            check_origin(self._house, headers)
        actor, token = await find_actor(self._house, headers, scope["path"], query, acts=acts)
        words = words_for(actor, query, headers)
        scope["sahut.words"] = words
        if (actor.role if actor else "anonymous") not in row.allowed:
            raise SignInNeeded if actor is None else NotForYou
        visit = Visit(self._house, headers, scope["path"], scope["path_params"], query, actor, token, words)
        if row.takes is not None:
            body = await read_body(receive, headers.get("content-length"))
            read = read_form if row.is_page else read_json
            visit.sent = read(body, headers.get("content-type", ""), row.takes)
            if isinstance(visit.sent, PersonsForm) and "authorization" not in headers:
                check_person(actor, visit.sent.person)
        return visit

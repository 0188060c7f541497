"""The outermost layer: which hosts are ours, the headers that every answer carries, and the last word on any error.

Whatever goes wrong inside ends here as a refusal with a name: a problem document for programs, a plain page for people.
"""

from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sahut.bedrock import Refusal
from sahut.db import refusal_of, tracing
from sahut.web import metrics
from sahut.web.answers import problem, trouble_page
from sahut.web.house import House
from sahut.web.reading import Left
from sahut.web.rules import OurFault, SignInNeeded, WrongHost
from sahut.web.table import is_for_programs
from sahut.web.visit import read_query, words_for

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"
# Answers to balancers and monitors, who name us by address.
_ANY_HOST = ("/livez", "/readyz")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_log = structlog.get_logger()


class Edge:
    """Wraps the router."""

    def __init__(self, inner: ASGIApp, house: House) -> None:
        self._inner = inner
        self._house = house
        fixed = {**HEADERS, "strict-transport-security": STRICT_TRANSPORT} if house.secure else HEADERS
        self._headers = [(name.encode(), value.encode()) for name, value in fixed.items()]
        self._public = urlsplit(house.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        answer = _Answer(send, self._headers, scope)
        scope["sahut.send"] = send  # live streams write past this layer once they are open
        number = tracing.RequestId()
        tracing.request.set(number)  # each request runs in a context of its own
        with self._traced(scope) as span:
            scope["sahut.span"] = span
            await self._answer(scope, receive, answer, number)
            if not answer.started:
                metrics.left(route_of(scope))
            if span is not None:
                span.rename(f"{scope['method']} {route_of(scope)}")
                span.note("http.response.status_code", answer.status)

    def _traced(self, scope: Scope) -> AbstractContextManager[tracing.Span | None]:
        """The span of a request. A trace that a stranger names is only linked to: ours is sampled by us."""
        if not tracing.is_on():
            return tracing.NOTHING
        given = Headers(scope=scope).get("traceparent", "")
        caused = given if tracing.is_traceparent(given) else None
        trusted = self._house.trust_traceparent
        return tracing.span(
            "request",
            kind="server",
            parent=caused if trusted else None,
            links=() if trusted else (caused,),
        )

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer", number: tracing.RequestId) -> None:
        try:
            if (elsewhere := self._checked_host(scope)) is not None:
                await elsewhere(scope, receive, answer)
                return
            await self._inner(scope, receive, answer)
        except Left:
            return
        except Refusal as refusal:
            await self._refuse(scope, receive, answer, refusal)
        except Exception as error:
            # The driver's refusal of a value is both, and then it is our fault and not the database's.
            if (passing := refusal_of(error)) is not None:
                _log.warning(passing.code, route=route_of(scope), error=type(error).__name__)
                await self._refuse(scope, receive, answer, passing)
                return
            _log.exception("request_failed", request=str(number), method=scope["method"], route=route_of(scope))
            if answer.started:
                raise
            await self._refuse(scope, receive, answer, OurFault(str(number)))

    def _checked_host(self, scope: Scope) -> Response | None:
        """None when the request may go on, a redirect for pages under another name of ours. Refuses: `wrong_host`."""
        path = scope["path"]
        if path in _ANY_HOST:
            return None
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            raise WrongHost
        host = hosts[0].lower()
        if host == self._public.netloc.lower():
            return None
        try:
            hostname = urlsplit(f"//{host}").hostname
        except ValueError:
            raise WrongHost from None
        if hostname not in _LOOPBACK or "@" in host:
            raise WrongHost
        if scope["method"] in {"GET", "HEAD"} and not is_for_programs(path) and not path.startswith("/static/"):
            # Cookies and passkeys belong to one name, so pages are shown under that one alone.
            query = scope["query_string"].decode("latin-1")
            quoted = scope.get("raw_path", path.encode()).decode("latin-1").lstrip("/")
            return RedirectResponse(f"{self._house.public_url}/{quoted}" + (f"?{query}" if query else ""), 307)
        return None

    async def _refuse(self, scope: Scope, receive: Receive, answer: "_Answer", refusal: Refusal) -> None:
        if answer.started:
            return  # too late for words; the server drops the connection
        metrics.refused(refusal.code)
        path, headers = scope["path"], Headers(scope=scope)
        words = scope.get("sahut.words") or words_for(None, read_query(scope), headers)
        if is_for_programs(path) or "/partials" in path or headers.get("sahut-partial") == "1":
            response = problem(refusal, words, path)
        elif isinstance(refusal, SignInNeeded):
            response = RedirectResponse("/desk" if path.startswith("/desk") else "/", 303)
        else:
            response = trouble_page(refusal, words, self._house)
        await response(scope, receive, answer)


class _Answer:
    """`send`, with our headers put on what does not set them itself."""

    __slots__ = ("_began", "_headers", "_scope", "_send", "started", "status")

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]], scope: Scope) -> None:
        self._send = send
        self._headers = headers
        self._scope = scope
        self._began = perf_counter()
        self.started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            metrics.answered(self._scope["method"], route_of(self._scope), self.status, perf_counter() - self._began)
            given: list[Any] = message.setdefault("headers", [])
            names = {name for name, _ in given}
            message["headers"] = [*given, *(one for one in self._headers if one[0] not in names)]
        await self._send(message)


def route_of(scope: Scope) -> str:
    """The template of the address; logs and figures say this and never the address, which may hold anything."""
    route: str = scope.get("sahut.route", metrics.NOWHERE)
    return route

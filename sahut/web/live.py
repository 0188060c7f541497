"""`GET /api/v1/live`: the open response over which a browser, or a program, is told what happened.

First `ready` with the number from which it goes on (or `reset`: load your state anew), then each event after it in
order of n, and every 15 seconds a beat that bears the number reached. A customer gets the own events, staff gets all
of money and care. `after` and `Last-Event-ID` say where to go on; the header wins, since a browser that reconnects by
itself repeats the old address.
"""

from starlette.types import Receive, Scope, Send

from sahut.people import token_hash
from sahut.web.hub import Hub
from sahut.web.reading import read_number
from sahut.web.visit import Visit

# `retry` is for clients that use the browser's own EventSource: milliseconds until it tries again.
_OPENING = b"retry: 2000\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def live(visit: Visit) -> "LiveAnswer":
    """What happens from now on, or after n, as a stream of events."""
    asked = visit.headers.get("last-event-id") or visit.query.get("after")
    after = None if asked is None or asked == "" else read_number(asked, "after", default=0)
    assert visit.token is not None
    person_id = None if visit.person.role == "agent" else visit.person.person_id
    return LiveAnswer(visit.house.hub, person_id, token_hash(visit.token), after)


class LiveAnswer:
    """The response; holds nothing of the request, since it may stay open for hours."""

    __slots__ = ("_after", "_hub", "_person_id", "_session")

    def __init__(self, hub: Hub, person_id: int | None, session: bytes, after: int | None) -> None:
        self._hub, self._person_id, self._session, self._after = hub, person_id, session, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_send: Send = scope["sahut.send"]
        stream = self._hub.admit(raw_send, person_id=self._person_id, session=self._session)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            _forget_request(scope)
            if (span := scope.get("sahut.span")) is not None:
                span.end()  # a stream lasts for hours; what took its time was the opening
            stream.write(_OPENING)
            self._hub.attach(stream, self._after)  # goes on by itself, so that a client that leaves is noticed
            await _client_leaves(receive)
        finally:
            self._hub.detach(stream)


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _forget_request(scope: Scope) -> None:
    # Headers of a browser take more memory than all the rest of a waiting stream.
    scope["headers"].clear()

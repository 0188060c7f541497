"""Sessions: signing in with phone and PIN, and out."""

from starlette.responses import Response

from sahut.people import sign_out
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.visit import Visit
from sahut.web.words import utc_text


async def open_session(visit: Visit) -> Response:
    """Sign in; the token goes into `Authorization: Bearer` afterwards."""
    sent: shapes.NewSession = visit.sent
    token, ends_at, actor = await visit.house.sign_in.sign_in(sent.phone, sent.pin)
    person = shapes.PersonShown(name=actor.name, role=actor.role, language=actor.language)
    return json_answer(shapes.Session(token=token, expires_at=utc_text(ends_at), person=person), 201)


async def close_session(visit: Visit) -> Response:
    """Sign out at once: the token holds no longer, its live streams end."""
    assert visit.token is not None
    async with visit.house.writing() as connection:
        await sign_out(connection, visit.token, visit.house.clock.now())
    return Response(status_code=204)

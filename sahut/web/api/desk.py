"""The desk's side of the API: the queue, and replies that are only sent when the agent has seen everything."""

from starlette.responses import Response

from sahut import care
from sahut.bedrock import is_contact_number
from sahut.care import NoSuchCase
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.cases import LIST_AT_MOST, count_when_cut, line_shown, message_shown
from sahut.web.visit import Visit


async def list_queue(visit: Visit) -> Response:
    """All cases, those first whose promise is due soonest."""
    async with visit.house.reading() as connection:
        found = await care.cases(connection, person_id=None, at_most=LIST_AT_MOST)
        total = await count_when_cut(connection, found, None)
    return json_answer(shapes.Cases(items=[line_shown(line) for line in found], total=total))


async def send_reply(visit: Visit) -> Response:
    """Reply in a case; held back with 409 when something was written after `seen_seq`."""
    sent: shapes.NewReply = visit.sent
    number = visit.path["number"]
    if not is_contact_number(number):
        raise NoSuchCase
    async with visit.house.writing() as connection:
        message = await care.reply(
            connection,
            visit.person,
            number=number,
            client_message_id=sent.client_message_id,
            text=sent.text,
            seen_seq=sent.seen_seq,
            now=visit.house.clock.now(),
        )
    return json_answer(message_shown(message, {visit.person.person_id: visit.person.name}), 201)

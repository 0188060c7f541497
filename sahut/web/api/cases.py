"""Cases and their conversations: the own ones of a customer, any for staff, whose look is written down."""

from starlette.responses import Response

from sahut import care
from sahut.care import CaseLine
from sahut.people import names_of
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.cases import LIST_AT_MOST, count_when_cut, line_shown, looking, message_shown
from sahut.web.reading import read_number
from sahut.web.visit import Visit
from sahut.work import running_deadlines

MESSAGES_AT_MOST = 200


async def list_cases(visit: Visit) -> Response:
    """The own cases, those first that wait for an answer."""
    async with visit.house.reading() as connection:
        found = await care.cases(connection, person_id=visit.person.person_id, at_most=LIST_AT_MOST)
        total = await count_when_cut(connection, found, visit.person.person_id)
    return json_answer(shapes.Cases(items=[line_shown(line) for line in found], total=total))


async def show_case(visit: Visit) -> Response:
    """One of the own cases; for staff any case, and the look is written down."""
    async with looking(visit, visit.path["number"], "api") as (connection, case):
        next_due = (await running_deadlines(connection, [case.id], kinds=care.PROMISES)).get(case.id, [])
    promise, due_at = next_due[0] if next_due else (None, None)
    return json_answer(line_shown(CaseLine(case, promise, due_at, None, "")))


async def list_messages(visit: Visit) -> Response:
    """The conversation of a case after the message `after`, oldest first."""
    after = read_number(visit.query.get("after"), "after", default=0, at_most=2**31 - 1)
    async with looking(visit, visit.path["number"], "api", goes_on=after > 0) as (connection, case):
        found = await care.messages(connection, case.id, after=after, at_most=MESSAGES_AT_MOST)
        names = await names_of(connection, list({message.author_id for message in found}))
    items = [message_shown(message, names) for message in found]
    return json_answer(shapes.Messages(items=items, last_seq=case.last_seq))

"""Cases and their conversations, as the customer concerned sees them."""

from starlette.responses import Response

from sahut import care
from sahut.bedrock import is_contact_number
from sahut.care import Case, CaseLine, Message, NoSuchCase
from sahut.db import Connection
from sahut.people import names_of
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.reading import read_number
from sahut.web.visit import Visit
from sahut.work import EventRow, append_event, running_deadlines

LIST_AT_MOST = 100
MESSAGES_AT_MOST = 200


async def list_cases(visit: Visit) -> Response:
    """The own cases, those first that wait for an answer."""
    async with visit.house.reading() as connection:
        found = await care.cases(connection, person_id=visit.person.person_id, at_most=LIST_AT_MOST)
    return json_answer(shapes.Cases(items=[line_shown(line) for line in found], next_cursor=None))


async def show_case(visit: Visit) -> Response:
    """One of the own cases; for staff any case, and the look is written down."""
    async with visit.house.writing() as connection:
        case = await case_for(visit, connection, visit.path["number"])
        await note_view(visit, connection, case, "api")
        next_due = (await running_deadlines(connection, [case.id], kinds=care.PROMISES)).get(case.id, [])
    promise, due_at = next_due[0] if next_due else (None, None)
    return json_answer(line_shown(CaseLine(case, promise, due_at, None, "")))


async def list_messages(visit: Visit) -> Response:
    """The conversation of a case after the message `after`, oldest first."""
    after = read_number(visit.query.get("after"), "after", default=0, at_most=2**31 - 1)
    async with visit.house.writing() as connection:
        case = await case_for(visit, connection, visit.path["number"])
        if after == 0:  # going on with a conversation is part of the same look
            await note_view(visit, connection, case, "api")
        found = await care.messages(connection, case.id, after=after, at_most=MESSAGES_AT_MOST)
        names = await names_of(connection, list({message.author_id for message in found}))
    items = [message_shown(message, names) for message in found]
    return json_answer(shapes.Messages(items=items, last_seq=case.last_seq))


async def case_for(visit: Visit, connection: Connection, number: str) -> Case:
    """The case with this number, when the person may see it. Refuses: `no_such_case`, also for somebody else's."""
    case = await care.case(connection, number) if is_contact_number(number) else None
    if case is None or (visit.person.role == "customer" and case.person_id != visit.person.person_id):
        raise NoSuchCase
    return case


async def note_view(visit: Visit, connection: Connection, case: Case, reason: str) -> None:
    """Staff looked at a customer's case: write down who, which, and why. Writes: event `staff/case_viewed`."""
    if visit.person.role == "agent":
        body = {"case": case.number, "reason": reason}
        await append_event(connection, EventRow("staff", visit.person.person_id, "case_viewed", body))


def line_shown(line: CaseLine) -> shapes.CaseShown:
    """A case as the API tells it."""
    case = line.case
    return shapes.CaseShown(
        number=case.number,
        state=case.state,
        matter=case.matter,
        language=case.language,
        opened_at=case.opened_at,
        changed_at=case.changed_at,
        last_seq=case.last_seq,
        promise=line.promise,
        due_at=line.due_at,
    )


def message_shown(message: Message, names: dict[int, str]) -> shapes.MessageShown:
    """A message as the API tells it."""
    return shapes.MessageShown(
        seq=message.seq,
        author=message.author,
        author_name=names.get(message.author_id, ""),
        text=message.text,
        client_message_id=message.client_message_id,
        at=message.at,
    )

"""Cases as the API and the pages share them: who may see which, that a look is written down, how they are told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sahut import care
from sahut.bedrock import is_contact_number
from sahut.care import Case, CaseLine, Message, NoSuchCase
from sahut.db import Connection
from sahut.web import shapes
from sahut.web.visit import Visit
from sahut.work import EventRow, append_event

LIST_AT_MOST = 100


async def case_for(visit: Visit, connection: Connection, number: str) -> Case:
    """The case with this number, when the person may see it. Refuses: `no_such_case`, also for somebody else's."""
    case = await care.case(connection, number) if is_contact_number(number) else None
    if case is None or (visit.person.role == "customer" and case.person_id != visit.person.person_id):
        raise NoSuchCase
    return case


@asynccontextmanager
async def looking(
    visit: Visit, number: str, reason: str, *, goes_on: bool = False
) -> AsyncIterator[tuple[Connection, Case]]:
    """A case to read, in one transaction; when staff looks, it writes down who, which, and why.

    `goes_on`: the look goes on with one that began before; it is written down again after a quarter of an hour.
    Refuses: `no_such_case`. Writes: event `staff/case_viewed`.
    """
    person, looks, now = visit.person, visit.house.looks, visit.house.clock.now()
    async with visit.house.writing() as connection:
        case = await case_for(visit, connection, number)
        noted = person.role == "agent" and not (goes_on and looks.is_fresh(person.person_id, case.number, now))
        if noted:
            body = {"case": case.number, "reason": reason}
            await append_event(connection, EventRow("staff", person.person_id, "case_viewed", body))
        yield connection, case
    if noted:
        looks.remember(person.person_id, case.number, now)


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


async def count_when_cut(connection: Connection, lines: list[CaseLine], person_id: int | None) -> int:
    """How many cases there are, of a person or of all (None); they are counted only when the list does not hold all."""
    return len(lines) if len(lines) < LIST_AT_MOST else await care.count_cases(connection, person_id=person_id)

"""Cases as the API and the pages share them: who may see which, that a look is written down, how they are told."""

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


async def count_when_cut(connection: Connection, lines: list[CaseLine], person_id: int | None) -> int:
    """How many cases there are, of a person or of all (None); they are counted only when the list does not hold all."""
    return len(lines) if len(lines) < LIST_AT_MOST else await care.count_cases(connection, person_id=person_id)

"""Reading cases and their conversations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from sahut.care.rules import ContactState, as_number
from sahut.db import Connection, Queries

_queries = Queries.load("sahut.care")
_EXCERPT = 120
_FEW = 5


class Message(msgspec.Struct, frozen=True):
    """One message. `seq`: 1, 2, 3 … within its case, without holes. `author_id`: the person's id, 0 when unknown."""

    seq: int
    author: Literal["customer", "agent"]
    author_id: int
    client_message_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """One matter of one person."""

    id: int
    number: str
    person_id: int
    matter: str
    language: str
    state: Literal["open", "solved"]
    last_seq: int
    opened_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case as a list shows it. `promise`, `due_at`: the next running one; `excerpt`: of the last message."""

    case: Case
    promise: str | None
    due_at: datetime | None
    last_author: str | None
    excerpt: str


async def cases(connection: Connection, *, person_id: int | None, at_most: int = 100) -> list[CaseLine]:
    """Cases, those first that wait for an answer, soonest due first. `person_id`: only hers; None: all. Reads only."""
    rows = await _queries.cases.fetch(connection, person=person_id, at_most=at_most)
    return [
        CaseLine(
            Case(row[0], as_number(row[1]), *row[2:9]),
            row["promise"],
            row["due_at"],
            row["author"],
            (row["text"] or "")[:_EXCERPT],
        )
        for row in rows
    ]


async def count_cases(connection: Connection, *, person_id: int | None) -> int:
    """How many cases there are, of a person or of all (None). Reads only."""
    return int(await _queries.count_cases.fetchval(connection, person=person_id))


async def case(connection: Connection, number: str) -> Case | None:
    """A case by its nine digits; None when there is none. Reads only."""
    row = await _queries.case.fetchrow(connection, number=int(number))
    return None if row is None else Case(row[0], as_number(row[1]), *row[2:9])


async def messages(connection: Connection, case_id: int, *, after: int, at_most: int = 200) -> list[Message]:
    """Messages of a case (by its `id`) with a seq above `after`, in order. Reads only."""
    rows = await _queries.messages.fetch(connection, case_id=case_id, after=after, at_most=at_most)
    return [Message(*row) for row in rows]


async def newest_messages(connection: Connection, case_id: int, *, at_most: int = 200) -> list[Message]:
    """The newest messages of a case (by its `id`), in order. Reads only."""
    rows = await _queries.newest_messages.fetch(connection, case_id=case_id, at_most=at_most)
    return [Message(*row) for row in rows]


async def contact_state(connection: Connection, number: str) -> ContactState | None:
    """Where a contact stands, by its nine digits; None when we know no such contact. Reads only."""
    row = await _queries.contact_state.fetchrow(connection, number=int(number))
    if row is None:
        return None
    case_number = None if row["case_number"] is None else as_number(row["case_number"])
    return ContactState(row[0], row[1], as_number(row[2]), row[3], row[4], row[5], case_number)


async def wait_estimate_s(connection: Connection) -> int | None:
    """The median wait of the newest answers, in seconds; None while fewer than five were given. Reads only."""
    row = await _queries.recent_waits.fetchrow(connection)
    return None if row is None or row["counted"] < _FEW else int(row["median"])

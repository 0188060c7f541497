"""The conversation of a case: contacts become messages, an agent replies, promises are made and kept."""

from datetime import datetime

import asyncpg

from sahut.bedrock import bounded_text
from sahut.care.cases import Message
from sahut.care.rules import (
    ANSWER,
    FOLLOW_UP,
    MATTER_OTHER,
    TEXT_AT_MOST,
    CaseClosed,
    ConversationMoved,
    MessageKeyReused,
    NoSuchCase,
    as_number,
)
from sahut.db import Connection, Queries, locks
from sahut.guard import mask_secrets
from sahut.people import Actor
from sahut.work import EventRow, append_events, keep_deadline, open_deadline, policy_in_force

_queries = Queries.load("sahut.care")


async def add_contacts(connection: Connection, *, contact_id: int, person_id: int, now: datetime) -> None:
    """Put a contact, and all of the same person that wait, into the person's open case in the order in which they came.

    Opens a case when there is none, with the number of the first contact and the promise that contact was given. Who
    was not signed in gets a case for each contact. Does nothing for contacts that are in a case already.
    Writes: `care.case`, `care.message`, the clock `answer`, events `case_opened` and `message_added`. Locks the person.
    """
    if person_id:
        await _queries.lock_person.fetchval(connection, **{"class": locks.PERSON, "person": person_id})
        # A thousand at a time until this one is among them: its job ends here, so it must not be left behind.
        while waiting := await _queries.waiting_contacts.fetch(connection, person=person_id, contact=contact_id):
            known = await _queries.lock_open_case.fetchrow(connection, person=person_id, matter=MATTER_OTHER)
            await _add_to_case(connection, waiting, known, person_id, now)
    elif waiting := await _queries.waiting_contact.fetch(connection, contact=contact_id):
        await _add_to_case(connection, waiting, None, person_id, now)


async def _add_to_case(
    connection: Connection,
    waiting: list[asyncpg.Record],
    known: asyncpg.Record | None,
    person_id: int,
    now: datetime,
) -> None:
    """Make these contacts messages of the case that is open, or of a new one."""
    events: list[EventRow] = []
    if known is None:
        known = await _open_case(connection, waiting[0], person_id, now, events)
    case_id, number, last_seq = known["id"], as_number(known["number"]), known["last_seq"]
    seqs = list(range(last_seq + 1, last_seq + 1 + len(waiting)))
    for seq, row in zip(seqs, waiting, strict=True):
        told = {"case": number, "seq": seq, "author": "customer", "contact": row["id"]}
        told["client_message_id"] = _client_message_id(row)
        events.append(EventRow("care", person_id, "message_added", told))
    await _queries.add_messages.execute(
        connection,
        case_id=case_id,
        person=person_id,
        seqs=seqs,
        contact_ids=[row["id"] for row in waiting],
        client_message_ids=[_client_message_id(row) for row in waiting],
        texts=[row["text"] for row in waiting],
        ats=[row["received_at"] for row in waiting],
    )
    await _queries.move_case.execute(connection, id=case_id, last_seq=seqs[-1], now=now)
    first = waiting[0]
    policy = await policy_in_force(connection, ANSWER, first["received_at"])
    # Due when the receipt said, whatever the policy says today.
    await open_deadline(
        connection, policy=policy, subject=case_id, opened_at=first["received_at"], due_at=first["answer_due_at"]
    )
    await append_events(connection, events)


async def reply(
    connection: Connection,
    actor: Actor,
    *,
    number: str,
    client_message_id: str,
    text: str,
    seen_seq: int,
    now: datetime,
) -> Message:
    """Send an agent's reply, if the agent has seen all that was written (compare and send).

    `seen_seq`: the last message the agent had before the eyes. The same `client_message_id` again returns the first.
    Refuses: `bad_text`, `no_such_case`, `case_closed`, `message_key_reused`, `conversation_moved`.
    Writes: `care.message`, `care.case`; keeps the clock `answer`, opens `follow_up`; events `message_added`,
    `promise_kept`. Locks the case.
    """
    text = mask_secrets(bounded_text(text, "text", at_most=TEXT_AT_MOST)).text
    client_message_id = bounded_text(client_message_id, "client_message_id", at_most=64)
    case = await _queries.lock_case.fetchrow(connection, number=int(number))
    if case is None:
        raise NoSuchCase
    sent = await _queries.agent_message.fetchrow(
        connection, case_id=case["id"], author=actor.person_id, client_message_id=client_message_id
    )
    if sent is not None:
        if sent["text"] != text:
            raise MessageKeyReused
        return Message(*sent)
    if case["state"] != "open":
        raise CaseClosed
    if seen_seq != case["last_seq"]:
        raise ConversationMoved(seen_seq, case["last_seq"])
    seq = case["last_seq"] + 1
    await _queries.add_reply.execute(
        connection, case_id=case["id"], seq=seq, author=actor.person_id, client_message_id=client_message_id,
        text=text, now=now,
    )  # fmt: skip
    await _queries.move_case.execute(connection, id=case["id"], last_seq=seq, now=now)
    told = {"case": number, "seq": seq, "author": "agent", "client_message_id": client_message_id}
    events = [EventRow("care", case["person_id"], "message_added", told)]
    if await keep_deadline(connection, kind=ANSWER, subject=case["id"], now=now):
        events.append(EventRow("care", case["person_id"], "promise_kept", {"case": number, "promise": ANSWER}))
    policy = await policy_in_force(connection, FOLLOW_UP, now)
    await open_deadline(connection, policy=policy, subject=case["id"], opened_at=now)
    await append_events(connection, events)
    return Message(seq, "agent", actor.person_id, client_message_id, text, now)


async def _open_case(
    connection: Connection, first: asyncpg.Record, person_id: int, now: datetime, events: list[EventRow]
) -> asyncpg.Record:
    opened = await _queries.open_case.fetchrow(
        connection, number=first["number"], person=person_id, matter=MATTER_OTHER, language=first["language"], now=now
    )
    assert opened is not None
    told = {"case": as_number(first["number"]), "contact": first["id"]}
    events.append(EventRow("care", person_id, "case_opened", told))
    return opened


def _client_message_id(row: asyncpg.Record) -> str:
    """The sender's own id for the message: what follows the scope in the key."""
    key: str = row["provider_key"]
    return key.split(":", 1)[-1]

"""Contacts: what reached us, once each."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from sahut.care.rules import as_number
from sahut.db import Connection, Queries, tracing

_queries = Queries.load("sahut.care")


class ContactRow(msgspec.Struct, frozen=True, gc=False):
    """One contact as it is kept. `text` is masked; `original_hash` 32 bytes, `salt` 16; `person_id` 0 when unknown."""

    number: str
    channel_account: str
    provider_key: str
    person_id: int
    language: str
    text: str
    original_hash: bytes
    salt: bytes
    received_at: datetime
    answer_due_at: datetime


class FirstContact(msgspec.Struct, frozen=True, gc=False):
    """What was kept when a key came for the first time."""

    number: str
    received_at: datetime
    answer_due_at: datetime
    text: str
    salt: bytes
    original_hash: bytes


async def reserve_number_blocks(connection: Connection, blocks: int) -> list[int]:
    """Take so many blocks of contact numbers for this process; nobody else gets them, used or not."""
    return [row[0] for row in await _queries.reserve_number_blocks.fetch(connection, blocks=blocks)]


async def receive_contacts(connection: Connection, contacts: Sequence[ContactRow]) -> set[str]:
    """Keep contacts, each with its event and its first job, in one statement; the numbers of those that were new.

    A key that is there already, or stands twice in the batch, is passed over the second time.
    Writes: `care.contact`, event `contact_received`, job `find_case`.
    """
    rows = await _queries.receive_contacts.fetch(
        connection,
        numbers=[int(c.number) for c in contacts],
        channel_accounts=[c.channel_account for c in contacts],
        provider_keys=[c.provider_key for c in contacts],
        person_ids=[c.person_id for c in contacts],
        languages=[c.language for c in contacts],
        texts=[c.text for c in contacts],
        original_hashes=[c.original_hash for c in contacts],
        salts=[c.salt for c in contacts],
        received_ats=[c.received_at for c in contacts],
        answer_due_ats=[c.answer_due_at for c in contacts],
        traceparent=tracing.cause(),
    )
    return {as_number(row[0]) for row in rows}


async def first_contacts(
    connection: Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], FirstContact]:
    """(channel_account, provider_key) → what was kept under it first. Reads only."""
    rows = await _queries.first_contacts.fetch(
        connection, channel_accounts=[key[0] for key in keys], provider_keys=[key[1] for key in keys]
    )
    return {(row[0], row[1]): FirstContact(as_number(row[2]), row[3], row[4], row[5], row[6], row[7]) for row in rows}

"""Persons and their sessions, by query."""

import secrets
from datetime import datetime
from hashlib import sha256

import asyncpg

from sahut.db import Connection, Queries
from sahut.people.actor import Actor, Role
from sahut.people.rules import SESSION_LASTS

_queries = Queries.load("sahut.people")


async def add_person(connection: Connection, *, name: str, phone: str, language: str, role: Role, pin_hash: str) -> int:
    """Enter a person, or find the one with this phone (E.164); the id.

    `pin_hash`: from `SignIn.hash_pin`. Writes: `people.person`.
    """
    made: int | None = await _queries.add_person.fetchval(
        connection, name=name, phone=phone, language=language, role=role, pin_hash=pin_hash
    )
    if made is not None:
        return made
    row = await _queries.person_by_phone.fetchrow(connection, phone=phone)
    assert row is not None
    found: int = row["id"]
    return found


async def person(connection: Connection, person_id: int) -> Actor | None:
    """A person by id. Reads only."""
    return _actor(await _queries.person.fetchrow(connection, id=person_id))


async def person_by_phone(connection: Connection, phone: str) -> Actor | None:
    """A person by phone (E.164). Reads only."""
    return _actor(await _queries.person_by_phone.fetchrow(connection, phone=phone))


async def names_of(connection: Connection, person_ids: list[int]) -> dict[int, str]:
    """Person's id → name; unknown ids are missing. Reads only."""
    return {row["id"]: row["name"] for row in await _queries.names.fetch(connection, ids=person_ids)}


async def add_session(connection: Connection, person_id: int, now: datetime) -> tuple[str, datetime]:
    """Open a session; the token (256 random bits, kept only as a hash) and when it ends. Writes: `people.session`."""
    token, ends_at = secrets.token_urlsafe(32), now + SESSION_LASTS
    await _queries.open_session.execute(
        connection, token_hash=token_hash(token), person_id=person_id, now=now, ends_at=ends_at
    )
    return token, ends_at


async def who(connection: Connection, token: str, now: datetime) -> Actor | None:
    """Who bears this token; None when no running session has it. Reads only."""
    if not 20 <= len(token) <= 64 or not token.isascii():
        return None
    return _actor(await _queries.who.fetchrow(connection, token_hash=token_hash(token), now=now))


async def sign_out(connection: Connection, token: str, now: datetime) -> None:
    """End a session at once. Writes: `people.session`."""
    await _queries.end_session.execute(connection, token_hash=token_hash(token), now=now)


async def running_sessions(connection: Connection, token_hashes: list[bytes], now: datetime) -> set[bytes]:
    """Those of these sessions (by `token_hash`) that still run. Reads only."""
    rows = await _queries.running_sessions.fetch(connection, token_hashes=token_hashes, now=now)
    return {row["token_hash"] for row in rows}


def token_hash(token: str) -> bytes:
    """What is kept of a token: 32 bytes."""
    return sha256(token.encode()).digest()


def _actor(row: asyncpg.Record | None) -> Actor | None:
    return None if row is None else Actor(row["id"], row["name"], row["phone"], row["language"], row["role"])

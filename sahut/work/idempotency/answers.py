"""Claiming a key and keeping the answer to it, in the transaction of the effects."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from uuid import UUID

from sahut.bedrock import Refusal, RetryLater
from sahut.db import Connection, Queries

ANSWER_BYTES_AT_MOST: Final = 16_384
HASH_BYTES: Final = 16

_queries = Queries.load("sahut.work.idempotency")


class KeyReused(Refusal):
    """This key was used for another command. Nothing was written."""

    code = "key_reused"


class RequestInFlight(RetryLater):
    """The same key is being worked on right now. Nothing was done twice; ask again for its answer."""

    code = "request_in_flight"
    usual_s = 1


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered. `status`: of HTTP, 200 to 599; `body`: JSON, at most 16,384 bytes, given again as it is."""

    status: int
    body: bytes


def command_hash(action: str, body: bytes) -> bytes:
    """Sixteen bytes by which two commands are told apart. `action`: what is to be done, such as `freeze`.

    `body`: the command in one fixed form; the same wish written in another order must come as the same bytes.
    """
    return blake2b(action.encode() + b"\0" + body, digest_size=HASH_BYTES, person=b"sahut.api").digest()


async def claim(connection: Connection, *, principal: int, key: UUID, body_hash: bytes) -> KeptAnswer | None:
    """Take a key for the length of the caller's transaction; what was answered before, or None when it is fresh.

    Who gets None does the work and calls `keep_answer` before the commit. One statement, and it waits for nobody.
    `principal`: whose key it is, a person's id. `body_hash`: from `command_hash`.
    Refuses: `request_in_flight` while another transaction holds the key; `key_reused` when it was used for another
    command, or by the ledger. Reads only; takes the key's advisory lock until the end of the transaction.
    """
    assert len(body_hash) == HASH_BYTES, "a hash of command_hash"
    row = await _queries.claim_key.fetchrow(connection, principal=principal, key=key)
    assert row is not None
    if not row["claimed"]:
        raise RequestInFlight
    if row["body_hash"] is None:
        return None
    if row["status"] is None or row["body_hash"] != body_hash:
        raise KeyReused
    return KeptAnswer(row["status"], row["body"])


async def keep_answer(
    connection: Connection, *, principal: int, key: UUID, body_hash: bytes, answer: KeptAnswer
) -> None:
    """Keep the answer to a claimed key, in the transaction of its effects. What may pass by itself is not an answer:
    a refusal that says "ask again" is raised instead, so that nothing is kept and the key stays fresh.

    Refuses: `key_reused` when a transfer took the same key meanwhile; the effects go with it.
    Writes: `work.idempotency`.
    """
    assert len(answer.body) <= ANSWER_BYTES_AT_MOST, "an answer is bounded: give an address instead of a list"
    kept = await _queries.keep_answer.fetchval(
        connection, principal=principal, key=key, body_hash=body_hash, status=answer.status, body=answer.body
    )
    if kept is None:
        raise KeyReused

"""Posting: a batch of transfers in one transaction. The one place where balances change."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sahut.bedrock import Clock, Refusal, TimeIds
from sahut.db import (
    AWAY,
    Connection,
    Pool,
    Queries,
    again_after_conflict,
    connection,
    give_up,
    locks,
    named,
    tracing,
)
from sahut.ledger.batch import Batch, PrincipalKey, answer_again
from sahut.ledger.rules import LockedBalance, Posted, Transfer
from sahut.work import Batcher

# What a row of `look_up_and_lock` is, in its first column, and where its last row has the time.
_KNOWN, _BALANCES, _AT = 0, 1, 17
_queries = Queries.load("sahut.ledger")


class Ledger:
    """Posts transfers for one process. Several processes may post; the batches of a shard take turns.

    `clock`: None goes by the clock of the database, which comes back with the locks and costs nothing: one for all
    processes, so that a machine whose clock is wrong uses up nobody's daily limit. `shard`: 0 to 63; all accounts that
    meet in one transfer belong to one shard.
    """

    def __init__(self, pool: Pool, clock: Clock | None = None, *, shard: int = 1) -> None:
        self._pool, self._clock, self._shard = pool, clock, shard
        # In a statement of its own: the look-up in the same statement would use a snapshot from before the turn came.
        self._take_turn = f"begin; select pg_advisory_xact_lock({locks.TURN}, {shard})"
        self.batcher: Batcher[Transfer, Posted] = Batcher(self.post_batch, name="ledger")

    async def post(self, command: Transfer) -> Posted:
        """Post one transfer, together with whatever others are waiting.

        Refuses: each reason of `rules.REFUSALS`, `key_reused`, `busy`, `contended`, `database_away`,
        `outcome_unknown`. After the last four the same command with the same key tells or does it.
        Writes: `ledger.transfer` or `ledger.attempt`, `ledger.balance`, `ledger.batch`, `work.idempotency`, the riders.
        """
        return await self.batcher.submit(command)

    async def post_batch(self, commands: list[Transfer]) -> Sequence[Posted | Refusal]:
        """Post 1 to 1,000 commands in one transaction; the answers in the same order. Four round trips, one commit."""
        return await again_after_conflict(lambda: self._post_once(commands))

    async def _post_once(self, commands: list[Transfer]) -> list[Posted | Refusal]:
        async with connection(self._pool) as held:
            return await self._post_on(held, commands)

    async def _post_on(self, connection: Connection, commands: list[Transfer]) -> list[Posted | Refusal]:
        with named():
            try:
                await connection.execute(f"{self._take_turn}; {tracing.in_sql()}")
                answers = await self._decide_and_write(connection, commands)
            except AWAY:
                give_up(connection)
                raise
            except BaseException:
                await _roll_back(connection)
                raise
        with named(committing=True):
            try:
                await connection.execute("commit")
            except BaseException:
                give_up(connection)
                raise
        return answers

    async def _decide_and_write(self, connection: Connection, commands: list[Transfer]) -> list[Posted | Refusal]:
        rows = await _queries.look_up_and_lock.fetch(
            connection,
            principals=[command.principal for command in commands],
            keys=[command.key for command in commands],
            accounts=list({command.debit for command in commands} | {command.credit for command in commands}),
            shard=self._shard,
        )
        *found, end = map(tuple, rows)
        now: datetime = end[_AT] if self._clock is None else self._clock.now()
        balances = {row[1]: LockedBalance(row[1:15], local_day(now, row[14])) for row in found if row[0] == _BALANCES}
        known = dict(_known_answer(row) for row in found if row[0] == _KNOWN)
        batch = Batch(TimeIds(self._shard, end[1]), now, known, balances)
        answers = [batch.answer(command) for command in commands]
        if batch.keys:
            await self._write(connection, batch, now)
        return answers

    async def _write(self, connection: Connection, batch: Batch, now: datetime) -> None:
        number, digest = batch.close()
        changed = [
            (b.account_id, b.posted, b.seq, b.day, b.day_out, b.month_in, b.was)
            for b in batch.balances.values()
            if b.seq != b.was
        ]
        status = await _queries.write_batch.execute(
            connection,
            batch=number, now=now, shard=self._shard, size=len(batch.transfers), hash=digest,
            **_columns("t_", _TRANSFER, batch.transfers),
            **_columns("k_", _KEY, batch.keys),
            **_columns("a_", _ATTEMPT, batch.attempts),
            **_columns("e_", _EVENT, batch.events),
            **_columns("j_", _JOB, batch.jobs),
            **_columns("b_", _BALANCE, changed),
        )  # fmt: skip
        assert status == f"UPDATE {len(changed)}", "a balance changed outside its turn"


def _known_answer(row: tuple[Any, ...]) -> tuple[PrincipalKey, tuple[bytes, Posted | Refusal]]:
    _, principal, _, answer, debit_seq, debit_after, had, bound, *_, refusal, key, body_hash, recorded_at = row
    posted = None if debit_seq is None else (debit_seq, debit_after, recorded_at)
    refused = None if had is None else (had, bound)
    return (principal, key), (body_hash, answer_again(refusal, answer, posted, refused))


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("rollback")
    except AWAY:
        give_up(connection)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local_day(now: datetime, zone: str) -> Any:
    """The date in the zone of an account."""
    return now.astimezone(_zone(zone)).date()


_TRANSFER = (
    "id", "debit", "credit", "amount", "currency", "kind", "debit_seq", "credit_seq", "debit_after", "credit_after",
    "memo",
)  # fmt: skip
_KEY = ("principal", "key", "hash", "answer", "refusal")
_ATTEMPT = ("id", "principal", "key", "debit", "credit", "amount", "reason", "had", "bound")
_EVENT = ("topic", "subject", "kind", "body")
_JOB = ("kind", "key", "body")
_BALANCE = ("account", "posted", "seq", "day", "day_out", "month_in", "was")


def _columns(prefix: str, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    """Rows as columns, one parameter for each."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return {prefix + name: column for name, column in zip(names, columns, strict=True)}

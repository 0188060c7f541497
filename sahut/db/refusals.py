"""What the driver says when the database cannot, in our words: three refusals, after each of which one may ask again.

`Contended` and `DatabaseAway` mean that nothing was written; `OutcomeUnknown` means that nobody here can tell, and the
same key tells. This is the one place that reads errors of the driver for this; what is none of them is our own fault.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg

from sahut.bedrock import Refusal, RetryLater

ResultT = TypeVar("ResultT")


class DatabaseAway(RetryLater):
    """The database does not answer now. Nothing was promised; ask again."""

    code = "database_away"


class Contended(RetryLater):
    """Somebody else was changing the same thing, and one of both had to give way. Nothing was written; ask again."""

    code = "contended"
    usual_s = 1


class OutcomeUnknown(RetryLater):
    """The database was lost while it may have been committing. The same key again tells what happened."""

    code = "outcome_unknown"


# What only a database that has gone says.
DATABASE_LOST = (
    DatabaseAway,
    OutcomeUnknown,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # it was the primary until a moment ago
    asyncpg.InternalClientError,  # the server's last word reached a connection before the end of its socket did
)
# What says that the database cannot be reached, or has just gone; who talks to the outside may say the last three too.
AWAY = (*DATABASE_LOST, asyncpg.InterfaceError, OSError, TimeoutError)
# Two who were in each other's way, a lock or a statement that took too long, a plan made before the last migration.
CONFLICT = (
    Contended,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
_PAUSE_S = 0.02  # before the first repetition; the longest pause doubles with each


def is_away(error: BaseException) -> bool:
    """Whether the error says that the database cannot be reached; a value that the driver refuses is our own fault."""
    return isinstance(error, AWAY) and not isinstance(error, ValueError)


def refusal_of(error: BaseException, *, committing: bool = False) -> Refusal | None:
    """The refusal for an error of the driver; None when the error is none that passes by itself.

    `committing`: whether the commit had been sent, so that a lost connection leaves its outcome unknown.
    """
    if isinstance(error, (DatabaseAway, Contended, OutcomeUnknown)):
        return error
    if committing and isinstance(error, (asyncpg.QueryCanceledError, asyncpg.StatementCompletionUnknownError)):
        return OutcomeUnknown()
    if isinstance(error, CONFLICT):
        return Contended()
    if is_away(error):
        return OutcomeUnknown() if committing else DatabaseAway()
    return None


@contextmanager
def named(*, committing: bool = False) -> Iterator[None]:
    """Raise the refusal that an error of the driver means in its place; what means none stays what it is."""
    try:
        yield
    except (*AWAY, *CONFLICT) as error:
        refusal = refusal_of(error, committing=committing)
        if refusal is None or refusal is error:
            raise
        raise refusal from error


async def again_after_conflict(work: Callable[[], Awaitable[ResultT]], *, at_most: int = 3) -> ResultT:
    """Do work that others may get in the way of, at most `at_most` times, with a short random pause between.

    `work` opens its own transaction and may be done again from its beginning.
    Refuses: `contended` when the last time failed too; whatever else `work` refuses, at once.
    """
    for done in range(1, at_most):
        try:
            return await work()
        except CONFLICT:
            await asyncio.sleep(random.uniform(0, _PAUSE_S * 2**done))  # no two at the same moment again
    return await work()

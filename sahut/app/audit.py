"""`sahut audit`: the books of money, the books of care and the sealed log, in one snapshot."""

from sahut.care import audit_care
from sahut.db import open_connection
from sahut.ledger import audit_money
from sahut.work import audit_work

# An auditor reads whole tables, so the planner may choose; and it may take its time.
_READER = {
    "enable_hashjoin": "on", "enable_mergejoin": "on", "enable_seqscan": "on", "enable_nestloop": "off",
    "plan_cache_mode": "auto",
    "default_transaction_read_only": "on", "work_mem": "64MB",
    "idle_in_transaction_session_timeout": "600000",
}  # fmt: skip


async def audit(dsn: str, public_key: bytes | None = None) -> list[str]:
    """What does not agree, a sentence each; empty when the books are clean.

    `public_key`: 32 bytes; with it the signatures of the heads of the log are checked too. Reads only.
    """
    connection = await open_connection(dsn, name="sahut-audit", command_timeout_s=600, **_READER)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [
                *await audit_money(connection),
                *await audit_care(connection),
                *await audit_work(connection, public_key),
            ]
    finally:
        await connection.close()

"""Claims: how a process comes to hold jobs, keeps them, ends them and gives them back. One function for each query."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sahut.db import Connection, Queries
from sahut.work.jobs.kinds import Job, JobKind, Verdict
from sahut.work.metrics import job_claimed

_queries = Queries.load("sahut.work.jobs")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ClaimLost(Exception):
    """Somebody else holds the job now, or it was withdrawn; what was done here is rolled back."""


async def claim(connection: Connection, wanted: Sequence[tuple[JobKind, int]], held_by: str) -> list[Job]:
    """Claim what is due, oldest first. `wanted`: kinds, each once, and at most how many of it. Writes: `work.job`."""
    rows = await _queries.claim_jobs.fetch(
        connection,
        kinds=[kind.name for kind, _at_most in wanted],
        at_most=[at_most for _kind, at_most in wanted],
        leases_s=[kind.lease_s for kind, _at_most in wanted],
        held_by=held_by,
    )
    rows.sort(key=lambda row: (row["due_at"], row["id"]))
    now = datetime.now(UTC)
    for row in rows:
        job_claimed(row["kind"], (now - row["due_at"]).total_seconds())
    return [
        Job(
            id=row["id"],
            key=row["key"],
            kind=row["kind"],
            attempts=row["attempts"],
            forgiven=row["forgiven"],
            body=_decode(row["body"]),
            traceparent=row["traceparent"],
        )
        for row in rows
    ]


async def finish(connection: Connection, jobs: Sequence[Job]) -> None:
    """Remove jobs in the transaction of their effects. **Refuses**: `ClaimLost` when any of them is no longer ours."""
    ordered = sorted(jobs, key=_by_id)
    status = await _queries.finish_jobs.execute(
        connection,
        ids=[job.id for job in ordered],
        attempts=[job.attempts for job in ordered],
        keys=[job.key for job in ordered],
    )
    if status != f"DELETE {len(jobs)}":
        raise ClaimLost(jobs[0].kind)


async def lengthen(connection: Connection, held: Iterable[tuple[Job, float]]) -> None:
    """Renew leases: (job, seconds from now). A job that is no longer ours is left alone."""
    ordered = sorted(held, key=lambda one: one[0].id)
    await _queries.lease_longer.execute(
        connection,
        ids=[job.id for job, _lease_s in ordered],
        attempts=[job.attempts for job, _lease_s in ordered],
        leases_s=[lease_s for _job, lease_s in ordered],
    )


async def give_back(connection: Connection, jobs: Iterable[Job]) -> None:
    """Let others have these jobs at once; the attempt does not count. A job that is no longer ours is left alone."""
    ordered = sorted(jobs, key=_by_id)
    await _queries.give_back.execute(
        connection, ids=[job.id for job in ordered], attempts=[job.attempts for job in ordered]
    )


async def put_back(connection: Connection, job: Job, verdict: Verdict) -> None:
    """Do with a job that did not end well as was decided. A job that is no longer ours is left alone."""
    await _queries.put_back.execute(
        connection,
        id=job.id,
        attempts=job.attempts,
        key=job.key,
        wait_s=verdict.wait_s,
        bury=verdict.bury,
        forgive=verdict.forgive,
        told=verdict.told,
    )


async def next_due_in(connection: Connection, kinds: Iterable[JobKind]) -> float | None:
    """Seconds until the next job of these kinds is due, below zero when one is; None when none waits."""
    due_in: float | None = await _queries.next_job_in.fetchval(connection, kinds=[kind.name for kind in kinds])
    return due_in


def _by_id(job: Job) -> int:
    return job.id

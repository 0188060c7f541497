"""What the house has promised: the sealed log, clocks, jobs, backups. What was seen → one finding each."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sahut.app.doctor.finding import Finding, ok, warn, wrong

_LAG_S, _LONG_LAG_S = 2.0, 30.0
_HEAD_AGE = timedelta(minutes=5)
_UNPUBLISHED = timedelta(minutes=15)


def check_sealing(lag_s: float) -> Finding:
    """``lag_s``: how long the oldest event without a number has waited; 0 when there is none."""
    if lag_s > _LAG_S:
        level = wrong if lag_s > _LONG_LAG_S else warn
        return level(
            "sealing", f"The oldest event has waited for its number for {lag_s:.0f} s.",
            "Does a work process run, and is its log free of `log_damaged`? Live pages stand still meanwhile.",
        )  # fmt: skip
    return ok("sealing", "Every event has its number.")


@dataclass(frozen=True, slots=True)
class HeadsSeen:
    """The newest signed head of the table and of the published files (n, root, time), None when there is none.

    ``n``: how far the log is sealed; ``published_matches``: the table has the published head, with the same root.
    """

    now: datetime
    n: int
    signed: tuple[int, str, datetime] | None
    published: tuple[int, str, datetime] | None
    published_matches: bool


def check_heads(seen: HeadsSeen) -> Finding:
    if seen.published is not None and not seen.published_matches:
        return wrong(
            "heads", f"The published head of {seen.published[0]} events is not that of the database.",
            "The log was changed, or another database was put in its place: `sahut audit`, and ask who.",
        )  # fmt: skip
    if seen.signed is None:
        if seen.n == 0:
            return ok("heads", "Nothing has happened yet that a head could be signed over.")
        return wrong("heads", f"No head of {seen.n} events was ever signed.", "Does a work process run?")
    if seen.signed[0] < seen.n and seen.now - seen.signed[2] > _HEAD_AGE:
        minutes = (seen.now - seen.signed[2]).total_seconds() / 60
        return wrong("heads", f"The last head was signed {minutes:.0f} minutes ago.", "Does a work process run?")
    if seen.published is None or seen.signed[2] - seen.published[2] > _UNPUBLISHED:
        return wrong(
            "heads", "The newest signed heads are not in the published files.",
            "Is there room on the disk of heads/, and may the service write there?",
        )  # fmt: skip
    return ok("heads", f"The published head of {seen.published[0]} events is that of the database.")


@dataclass(frozen=True, slots=True)
class ClocksSeen:
    """Clocks that ran out and were marked neither kept nor broken; broken promises to customers of the last day."""

    overdue: int
    oldest_overdue_s: float
    broken_lately: int


def check_clocks(seen: ClocksSeen) -> Finding:
    if seen.overdue and seen.oldest_overdue_s > _LONG_LAG_S:
        return wrong(
            "clocks", f"{seen.overdue} clocks have run out unnoticed, the oldest {seen.oldest_overdue_s:.0f} s ago.",
            "Does a work process run?",
        )  # fmt: skip
    if seen.broken_lately:
        return warn(
            "clocks", f"{seen.broken_lately} promises were broken within the last day.",
            "People wait for an answer: look at the desk.",
        )  # fmt: skip
    return ok("clocks", "No promise was broken within the last day.")


@dataclass(frozen=True, slots=True)
class JobsSeen:
    """``buried``: jobs that wait for a person; ``unknown``: kinds that this release does not know; oldest one due."""

    buried: int
    unknown: tuple[str, ...]
    oldest_due_s: float
    oldest_kind: str


def check_jobs(seen: JobsSeen) -> Finding:
    if seen.unknown:
        return wrong(
            "jobs", f"Jobs of the kind `{seen.unknown[0]}` wait, which this release does not know.",
            "Run the release that does, or bury them (`sahut jobs`).",
        )  # fmt: skip
    if seen.oldest_due_s > 300:
        return wrong(
            "jobs", f"A job of the kind `{seen.oldest_kind}` has been due for {seen.oldest_due_s:.0f} s.",
            "Does a work process run, and does it keep up?",
        )  # fmt: skip
    if seen.buried:
        return warn("jobs", f"{seen.buried} jobs failed too often and wait for a person.", "sahut jobs")
    return ok("jobs", "No job waits for a person.")


def check_backups(troubles: list[str], reminder: str | None = None, *, wanted: bool, demo: bool) -> Finding:
    """``troubles``: what the backups themselves say; ``wanted``: they are set up at all."""
    if not troubles and reminder is not None:
        return warn("backups", reminder, "The operator's guide tells how.")
    if not troubles:
        return ok("backups", "Backups are made and were tried.")
    if demo and not wanted:
        return ok("backups", "A demo has nothing that a backup would save.")
    level = wrong if wanted else warn
    return level("backups", troubles[0], " ".join(troubles[1:]) or "The operator's guide tells how.")

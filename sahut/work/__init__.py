"""Work: what all rooms need to be done reliably. The sealed log, durable jobs, clocks, batches, answers already given.

Everything that happened is a row of one log, `work.event`. Business transactions insert plainly; the sealer gives
committed rows their number `n`, folds them into a Merkle tree and rings. All readers go by `n`. Jobs are rows that are
written in the same commit as what they follow from. The batcher turns many callers into one commit.

Other rooms write `work.event`, `work.job` and `work.idempotency` in their own statements, so that nothing falls between
an effect and what follows from it (`WRITTEN_BY_OTHERS`); all else of this schema is written here only. Each part
(`log`, `jobs`, `deadlines`) keeps its own queries; the tables of all stand in `schema.sql`.
"""

from sahut.work.audit import audit_work
from sahut.work.batcher import Batcher, Busy, CannotBeWritten, Weight
from sahut.work.blocking import BlockingPool
from sahut.work.deadlines.clocks import (
    Deadline,
    NewClock,
    deadlines_of,
    keep_deadline,
    open_deadline,
    open_deadlines,
    running_deadlines,
)
from sahut.work.deadlines.moving import (
    DeadlineNotMoved,
    NoRunningDeadline,
    extend_deadline,
    pause_deadline,
    resume_deadline,
)
from sahut.work.deadlines.policies import policies_in_force, policy_in_force, write_calendar, write_policy
from sahut.work.deadlines.rules import BadPolicy, CalendarTerms, NoSuchPolicy, Policy, PolicyTerms
from sahut.work.deadlines.watch import ClockHandler, DeadlineWatch
from sahut.work.figures import work_figures
from sahut.work.hung import end_hung_sessions, watch_hung_sessions
from sahut.work.idempotency.answers import (
    KeptAnswer,
    KeyReused,
    RequestInFlight,
    claim,
    command_hash,
    keep_answer,
)
from sahut.work.idempotency.forgetting import forget_answers, keep_forgetting
from sahut.work.jobs.enqueue import enqueue, enqueue_all, enqueue_at, reschedule, withdraw
from sahut.work.jobs.kinds import Job, JobHandler, JobKind, KindTwice, Retry, RetryAfter
from sahut.work.jobs.overview import (
    REASON_CHARACTERS,
    REVIVED_AT_MOST,
    BuriedJob,
    JobTold,
    KindOfJobs,
    buried_jobs,
    bury,
    forgotten_kinds,
    job_told,
    jobs_by_kind,
    revive,
    revive_kind,
)
from sahut.work.jobs.runner import JobRunner, connections_for
from sahut.work.log.append import append_event, append_events
from sahut.work.log.months import make_months, stray_months
from sahut.work.log.published import verify_heads
from sahut.work.log.reading import (
    Head,
    InclusionProof,
    LogEntry,
    head_bytes,
    prove_consistency,
    prove_inclusion,
    read_head,
    read_log,
    read_tile,
)
from sahut.work.log.retention import NotRetired, OldMonth, months_to_retire, retire_months
from sahut.work.log.ring import listen
from sahut.work.log.sealer import LogDamaged, Sealer, run_sealer
from sahut.work.log.sweep import lost_events, sweep
from sahut.work.merkle import consistency_in, extends, leaf_hash, path_in, root_and_paths, root_by_path, root_of
from sahut.work.rows import EventRow, JobRow, as_json
from sahut.work.signing import HEAD, RECEIPTS, Signer, key_id_of, signature_is_good

WRITTEN_BY_OTHERS = ("work.event", "work.job", "work.idempotency")

__all__ = [
    "HEAD",
    "REASON_CHARACTERS",
    "RECEIPTS",
    "REVIVED_AT_MOST",
    "WRITTEN_BY_OTHERS",
    "BadPolicy",
    "Batcher",
    "BlockingPool",
    "BuriedJob",
    "Busy",
    "CalendarTerms",
    "CannotBeWritten",
    "ClockHandler",
    "Deadline",
    "DeadlineNotMoved",
    "DeadlineWatch",
    "EventRow",
    "Head",
    "InclusionProof",
    "Job",
    "JobHandler",
    "JobKind",
    "JobRow",
    "JobRunner",
    "JobTold",
    "KeptAnswer",
    "KeyReused",
    "KindOfJobs",
    "KindTwice",
    "LogDamaged",
    "LogEntry",
    "NewClock",
    "NoRunningDeadline",
    "NoSuchPolicy",
    "NotRetired",
    "OldMonth",
    "Policy",
    "PolicyTerms",
    "RequestInFlight",
    "Retry",
    "RetryAfter",
    "Sealer",
    "Signer",
    "Weight",
    "append_event",
    "append_events",
    "as_json",
    "audit_work",
    "buried_jobs",
    "bury",
    "claim",
    "command_hash",
    "connections_for",
    "consistency_in",
    "deadlines_of",
    "end_hung_sessions",
    "enqueue",
    "enqueue_all",
    "enqueue_at",
    "extend_deadline",
    "extends",
    "forget_answers",
    "forgotten_kinds",
    "head_bytes",
    "job_told",
    "jobs_by_kind",
    "keep_answer",
    "keep_deadline",
    "keep_forgetting",
    "key_id_of",
    "leaf_hash",
    "listen",
    "lost_events",
    "make_months",
    "months_to_retire",
    "open_deadline",
    "open_deadlines",
    "path_in",
    "pause_deadline",
    "policies_in_force",
    "policy_in_force",
    "prove_consistency",
    "prove_inclusion",
    "read_head",
    "read_log",
    "read_tile",
    "reschedule",
    "resume_deadline",
    "retire_months",
    "revive",
    "revive_kind",
    "root_and_paths",
    "root_by_path",
    "root_of",
    "run_sealer",
    "running_deadlines",
    "signature_is_good",
    "stray_months",
    "sweep",
    "verify_heads",
    "watch_hung_sessions",
    "withdraw",
    "work_figures",
    "write_calendar",
    "write_policy",
]

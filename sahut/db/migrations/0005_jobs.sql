-- Why: claims walk each kind by itself, so that no kind waits behind another's backlog; an operator sees who holds a job;
-- waiting is not failing; and a step knows the trace that it belongs to.
alter table work.job
    add column held_by text check (length(held_by) between 1 and 64),
    add column forgiven int not null default 0 check (forgiven between 0 and attempts),
    add column traceparent text default nullif(current_setting('sahut.traceparent', true), '')
        check (length(traceparent) <= 128);
comment on column work.job.held_by is 'The process that claimed it last; null when nobody holds it.';
comment on column work.job.forgiven is 'Attempts that do not count as failures: "not yet", or given back before they began.';
comment on column work.job.traceparent is 'The trace of what it follows from (W3C Trace Context), taken from the transaction that wrote it.';

-- Each kind is a walk of its own from its oldest job that is due; a million jobs of another kind are not even looked at.
create index job_due_of_kind on work.job (kind, run_at, id) where buried_at is null;
drop index work.job_due;
create index job_buried on work.job (kind, key collate "C") where buried_at is not null;

-- Rows live for a moment here: vacuum goes by their number, not by their share of a table that is mostly empty.
alter table work.job set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

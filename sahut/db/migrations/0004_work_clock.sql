-- Why: leases, retries and clocks ask one clock, that of the database, and a simulation must be able to hand in its own.
-- The body is one expression, so the planner puts it in place and a call costs nothing.
create function work.clock() returns timestamptz language sql volatile parallel safe as 'select clock_timestamp()';
comment on function work.clock() is 'The time by which jobs, leases and clocks go. Replaced only in a simulation''s own database.';
alter table work.job alter column run_at set default work.clock();

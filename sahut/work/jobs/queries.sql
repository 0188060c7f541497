-- name: enqueue
insert into work.job (kind, key, body, run_at)
values (:kind, :key, :body::jsonb, work.clock() + make_interval(secs => :wait_s))
on conflict (key) do nothing;

-- name: claim_jobs
-- Moving run_at ahead is the lease; whoever holds the newest attempt may finish. The clock is read once for the
-- statement, so the index gives the order and nothing is sorted, however much is due.
update work.job j
   set run_at = work.clock() + make_interval(secs => :lease_s), attempts = j.attempts + 1
  from (select id from work.job
         where buried_at is null and run_at <= (select work.clock()) and kind = any(:kinds::text[])
         order by run_at, id
         limit :at_most
           for no key update skip locked) as due
 where j.id = due.id
returning j.id, j.key, j.kind, j.attempts, j.body;

-- name: finish_jobs
-- In the transaction of their effects. Fewer rows than asked for: somebody else holds a newer attempt, so the effects must
-- not stay.
delete from work.job j using unnest(:ids::bigint[], :attempts::int[]) as held (id, attempts)
 where j.id = held.id and j.attempts = held.attempts;

-- name: lease_longer
-- Only for claims that are still the newest.
update work.job j set run_at = work.clock() + make_interval(secs => :lease_s)
  from unnest(:ids::bigint[], :attempts::int[]) as held (id, attempts)
 where j.id = held.id and j.attempts = held.attempts and j.buried_at is null;

-- name: retry_job
update work.job
   set run_at = work.clock() + make_interval(secs => :wait_s),
       buried_at = case when :bury::boolean then work.clock() end,
       story = (case when jsonb_array_length(story) >= 10 then story - 0 else story end)
               || jsonb_build_object('at', work.clock(), 'error', :error::text)
 where id = :id and attempts = :attempts;

-- name: next_job_in
-- Seconds until the next job is due; null when none waits.
select extract(epoch from min(run_at) - work.clock())::float8 from work.job where buried_at is null and kind = any(:kinds::text[]);

-- name: audit_jobs
select kind, count(*) as buried, min(key) as example from work.job where buried_at is not null group by kind order by kind;

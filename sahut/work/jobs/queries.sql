-- name: enqueue
insert into work.job (kind, key, body, run_at)
values (:kind, :key, :body::jsonb, work.clock() + make_interval(secs => :wait_s))
on conflict (key) do nothing;

-- name: enqueue_at
insert into work.job (kind, key, body, run_at) values (:kind, :key, :body::jsonb, :run_at)
on conflict (key) do nothing;

-- name: enqueue_all
-- In the order of the keys, so that two who put the same jobs in line wait for each other and never in a ring.
insert into work.job (kind, key, body, run_at)
select kind, key, body, work.clock() + make_interval(secs => :wait_s)
  from unnest(:kinds::text[], :keys::text[], :bodies::jsonb[]) as given (kind, key, body)
 order by key collate "C"
on conflict (key) do nothing;

-- name: withdraw
-- Whoever is at it now finds no row to finish, and is rolled back.
delete from work.job where key = :key;

-- name: reschedule
-- Whoever is at it now has an older attempt, and is rolled back.
update work.job
   set run_at = :run_at, attempts = attempts + 1, forgiven = forgiven + 1, held_by = null
 where key = :key and buried_at is null;

-- name: claim_jobs
-- Moving run_at ahead is the lease; whoever holds the newest attempt may finish. Each kind is an index walk of its own
-- that stops at its limit; the clock is read once, so nothing is sorted, however much is due. A claim need not be on
-- disk: when the server dies with it, the job is as it was before, and the finish still decides who has done it.
with quick as materialized (select set_config('synchronous_commit', 'off', true)),
due as materialized (
    select found.id, found.run_at, wanted.lease_s
      from quick
     cross join unnest(:kinds::text[], :at_most::int[], :leases_s::float8[]) as wanted (kind, at_most, lease_s)
     cross join lateral (
           select id, run_at from work.job
            where kind = wanted.kind and buried_at is null and run_at <= (select work.clock())
              -- A row that nobody of ours wrote must not stop the others: it is passed over, and a person sees it.
              and run_at > '-infinity' and attempts < 2147483647
            order by run_at, id
            limit wanted.at_most
              for no key update skip locked) as found)
update work.job j
   set run_at = work.clock() + make_interval(secs => due.lease_s), attempts = j.attempts + 1, held_by = :held_by
  from due
 where j.id = due.id
returning j.id, j.key, j.kind, j.attempts, j.forgiven, j.body, j.traceparent, due.run_at as due_at;

-- name: finish_jobs
-- In the transaction of their effects. Fewer rows than asked for: somebody else holds a newer attempt, so the effects must
-- not stay. (The key too: a standby that takes over without the last commits may give an id a second time.)
delete from work.job j using unnest(:ids::bigint[], :attempts::int[], :keys::text[]) as held (id, attempts, key)
 where j.id = held.id and j.attempts = held.attempts and j.key = held.key;

-- name: lease_longer
-- Only for claims that are still the newest. A row that is locked is just being finished.
with quick as materialized (select set_config('synchronous_commit', 'off', true)),
mine as materialized (
    select found.id, held.lease_s
      from quick
     cross join unnest(:ids::bigint[], :attempts::int[], :leases_s::float8[]) as held (id, attempts, lease_s)
     cross join lateral (
           select id from work.job
            where id = held.id and attempts = held.attempts and buried_at is null
              for no key update skip locked) as found)
update work.job j set run_at = work.clock() + make_interval(secs => mine.lease_s) from mine where j.id = mine.id;

-- name: give_back
-- To whoever comes next, at once; the attempt does not count.
update work.job j set run_at = work.clock(), forgiven = j.forgiven + 1, held_by = null
  from unnest(:ids::bigint[], :attempts::int[]) as held (id, attempts)
 where j.id = held.id and j.attempts = held.attempts and j.buried_at is null;

-- name: put_back
-- Again later, or buried. The story keeps the newest ten.
update work.job
   set run_at = work.clock() + make_interval(secs => :wait_s),
       buried_at = case when :bury::boolean then work.clock() end,
       forgiven = forgiven + :forgive::boolean::int,
       held_by = null,
       story = case when :told::text is null then story
                    else (case when jsonb_array_length(jsonb_path_query_array(story, '$[*]')) >= 10 then story - 0 else story end)
                         || jsonb_build_object('at', work.clock(), 'error', :told::text) end
 where id = :id and attempts = :attempts and key = :key and buried_at is null;

-- name: next_job_in
-- Seconds until the next job of these kinds is due; null when none waits.
select extract(epoch from min(next.run_at) - work.clock())::float8
  from unnest(:kinds::text[]) as wanted (kind)
 cross join lateral (
       select run_at from work.job
        where kind = wanted.kind and buried_at is null and run_at > '-infinity' and attempts < 2147483647
        order by run_at, id limit 1) as next;

-- name: jobs_by_kind
-- The whole table once, for a person who asks. Running: claimed, and the lease holds.
select kind,
       count(*) filter (where buried_at is null and held_by is null and run_at > now.at) as waiting,
       count(*) filter (where buried_at is null and run_at <= now.at) as due,
       count(*) filter (where buried_at is null and held_by is not null and run_at > now.at) as running,
       count(*) filter (where buried_at is not null) as buried,
       coalesce(extract(epoch from max(now.at - run_at) filter (where buried_at is null and run_at <= now.at)), 0)::float8
           as oldest_due_s
  from work.job cross join (select work.clock() as at) as now
 group by kind order by kind limit :at_most;

-- name: buried_jobs
select kind, key, buried_at from work.job where buried_at is not null order by kind, key limit :at_most;

-- name: job_by_key
select kind, key, run_at, attempts, forgiven, held_by, buried_at, story, body, traceparent,
       extract(epoch from run_at - work.clock())::float8 as due_in_s
  from work.job where key = :key;

-- name: revive
-- The tries begin again at one; the story stays.
update work.job
   set buried_at = null, run_at = work.clock(), attempts = attempts + 1, forgiven = attempts + 1, held_by = null
 where key = :key and buried_at is not null
returning kind, key;

-- name: revive_kind
-- In the order of the keys, at most so many at a time.
with chosen as materialized (
    select id from work.job where kind = :kind and buried_at is not null order by key limit :at_most for no key update)
update work.job j
   set buried_at = null, run_at = work.clock(), attempts = j.attempts + 1, forgiven = j.attempts + 1, held_by = null
  from chosen where j.id = chosen.id;

-- name: bury
-- Whoever is at it now has an older attempt, and is rolled back.
update work.job
   set buried_at = work.clock(), attempts = attempts + 1, forgiven = forgiven + 1, held_by = null,
       story = (case when jsonb_array_length(jsonb_path_query_array(story, '$[*]')) >= 10 then story - 0 else story end)
               || jsonb_build_object('at', work.clock(), 'error', :told::text)
 where key = :key and buried_at is null
returning kind, key;

-- name: audit_jobs
select kind, count(*) as buried, min(key) as example from work.job where buried_at is not null group by kind order by kind;

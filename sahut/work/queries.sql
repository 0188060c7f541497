-- name: append_event
-- The default of id draws the number; see the table.
insert into work.event (topic, subject, kind, body) values (:topic, :subject, :kind, :body::jsonb);

-- name: append_events
insert into work.event (topic, subject, kind, body)
select * from unnest(:topics::text[], :subjects::bigint[], :kinds::text[], :bodies::jsonb[]);

-- name: enqueue
insert into work.job (kind, key, body, run_at)
values (:kind, :key, :body::jsonb, clock_timestamp() + make_interval(secs => :wait_s))
on conflict (key) do nothing;

-- name: read_log
-- In order of n, without holes.
select s.n, e.id, e.at, e.topic, e.subject, e.kind, e.body
  from work.seal s join work.event e on e.id = s.event_id
 where s.n > :after
 order by s.n
 limit :at_most;

-- name: read_head
select n, root, sealed_at from work.head;

-- name: leaf_of_event
-- What is hashed for an event, as text: a JSON array, so that no field can reach into its neighbour.
select s.n, e.id, e.topic, e.subject, e.kind,
       jsonb_build_array(e.id, (extract(epoch from e.at) * 1000000)::bigint, e.topic, e.subject, e.kind, e.body)::text as leaf
  from work.event e join work.seal s on s.event_id = e.id
 where e.id = :event_id;

-- name: leaf_hashes
-- Leaf hashes of the events numbered after :after up to :upto, in order.
select sha256('\x00'::bytea || convert_to(jsonb_build_array(
           e.id, (extract(epoch from e.at) * 1000000)::bigint, e.topic, e.subject, e.kind, e.body)::text, 'UTF8')) as leaf
  from work.seal s join work.event e on e.id = s.event_id
 where s.n > :after and s.n <= :upto
 order by s.n;

-- name: tile
select hashes from work.tile where level = :level and position = :position;

-- name: tile_roots
-- Roots of neighbouring tiles, from left to right.
select root from work.tile where level = :level and position >= :first and position < :after_last order by position;

-- name: newest_signed_head
-- The newest head that covers n.
select signed_at, n, root, key_id, signature from work.signed_head where n >= :n order by signed_at desc limit 1;

-- name: head_for_sealer
select n, root, subtrees, seen, gap_first, gap_last, gap_horizon from work.head;

-- name: unsealed_events
-- One statement, so one snapshot: what is new, which missing numbers have come, up to where all transactions have ended,
-- and a transaction id of our own, later than every one that existed at the snapshot. (pg_snapshot_xmax is not: it is
-- the last completed one + 1, so a writer still at work may have a higher id, and its event would be taken for dead.)
select e.id,
       sha256('\x00'::bytea || convert_to(jsonb_build_array(
           e.id, (extract(epoch from e.at) * 1000000)::bigint, e.topic, e.subject, e.kind, e.body)::text, 'UTF8')) as leaf,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as ended_below,
       pg_current_xact_id()::text::bigint as horizon
  from ((select late.*
          from unnest(:gap_first::bigint[], :gap_last::bigint[]) as gap (first, last)
         -- Order and limit also inside, or the planner turns the join round and tests every event against every gap.
         cross join lateral (
                select * from work.event where id between gap.first and gap.last order by id limit :at_most) as late
         order by late.id limit :at_most)
         union all
        (select * from work.event where id > :seen order by id limit :at_most)) as e
 order by e.id;

-- name: seal
-- The head moves only from where this sealer left it, and nothing is numbered unless the head moved.
with moved as (
    update work.head
       set n = :n::bigint, root = :root, subtrees = :subtrees, seen = :seen,
           gap_first = :gap_first, gap_last = :gap_last, gap_horizon = :gap_horizon, sealed_at = clock_timestamp()
     where n = :was::bigint
    returning pg_notify('ring', :n::bigint::text)),
tiled as (
    insert into work.tile (level, position, hashes, root)
    select * from unnest(:tile_levels::smallint[], :tile_positions::bigint[], :tile_hashes::bytea[], :tile_roots::bytea[])
     where exists (select from moved))
insert into work.seal (n, event_id)
select :was::bigint + o, id from unnest(:event_ids::bigint[]) with ordinality as new (id, o) where exists (select from moved);

-- name: keep_signed_head
insert into work.signed_head (signed_at, n, root, key_id, signature) values (:signed_at, :n, :root, :key_id, :signature)
on conflict (signed_at) do nothing;

-- name: lost_events
-- One snapshot again: events the sealer has passed, that bear no number and that it does not wait for. There are none.
select e.id
  from work.head h
 cross join lateral (
        select id from work.event
         where id > :above and id <= least(h.seen, :upto)) as e
 where not exists (select from work.seal s where s.event_id = e.id)
   and not exists (select from unnest(h.gap_first, h.gap_last) as gap (first, last) where e.id between gap.first and gap.last)
 order by e.id
 limit :at_most;

-- name: sweep_bounds
select seen, swept from work.head;

-- name: note_swept
update work.head set swept = :swept;

-- name: claim_jobs
-- Moving run_at ahead is the lease; whoever holds the newest attempt may finish. `now()` does not change within the
-- statement, so the index gives the order and nothing is sorted, however much is due.
update work.job j
   set run_at = clock_timestamp() + make_interval(secs => :lease_s), attempts = j.attempts + 1
  from (select id from work.job
         where buried_at is null and run_at <= now() and kind = any(:kinds::text[])
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
update work.job j set run_at = clock_timestamp() + make_interval(secs => :lease_s)
  from unnest(:ids::bigint[], :attempts::int[]) as held (id, attempts)
 where j.id = held.id and j.attempts = held.attempts and j.buried_at is null;

-- name: retry_job
update work.job
   set run_at = clock_timestamp() + make_interval(secs => :wait_s),
       buried_at = case when :bury::boolean then clock_timestamp() end,
       story = (case when jsonb_array_length(story) >= 10 then story - 0 else story end)
               || jsonb_build_object('at', clock_timestamp(), 'error', :error::text)
 where id = :id and attempts = :attempts;

-- name: next_job_in
-- Seconds until the next job is due; null when none waits.
select extract(epoch from min(run_at) - clock_timestamp())::float8 from work.job where buried_at is null and kind = any(:kinds::text[]);

-- name: open_deadline
-- One running clock of a kind for a subject; a second one changes nothing.
insert into work.deadline (kind, subject, audience, policy, opened_at, due_at)
values (:kind, :subject, :audience, :policy, :opened_at, :due_at)
on conflict (kind, subject) where kept_at is null and broken_at is null do nothing
returning id;

-- name: keep_deadline
update work.deadline set kept_at = :now where kind = :kind and subject = :subject and kept_at is null and broken_at is null
returning id;

-- name: overdue_subjects
-- Of clocks of these kinds. Locks nothing: whoever breaks a clock locks its subject first.
select distinct subject
  from (select subject from work.deadline
         where kept_at is null and broken_at is null and due_at < :now and kind = any(:kinds::text[])
         order by due_at, id limit :at_most) as due;

-- name: break_overdue_deadlines
update work.deadline set broken_at = :now
 where subject = any(:subjects::bigint[]) and kind = any(:kinds::text[])
   and kept_at is null and broken_at is null and due_at < :now
returning id, kind, subject, due_at;

-- name: running_deadlines
-- Of many subjects at once, for lists.
select subject, kind, due_at from work.deadline
 where subject = any(:subjects::bigint[]) and kind = any(:kinds::text[]) and kept_at is null and broken_at is null
 order by due_at;

-- name: deadlines_of
select id, kind, subject, due_at, kept_at, broken_at from work.deadline
 where subject = :subject and kind = any(:kinds::text[]) order by id desc limit 50;

-- name: audit_log_counts
-- Whether numbers and events fit each other: as many as the highest, none twice, none without its event.
select (select n from work.head) as head, count(*) as sealed, coalesce(max(s.n), 0) as highest, count(e.id) as with_event
  from work.seal s left join work.event e on e.id = s.event_id;

-- name: audit_signed_heads
select n, root, signed_at, key_id, signature from work.signed_head where n > :after and n <= :upto order by n, signed_at;

-- name: audit_tiles
select position, hashes, root from work.tile where level = :level order by position;

-- name: audit_jobs
select kind, count(*) as buried, min(key) as example from work.job where buried_at is not null group by kind order by kind;

-- name: audit_alarms
select kind, count(*) as raised from work.event where topic = 'alarm' group by kind order by kind;

-- name: audit_overdue
-- Clocks that ran out more than a minute ago and that nobody has marked.
select kind, count(*) as overdue, min(due_at) as since from work.deadline
 where kept_at is null and broken_at is null and due_at < clock_timestamp() - interval '1 minute' group by kind order by kind;

-- name: end_hung_sessions
select application_name, pg_terminate_backend(pid) as ended
  from pg_stat_activity
 where usename = current_user and pid <> pg_backend_pid() and state = 'active' and wait_event_type = 'Client'
   and state_change < clock_timestamp() - make_interval(secs => :after_s);

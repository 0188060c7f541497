-- name: append_event
-- The default of id draws the number; see the table.
insert into work.event (topic, subject, kind, body) values (:topic, :subject, :kind, :body::jsonb);

-- name: append_events
insert into work.event (topic, subject, kind, body)
select * from unnest(:topics::text[], :subjects::bigint[], :kinds::text[], :bodies::jsonb[]);

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

-- name: audit_log_counts
-- Whether numbers and events fit each other: as many as the highest, none twice, none without its event.
select (select n from work.head) as head, count(*) as sealed, coalesce(max(s.n), 0) as highest, count(e.id) as with_event
  from work.seal s left join work.event e on e.id = s.event_id;

-- name: audit_signed_heads
select n, root, signed_at, key_id, signature from work.signed_head where n > :after and n <= :upto order by n, signed_at;

-- name: audit_tiles
select position, hashes, root from work.tile where level = :level order by position;

-- name: audit_alarms
select kind, count(*) as raised from work.event where topic = 'alarm' group by kind order by kind;

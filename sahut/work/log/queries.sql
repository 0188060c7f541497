-- name: append_event
-- The default of id draws the number; see the table.
insert into work.event (topic, subject, kind, body) values (:topic, :subject, :kind, :body::jsonb);

-- name: append_events
insert into work.event (topic, subject, kind, body)
select * from unnest(:topics::text[], :subjects::bigint[], :kinds::text[], :bodies::jsonb[]);

-- name: read_log
-- In order of n, without holes: so the page is a range of n, whatever the planner thinks of limits. Below what is kept
-- there is nothing to read.
select s.n, e.id, e.at, e.topic, e.subject, e.kind, e.body
  from work.seal s join work.event e on e.id = s.event_id and e.at = s.at
 where s.n > (select greatest(:after::bigint, max(kept_after)) from work.retired)
   and s.n <= (select greatest(:after::bigint, max(kept_after)) + :at_most::bigint from work.retired)
 order by s.n;

-- name: read_head
select n, root, sealed_at, (select coalesce(max(kept_after), 0) from work.retired) as kept_after from work.head;

-- name: leaf_of_event
-- What is hashed for an event, as text: a JSON array, so that no field can reach into its neighbour.
select s.n, e.id, e.topic, e.subject, e.kind,
       work.leaf_text(e.id, e.at, e.topic, e.subject, e.kind, e.body) as leaf
  from work.event e join work.seal s on s.event_id = e.id and s.at = e.at
 where e.id = :event_id
 order by s.n limit 1;

-- name: leaf_hashes
-- Leaf hashes of the events numbered after :after up to :upto, in order.
select work.leaf(e.id, e.at, e.topic, e.subject, e.kind, e.body) as leaf
  from work.seal s join work.event e on e.id = s.event_id and e.at = s.at
 where s.n > :after and s.n <= :upto
 order by s.n;

-- name: tile
select hashes from work.tile where level = :level and position = :position;

-- name: tile_roots
-- Roots of neighbouring tiles, from left to right.
select root from work.tile where level = :level and position >= :first and position < :after_last order by position;

-- name: newest_signed_head
-- The newest head that covers n. One of more events than there are was forged, and would stand before all others for ever.
select signed_at, n, root, key_id, signature from work.signed_head
 where n >= :n and n <= (select n from work.head)
 order by n desc, signed_at desc limit 1;

-- name: heads_signed_after
-- Signed heads beyond one that is known, in the order in which each extends the one before; none of more events than there
-- are, after which nothing would ever be published.
select signed_at, n, root, key_id, signature from work.signed_head
 where (n, signed_at) > (:n, :signed_at) and n <= (select n from work.head)
 order by n, signed_at
 limit :at_most;

-- name: head_for_sealer
select n, root, subtrees, seen from work.head;

-- name: gaps_for_sealer
select first, last, horizon from work.gap order by first;

-- name: unsealed_events
-- One statement, so one snapshot: what is new, which missing numbers have come, up to where all transactions have ended,
-- and a transaction id of our own, later than every one that existed at the snapshot. (pg_snapshot_xmax is not: it is
-- the last completed one + 1, so a writer still at work may have a higher id, and its event would be taken for dead.)
-- An id that the sequence has not given is passed over, or all below it would count as missing.
select e.id, e.at,
       work.leaf(e.id, e.at, e.topic, e.subject, e.kind, e.body) as leaf,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as ended_below,
       pg_current_xact_id()::text::bigint as horizon
  from ((select late.*
          from unnest(:gap_first::bigint[], :gap_last::bigint[]) as gap (first, last)
         -- Order and limit also inside, or the planner turns the join round and tests every event against every gap.
         cross join lateral (
                -- What bears a number already stays as it is: whoever forges an id must not have it numbered again. Not
                -- an anti-join, which would read and sort a month.
                select * from work.event early
                 where id between gap.first and gap.last and at >= :since
                   and (select s.n from work.seal s where s.event_id = early.id and s.at = early.at) is null
                 order by id limit :at_most) as late
         order by late.id limit :at_most)
         union all
        (select * from work.event
          where id > :seen and id <= (select last_value from work.event_id) and at >= :since order by id limit :at_most)) as e
 order by e.id;

-- name: clock
select work.clock() as now;

-- name: seal
-- The head moves only from where this sealer left it, and nothing is numbered unless the head moved. Of the gaps only
-- those that changed are written.
with moved as (
    update work.head
       set n = :n::bigint, root = :root, subtrees = :subtrees, seen = :seen, sealed_at = (select work.clock())
     where n = :was::bigint
    returning pg_notify('ring', :n::bigint::text)),
tiled as (
    insert into work.tile (level, position, hashes, root)
    select * from unnest(:tile_levels::smallint[], :tile_positions::bigint[], :tile_hashes::bytea[], :tile_roots::bytea[])
     where exists (select from moved)),
closed as (
    delete from work.gap where first = any(:gaps_closed::bigint[]) and exists (select from moved)),
kept as (
    insert into work.gap (first, last, horizon)
    select * from unnest(:gap_first::bigint[], :gap_last::bigint[], :gap_horizon::bigint[]) where exists (select from moved)
    on conflict (first) do update set last = excluded.last, horizon = excluded.horizon)
insert into work.seal (n, event_id, at)
select :was::bigint + o, id, at
  from unnest(:event_ids::bigint[], :event_ats::timestamptz[]) with ordinality as new (id, at, o)
 where exists (select from moved);

-- name: keep_signed_head
insert into work.signed_head (signed_at, n, root, key_id, signature) values (:signed_at, :n, :root, :key_id, :signature)
on conflict (n, signed_at) do nothing;

-- name: lost_events
-- One snapshot again: events the sealer has passed, that bear no number and that it does not wait for. There are none.
-- Both sides are bound to the stretch, so no more of the seals is read than of the events.
with unnumbered as materialized (
    select e.id from work.event e
     where e.id > :above and e.id <= :upto
       and e.id <= (select seen from work.head)
       and not exists (select from work.seal s
                        where s.event_id = e.id and s.at = e.at and s.event_id > :above and s.event_id <= :upto))
select u.id
  from unnumbered u
 where not exists (select from (select last from work.gap where first <= u.id order by first desc limit 1) as gap
                    where gap.last >= u.id)
 order by u.id
 limit :at_most;

-- name: doubled_events
-- Ids that bear more than one number: the table draws each id once, so somebody has forged one.
select event_id as id from work.seal where event_id > :above and event_id <= :upto
 group by event_id having count(*) > 1 order by event_id limit 1000;

-- name: sweep_bounds
select seen, swept from work.head;

-- name: note_swept
update work.head set swept = :swept;

-- name: stray_months
-- Months of events that fell into no partition, and how many in each: a clock has jumped.
select date_trunc('month', at, 'UTC')::date as month, count(*) as events
  from work.event_other group by month order by month limit 20;

-- name: make_partitions
select made from work.make_log_partitions() as made;

-- name: kept_after
-- Events with a number up to this may have been taken away.
select coalesce(max(kept_after), 0) from work.retired;

-- name: audit_log_counts
-- Whether the numbers go without a hole from the border of what was taken away to the head.
select (select n from work.head) as head, (select seen from work.head) as seen, kept.after as kept_after,
       count(s.n) as sealed, coalesce(max(s.n), kept.after) as highest
  from (select coalesce(max(kept_after), 0) as after from work.retired) as kept
  left join work.seal s on s.n > kept.after
 group by kept.after;

-- name: audit_signed_heads
select n, root, signed_at, key_id, signature from work.signed_head where n > :after and n <= :upto order by n, signed_at;

-- name: level_of_tiles
-- Neighbouring tiles of one level.
select position, hashes, root from work.tile
 where level = :level and position >= :first and position < :after_last order by position;

-- name: audit_tile_counts
select level, count(*) as count, max(position) as highest from work.tile group by level order by level;

-- name: audit_alarms
select kind, count(*) as raised from work.event where topic = 'alarm' group by kind order by kind;

-- name: months_of_the_log
-- The whole months that are older than what is to be kept, oldest first, and what stands in them.
select to_date(substr(c.relname, 7), 'YYYY_MM') as month,
       had.events, had.unsealed, had.highest_n
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
 cross join lateral (
        select count(*) as events, count(*) filter (where s.n is null) as unsealed, max(s.n) as highest_n
          from work.event e left join work.seal s on s.event_id = e.id and s.at = e.at
         where e.at >= to_date(substr(c.relname, 7), 'YYYY_MM')::timestamp at time zone 'UTC'
           and e.at < (to_date(substr(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC') as had
 where i.inhparent = 'work.event'::regclass and c.relname ~ '^event_\d{4}_\d{2}$'
   and to_date(substr(c.relname, 7), 'YYYY_MM')
       <= (date_trunc('month', (select work.clock()), 'UTC') at time zone 'UTC' - make_interval(months => :months + 1))::date
 order by c.relname
 limit 120;

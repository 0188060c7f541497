-- name: job_figures
-- Kind by kind along the index of what is due, at most a hundred kinds and so many jobs of each: a backlog of millions
-- costs no more than one of thousands.
with recursive kinds (kind) as (
    (select kind from work.job where buried_at is null order by kind limit 1)
     union all
    select (select kind from work.job where buried_at is null and kind > kinds.kind order by kind limit 1)
      from kinds where kinds.kind is not null),
clock as materialized (select work.clock() as now)
select k.kind,
       (select count(*) from (select from work.job
                               where buried_at is null and kind = k.kind and run_at <= clock.now
                               order by run_at limit :at_most) as found) as due,
       (select extract(epoch from clock.now - run_at)::float8 from work.job
         where buried_at is null and kind = k.kind and run_at <= clock.now
         order by run_at limit 1) as oldest_s
  from (select kind from kinds where kind is not null limit 100) as k cross join clock;

-- name: buried_figures
select kind, count(*) as buried
  from (select kind from work.job where buried_at is not null order by kind limit :at_most) as found group by kind;

-- name: clock_figures
-- Running clocks, kind by kind; those that are overdue stand first in the order of what is next.
with recursive kinds (kind) as (
    (select kind from work.deadline where kept_at is null and broken_at is null order by kind limit 1)
     union all
    select (select kind from work.deadline
             where kept_at is null and broken_at is null and kind > kinds.kind order by kind limit 1)
      from kinds where kinds.kind is not null),
clock as materialized (select work.clock() as now)
select k.kind,
       (select count(*) from (select from work.deadline
                               where kept_at is null and broken_at is null and kind = k.kind
                               order by next_at limit :at_most) as found) as running,
       (select count(*) from (select due_at from work.deadline
                               where kept_at is null and broken_at is null and kind = k.kind and next_at <= clock.now
                               order by next_at limit :at_most) as found where due_at < clock.now) as overdue,
       (select extract(epoch from clock.now - min(due_at))::float8
          from (select due_at from work.deadline
                 where kept_at is null and broken_at is null and kind = k.kind and next_at <= clock.now
                 order by next_at limit :at_most) as found where due_at < clock.now) as longest_overdue_s
  from (select kind from kinds where kind is not null limit 100) as k cross join clock;

-- name: log_figures
-- An event that is not numbered lies above what the sealer has seen, or in a gap; what came three days ago is sealed.
select h.n,
       extract(epoch from clock.now - h.sealed_at)::float8 as since_sealed_s,
       coalesce((select extract(epoch from clock.now - e.at)::float8 from work.event e
                  where e.id > h.seen and e.at >= clock.now - interval '3 days' order by e.id limit 1), 0) as lag_s,
       (select extract(epoch from clock.now - signed_at)::float8 from work.signed_head
         order by signed_at desc limit 1) as since_signed_s,
       (select count(*) from (select from work.gap limit :at_most) as found) as gaps
  from work.head h cross join (select work.clock() as now) as clock;

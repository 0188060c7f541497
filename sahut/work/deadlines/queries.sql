-- name: policies_in_force
-- Of each name the newest version that has begun, with its calendar's newest that has.
select p.name, p.version, p.kind, p.audience, p.measure, p.length, p.calendar, p.warn_percent, p.warn_before_s,
       c.zone, c.country, c.hours, c.categories, c.extra_holidays, c.extra_workdays
  from unnest(:names::text[]) as asked (name)
 cross join lateral (
        select * from work.deadline_policy
         where name = asked.name and valid_from <= :at order by version desc limit 1) as p
  left join lateral (
        select zone, country, hours, categories, extra_holidays, extra_workdays from work.calendar
         where name = p.calendar and valid_from <= :at order by version desc limit 1) as c on true;

-- name: policy_version
select p.name, p.version, p.kind, p.audience, p.measure, p.length, p.calendar, p.warn_percent, p.warn_before_s,
       c.zone, c.country, c.hours, c.categories, c.extra_holidays, c.extra_workdays
  from work.deadline_policy p
  left join lateral (
        select zone, country, hours, categories, extra_holidays, extra_workdays from work.calendar
         where name = p.calendar and valid_from <= :at order by version desc limit 1) as c on true
 where p.name = :name and p.version = :version;

-- name: policy_to_follow
-- The newest version of a policy, be it in force or not, and the calendar that will be; always one row.
select coalesce(p.version, 0) as version, p.kind, c.zone, c.country, c.hours,
       c.categories, c.extra_holidays, c.extra_workdays
  from (select :name::text as name, :calendar::text as calendar) as asked
  left join lateral (
        select version, kind from work.deadline_policy where name = asked.name order by version desc limit 1) as p on true
  left join lateral (
        select zone, country, hours, categories, extra_holidays, extra_workdays from work.calendar
         where name = asked.calendar and valid_from <= :at order by version desc limit 1) as c on true;

-- name: add_policy
insert into work.deadline_policy (name, version, valid_from, kind, audience, measure, length, calendar, warn_percent, warn_before_s)
values (:name, :version, :valid_from, :kind, :audience, :measure, :length, :calendar, :warn_percent, :warn_before_s)
on conflict (name, version) do nothing
returning version;

-- name: add_calendar
insert into work.calendar (name, version, valid_from, zone, country, hours, categories, extra_holidays, extra_workdays)
select :name::text, coalesce(max(version), 0) + 1, :valid_from, :zone, :country, :hours::jsonb, :categories::text[],
       :extra_holidays::date[], :extra_workdays::date[]
  from work.calendar where name = :name::text
on conflict (name, version) do nothing
returning version;

-- name: newest_policies_by_calendar
select distinct on (name) name, version, kind, audience, measure, length, calendar, warn_percent, warn_before_s
  from work.deadline_policy where calendar = :calendar order by name, version desc;

-- name: open_deadlines
-- One running clock of a kind for a subject; a second one changes nothing. In their order, so that nobody waits crosswise.
insert into work.deadline (kind, subject, audience, policy, policy_version, opened_at, due_at, warn_at)
select kind, subject, audience, policy, policy_version, opened_at, due_at, warn_at::timestamptz[]
  from unnest(:kinds::text[], :subjects::bigint[], :audiences::text[], :policies::text[], :versions::int[],
              :opened_ats::timestamptz[], :due_ats::timestamptz[], :warn_ats::text[])
       as new (kind, subject, audience, policy, policy_version, opened_at, due_at, warn_at)
 order by kind, subject
on conflict (kind, subject) where kept_at is null and broken_at is null do nothing
returning kind, subject;

-- name: keep_deadline
-- The mark and its event in one statement. A clock that was set back must not make a wait shorter than nothing.
with kept as (
    update work.deadline set kept_at = greatest(:now, opened_at)
     where kind = :kind and subject = :subject and kept_at is null and broken_at is null
    returning id, kind, subject, policy, policy_version)
insert into work.event (topic, subject, kind, body)
select 'deadline', id, 'deadline_kept',
       jsonb_build_object('kind', kind, 'about', subject, 'policy', policy, 'version', policy_version)
  from kept
returning id;

-- name: time_of_clocks
-- One for all processes.
select work.clock();

-- name: due_clocks
-- A range of the index, in its order, from where the last batch of this look ended. Locks nothing.
select id, subject, next_at from work.deadline
 where kept_at is null and broken_at is null
   and kind = :kind and next_at < :now and (next_at, id) > (:after_at, :after_id)
 order by next_at, id
 limit :at_most;

-- name: mark_due
-- Of clocks whose subjects the caller has locked. What somebody holds is left for the next look, so this never waits. A
-- clock that is due is broken, and what it did not warn of is past; another one warns of every moment that has passed.
with held as materialized (
    select id, due_at, warn_at from work.deadline
     where id = any(:ids::bigint[]) and kept_at is null and broken_at is null and next_at < :now
     order by id
       for no key update skip locked),
broken as (
    update work.deadline d set broken_at = :now
      from held where d.id = held.id and held.due_at < :now
    returning d.id, d.kind, d.subject, d.policy, d.policy_version, d.opened_at, d.due_at, d.warned, 0 as times),
warned as (
    update work.deadline d set warn_at = d.warn_at[passed.times + 1:], warned = d.warned + passed.times
      from (select id, (select count(*) from unnest(warn_at) as w where w < :now)::int as times
              from held where due_at >= :now) as passed
     where d.id = passed.id
    returning d.id, d.kind, d.subject, d.policy, d.policy_version, d.opened_at, d.due_at, d.warned, passed.times),
told as (
    insert into work.event (topic, subject, kind, body)
    select 'deadline', id, event,
           jsonb_build_object('kind', kind, 'about', subject, 'policy', policy, 'version', policy_version)
           || case when warning is null then '{}' else jsonb_build_object('warning', warning) end
      from (select id, kind, subject, policy, policy_version, due_at, 'deadline_broken' as event, null::int as warning
              from broken
             union all
            select id, kind, subject, policy, policy_version, due_at, 'deadline_warned', warned - times + w
              from warned cross join generate_series(1, times) as w) as marks
     order by due_at, id, warning)
select id, kind, subject, policy, policy_version, opened_at, due_at, warned, times from broken
 union all
select id, kind, subject, policy, policy_version, opened_at, due_at, warned, times from warned
 order by due_at, id;

-- name: lock_running
-- Locks the clock.
select id, kind, subject, policy, policy_version, opened_at, due_at, kept_at, broken_at, paused_at, warn_at from work.deadline
 where kind = :kind and subject = :subject and kept_at is null and broken_at is null
   for no key update;

-- name: reschedule_deadline
select work.reschedule_deadline(:id::bigint, :action, :due_at, :warn_at::timestamptz[], :paused_at, :reason, :actor::bigint);

-- name: running_deadlines
-- Of many subjects at once, for lists.
select subject, kind, due_at from work.deadline
 where subject = any(:subjects::bigint[]) and kind = any(:kinds::text[]) and kept_at is null and broken_at is null
 order by due_at;

-- name: deadlines_of
select id, kind, subject, policy, policy_version, opened_at, due_at, kept_at, broken_at, paused_at from work.deadline
 where subject = :subject and kind = any(:kinds::text[]) order by id desc limit 50;

-- name: audit_overdue
-- Clocks that ran out more than a minute ago and that nobody has marked.
select kind, count(*) as overdue, min(due_at) as since from work.deadline
 where kept_at is null and broken_at is null and paused_at is null and due_at < work.clock() - interval '1 minute'
 group by kind order by kind;

-- name: audit_policies
-- Clocks that say they run by a version that nobody wrote.
select d.policy, d.policy_version as version, count(*) as clocks from work.deadline d
 where d.policy_version > 0
   and not exists (select from work.deadline_policy p where p.name = d.policy and p.version = d.policy_version)
 group by d.policy, d.policy_version order by d.policy, d.policy_version limit 20;

-- name: audit_marks
-- Clocks whose mark has no event; of those that know their policy, and only as far back as the log is kept.
select d.id, d.kind from work.deadline d
 where d.policy_version > 0
   and coalesce(d.kept_at, d.broken_at) >= (select coalesce(min(at), '-infinity') from work.event)
   and not exists (select from work.event e
                    where e.topic = 'deadline' and e.subject = d.id
                      and e.kind = case when d.kept_at is not null then 'deadline_kept' else 'deadline_broken' end)
 order by d.id limit 20;

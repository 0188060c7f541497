-- Why: how long something may take is data with a date, not a number in the code. A clock knows the version of the policy
-- it was opened under, warns before it is due, may stand still, and all kinds are looked after by one loop.

-- When a house is open, and which days count. What was written stays; the newest version that has begun is in force.
create table work.calendar (
    name text not null check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    version integer not null check (version >= 1),
    valid_from timestamptz not null,
    zone text not null check (length(zone) between 1 and 64),
    country text not null check (country ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    hours jsonb not null default '{}' check (jsonb_typeof(hours) = 'object' and length(hours::text) <= 2000),
    categories text[] not null default '{public}' check (cardinality(categories) between 1 and 8),
    extra_holidays date[] not null default '{}' check (cardinality(extra_holidays) <= 1000),
    extra_workdays date[] not null default '{}' check (cardinality(extra_workdays) <= 1000),
    primary key (name, version)
);
comment on column work.calendar.country is 'ISO 3166 code of the country, or of its subdivision, whose public holidays count.';
comment on column work.calendar.categories is 'Kinds of holidays that count; for ID, government adds the joint leave (cuti bersama).';
comment on column work.calendar.extra_holidays is 'Days that a government gave at short notice, or our own; they win, as extra_workdays do.';
comment on column work.calendar.hours is 'Weekday (mon … sun) → openings ["08:00-12:00", …] by the clock on the wall; empty: only days are counted.';

create table work.deadline_policy (
    name text not null check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    version integer not null check (version >= 1),
    valid_from timestamptz not null,
    kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
    audience text not null check (audience in ('customer', 'staff', 'house')),
    measure text not null check (measure in ('wall', 'open', 'business_days')),
    length integer not null check (length between 1 and 34560000),
    calendar text,
    warn_percent smallint[] not null default '{}' check (1 <= all (warn_percent) and 99 >= all (warn_percent)),
    warn_before_s integer[] not null default '{}' check (1 <= all (warn_before_s)),
    primary key (name, version),
    check ((measure = 'wall') = (calendar is null)),
    check (measure <> 'business_days' or length <= 366),
    check (cardinality(warn_percent) + cardinality(warn_before_s) <= 4)
);
comment on column work.deadline_policy.length is 'Seconds of wall time or of open time; for business days, days.';
grant select, insert on work.calendar, work.deadline_policy to sahut_app;
create trigger append_only before update or delete on work.calendar for each row execute function work.refuse_change();
create trigger append_only before update or delete on work.deadline_policy for each row execute function work.refuse_change();
create trigger no_truncate before truncate on work.calendar for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on work.deadline_policy for each statement execute function work.refuse_change();

-- Those that stood in the code until today.
insert into work.deadline_policy (name, version, valid_from, kind, audience, measure, length, warn_before_s) values
    ('answer', 1, 'epoch', 'answer', 'customer', 'wall', 15 * 60, '{300}'),
    ('answer_late', 1, 'epoch', 'answer', 'customer', 'wall', 5 * 60, '{}'),
    ('follow_up', 1, 'epoch', 'follow_up', 'customer', 'wall', 24 * 3600, '{}');

alter table work.deadline
    add column policy_version integer not null default 0 check (policy_version >= 0),
    add column warn_at timestamptz[] not null default '{}' check (cardinality(warn_at) <= 4),
    add column warned smallint not null default 0 check (warned >= 0),
    add column paused_at timestamptz,
    add column next_at timestamptz not null generated always as
        (case when paused_at is null then coalesce(warn_at[1], due_at) else 'infinity' end) stored,
    add check (warn_at[cardinality(warn_at)] < due_at);
comment on column work.deadline.policy_version is '0: opened before policies were data.';
comment on column work.deadline.warn_at is 'The warnings that are still to come, soonest first.';
comment on column work.deadline.next_at is 'When somebody has to look at a running clock: at its next warning, or when it is due.';
update work.deadline
   set policy = case policy when 'answer_within_15_min' then 'answer' when 'after_a_broken_promise' then 'answer_late' else 'follow_up' end,
       policy_version = 1
 where policy in ('answer_within_15_min', 'after_a_broken_promise', 'follow_up_within_24_h');

-- Each kind is a range of its own, in the order of time; warnings and ends stand in one, and the index tells all of it.
drop index work.deadline_due;
create index deadline_next on work.deadline (kind, next_at, id) include (subject) where kept_at is null and broken_at is null;
grant update (warn_at, warned) on work.deadline to sahut_app;

-- A promise that was given cannot be moved by an update, only by this, which leaves its event in the same statement.
create function work.reschedule_deadline(
    asked bigint, action text, new_due_at timestamptz, new_warn_at timestamptz[], new_paused_at timestamptz,
    reason text, actor bigint)
returns bigint language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
with moved as (
    update work.deadline d
       set due_at = new_due_at, warn_at = new_warn_at, paused_at = new_paused_at
      from work.deadline was
     where d.id = asked and was.id = d.id and d.kept_at is null and d.broken_at is null
       and action in ('deadline_extended', 'deadline_paused', 'deadline_resumed')
       and reason ~ '^[a-z][a-z0-9_]{0,62}$'
    returning d.id, d.kind, d.subject, was.due_at as was_due_at, d.due_at)
insert into work.event (topic, subject, kind, body)
select 'deadline', id, action,
       jsonb_build_object('kind', kind, 'about', subject, 'was_due_at', was_due_at, 'due_at', due_at, 'reason', reason, 'actor', actor)
  from moved
returning subject
$$;
revoke all on function work.reschedule_deadline from public;
grant execute on function work.reschedule_deadline to sahut_app;

-- Why: the log is kept in months, so that old ones can be taken away whole and no look reads more than it must; gaps are
-- rows, so that a tick writes what has changed and not all of them. ADR 0065, 0066, 0067.

-- What is hashed for an event: a JSON array of all its fields as text, so that no field can reach into its neighbour.
-- Both bodies are one expression, so the planner puts them in place (measured: docs/performance.md).
create function work.leaf_text(id bigint, at timestamptz, topic text, subject bigint, kind text, body jsonb)
    returns text language sql stable parallel safe as
    $$ select jsonb_build_array(id, (extract(epoch from at) * 1000000)::bigint, topic, subject, kind, body)::text $$;
create function work.leaf(id bigint, at timestamptz, topic text, subject bigint, kind text, body jsonb)
    returns bytea language sql stable parallel safe as
    $$ select sha256('\x00'::bytea || convert_to(work.leaf_text(id, at, topic, subject, kind, body), 'UTF8')) $$;

alter table work.event rename to event_before;
alter index work.event_pkey rename to event_before_pkey;
alter table work.seal rename to seal_before;
alter index work.seal_pkey rename to seal_before_pkey;
alter index work.seal_event_id_key rename to seal_before_event_id_key;

-- A number is drawn after the transaction has its id, never from a block reserved ahead (no cache): only then may the
-- sealer call a missing number dead once every transaction that is older than its snapshot has ended.
create table work.event (
    id bigint not null default case when pg_current_xact_id() is not null then nextval('work.event_id') end check (id > 0),
    at timestamptz not null default work.clock(),
    topic text not null check (length(topic) between 1 and 32),
    subject bigint not null,
    kind text not null check (length(kind) between 1 and 64),
    body jsonb not null check (jsonb_typeof(body) = 'object'),
    primary key (id, at)
) partition by range (at);
comment on table work.event is 'What happened: ids, amounts and salted commitments, never personal data. In months by `at`.';
comment on column work.event.id is 'Drawn from work.event_id by who inserts; the sealer passes over what the sequence has not given.';
grant select, insert (id, topic, subject, kind, body) on work.event to sahut_app;

-- n is the order for all readers. An event has one n or none yet. That no n comes twice follows from work.head, which
-- moves only from where it stands; a key over partitions cannot say it.
create table work.seal (
    n bigint not null check (n > 0),
    event_id bigint not null,
    at timestamptz not null,
    primary key (n, at),
    unique (event_id, at)
) partition by range (at);
comment on column work.seal.at is 'the time of the event, so that both stand in partitions of the same month';
grant select, insert on work.seal to sahut_app;

create trigger append_only before update or delete on work.event for each row execute function work.refuse_change();
create trigger append_only before update or delete on work.seal for each row execute function work.refuse_change();
create trigger no_truncate before truncate on work.event for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on work.seal for each statement execute function work.refuse_change();

-- A clock that jumps must not stop anybody: what falls into no month stands here, is sealed and proven like all else.
create table work.event_other partition of work.event default;
create table work.seal_other partition of work.seal default;
grant select on work.event_other to sahut_app;
create trigger no_truncate before truncate on work.event_other for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on work.seal_other for each statement execute function work.refuse_change();

-- Attached, not made in place: that would lock the whole log; this locks only what fell into no month, for a moment.
create function work.make_log_partition(parent text, month timestamptz) returns text language plpgsql
    set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    name text := parent || to_char(month, '_YYYY_MM');
    other text := parent || '_other';
    following timestamptz := month + interval '1 month';
    strays boolean;
begin
    if to_regclass('work.' || name) is not null then
        return null;
    end if;
    execute format('lock table work.%I in access exclusive mode', other);
    execute format('create table work.%I (like work.%I including defaults including constraints)', name, parent);
    execute format('select exists (select from work.%I where at >= $1 and at < $2)', other) into strays using month, following;
    if strays then
        execute format('alter table work.%I disable trigger append_only', other);
        execute format('with moved as (delete from work.%I where at >= $1 and at < $2 returning *)'
                       ' insert into work.%I select * from moved', other, name) using month, following;
        execute format('alter table work.%I enable trigger append_only', other);
    end if;
    execute format('alter table work.%I attach partition work.%I for values from (%L) to (%L)', parent, name, month, following);
    -- Triggers for rows come with the parent, those for statements do not.
    execute format('create trigger no_truncate before truncate on work.%I for each statement'
                   ' execute function work.refuse_change()', name);
    return name;
end $$;
revoke all on function work.make_log_partition(text, timestamptz) from public;

-- With the owner's rights, and able to do only this: the month of the clock and the three after it. Gives up when another
-- session is in the way for half a second, since everybody would wait behind it; the caller asks again later.
create function work.make_log_partitions() returns setof text language plpgsql security definer
    set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '500ms' as $$
declare
    month timestamptz;
    parent text;
    made text;
begin
    perform pg_advisory_xact_lock(5916677);  -- LOG_PARTITIONS in sahut/db/locks.py
    for month in select date_trunc('month', work.clock()) + make_interval(months => ahead) from generate_series(0, 3) ahead loop
        foreach parent in array array['event', 'seal'] loop
            made := work.make_log_partition(parent, month);
            if made is not null then
                return next made;
            end if;
        end loop;
    end loop;
end $$;
revoke all on function work.make_log_partitions() from public;
grant execute on function work.make_log_partitions() to sahut_app;

-- What stood in one table goes into its months, unchanged, and the migration stops unless all of it has come along.
do $$
declare
    month timestamptz;
begin
    for month in select distinct date_trunc('month', at, 'UTC') from work.event_before
                  where at between clock_timestamp() - interval '10 years' and clock_timestamp() + interval '1 month' loop
        perform work.make_log_partition('event', month);
        perform work.make_log_partition('seal', month);
    end loop;
    perform work.make_log_partitions();
    insert into work.event (id, at, topic, subject, kind, body)
    select id, at, topic, subject, kind, body from work.event_before order by id;
    insert into work.seal (n, event_id, at)
    select s.n, s.event_id, e.at from work.seal_before s join work.event_before e on e.id = s.event_id order by s.n;
    if (select count(*) from work.event) <> (select count(*) from work.event_before)
       or (select count(*) from work.seal) <> (select count(*) from work.seal_before) then
        raise exception 'the log before this migration is damaged: a number stands for no event; run the audit of the last release';
    end if;
end $$;
drop table work.event_before;
drop table work.seal_before;

-- Ids that were missing below the highest id the sealer has seen: ranges with the transaction id that must have ended before
-- they count as rolled back.
create table work.gap (
    first bigint primary key,
    last bigint not null check (last >= first),
    horizon bigint not null
);
grant select, insert, update, delete on work.gap to sahut_app;
insert into work.gap (first, last, horizon)
select gap.first, gap.last, gap.horizon
  from work.head h cross join unnest(h.gap_first, h.gap_last, h.gap_horizon) as gap (first, last, horizon);
alter table work.head drop column gap_first, drop column gap_last, drop column gap_horizon;

-- A clock that is set back may show one moment twice. For one n and moment a signature is always the same.
alter table work.signed_head drop constraint signed_head_pkey, add primary key (n, signed_at);

-- One row for each month that was taken away. What has an n up to kept_after may be gone: readers begin above it, proofs
-- and audits go by the tiles there, which are all full.
create table work.retired (
    month date primary key,
    events bigint not null,
    highest_id bigint not null,
    kept_after bigint not null check (kept_after % 256 = 0),
    retired_at timestamptz not null default work.clock()
);
create index retired_kept on work.retired (kept_after);
grant select on work.retired to sahut_app;
create trigger append_only before update or delete on work.retired for each row execute function work.refuse_change();
create trigger no_truncate before truncate on work.retired for each statement execute function work.refuse_change();

-- Takes away the oldest month of the log, for the owner alone. Everything is asked again here, under the locks, whatever the
-- caller has found before. While that takes, everybody reads on and the sealer ticks; they are shut out only for the drop.
-- Who reads holds one parent while it asks for the other, so whoever asks for both gives way, sooner than a deadlock is
-- looked for, and asks again. ADR 0066.
create function work.retire_log_month(oldest date, keep_months int) returns bigint language plpgsql
    set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '2s' as $$
declare
    month timestamptz := oldest::timestamptz;
    following timestamptz := month + interval '1 month';
    this_month timestamptz := date_trunc('month', work.clock());
    newest timestamptz;
    sealed_upto bigint;
    border bigint;
    before bigint;
    had record;
begin
    perform pg_advisory_xact_lock(5916677);  -- LOG_PARTITIONS in sahut/db/locks.py
    if keep_months < 3 or date_trunc('month', month) <> month or following > this_month - make_interval(months => keep_months) then
        raise exception 'months: % is not older than % months, of which three are kept at least', oldest, keep_months;
    end if;
    if exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent = 'work.event'::regclass and c.relname ~ '^event_\d{4}_\d{2}$'
                  and c.relname < to_char(month, '"event_"YYYY_MM')) then
        raise exception 'order: an older month than % stands in the log', oldest;
    end if;
    execute format('lock table work.%I, work.%I in share mode', to_char(month, '"event_"YYYY_MM'), to_char(month, '"seal_"YYYY_MM'));
    select n into sealed_upto from work.head;
    select at into newest from work.seal where n = sealed_upto;
    if newest is null or newest not between work.clock() - interval '7 days' and work.clock() + interval '1 hour' then
        raise exception 'clock: the newest sealed event is not of the last seven days, so the clock or the sealer is wrong';
    end if;
    if not exists (select from work.signed_head
                    where signed_at >= this_month - interval '1 month' and signed_at < this_month) then
        raise exception 'clock: no head was signed in the month before this one, so the clock may have jumped';
    end if;
    select coalesce(max(kept_after), 0) into before from work.retired;
    select count(*) as events, coalesce(max(e.id), 0) as highest_id, coalesce(max(s.n), 0) as highest_n, count(s.n) as sealed into had
      from work.event e left join work.seal s on s.event_id = e.id and s.at = e.at
     where e.at >= month and e.at < following;
    if had.sealed <> had.events then
        raise exception 'unsealed: % has events without a number', oldest;
    end if;
    -- Numbers follow time but for transactions of some seconds. A clock that was set back has put a number of today into an
    -- old month, and with it all below would count as gone.
    if exists (select from work.seal where n <= had.highest_n and at >= following + interval '1 day') then
        raise exception 'clock: events of later months were numbered before some of %, so the clock had been set back', oldest;
    end if;
    border := greatest(before, (had.highest_n + 255) / 256 * 256);
    if border > sealed_upto or not exists (select from work.signed_head where n >= border)
       or (select count(*) from work.tile where level = 0 and position >= before / 256 and position < border / 256)
          <> (border - before) / 256 then
        raise exception 'unsigned: the last events of % are in no full tile under a signed head yet', oldest;
    end if;
    perform set_config('lock_timeout', '200ms', true);
    for tried in 1..12 loop
        begin
            lock table only work.event, only work.seal in access exclusive mode;
            exit;
        exception when lock_not_available then
            if tried = 12 then
                raise;
            end if;
            perform pg_sleep(0.1 + 0.2 * random());
        end;
    end loop;
    insert into work.retired (month, events, highest_id, kept_after) values (oldest, had.events, had.highest_id, border);
    execute format('drop table work.%I, work.%I', to_char(month, '"seal_"YYYY_MM'), to_char(month, '"event_"YYYY_MM'));
    insert into work.event (topic, subject, kind, body)
    values ('log', 0, 'month_retired', jsonb_build_object('month', oldest, 'events', had.events, 'kept_after', border));
    return border;
end $$;
revoke all on function work.retire_log_month(date, int) from public;

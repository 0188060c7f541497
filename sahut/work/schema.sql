-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.

CREATE FUNCTION work.claim_key(asked_principal bigint, asked_key uuid) RETURNS TABLE(claimed boolean, body_hash bytea, status smallint, body bytea)
    LANGUAGE plpgsql
    AS $$
begin
    claimed := pg_try_advisory_xact_lock(hashtextextended(asked_principal || ' ' || asked_key, 23128));
    if claimed then
        select i.body_hash, i.status, i.body into claim_key.body_hash, claim_key.status, claim_key.body
          from work.idempotency i where i.principal = asked_principal and i.key = asked_key;
    end if;
    return next;
end $$;

CREATE FUNCTION work.clock() RETURNS timestamp with time zone
    LANGUAGE sql PARALLEL SAFE
    AS $$select clock_timestamp()$$;

COMMENT ON FUNCTION work.clock() IS 'The time by which jobs, leases and clocks go. Replaced only in a simulation''s own database.';

CREATE FUNCTION work.forget_answers(at_most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    forgotten integer;
begin
    if exists (select from work.signed_head)
       and not exists (select from work.signed_head
                        where signed_at between (select work.clock()) - interval '2 days' and (select work.clock()) - interval '1 day') then
        return 0;
    end if;
    -- The array keeps the planner from turning the look-up round; whoever forgets at the same time takes the next ones.
    delete from work.idempotency
     where ctid = any (array(select ctid from work.idempotency
                              where at < (select work.clock()) - interval '30 days'
                              order by at
                              limit least(at_most, 10000)
                                for update skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end $$;

CREATE FUNCTION work.leaf(id bigint, at timestamp with time zone, topic text, subject bigint, kind text, body jsonb) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select sha256('\x00'::bytea || convert_to(work.leaf_text(id, at, topic, subject, kind, body), 'UTF8')) $$;

CREATE FUNCTION work.leaf_text(id bigint, at timestamp with time zone, topic text, subject bigint, kind text, body jsonb) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select jsonb_build_array(id, (extract(epoch from at) * 1000000)::bigint, topic, subject, kind, body)::text $$;

CREATE FUNCTION work.make_log_partition(parent text, month timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
end $_$;

CREATE FUNCTION work.make_log_partitions() RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '500ms'
    AS $$
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

CREATE FUNCTION work.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'insufficient_privilege';
end $$;

CREATE FUNCTION work.reschedule_deadline(asked bigint, action text, new_due_at timestamp with time zone, new_warn_at timestamp with time zone[], new_paused_at timestamp with time zone, reason text, actor bigint) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION work.retire_log_month(oldest date, keep_months integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '2s'
    AS $_$
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
end $_$;

CREATE TABLE work.calendar (
    name text NOT NULL,
    version integer NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    zone text NOT NULL,
    country text NOT NULL,
    hours jsonb DEFAULT '{}'::jsonb NOT NULL,
    categories text[] DEFAULT '{public}'::text[] NOT NULL,
    extra_holidays date[] DEFAULT '{}'::date[] NOT NULL,
    extra_workdays date[] DEFAULT '{}'::date[] NOT NULL,
    CONSTRAINT calendar_categories_check CHECK (((cardinality(categories) >= 1) AND (cardinality(categories) <= 8))),
    CONSTRAINT calendar_country_check CHECK ((country ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'::text)),
    CONSTRAINT calendar_extra_holidays_check CHECK ((cardinality(extra_holidays) <= 1000)),
    CONSTRAINT calendar_extra_workdays_check CHECK ((cardinality(extra_workdays) <= 1000)),
    CONSTRAINT calendar_hours_check CHECK (((jsonb_typeof(hours) = 'object'::text) AND (length((hours)::text) <= 2000))),
    CONSTRAINT calendar_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT calendar_version_check CHECK ((version >= 1)),
    CONSTRAINT calendar_zone_check CHECK (((length(zone) >= 1) AND (length(zone) <= 64)))
);

COMMENT ON COLUMN work.calendar.country IS 'ISO 3166 code of the country, or of its subdivision, whose public holidays count.';

COMMENT ON COLUMN work.calendar.hours IS 'Weekday (mon … sun) → openings ["08:00-12:00", …] by the clock on the wall; empty: only days are counted.';

COMMENT ON COLUMN work.calendar.categories IS 'Kinds of holidays that count; for ID, government adds the joint leave (cuti bersama).';

COMMENT ON COLUMN work.calendar.extra_holidays IS 'Days that a government gave at short notice, or our own; they win, as extra_workdays do.';

CREATE TABLE work.deadline (
    id bigint NOT NULL,
    kind text NOT NULL,
    subject bigint NOT NULL,
    audience text NOT NULL,
    policy text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    kept_at timestamp with time zone,
    broken_at timestamp with time zone,
    policy_version integer DEFAULT 0 CONSTRAINT deadline_policy_version_not_null1 NOT NULL,
    warn_at timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    warned smallint DEFAULT 0 NOT NULL,
    paused_at timestamp with time zone,
    next_at timestamp with time zone GENERATED ALWAYS AS (
CASE
    WHEN (paused_at IS NULL) THEN COALESCE(warn_at[1], due_at)
    ELSE 'infinity'::timestamp with time zone
END) STORED NOT NULL,
    CONSTRAINT deadline_audience_check CHECK ((audience = ANY (ARRAY['customer'::text, 'staff'::text, 'house'::text]))),
    CONSTRAINT deadline_check CHECK ((due_at >= opened_at)),
    CONSTRAINT deadline_check1 CHECK (((kept_at IS NULL) OR (broken_at IS NULL))),
    CONSTRAINT deadline_check2 CHECK ((warn_at[cardinality(warn_at)] < due_at)),
    CONSTRAINT deadline_policy_version_check1 CHECK ((policy_version >= 0)),
    CONSTRAINT deadline_warn_at_check CHECK ((cardinality(warn_at) <= 4)),
    CONSTRAINT deadline_warned_check CHECK ((warned >= 0))
);

COMMENT ON COLUMN work.deadline.policy_version IS '0: opened before policies were data.';

COMMENT ON COLUMN work.deadline.warn_at IS 'The warnings that are still to come, soonest first.';

COMMENT ON COLUMN work.deadline.next_at IS 'When somebody has to look at a running clock: at its next warning, or when it is due.';

ALTER TABLE work.deadline ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME work.deadline_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE work.deadline_policy (
    name text NOT NULL,
    version integer NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    kind text NOT NULL,
    audience text NOT NULL,
    measure text NOT NULL,
    length integer NOT NULL,
    calendar text,
    warn_percent smallint[] DEFAULT '{}'::smallint[] NOT NULL,
    warn_before_s integer[] DEFAULT '{}'::integer[] NOT NULL,
    CONSTRAINT deadline_policy_audience_check CHECK ((audience = ANY (ARRAY['customer'::text, 'staff'::text, 'house'::text]))),
    CONSTRAINT deadline_policy_check CHECK (((measure = 'wall'::text) = (calendar IS NULL))),
    CONSTRAINT deadline_policy_check1 CHECK (((measure <> 'business_days'::text) OR (length <= 366))),
    CONSTRAINT deadline_policy_check2 CHECK (((cardinality(warn_percent) + cardinality(warn_before_s)) <= 4)),
    CONSTRAINT deadline_policy_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT deadline_policy_length_check CHECK (((length >= 1) AND (length <= 34560000))),
    CONSTRAINT deadline_policy_measure_check CHECK ((measure = ANY (ARRAY['wall'::text, 'open'::text, 'business_days'::text]))),
    CONSTRAINT deadline_policy_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT deadline_policy_version_check CHECK ((version >= 1)),
    CONSTRAINT deadline_policy_warn_before_s_check CHECK ((1 <= ALL (warn_before_s))),
    CONSTRAINT deadline_policy_warn_percent_check CHECK (((1 <= ALL (warn_percent)) AND (99 >= ALL (warn_percent))))
);

COMMENT ON COLUMN work.deadline_policy.length IS 'Seconds of wall time or of open time; for business days, days.';

CREATE SEQUENCE work.event_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE work.event (
    id bigint DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('work.event_id'::regclass)
    ELSE NULL::bigint
END CONSTRAINT event_id_not_null1 NOT NULL,
    at timestamp with time zone DEFAULT work.clock() CONSTRAINT event_at_not_null1 NOT NULL,
    topic text CONSTRAINT event_topic_not_null1 NOT NULL,
    subject bigint CONSTRAINT event_subject_not_null1 NOT NULL,
    kind text CONSTRAINT event_kind_not_null1 NOT NULL,
    body jsonb CONSTRAINT event_body_not_null1 NOT NULL,
    CONSTRAINT event_body_check1 CHECK ((jsonb_typeof(body) = 'object'::text)),
    CONSTRAINT event_id_check CHECK ((id > 0)),
    CONSTRAINT event_kind_check1 CHECK (((length(kind) >= 1) AND (length(kind) <= 64))),
    CONSTRAINT event_topic_check1 CHECK (((length(topic) >= 1) AND (length(topic) <= 32)))
)
PARTITION BY RANGE (at);

COMMENT ON TABLE work.event IS 'What happened: ids, amounts and salted commitments, never personal data. In months by `at`.';

COMMENT ON COLUMN work.event.id IS 'Drawn from work.event_id by who inserts; the sealer passes over what the sequence has not given.';

CREATE TABLE work.event_other (
    id bigint DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('work.event_id'::regclass)
    ELSE NULL::bigint
END CONSTRAINT event_id_not_null1 NOT NULL,
    at timestamp with time zone DEFAULT work.clock() CONSTRAINT event_at_not_null1 NOT NULL,
    topic text CONSTRAINT event_topic_not_null1 NOT NULL,
    subject bigint CONSTRAINT event_subject_not_null1 NOT NULL,
    kind text CONSTRAINT event_kind_not_null1 NOT NULL,
    body jsonb CONSTRAINT event_body_not_null1 NOT NULL,
    CONSTRAINT event_body_check1 CHECK ((jsonb_typeof(body) = 'object'::text)),
    CONSTRAINT event_id_check CHECK ((id > 0)),
    CONSTRAINT event_kind_check1 CHECK (((length(kind) >= 1) AND (length(kind) <= 64))),
    CONSTRAINT event_topic_check1 CHECK (((length(topic) >= 1) AND (length(topic) <= 32)))
);

CREATE TABLE work.gap (
    first bigint NOT NULL,
    last bigint NOT NULL,
    horizon bigint NOT NULL,
    CONSTRAINT gap_check CHECK ((last >= first))
);

CREATE TABLE work.head (
    one boolean DEFAULT true NOT NULL,
    n bigint NOT NULL,
    root bytea NOT NULL,
    subtrees bytea[] NOT NULL,
    seen bigint NOT NULL,
    swept bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    CONSTRAINT head_one_check CHECK (one)
);

CREATE TABLE work.idempotency (
    principal bigint NOT NULL,
    key uuid NOT NULL,
    body_hash bytea NOT NULL,
    answer bigint,
    refusal text,
    at timestamp with time zone NOT NULL,
    status smallint,
    body bytea,
    CONSTRAINT idempotency_body_check CHECK ((length(body) <= 16384)),
    CONSTRAINT idempotency_body_hash_check CHECK ((length(body_hash) = 16)),
    CONSTRAINT idempotency_check CHECK (
CASE
    WHEN (answer IS NULL) THEN ((status IS NOT NULL) AND (body IS NOT NULL) AND (refusal IS NULL))
    ELSE ((status IS NULL) AND (body IS NULL))
END),
    CONSTRAINT idempotency_status_check CHECK (((status >= 200) AND (status <= 599)))
);

COMMENT ON COLUMN work.idempotency.answer IS 'Of the ledger: the id of the transfer or of the attempt.';

COMMENT ON COLUMN work.idempotency.body IS 'Of the API: the JSON that was answered, byte for byte.';

CREATE TABLE work.job (
    id bigint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    run_at timestamp with time zone DEFAULT work.clock() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    buried_at timestamp with time zone,
    story jsonb DEFAULT '[]'::jsonb NOT NULL,
    body jsonb NOT NULL,
    held_by text,
    forgiven integer DEFAULT 0 NOT NULL,
    traceparent text DEFAULT NULLIF(current_setting('sahut.traceparent'::text, true), ''::text),
    CONSTRAINT job_body_check CHECK ((jsonb_typeof(body) = 'object'::text)),
    CONSTRAINT job_check CHECK (((forgiven >= 0) AND (forgiven <= attempts))),
    CONSTRAINT job_held_by_check CHECK (((length(held_by) >= 1) AND (length(held_by) <= 64))),
    CONSTRAINT job_key_check CHECK (((length(key) >= 1) AND (length(key) <= 200))),
    CONSTRAINT job_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 64))),
    CONSTRAINT job_traceparent_check CHECK ((length(traceparent) <= 128))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='20000', autovacuum_vacuum_cost_delay='0');

COMMENT ON COLUMN work.job.key IS 'Once for each thing to do; what belongs together begins alike, so that a range of keys finds it.';

COMMENT ON COLUMN work.job.story IS 'The failures so far, newest last, at most ten: [{"at", "error"}].';

COMMENT ON COLUMN work.job.held_by IS 'The process that claimed it last; null when nobody holds it.';

COMMENT ON COLUMN work.job.forgiven IS 'Attempts that do not count as failures: "not yet", or given back before they began.';

COMMENT ON COLUMN work.job.traceparent IS 'The trace of what it follows from (W3C Trace Context), taken from the transaction that wrote it.';

ALTER TABLE work.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME work.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE work.retired (
    month date NOT NULL,
    events bigint NOT NULL,
    highest_id bigint NOT NULL,
    kept_after bigint NOT NULL,
    retired_at timestamp with time zone DEFAULT work.clock() NOT NULL,
    CONSTRAINT retired_kept_after_check CHECK (((kept_after % (256)::bigint) = 0))
);

CREATE TABLE work.seal (
    n bigint CONSTRAINT seal_n_not_null1 NOT NULL,
    event_id bigint CONSTRAINT seal_event_id_not_null1 NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT seal_n_check1 CHECK ((n > 0))
)
PARTITION BY RANGE (at);

COMMENT ON COLUMN work.seal.at IS 'the time of the event, so that both stand in partitions of the same month';

CREATE TABLE work.seal_other (
    n bigint CONSTRAINT seal_n_not_null1 NOT NULL,
    event_id bigint CONSTRAINT seal_event_id_not_null1 NOT NULL,
    at timestamp with time zone CONSTRAINT seal_at_not_null NOT NULL,
    CONSTRAINT seal_n_check1 CHECK ((n > 0))
);

CREATE TABLE work.signed_head (
    signed_at timestamp with time zone NOT NULL,
    n bigint NOT NULL,
    root bytea NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT signed_head_signature_check CHECK ((length(signature) = 64))
);

CREATE TABLE work.tile (
    level smallint NOT NULL,
    "position" bigint NOT NULL,
    hashes bytea NOT NULL,
    root bytea NOT NULL,
    CONSTRAINT tile_hashes_check CHECK ((length(hashes) = 8192)),
    CONSTRAINT tile_root_check CHECK ((length(root) = 32))
);

ALTER TABLE ONLY work.event ATTACH PARTITION work.event_other DEFAULT;

ALTER TABLE ONLY work.seal ATTACH PARTITION work.seal_other DEFAULT;

ALTER TABLE ONLY work.calendar
    ADD CONSTRAINT calendar_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY work.deadline
    ADD CONSTRAINT deadline_pkey PRIMARY KEY (id);

ALTER TABLE ONLY work.deadline_policy
    ADD CONSTRAINT deadline_policy_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY work.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id, at);

ALTER TABLE ONLY work.event_other
    ADD CONSTRAINT event_other_pkey PRIMARY KEY (id, at);

ALTER TABLE ONLY work.gap
    ADD CONSTRAINT gap_pkey PRIMARY KEY (first);

ALTER TABLE ONLY work.head
    ADD CONSTRAINT head_pkey PRIMARY KEY (one);

ALTER TABLE ONLY work.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (principal, key);

ALTER TABLE ONLY work.job
    ADD CONSTRAINT job_key_key UNIQUE (key);

ALTER TABLE ONLY work.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY work.retired
    ADD CONSTRAINT retired_pkey PRIMARY KEY (month);

ALTER TABLE ONLY work.seal
    ADD CONSTRAINT seal_event_id_at_key UNIQUE (event_id, at);

ALTER TABLE ONLY work.seal_other
    ADD CONSTRAINT seal_other_event_id_at_key UNIQUE (event_id, at);

ALTER TABLE ONLY work.seal
    ADD CONSTRAINT seal_pkey PRIMARY KEY (n, at);

ALTER TABLE ONLY work.seal_other
    ADD CONSTRAINT seal_other_pkey PRIMARY KEY (n, at);

ALTER TABLE ONLY work.signed_head
    ADD CONSTRAINT signed_head_pkey PRIMARY KEY (n, signed_at);

ALTER TABLE ONLY work.tile
    ADD CONSTRAINT tile_pkey PRIMARY KEY (level, "position");

CREATE INDEX deadline_next ON work.deadline USING btree (kind, next_at, id) INCLUDE (subject) WHERE ((kept_at IS NULL) AND (broken_at IS NULL));

CREATE UNIQUE INDEX deadline_running ON work.deadline USING btree (kind, subject) WHERE ((kept_at IS NULL) AND (broken_at IS NULL));

CREATE INDEX deadline_subject ON work.deadline USING btree (subject, id);

CREATE INDEX idempotency_at ON work.idempotency USING btree (at);

CREATE INDEX job_buried ON work.job USING btree (kind, key) WHERE (buried_at IS NOT NULL);

CREATE INDEX job_due_of_kind ON work.job USING btree (kind, run_at, id) WHERE (buried_at IS NULL);

CREATE INDEX retired_kept ON work.retired USING btree (kept_after);

CREATE INDEX signed_head_at ON work.signed_head USING btree (signed_at);

ALTER INDEX work.event_pkey ATTACH PARTITION work.event_other_pkey;

ALTER INDEX work.seal_event_id_at_key ATTACH PARTITION work.seal_other_event_id_at_key;

ALTER INDEX work.seal_pkey ATTACH PARTITION work.seal_other_pkey;

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.calendar FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.deadline_policy FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.event FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.retired FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.seal FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.signed_head FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.tile FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.calendar FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.deadline_policy FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.event FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.event_other FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.retired FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.seal FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.seal_other FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.signed_head FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.tile FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

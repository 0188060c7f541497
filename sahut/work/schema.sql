-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.

CREATE FUNCTION work.clock() RETURNS timestamp with time zone
    LANGUAGE sql PARALLEL SAFE
    AS $$select clock_timestamp()$$;

COMMENT ON FUNCTION work.clock() IS 'The time by which jobs, leases and clocks go. Replaced only in a simulation''s own database.';

CREATE FUNCTION work.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'insufficient_privilege';
end $$;

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
    CONSTRAINT deadline_audience_check CHECK ((audience = ANY (ARRAY['customer'::text, 'staff'::text, 'house'::text]))),
    CONSTRAINT deadline_check CHECK ((due_at >= opened_at)),
    CONSTRAINT deadline_check1 CHECK (((kept_at IS NULL) OR (broken_at IS NULL)))
);

ALTER TABLE work.deadline ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME work.deadline_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

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
END NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    topic text NOT NULL,
    subject bigint NOT NULL,
    kind text NOT NULL,
    body jsonb NOT NULL,
    CONSTRAINT event_body_check CHECK ((jsonb_typeof(body) = 'object'::text)),
    CONSTRAINT event_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 64))),
    CONSTRAINT event_topic_check CHECK (((length(topic) >= 1) AND (length(topic) <= 32)))
);

COMMENT ON TABLE work.event IS 'What happened: ids, amounts and salted commitments, never personal data.';

CREATE TABLE work.head (
    one boolean DEFAULT true NOT NULL,
    n bigint NOT NULL,
    root bytea NOT NULL,
    subtrees bytea[] NOT NULL,
    seen bigint NOT NULL,
    gap_first bigint[] NOT NULL,
    gap_last bigint[] NOT NULL,
    gap_horizon bigint[] NOT NULL,
    swept bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    CONSTRAINT head_one_check CHECK (one)
);

CREATE TABLE work.idempotency (
    principal bigint NOT NULL,
    key uuid NOT NULL,
    body_hash bytea NOT NULL,
    answer bigint NOT NULL,
    refusal text,
    at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_body_hash_check CHECK ((length(body_hash) = 16))
);

CREATE TABLE work.job (
    id bigint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    run_at timestamp with time zone DEFAULT work.clock() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    buried_at timestamp with time zone,
    story jsonb DEFAULT '[]'::jsonb NOT NULL,
    body jsonb NOT NULL,
    CONSTRAINT job_body_check CHECK ((jsonb_typeof(body) = 'object'::text)),
    CONSTRAINT job_key_check CHECK (((length(key) >= 1) AND (length(key) <= 200))),
    CONSTRAINT job_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 64)))
);

COMMENT ON COLUMN work.job.key IS 'Once for each thing to do; what belongs together begins alike, so that a range of keys finds it.';

COMMENT ON COLUMN work.job.story IS 'The failures so far, newest last, at most ten: [{"at", "error"}].';

ALTER TABLE work.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME work.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE work.seal (
    n bigint NOT NULL,
    event_id bigint NOT NULL,
    CONSTRAINT seal_n_check CHECK ((n > 0))
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

ALTER TABLE ONLY work.deadline
    ADD CONSTRAINT deadline_pkey PRIMARY KEY (id);

ALTER TABLE ONLY work.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY work.head
    ADD CONSTRAINT head_pkey PRIMARY KEY (one);

ALTER TABLE ONLY work.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (principal, key);

ALTER TABLE ONLY work.job
    ADD CONSTRAINT job_key_key UNIQUE (key);

ALTER TABLE ONLY work.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY work.seal
    ADD CONSTRAINT seal_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY work.seal
    ADD CONSTRAINT seal_pkey PRIMARY KEY (n);

ALTER TABLE ONLY work.signed_head
    ADD CONSTRAINT signed_head_pkey PRIMARY KEY (signed_at);

ALTER TABLE ONLY work.tile
    ADD CONSTRAINT tile_pkey PRIMARY KEY (level, "position");

CREATE INDEX deadline_due ON work.deadline USING btree (due_at, id) WHERE ((kept_at IS NULL) AND (broken_at IS NULL));

CREATE UNIQUE INDEX deadline_running ON work.deadline USING btree (kind, subject) WHERE ((kept_at IS NULL) AND (broken_at IS NULL));

CREATE INDEX deadline_subject ON work.deadline USING btree (subject, id);

CREATE INDEX job_due ON work.job USING btree (run_at, id) WHERE (buried_at IS NULL);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.event FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.seal FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.signed_head FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON work.tile FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.event FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.seal FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.signed_head FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON work.tile FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

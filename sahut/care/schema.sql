-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.

CREATE TABLE care."case" (
    id bigint NOT NULL,
    number integer NOT NULL,
    person_id bigint NOT NULL,
    matter text NOT NULL,
    language text NOT NULL,
    state text NOT NULL,
    owner bigint,
    risk smallint DEFAULT 0 NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT case_language_check CHECK ((language = ANY (ARRAY['id'::text, 'zh'::text, 'en'::text]))),
    CONSTRAINT case_number_check CHECK (((number >= 0) AND (number <= 999999999))),
    CONSTRAINT case_state_check CHECK ((state = ANY (ARRAY['open'::text, 'solved'::text])))
);

COMMENT ON COLUMN care."case".number IS 'the number of the contact that opened it';

ALTER TABLE care."case" ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME care.case_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE care.contact (
    id bigint NOT NULL,
    number integer NOT NULL,
    channel_account text NOT NULL,
    provider_key text NOT NULL,
    event_id bigint DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('work.event_id'::regclass)
    ELSE NULL::bigint
END NOT NULL,
    person_id bigint NOT NULL,
    language text NOT NULL,
    text text NOT NULL,
    original_hash bytea NOT NULL,
    salt bytea NOT NULL,
    received_at timestamp with time zone NOT NULL,
    answer_due_at timestamp with time zone NOT NULL,
    CONSTRAINT contact_channel_account_check CHECK (((length(channel_account) >= 1) AND (length(channel_account) <= 64))),
    CONSTRAINT contact_language_check CHECK ((language = ANY (ARRAY['id'::text, 'zh'::text, 'en'::text]))),
    CONSTRAINT contact_number_check CHECK (((number >= 0) AND (number <= 999999999))),
    CONSTRAINT contact_original_hash_check CHECK ((length(original_hash) = 32)),
    CONSTRAINT contact_provider_key_check CHECK (((length(provider_key) >= 1) AND (length(provider_key) <= 200))),
    CONSTRAINT contact_salt_check CHECK ((length(salt) = 16)),
    CONSTRAINT contact_text_check CHECK (((length(text) >= 1) AND (length(text) <= 4000)))
);

COMMENT ON COLUMN care.contact.event_id IS 'its event in the sealed log; drawn here by the same rule as there, so that the two find each other';

COMMENT ON COLUMN care.contact.person_id IS 'people.person, or 0 when nobody was signed in';

COMMENT ON COLUMN care.contact.text IS 'masked before it is kept';

COMMENT ON COLUMN care.contact.original_hash IS 'keyed hash of what was sent, to tell a repetition from another text under the same key';

ALTER TABLE care.contact ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME care.contact_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE care.message (
    case_id bigint NOT NULL,
    seq bigint NOT NULL,
    author text NOT NULL,
    author_id bigint NOT NULL,
    contact_id bigint,
    client_message_id text NOT NULL,
    text text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT message_author_check CHECK ((author = ANY (ARRAY['customer'::text, 'agent'::text]))),
    CONSTRAINT message_check CHECK (((contact_id IS NOT NULL) = (author = 'customer'::text))),
    CONSTRAINT message_client_message_id_check CHECK (((length(client_message_id) >= 1) AND (length(client_message_id) <= 64))),
    CONSTRAINT message_seq_check CHECK ((seq > 0)),
    CONSTRAINT message_text_check CHECK (((length(text) >= 1) AND (length(text) <= 4000)))
);

CREATE SEQUENCE care.number_block
    START WITH 0
    INCREMENT BY 1
    MINVALUE 0
    NO MAXVALUE
    CACHE 1;

ALTER TABLE ONLY care."case"
    ADD CONSTRAINT case_number_key UNIQUE (number);

ALTER TABLE ONLY care."case"
    ADD CONSTRAINT case_pkey PRIMARY KEY (id);

ALTER TABLE ONLY care.contact
    ADD CONSTRAINT contact_channel_account_provider_key_key UNIQUE (channel_account, provider_key);

ALTER TABLE ONLY care.contact
    ADD CONSTRAINT contact_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY care.contact
    ADD CONSTRAINT contact_number_key UNIQUE (number);

ALTER TABLE ONLY care.contact
    ADD CONSTRAINT contact_pkey PRIMARY KEY (id);

ALTER TABLE ONLY care.message
    ADD CONSTRAINT message_contact_id_key UNIQUE (contact_id);

ALTER TABLE ONLY care.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (case_id, seq);

CREATE UNIQUE INDEX case_open ON care."case" USING btree (person_id, matter) WHERE ((state = 'open'::text) AND (person_id <> 0));

CREATE INDEX case_person ON care."case" USING btree (person_id, id);

CREATE UNIQUE INDEX message_of_agent ON care.message USING btree (case_id, author_id, client_message_id) WHERE (author = 'agent'::text);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON care.contact FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON care.message FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON care.contact FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON care.message FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

ALTER TABLE ONLY care.message
    ADD CONSTRAINT message_case_id_fkey FOREIGN KEY (case_id) REFERENCES care."case"(id);

ALTER TABLE ONLY care.message
    ADD CONSTRAINT message_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES care.contact(id);

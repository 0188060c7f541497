-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.

CREATE TABLE people.person (
    id bigint NOT NULL,
    name text NOT NULL,
    phone text NOT NULL,
    language text NOT NULL,
    role text NOT NULL,
    pin_hash text NOT NULL,
    wrong_tries integer DEFAULT 0 NOT NULL,
    try_again_at timestamp with time zone,
    joined_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT person_language_check CHECK ((language = ANY (ARRAY['id'::text, 'zh'::text, 'en'::text]))),
    CONSTRAINT person_name_check CHECK (((length(name) >= 1) AND (length(name) <= 80))),
    CONSTRAINT person_phone_check CHECK ((phone ~ '^\+[1-9][0-9]{6,14}$'::text)),
    CONSTRAINT person_role_check CHECK ((role = ANY (ARRAY['customer'::text, 'agent'::text])))
);

ALTER TABLE people.person ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME people.person_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE people.session (
    token_hash bytea NOT NULL,
    person_id bigint NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT session_token_hash_check CHECK ((length(token_hash) = 32))
);

ALTER TABLE ONLY people.person
    ADD CONSTRAINT person_phone_key UNIQUE (phone);

ALTER TABLE ONLY people.person
    ADD CONSTRAINT person_pkey PRIMARY KEY (id);

ALTER TABLE ONLY people.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (token_hash);

CREATE INDEX session_person ON people.session USING btree (person_id);

ALTER TABLE ONLY people.session
    ADD CONSTRAINT session_person_id_fkey FOREIGN KEY (person_id) REFERENCES people.person(id);

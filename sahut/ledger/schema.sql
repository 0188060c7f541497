-- The tables of this room as they are today. Made from the migrations by tools/schemas.py; do not edit.

CREATE TABLE ledger.account (
    id bigint NOT NULL,
    kind text NOT NULL,
    currency smallint NOT NULL,
    owner bigint,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT account_check CHECK (((owner IS NULL) = (kind = ANY (ARRAY['safeguarding'::text, 'fees'::text, 'suspense'::text])))),
    CONSTRAINT account_kind_check CHECK ((kind = ANY (ARRAY['customer'::text, 'merchant'::text, 'safeguarding'::text, 'fees'::text, 'suspense'::text])))
);

ALTER TABLE ledger.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ledger.attempt (
    id bigint NOT NULL,
    principal bigint NOT NULL,
    key uuid NOT NULL,
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    had bigint NOT NULL,
    bound bigint NOT NULL,
    at timestamp with time zone NOT NULL
);

CREATE TABLE ledger.balance (
    account_id bigint NOT NULL,
    currency smallint NOT NULL,
    zone text NOT NULL,
    posted bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    floor bigint NOT NULL,
    ceiling bigint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    state smallint DEFAULT 0 NOT NULL,
    day date NOT NULL,
    day_out bigint DEFAULT 0 NOT NULL,
    day_out_cap bigint NOT NULL,
    month_in bigint DEFAULT 0 NOT NULL,
    month_in_cap bigint NOT NULL,
    CONSTRAINT balance_check CHECK (((posted - held) >= floor)),
    CONSTRAINT balance_check1 CHECK ((posted <= ceiling)),
    CONSTRAINT balance_day_out_check CHECK ((day_out >= 0)),
    CONSTRAINT balance_held_check CHECK ((held >= 0)),
    CONSTRAINT balance_month_in_check CHECK ((month_in >= 0)),
    CONSTRAINT balance_state_check CHECK (((state >= 0) AND (state <= 4)))
)
WITH (fillfactor='50');

COMMENT ON COLUMN ledger.balance.state IS '0 open, 1 no debit, 2 no credit, 3 frozen, 4 closed';

COMMENT ON COLUMN ledger.balance.day IS 'the day in the zone of the account for which day_out counts; its month is that of month_in';

CREATE TABLE ledger.batch (
    id bigint NOT NULL,
    shard smallint NOT NULL,
    size integer NOT NULL,
    hash bytea NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT batch_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT batch_size_check CHECK ((size >= 0))
);

CREATE TABLE ledger.transfer (
    id bigint NOT NULL,
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    amount_minor bigint NOT NULL,
    currency smallint NOT NULL,
    kind smallint NOT NULL,
    phase smallint NOT NULL,
    debit_seq bigint NOT NULL,
    credit_seq bigint NOT NULL,
    debit_after bigint NOT NULL,
    credit_after bigint NOT NULL,
    refers_to bigint,
    batch bigint NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    memo text,
    CONSTRAINT transfer_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT transfer_check CHECK ((debit <> credit)),
    CONSTRAINT transfer_credit_seq_check CHECK ((credit_seq > 0)),
    CONSTRAINT transfer_debit_seq_check CHECK ((debit_seq > 0)),
    CONSTRAINT transfer_kind_check CHECK (((kind >= 1) AND (kind <= 99))),
    CONSTRAINT transfer_memo_check CHECK (((length(memo) >= 1) AND (length(memo) <= 140))),
    CONSTRAINT transfer_phase_check CHECK (((phase >= 1) AND (phase <= 7)))
)
PARTITION BY RANGE (id);

COMMENT ON COLUMN ledger.transfer.kind IS '1 person to person, 2 top up, 3 opening of a demo account';

COMMENT ON COLUMN ledger.transfer.phase IS '1 single, 2 hold, 3 settle, 4 release, 5 expire, 6 reversal, 7 refund';

CREATE VIEW ledger.entry AS
 SELECT transfer.id AS transfer,
    transfer.debit AS account_id,
    transfer.debit_seq AS seq,
    (- transfer.amount_minor) AS amount_minor,
    transfer.debit_after AS balance_after,
    transfer.credit AS other_account_id,
    transfer.currency,
    transfer.kind,
    transfer.phase,
    transfer.effective_at,
    transfer.recorded_at,
    transfer.memo
   FROM ledger.transfer
UNION ALL
 SELECT transfer.id AS transfer,
    transfer.credit AS account_id,
    transfer.credit_seq AS seq,
    transfer.amount_minor,
    transfer.credit_after AS balance_after,
    transfer.debit AS other_account_id,
    transfer.currency,
    transfer.kind,
    transfer.phase,
    transfer.effective_at,
    transfer.recorded_at,
    transfer.memo
   FROM ledger.transfer;

CREATE TABLE ledger.transfer_2026 (
    id bigint CONSTRAINT transfer_id_not_null NOT NULL,
    debit bigint CONSTRAINT transfer_debit_not_null NOT NULL,
    credit bigint CONSTRAINT transfer_credit_not_null NOT NULL,
    amount_minor bigint CONSTRAINT transfer_amount_minor_not_null NOT NULL,
    currency smallint CONSTRAINT transfer_currency_not_null NOT NULL,
    kind smallint CONSTRAINT transfer_kind_not_null NOT NULL,
    phase smallint CONSTRAINT transfer_phase_not_null NOT NULL,
    debit_seq bigint CONSTRAINT transfer_debit_seq_not_null NOT NULL,
    credit_seq bigint CONSTRAINT transfer_credit_seq_not_null NOT NULL,
    debit_after bigint CONSTRAINT transfer_debit_after_not_null NOT NULL,
    credit_after bigint CONSTRAINT transfer_credit_after_not_null NOT NULL,
    refers_to bigint,
    batch bigint CONSTRAINT transfer_batch_not_null NOT NULL,
    effective_at timestamp with time zone CONSTRAINT transfer_effective_at_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT transfer_recorded_at_not_null NOT NULL,
    memo text,
    CONSTRAINT transfer_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT transfer_check CHECK ((debit <> credit)),
    CONSTRAINT transfer_credit_seq_check CHECK ((credit_seq > 0)),
    CONSTRAINT transfer_debit_seq_check CHECK ((debit_seq > 0)),
    CONSTRAINT transfer_kind_check CHECK (((kind >= 1) AND (kind <= 99))),
    CONSTRAINT transfer_memo_check CHECK (((length(memo) >= 1) AND (length(memo) <= 140))),
    CONSTRAINT transfer_phase_check CHECK (((phase >= 1) AND (phase <= 7)))
);

CREATE TABLE ledger.transfer_2027 (
    id bigint CONSTRAINT transfer_id_not_null NOT NULL,
    debit bigint CONSTRAINT transfer_debit_not_null NOT NULL,
    credit bigint CONSTRAINT transfer_credit_not_null NOT NULL,
    amount_minor bigint CONSTRAINT transfer_amount_minor_not_null NOT NULL,
    currency smallint CONSTRAINT transfer_currency_not_null NOT NULL,
    kind smallint CONSTRAINT transfer_kind_not_null NOT NULL,
    phase smallint CONSTRAINT transfer_phase_not_null NOT NULL,
    debit_seq bigint CONSTRAINT transfer_debit_seq_not_null NOT NULL,
    credit_seq bigint CONSTRAINT transfer_credit_seq_not_null NOT NULL,
    debit_after bigint CONSTRAINT transfer_debit_after_not_null NOT NULL,
    credit_after bigint CONSTRAINT transfer_credit_after_not_null NOT NULL,
    refers_to bigint,
    batch bigint CONSTRAINT transfer_batch_not_null NOT NULL,
    effective_at timestamp with time zone CONSTRAINT transfer_effective_at_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT transfer_recorded_at_not_null NOT NULL,
    memo text,
    CONSTRAINT transfer_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT transfer_check CHECK ((debit <> credit)),
    CONSTRAINT transfer_credit_seq_check CHECK ((credit_seq > 0)),
    CONSTRAINT transfer_debit_seq_check CHECK ((debit_seq > 0)),
    CONSTRAINT transfer_kind_check CHECK (((kind >= 1) AND (kind <= 99))),
    CONSTRAINT transfer_memo_check CHECK (((length(memo) >= 1) AND (length(memo) <= 140))),
    CONSTRAINT transfer_phase_check CHECK (((phase >= 1) AND (phase <= 7)))
);

CREATE TABLE ledger.transfer_later (
    id bigint CONSTRAINT transfer_id_not_null NOT NULL,
    debit bigint CONSTRAINT transfer_debit_not_null NOT NULL,
    credit bigint CONSTRAINT transfer_credit_not_null NOT NULL,
    amount_minor bigint CONSTRAINT transfer_amount_minor_not_null NOT NULL,
    currency smallint CONSTRAINT transfer_currency_not_null NOT NULL,
    kind smallint CONSTRAINT transfer_kind_not_null NOT NULL,
    phase smallint CONSTRAINT transfer_phase_not_null NOT NULL,
    debit_seq bigint CONSTRAINT transfer_debit_seq_not_null NOT NULL,
    credit_seq bigint CONSTRAINT transfer_credit_seq_not_null NOT NULL,
    debit_after bigint CONSTRAINT transfer_debit_after_not_null NOT NULL,
    credit_after bigint CONSTRAINT transfer_credit_after_not_null NOT NULL,
    refers_to bigint,
    batch bigint CONSTRAINT transfer_batch_not_null NOT NULL,
    effective_at timestamp with time zone CONSTRAINT transfer_effective_at_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT transfer_recorded_at_not_null NOT NULL,
    memo text,
    CONSTRAINT transfer_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT transfer_check CHECK ((debit <> credit)),
    CONSTRAINT transfer_credit_seq_check CHECK ((credit_seq > 0)),
    CONSTRAINT transfer_debit_seq_check CHECK ((debit_seq > 0)),
    CONSTRAINT transfer_kind_check CHECK (((kind >= 1) AND (kind <= 99))),
    CONSTRAINT transfer_memo_check CHECK (((length(memo) >= 1) AND (length(memo) <= 140))),
    CONSTRAINT transfer_phase_check CHECK (((phase >= 1) AND (phase <= 7)))
);

ALTER TABLE ONLY ledger.transfer ATTACH PARTITION ledger.transfer_2026 FOR VALUES FROM (MINVALUE) TO ('1886138243481600000');

ALTER TABLE ONLY ledger.transfer ATTACH PARTITION ledger.transfer_2027 FOR VALUES FROM ('1886138243481600000') TO ('1919206136217600000');

ALTER TABLE ONLY ledger.transfer ATTACH PARTITION ledger.transfer_later FOR VALUES FROM ('1919206136217600000') TO (MAXVALUE);

ALTER TABLE ONLY ledger.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.balance
    ADD CONSTRAINT balance_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY ledger.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.transfer
    ADD CONSTRAINT transfer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.transfer_2026
    ADD CONSTRAINT transfer_2026_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.transfer_2027
    ADD CONSTRAINT transfer_2027_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.transfer_later
    ADD CONSTRAINT transfer_later_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX account_of_house ON ledger.account USING btree (kind, currency) WHERE (owner IS NULL);

CREATE UNIQUE INDEX account_of_owner ON ledger.account USING btree (owner, kind, currency) WHERE (owner IS NOT NULL);

CREATE INDEX attempt_debit ON ledger.attempt USING btree (debit, id);

CREATE INDEX transfer_credit ON ONLY ledger.transfer USING btree (credit, id);

CREATE INDEX transfer_2026_credit_id_idx ON ledger.transfer_2026 USING btree (credit, id);

CREATE INDEX transfer_debit ON ONLY ledger.transfer USING btree (debit, id);

CREATE INDEX transfer_2026_debit_id_idx ON ledger.transfer_2026 USING btree (debit, id);

CREATE INDEX transfer_2027_credit_id_idx ON ledger.transfer_2027 USING btree (credit, id);

CREATE INDEX transfer_2027_debit_id_idx ON ledger.transfer_2027 USING btree (debit, id);

CREATE INDEX transfer_later_credit_id_idx ON ledger.transfer_later USING btree (credit, id);

CREATE INDEX transfer_later_debit_id_idx ON ledger.transfer_later USING btree (debit, id);

ALTER INDEX ledger.transfer_credit ATTACH PARTITION ledger.transfer_2026_credit_id_idx;

ALTER INDEX ledger.transfer_debit ATTACH PARTITION ledger.transfer_2026_debit_id_idx;

ALTER INDEX ledger.transfer_pkey ATTACH PARTITION ledger.transfer_2026_pkey;

ALTER INDEX ledger.transfer_credit ATTACH PARTITION ledger.transfer_2027_credit_id_idx;

ALTER INDEX ledger.transfer_debit ATTACH PARTITION ledger.transfer_2027_debit_id_idx;

ALTER INDEX ledger.transfer_pkey ATTACH PARTITION ledger.transfer_2027_pkey;

ALTER INDEX ledger.transfer_credit ATTACH PARTITION ledger.transfer_later_credit_id_idx;

ALTER INDEX ledger.transfer_debit ATTACH PARTITION ledger.transfer_later_debit_id_idx;

ALTER INDEX ledger.transfer_pkey ATTACH PARTITION ledger.transfer_later_pkey;

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger.account FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger.attempt FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger.batch FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger.transfer FOR EACH ROW EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.attempt FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.batch FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.transfer FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.transfer_2026 FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.transfer_2027 FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.transfer_later FOR EACH STATEMENT EXECUTE FUNCTION work.refuse_change();

ALTER TABLE ONLY ledger.balance
    ADD CONSTRAINT balance_account_id_fkey FOREIGN KEY (account_id) REFERENCES ledger.account(id);

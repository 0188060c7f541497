-- Why: the floor of the house. One log of everything that happened, its seals, durable jobs, clocks, answers already given.
create schema work;
grant usage on schema work to sahut_app;

create function work.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'insufficient_privilege';
end $$;

-- A number is drawn after the transaction has its id, never from a block reserved ahead (no cache): only then may the
-- sealer call a missing number dead once every transaction that is older than its snapshot has ended.
create sequence work.event_id;
create table work.event (
    id bigint primary key default case when pg_current_xact_id() is not null then nextval('work.event_id') end,
    at timestamptz not null default clock_timestamp(),
    topic text not null check (length(topic) between 1 and 32),
    subject bigint not null,
    kind text not null check (length(kind) between 1 and 64),
    body jsonb not null check (jsonb_typeof(body) = 'object')
);
comment on table work.event is 'What happened: ids, amounts and salted commitments, never personal data.';
grant select, insert on work.event to sahut_app;
grant usage, select on sequence work.event_id to sahut_app;

-- n is the order for all readers. An event has one n or none yet.
create table work.seal (
    n bigint primary key check (n > 0),
    event_id bigint not null unique
);
grant select, insert on work.seal to sahut_app;

-- One row: how far the sealer is, the roots of the perfect subtrees from left to right, the ids that were missing below
-- the highest id it has seen (ranges with the transaction id that must have ended before they count as rolled back),
-- and how far the slow sweep has walked.
create table work.head (
    one boolean primary key default true check (one),
    n bigint not null,
    root bytea not null,
    subtrees bytea[] not null,
    seen bigint not null,
    gap_first bigint[] not null,
    gap_last bigint[] not null,
    gap_horizon bigint[] not null,
    swept bigint not null,
    sealed_at timestamptz not null
);
insert into work.head values (true, 0, sha256(''), '{}', 0, '{}', '{}', '{}', 0, now());
grant select, update on work.head to sahut_app;

-- Hashes of the tree in tiles of 256, level 0 are the leaves; a tile is written when it is full. Inclusion proofs read
-- a few of them instead of the whole log.
create table work.tile (
    level smallint not null,
    position bigint not null,
    hashes bytea not null check (length(hashes) = 8192),
    root bytea not null check (length(root) = 32),
    primary key (level, position)
);
grant select, insert on work.tile to sahut_app;

create table work.signed_head (
    signed_at timestamptz primary key,
    n bigint not null,
    root bytea not null,
    key_id text not null,
    signature bytea not null check (length(signature) = 64)
);
grant select, insert on work.signed_head to sahut_app;

-- run_at is also the lease: claiming moves it ahead. attempts is the fence: only who holds the newest attempt may finish.
create table work.job (
    id bigint generated always as identity primary key,
    key text collate "C" not null unique check (length(key) between 1 and 200),
    kind text not null check (length(kind) between 1 and 64),
    run_at timestamptz not null default now(),
    attempts int not null default 0,
    buried_at timestamptz,
    story jsonb not null default '[]',
    body jsonb not null check (jsonb_typeof(body) = 'object')
);
comment on column work.job.key is 'Once for each thing to do; what belongs together begins alike, so that a range of keys finds it.';
create index job_due on work.job (run_at, id) where buried_at is null;
comment on column work.job.story is 'The failures so far, newest last, at most ten: [{"at", "error"}].';
grant select, insert, update, delete on work.job to sahut_app;

-- Every clock of the house is a row here. Running = neither kept nor broken.
create table work.deadline (
    id bigint generated always as identity primary key,
    kind text not null,
    subject bigint not null,
    audience text not null check (audience in ('customer', 'staff', 'house')),
    policy text not null,
    opened_at timestamptz not null,
    due_at timestamptz not null check (due_at >= opened_at),
    kept_at timestamptz,
    broken_at timestamptz,
    check (kept_at is null or broken_at is null)
);
create unique index deadline_running on work.deadline (kind, subject) where kept_at is null and broken_at is null;
create index deadline_due on work.deadline (due_at, id) where kept_at is null and broken_at is null;
create index deadline_subject on work.deadline (subject, id);
grant select, insert on work.deadline to sahut_app;
grant update (kept_at, broken_at) on work.deadline to sahut_app;

-- One table for the API and the ledger: who asked, under which key, for what (hash), and what was answered.
create table work.idempotency (
    principal bigint not null,
    key uuid not null,
    body_hash bytea not null check (length(body_hash) = 16),
    answer bigint not null,
    refusal text,
    at timestamptz not null,
    primary key (principal, key)
);
grant select, insert on work.idempotency to sahut_app;

create trigger append_only before update or delete on work.event for each row execute function work.refuse_change();
create trigger append_only before update or delete on work.seal for each row execute function work.refuse_change();
create trigger append_only before update or delete on work.tile for each row execute function work.refuse_change();
create trigger append_only before update or delete on work.signed_head for each row execute function work.refuse_change();
create trigger no_truncate before truncate on work.event for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on work.seal for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on work.tile for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on work.signed_head for each statement execute function work.refuse_change();

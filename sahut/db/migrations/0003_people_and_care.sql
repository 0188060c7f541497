-- Why: who writes and pays, and the books of care: contacts, cases, conversations.
create schema people;
grant usage on schema people to sahut_app;
create table people.person (
    id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 80),
    phone text not null unique check (phone ~ '^\+[1-9][0-9]{6,14}$'),
    language text not null check (language in ('id', 'zh', 'en')),
    role text not null check (role in ('customer', 'agent')),
    pin_hash text not null,
    wrong_tries int not null default 0,
    try_again_at timestamptz,
    joined_at timestamptz not null default now()
);
grant select, insert on people.person to sahut_app;
grant update (wrong_tries, try_again_at) on people.person to sahut_app;
create table people.session (
    token_hash bytea primary key check (length(token_hash) = 32),
    person_id bigint not null references people.person (id),
    opened_at timestamptz not null,
    ends_at timestamptz not null,
    ended_at timestamptz
);
create index session_person on people.session (person_id);
grant select, insert on people.session to sahut_app;
grant update (ended_at) on people.session to sahut_app;

create schema care;
grant usage on schema care to sahut_app;
-- Numbers are reserved in blocks, so that a process can give one without asking the database.
create sequence care.number_block minvalue 0 start 0;
grant usage, select on sequence care.number_block to sahut_app;

create table care.contact (
    id bigint generated always as identity primary key,
    number int not null unique check (number between 0 and 999999999),
    channel_account text not null check (length(channel_account) between 1 and 64),
    provider_key text not null check (length(provider_key) between 1 and 200),
    event_id bigint not null unique default case when pg_current_xact_id() is not null then nextval('work.event_id') end,
    person_id bigint not null,
    language text not null check (language in ('id', 'zh', 'en')),
    text text not null check (length(text) between 1 and 4000),
    original_hash bytea not null check (length(original_hash) = 32),
    salt bytea not null check (length(salt) = 16),
    received_at timestamptz not null,
    answer_due_at timestamptz not null,
    unique (channel_account, provider_key)
);
comment on column care.contact.person_id is 'people.person, or 0 when nobody was signed in';
comment on column care.contact.event_id is 'its event in the sealed log; drawn here by the same rule as there, so that the two find each other';
comment on column care.contact.text is 'masked before it is kept';
comment on column care.contact.original_hash is 'keyed hash of what was sent, to tell a repetition from another text under the same key';
grant select, insert on care.contact to sahut_app;

create table care.case (
    id bigint generated always as identity primary key,
    number int not null unique check (number between 0 and 999999999),
    person_id bigint not null,
    matter text not null,
    language text not null check (language in ('id', 'zh', 'en')),
    state text not null check (state in ('open', 'solved')),
    owner bigint,
    risk smallint not null default 0,
    last_seq bigint not null default 0,
    opened_at timestamptz not null,
    changed_at timestamptz not null
);
comment on column care.case.number is 'the number of the contact that opened it';
-- One matter is one case, whatever the channel; who was not signed in has a case for each contact.
create unique index case_open on care.case (person_id, matter) where state = 'open' and person_id <> 0;
create index case_person on care.case (person_id, id);
grant select, insert on care.case to sahut_app;
grant update (state, owner, risk, last_seq, changed_at) on care.case to sahut_app;

create table care.message (
    case_id bigint not null references care.case (id),
    seq bigint not null check (seq > 0),
    author text not null check (author in ('customer', 'agent')),
    author_id bigint not null,
    contact_id bigint unique references care.contact (id),
    client_message_id text not null check (length(client_message_id) between 1 and 64),
    text text not null check (length(text) between 1 and 4000),
    at timestamptz not null,
    primary key (case_id, seq),
    check ((contact_id is not null) = (author = 'customer'))
);
create unique index message_of_agent on care.message (case_id, author_id, client_message_id) where author = 'agent';
grant select, insert on care.message to sahut_app;

create trigger append_only before update or delete on care.contact for each row execute function work.refuse_change();
create trigger append_only before update or delete on care.message for each row execute function work.refuse_change();
create trigger no_truncate before truncate on care.contact for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on care.message for each statement execute function work.refuse_change();

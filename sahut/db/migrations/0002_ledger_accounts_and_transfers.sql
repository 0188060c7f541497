-- Why: the books of money. A transfer is one row that is both legs; the locked balance row carries the limits.
create schema ledger;
grant usage on schema ledger to sahut_app;

create table ledger.account (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('customer', 'merchant', 'safeguarding', 'fees', 'suspense')),
    currency smallint not null,
    owner bigint,
    opened_at timestamptz not null default now(),
    check ((owner is null) = (kind in ('safeguarding', 'fees', 'suspense')))
);
create unique index account_of_owner on ledger.account (owner, kind, currency) where owner is not null;
create unique index account_of_house on ledger.account (kind, currency) where owner is null;
grant select, insert on ledger.account to sahut_app;

-- posted = credits − debits, so what we owe customers is positive and cash held for them is negative: all sum to zero.
-- No other index and half-filled pages, so that an update stays on its page.
create table ledger.balance (
    account_id bigint primary key references ledger.account (id),
    currency smallint not null,
    zone text not null,
    posted bigint not null default 0,
    held bigint not null default 0 check (held >= 0),
    floor bigint not null,
    ceiling bigint not null,
    seq bigint not null default 0,
    state smallint not null default 0 check (state between 0 and 4),
    day date not null,
    day_out bigint not null default 0 check (day_out >= 0),
    day_out_cap bigint not null,
    month_in bigint not null default 0 check (month_in >= 0),
    month_in_cap bigint not null,
    check (posted - held >= floor),
    check (posted <= ceiling)
) with (fillfactor = 50);
comment on column ledger.balance.state is '0 open, 1 no debit, 2 no credit, 3 frozen, 4 closed';
comment on column ledger.balance.day is 'the day in the zone of the account for which day_out counts; its month is that of month_in';
grant select, insert on ledger.balance to sahut_app;
grant update (posted, held, seq, day, day_out, month_in, state) on ledger.balance to sahut_app;

-- The id bears its time and grows in the order of commits, so a range of ids is a range of time and the key stays unique.
create table ledger.transfer (
    id bigint primary key,
    debit bigint not null,
    credit bigint not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency smallint not null,
    kind smallint not null check (kind between 1 and 99),
    phase smallint not null check (phase between 1 and 7),
    debit_seq bigint not null check (debit_seq > 0),
    credit_seq bigint not null check (credit_seq > 0),
    debit_after bigint not null,
    credit_after bigint not null,
    refers_to bigint,
    batch bigint not null,
    effective_at timestamptz not null,
    recorded_at timestamptz not null,
    memo text check (length(memo) between 1 and 140),
    check (debit <> credit)
) partition by range (id);
comment on column ledger.transfer.kind is '1 person to person, 2 top up, 3 opening of a demo account';
comment on column ledger.transfer.phase is '1 single, 2 hold, 3 settle, 4 release, 5 expire, 6 reversal, 7 refund';
-- Years, as ids: milliseconds since 1970, shifted by 20 bits. The last one is open, so posting never stops for a partition.
create table ledger.transfer_2026 partition of ledger.transfer for values from (minvalue) to (1886138243481600000);
create table ledger.transfer_2027 partition of ledger.transfer for values from (1886138243481600000) to (1919206136217600000);
create table ledger.transfer_later partition of ledger.transfer for values from (1919206136217600000) to (maxvalue);
create index transfer_debit on ledger.transfer (debit, id);
create index transfer_credit on ledger.transfer (credit, id);
grant select, insert on ledger.transfer to sahut_app;

-- Each refused attempt with the rule and the values that refused it. It has the id that the transfer would have had.
create table ledger.attempt (
    id bigint primary key,
    principal bigint not null,
    key uuid not null,
    debit bigint not null,
    credit bigint not null,
    amount_minor bigint not null,
    reason text not null,
    had bigint not null,
    bound bigint not null,
    at timestamptz not null
);
create index attempt_debit on ledger.attempt (debit, id);
grant select, insert on ledger.attempt to sahut_app;

-- A batch closes with the highest id of its commit; the next batch of its shard continues above it.
create table ledger.batch (
    id bigint primary key,
    shard smallint not null,
    size int not null check (size >= 0),
    hash bytea not null check (length(hash) = 32),
    at timestamptz not null
);
grant select, insert on ledger.batch to sahut_app;

create view ledger.entry as
select id as transfer, debit as account_id, debit_seq as seq, -amount_minor as amount_minor, debit_after as balance_after,
       credit as other_account_id, currency, kind, phase, effective_at, recorded_at, memo
  from ledger.transfer
 union all
select id, credit, credit_seq, amount_minor, credit_after, debit, currency, kind, phase, effective_at, recorded_at, memo
  from ledger.transfer;
grant select on ledger.entry to sahut_app;

create trigger append_only before update or delete on ledger.transfer for each row execute function work.refuse_change();
create trigger append_only before update or delete on ledger.attempt for each row execute function work.refuse_change();
create trigger append_only before update or delete on ledger.batch for each row execute function work.refuse_change();
create trigger append_only before update or delete on ledger.account for each row execute function work.refuse_change();
create trigger no_truncate before truncate on ledger.transfer for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on ledger.attempt for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on ledger.batch for each statement execute function work.refuse_change();

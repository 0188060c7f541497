-- name: look_up_and_lock
-- All that a batch is decided by, in one round trip: the answers to keys that were asked before (what = 0), the balances,
-- locked in order of id (what = 1), and last the time and the highest id that the shard has committed (what = 2). It is a
-- statement after the one that takes the turn, so its snapshot has all that was posted before; a balance that somebody
-- else is changing meanwhile (freezing it) is waited for and read as it is then.
with locked as (
    select account_id, currency, posted, held, floor, ceiling, seq, state, day, day_out, day_out_cap, month_in, month_in_cap, zone
      from ledger.balance
     where account_id = any(:accounts::bigint[])
     order by account_id
       for no key update)
select 0 as what, i.principal as a, null::smallint as currency, i.answer as b, t.debit_seq as c, t.debit_after as d, a.had as e,
       a.bound as f, null::smallint as state, null::date as day, null::bigint as g, null::bigint as h, null::bigint as i,
       null::bigint as j, i.refusal as words, i.key as key, i.body_hash as hash, t.recorded_at as at
  from unnest(:principals::bigint[], :keys::uuid[]) as asked (principal, key)
  join work.idempotency i on i.principal = asked.principal and i.key = asked.key
  left join ledger.transfer t on i.refusal is null and t.id = i.answer
  left join ledger.attempt a on i.refusal is not null and a.id = i.answer
 union all
select 1, account_id, currency, posted, held, floor, ceiling, seq, state, day, day_out, day_out_cap, month_in, month_in_cap, zone,
       null, null, null
  from locked
 union all
select 2, coalesce((select max(id) from ledger.batch where shard = :shard), 0), null, null, null, null, null, null, null, null,
       null, null, null, null, null, null, null, work.clock();

-- name: write_batch
-- Everything of a batch in one statement. The balances count their entries, so a change outside its turn would show.
with moved as (
    insert into ledger.transfer (id, debit, credit, amount_minor, currency, kind, debit_seq, credit_seq, debit_after,
                                 credit_after, memo, phase, batch, effective_at, recorded_at)
    select t.*, 1, :batch::bigint, :now::timestamptz, :now::timestamptz
      from unnest(:t_id::bigint[], :t_debit::bigint[], :t_credit::bigint[], :t_amount::bigint[], :t_currency::smallint[],
                  :t_kind::smallint[], :t_debit_seq::bigint[], :t_credit_seq::bigint[], :t_debit_after::bigint[],
                  :t_credit_after::bigint[], :t_memo::text[]) as t),
kept as (
    insert into work.idempotency (principal, key, body_hash, answer, refusal, at)
    select k.*, :now::timestamptz
      from unnest(:k_principal::bigint[], :k_key::uuid[], :k_hash::bytea[], :k_answer::bigint[], :k_refusal::text[]) as k),
refused as (
    insert into ledger.attempt (id, principal, key, debit, credit, amount_minor, reason, had, bound, at)
    select a.*, :now::timestamptz
      from unnest(:a_id::bigint[], :a_principal::bigint[], :a_key::uuid[], :a_debit::bigint[], :a_credit::bigint[],
                  :a_amount::bigint[], :a_reason::text[], :a_had::bigint[], :a_bound::bigint[]) as a),
closed as (
    insert into ledger.batch (id, shard, size, hash, at) values (:batch::bigint, :shard, :size, :hash, :now::timestamptz)),
told as (
    insert into work.event (topic, subject, kind, body)
    select * from unnest(:e_topic::text[], :e_subject::bigint[], :e_kind::text[], :e_body::jsonb[])),
queued as (
    insert into work.job (kind, key, body)
    select * from unnest(:j_kind::text[], :j_key::text[], :j_body::jsonb[]))
update ledger.balance b
   set posted = x.posted, seq = x.seq, day = x.day, day_out = x.day_out, month_in = x.month_in
  from unnest(:b_account::bigint[], :b_posted::bigint[], :b_seq::bigint[], :b_day::date[], :b_day_out::bigint[],
              :b_month_in::bigint[], :b_was::bigint[]) as x (account_id, posted, seq, day, day_out, month_in, was)
 where b.account_id = x.account_id and b.seq = x.was;

-- name: open_account
insert into ledger.account (kind, currency, owner) values (:kind, :currency, :owner::bigint) on conflict do nothing returning id;

-- name: find_account
-- Two looks, each by the index that has it: a comparison that lets nulls be equal can use neither.
select id from ledger.account where owner = :owner::bigint and kind = :kind and currency = :currency
 union all
select id from ledger.account where :owner::bigint is null and owner is null and kind = :kind and currency = :currency;

-- name: open_balance
insert into ledger.balance (account_id, currency, zone, floor, ceiling, day, day_out_cap, month_in_cap)
values (:account, :currency, :zone, :floor, :ceiling, (work.clock() at time zone :zone)::date, :day_out_cap, :month_in_cap);

-- name: customer_account
select id from ledger.account where owner = :owner and kind = 'customer' and currency = :currency;

-- name: balance
select posted, held, floor, state from ledger.balance where account_id = :account;

-- name: entries
-- Newest first.
select transfer, seq, amount_minor, balance_after, other_account_id, currency, kind, recorded_at, memo
  from ledger.entry
 where account_id = :account and transfer < :before
 order by transfer desc
 limit :at_most;

-- name: owners
select id, owner from ledger.account where id = any(:accounts::bigint[]);

-- name: audit_sums
select currency, sum(posted) as total from ledger.balance group by currency having sum(posted) <> 0 order by currency;

-- name: audit_entries
-- The first entry of each account that does not follow from the one before it.
select distinct on (account_id) account_id, seq, expected_seq, balance_after, expected_after, transfer
  from (select account_id, seq, balance_after, transfer,
               row_number() over by_seq as expected_seq,
               coalesce(lag(balance_after) over by_seq, 0) + amount_minor as expected_after
          from ledger.entry
        window by_seq as (partition by account_id order by seq)) as walked
 where seq <> expected_seq or balance_after <> expected_after
 order by account_id, expected_seq;

-- name: audit_balances
-- Accounts whose balance is not that of their last entry.
select b.account_id, b.posted, b.seq, coalesce(e.last_seq, 0) as last_seq, coalesce(e.total, 0) as total
  from ledger.balance b
  left join (select account_id, max(seq) as last_seq, sum(amount_minor) as total from ledger.entry group by account_id) as e
    on e.account_id = b.account_id
 where b.posted <> coalesce(e.total, 0) or b.seq <> coalesce(e.last_seq, 0)
 order by b.account_id;

-- name: audit_keys
-- Transfers without a key that leads to them, as far back as keys are remembered, and keys that lead nowhere.
select 'transfer' as what, t.id from ledger.transfer t
 where t.recorded_at >= work.clock() - interval '30 days'
   and not exists (select from work.idempotency i where i.answer = t.id and i.refusal is null)
 union all
select 'key', i.answer from work.idempotency i
 where i.answer is not null
   and case when i.refusal is null then not exists (select from ledger.transfer t where t.id = i.answer)
            else not exists (select from ledger.attempt a where a.id = i.answer) end
 limit 20;

-- name: audit_batches
-- Batches after an id, with the hash that their event in the log bears; an event that went with its month says nothing
-- else. (A batch bears the clock of its process, an event that of the database: a day between them is no matter.)
select b.id, b.size, b.hash,
       coalesce(e.body ->> 'hash',
                case when b.at < (select max(month) + interval '32 days' from work.retired) then encode(b.hash, 'hex') end) as told
  from (select * from ledger.batch where id > :after order by id limit :at_most) as b
  left join work.event e on e.topic = 'ledger' and e.kind = 'batch_posted' and e.subject = b.id
 order by b.id;

-- name: audit_transfers
-- Of a run of batches, in the order in which they were hashed.
select batch, id, debit, credit, amount_minor, currency, kind, debit_seq, credit_seq, debit_after, credit_after
  from ledger.transfer where id > :after and id <= :upto order by id;

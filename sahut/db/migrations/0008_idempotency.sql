-- Why: actions of the API that are no transfers keep their answers in the same table, and what is older than 30 days is
-- forgotten, by one function that cannot forget what is younger.
alter table work.idempotency
    alter column answer drop not null,
    add column status smallint check (status between 200 and 599),
    add column body bytea check (length(body) <= 16384),
    add check (case when answer is null then status is not null and body is not null and refusal is null
                    else status is null and body is null end);
comment on column work.idempotency.answer is 'Of the ledger: the id of the transfer or of the attempt.';
comment on column work.idempotency.body is 'Of the API: the JSON that was answered, byte for byte.';

-- Answers of one batch bear one moment, so equal entries share their space in the index, and each goes to its right end.
create index idempotency_at on work.idempotency (at);

-- Two statements, so two snapshots: what the former holder of the key committed is seen once the key is ours.
create function work.claim_key(asked_principal bigint, asked_key uuid)
returns table (claimed boolean, body_hash bytea, status smallint, body bytea)
language plpgsql volatile
as $$
begin
    claimed := pg_try_advisory_xact_lock(hashtextextended(asked_principal || ' ' || asked_key, 23128));
    if claimed then
        select i.body_hash, i.status, i.body into claim_key.body_hash, claim_key.status, claim_key.body
          from work.idempotency i where i.principal = asked_principal and i.key = asked_key;
    end if;
    return next;
end $$;

-- A clock that jumps ahead by weeks would make all answers old at once, and a payment that is asked for again a second one.
-- Heads are signed each minute: with none of the day before the last, the clock, or the house, is not to be believed yet.
create index signed_head_at on work.signed_head (signed_at);
create function work.forget_answers(at_most integer)
returns integer language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
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
revoke all on function work.claim_key, work.forget_answers from public;
grant execute on function work.claim_key, work.forget_answers to sahut_app;

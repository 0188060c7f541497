-- What a restored database is asked, once, before anybody works in it. Everything here only reads.

-- name: restores_before
-- Oldest first: each cut the log back to `n`, and heads from before with more events are of a branch that ended.
select (body ->> 'n')::bigint as n, at from work.event where topic = :topic and kind = :kind order by id;

-- name: what_stands
-- To be told to who restores: whole tables are counted, and nobody waits for them meanwhile.
select (select count(*) from ledger.transfer) as transfers,
       (select max(recorded_at) from ledger.transfer) as last_transfer_at,
       (select count(*) from care.contact) as contacts;

-- name: claim_key
-- Never waits. The function looks with a snapshot of its own once the key is ours.
select claimed, body_hash, status, body from work.claim_key(:principal::bigint, :key::uuid);

-- name: keep_answer
-- Nothing is returned when the ledger wrote the same key meanwhile.
insert into work.idempotency (principal, key, body_hash, status, body, at)
values (:principal, :key, :body_hash, :status, :body, work.clock())
on conflict (principal, key) do nothing
returning status;

-- name: forget_answers
-- The function knows the border, so nobody can forget what is younger.
select work.forget_answers(:at_most::int);

-- Why: the application may do what its queries do and nothing else. Rights by column: an id is drawn by the table, an
-- account opens with nothing in it, a clock that runs is not written as kept, and no lock of a whole table can be had by
-- who may only update columns. tests/house/test_schema_rights.py holds these rights against the queries.
-- contract: rights are taken away; before the first release nobody runs beside it
do $$
begin
    execute format('revoke connect, temporary on database %I from public', current_database());
    execute format('grant connect on database %I to sahut_app', current_database());
end $$;
revoke all on schema public from public;
revoke all on function work.refuse_change(), work.clock(), work.leaf_text, work.leaf from public;
grant execute on function work.clock(), work.leaf_text, work.leaf to sahut_app;

revoke insert, update on work.seal, work.tile, work.signed_head, work.gap, work.head, work.job, work.deadline, work.idempotency,
    work.calendar, work.deadline_policy from sahut_app;
grant insert (n, event_id, at) on work.seal to sahut_app;
grant insert (level, position, hashes, root) on work.tile to sahut_app;
grant insert (signed_at, n, root, key_id, signature) on work.signed_head to sahut_app;
grant insert (first, last, horizon), update (last, horizon) on work.gap to sahut_app;
grant update (n, root, subtrees, seen, swept, sealed_at) on work.head to sahut_app;
grant insert (key, kind, run_at, body, traceparent), update (run_at, attempts, buried_at, story, held_by, forgiven) on work.job
    to sahut_app;
grant insert (kind, subject, audience, policy, opened_at, due_at, policy_version, warn_at),
    update (kept_at, broken_at, warn_at, warned) on work.deadline to sahut_app;
grant insert (principal, key, body_hash, answer, refusal, at, status, body) on work.idempotency to sahut_app;
grant insert (name, version, valid_from, zone, country, hours, categories, extra_holidays, extra_workdays) on work.calendar
    to sahut_app;
grant insert (name, version, valid_from, kind, audience, measure, length, calendar, warn_percent, warn_before_s)
    on work.deadline_policy to sahut_app;

revoke insert on ledger.account, ledger.balance, ledger.transfer, ledger.attempt, ledger.batch from sahut_app;
grant insert (kind, currency, owner) on ledger.account to sahut_app;
grant insert (account_id, currency, zone, floor, ceiling, day, day_out_cap, month_in_cap) on ledger.balance to sahut_app;
grant insert (id, debit, credit, amount_minor, currency, kind, phase, debit_seq, credit_seq, debit_after, credit_after, refers_to,
              batch, effective_at, recorded_at, memo) on ledger.transfer to sahut_app;
grant insert (id, principal, key, debit, credit, amount_minor, reason, had, bound, at) on ledger.attempt to sahut_app;
grant insert (id, shard, size, hash, at) on ledger.batch to sahut_app;

revoke insert on people.person, people.session, care.contact, care.case, care.message from sahut_app;
grant insert (name, phone, language, role, pin_hash) on people.person to sahut_app;
grant insert (token_hash, person_id, opened_at, ends_at) on people.session to sahut_app;
grant insert (number, channel_account, provider_key, person_id, language, text, original_hash, salt, received_at, answer_due_at)
    on care.contact to sahut_app;
grant insert (number, person_id, matter, language, state, opened_at, changed_at) on care.case to sahut_app;
grant insert (case_id, seq, author, author_id, contact_id, client_message_id, text, at) on care.message to sahut_app;

-- Rights would not stop the owner. Triggers for rows come with the parent, those for statements do not.
create trigger no_truncate before truncate on ledger.transfer_2026 for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on ledger.transfer_2027 for each statement execute function work.refuse_change();
create trigger no_truncate before truncate on ledger.transfer_later for each statement execute function work.refuse_change();

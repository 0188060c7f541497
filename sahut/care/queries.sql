-- name: reserve_number_blocks
select nextval('care.number_block') from generate_series(1, :blocks::int);

-- name: receive_contacts
-- Contact, event and first job in one statement, so one round trip and one commit. Only new rows get an event and a job.
with new as (
    insert into care.contact (number, channel_account, provider_key, person_id, language, text, original_hash, salt,
                              received_at, answer_due_at)
    select asked.*
      from unnest(:numbers::int[], :channel_accounts::text[], :provider_keys::text[], :person_ids::bigint[],
                  :languages::text[], :texts::text[], :original_hashes::bytea[], :salts::bytea[],
                  :received_ats::timestamptz[], :answer_due_ats::timestamptz[])
           as asked (number, channel_account, provider_key, person_id, language, text, original_hash, salt, received_at,
                     answer_due_at)
     -- A repetition that is known is left out before it draws an event's id: ids that are never used are gaps.
     where not exists (select from care.contact known
                        where known.channel_account = asked.channel_account and known.provider_key = asked.provider_key)
    on conflict (channel_account, provider_key) do nothing
    returning id, number, event_id, person_id, sha256(salt || convert_to(text, 'UTF8')) as commitment),
told as (
    insert into work.event (id, topic, subject, kind, body)
    select event_id, 'care', person_id, 'contact_received',
           jsonb_build_object('contact', id, 'number', lpad(number::text, 9, '0'), 'commitment', encode(commitment, 'hex'))
      from new),
queued as (
    insert into work.job (kind, key, body, traceparent)
    select 'find_case', 'find_case ' || person_id || ' ' || id, jsonb_build_object('contact', id, 'person', person_id),
           :traceparent::text
      from new)
select number from new;

-- name: first_contacts
-- What was kept under these keys.
select c.channel_account, c.provider_key, c.number, c.received_at, c.answer_due_at, c.text, c.salt, c.original_hash
  from unnest(:channel_accounts::text[], :provider_keys::text[]) as asked (channel_account, provider_key)
  join care.contact c on c.channel_account = asked.channel_account and c.provider_key = asked.provider_key;

-- name: lock_person
-- One at a time for each person, so that two messages about one matter cannot open two cases.
select pg_advisory_xact_lock(:class::int, (:person % 2147483647)::int);

-- name: waiting_contacts
-- The person's contacts that are in no case yet, in the order in which they came; none once this contact is in one. Each
-- has its job, which was committed with it, so a range of keys finds them however much the person has written before.
-- ('!' follows the blank. The limits inside keep the planner from turning the look-ups round into scans.)
with named as materialized (
    select split_part(key, ' ', 3)::bigint as id
      from work.job
     where key >= 'find_case ' || :person::bigint || ' ' and key < 'find_case ' || :person::bigint || '!'),
waiting as materialized (
    select id from named
     where (select true from care.message m where m.contact_id = named.id limit 1) is null
     order by id
     limit 1000)
select c.id, c.number, c.language, c.text, c.provider_key, c.received_at, c.answer_due_at
  from waiting w
 cross join lateral (select * from care.contact where id = w.id limit 1) as c
 where (select true from care.message mine where mine.contact_id = :contact limit 1) is null
 order by c.id;

-- name: waiting_contact
select c.id, c.number, c.language, c.text, c.provider_key, c.received_at, c.answer_due_at
  from care.contact c
 where c.id = :contact and not exists (select from care.message m where m.contact_id = c.id);

-- name: lock_open_case
-- Locks the case.
select id, number, last_seq from care.case where person_id = :person and matter = :matter and state = 'open' for no key update;

-- name: open_case
insert into care.case (number, person_id, matter, language, state, opened_at, changed_at)
values (:number, :person, :matter, :language, 'open', :now, :now)
returning id, number, last_seq;

-- name: add_messages
insert into care.message (case_id, seq, author, author_id, contact_id, client_message_id, text, at)
select :case_id, m.seq, 'customer', :person, m.contact_id, m.client_message_id, m.text, m.at
  from unnest(:seqs::bigint[], :contact_ids::bigint[], :client_message_ids::text[], :texts::text[], :ats::timestamptz[])
       as m (seq, contact_id, client_message_id, text, at);

-- name: move_case
update care.case set last_seq = :last_seq, changed_at = :now where id = :id;

-- name: lock_cases
-- Locks in order of id; passes over what somebody is writing in, since that may be the answer.
select id, number, person_id, state, risk from care.case where id = any(:ids::bigint[]) order by id
   for no key update skip locked;

-- name: raise_risk
update care.case set risk = least(risk + 1, 100), changed_at = :now where id = any(:ids::bigint[]);

-- name: lock_case
-- Locks the case.
select id, number, person_id, state, last_seq from care.case where number = :number for no key update;

-- name: agent_message
select seq, author, author_id, client_message_id, text, at from care.message
 where case_id = :case_id and author = 'agent' and author_id = :author and client_message_id = :client_message_id;

-- name: add_reply
insert into care.message (case_id, seq, author, author_id, client_message_id, text, at)
values (:case_id, :seq, 'agent', :author, :client_message_id, :text, :now);

-- name: case
select id, number, person_id, matter, language, state, last_seq, opened_at, changed_at from care.case where number = :number;

-- name: cases
-- Open ones first by their next promise; a person's own or, with null, everybody's. Where the list is cut, who is
-- signed in stays on it: a flood of contacts from nobody must not push customers out of sight.
select * from (
select c.id, c.number, c.person_id, c.matter, c.language, c.state, c.last_seq, c.opened_at, c.changed_at,
       d.kind as promise, d.due_at, m.author, m.text
  from care.case c
  left join lateral (select kind, due_at from work.deadline
                      where subject = c.id and kind in ('answer', 'follow_up') and kept_at is null and broken_at is null
                      order by due_at limit 1) as d on true
  left join care.message m on m.case_id = c.id and m.seq = c.last_seq
 where (:person::bigint is null or c.person_id = :person::bigint)
 order by (c.state = 'open') desc, (d.kind is not distinct from 'answer') desc, (c.person_id <> 0) desc, d.due_at, c.id
 limit :at_most) as chosen
 order by (state = 'open') desc, (promise is not distinct from 'answer') desc, due_at, id;

-- name: count_cases
select count(*) from care.case where :person::bigint is null or person_id = :person::bigint;

-- name: messages
select seq, author, author_id, client_message_id, text, at from care.message
 where case_id = :case_id and seq > :after order by seq limit :at_most;

-- name: newest_messages
select * from (select seq, author, author_id, client_message_id, text, at from care.message
                where case_id = :case_id order by seq desc limit :at_most) as newest order by seq;

-- name: contact_state
select c.id, c.event_id, c.number, c.person_id, c.received_at, c.answer_due_at, k.number as case_number
  from care.contact c
  left join care.message m on m.contact_id = c.id
  left join care.case k on k.id = m.case_id
 where c.number = :number;

-- name: oldest_unanswered
-- Of the cases whose answers are due soonest: how long the first message that nobody has answered has waited.
select extract(epoch from work.clock() - min(m.at))::float8 as waited_s
  from (select subject from work.deadline
         where kind = 'answer' and kept_at is null and broken_at is null order by next_at limit :at_most) as d
 cross join lateral (
        select at from care.message
         where case_id = d.subject and author = 'customer'
           and seq > coalesce((select seq from care.message
                                where case_id = d.subject and author = 'agent' order by seq desc limit 1), 0)
         order by seq limit 1) as m;

-- name: recent_waits
-- How long the last answers took, in seconds; of the newest fifty clocks that were kept.
select percentile_cont(0.5) within group (order by wait)::float8 as median, count(*) as counted
  from (select extract(epoch from kept_at - opened_at) as wait from work.deadline
         where kind = 'answer' and kept_at is not null order by id desc limit 50) as waits;

-- name: audit_contacts
-- Contacts that are in no case and that no job will bring there.
select c.number from care.contact c
 where not exists (select from care.message m where m.contact_id = c.id)
   and not exists (select from work.job j where j.key = 'find_case ' || c.person_id || ' ' || c.id and j.buried_at is null)
 order by c.id limit 20;

-- name: audit_contact_events
-- Contacts whose event is missing or commits to another text.
select c.number from care.contact c
  left join work.event e on e.id = c.event_id and e.kind = 'contact_received'
 where (e.body ->> 'commitment' is distinct from encode(sha256(c.salt || convert_to(c.text, 'UTF8')), 'hex')
    or e.body ->> 'number' is distinct from lpad(c.number::text, 9, '0'))
   -- What went with its month cannot be asked any more.
   and (e.id is not null or c.event_id > (select coalesce(max(highest_id), 0) from work.retired))
 order by c.id limit 20;

-- name: audit_events_without_contact
select e.id from work.event e
 where e.topic = 'care' and e.kind = 'contact_received' and not exists (select from care.contact c where c.event_id = e.id)
 order by e.id limit 20;

-- name: audit_promises
-- Open cases without a running promise.
select c.number from care.case c
 where c.state = 'open'
   and not exists (select from work.deadline d
                    where d.subject = c.id and d.kind in ('answer', 'follow_up')
                      and d.kept_at is null and d.broken_at is null)
 order by c.id limit 20;

-- name: audit_conversations
-- Cases whose messages are not numbered 1, 2, 3 … up to the last.
select c.number, c.last_seq, count(m.seq) as counted, coalesce(max(m.seq), 0) as highest
  from care.case c left join care.message m on m.case_id = c.id
 group by c.id
having count(m.seq) <> c.last_seq or coalesce(max(m.seq), 0) <> c.last_seq
 order by c.id limit 20;

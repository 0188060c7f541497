-- name: add_person
insert into people.person (name, phone, language, role, pin_hash)
values (:name, :phone, :language, :role, :pin_hash)
on conflict (phone) do nothing
returning id;

-- name: person_by_phone
select id, name, phone, language, role, pin_hash, wrong_tries, try_again_at from people.person where phone = :phone;

-- name: lock_person_by_phone
-- Locks the person, so that tries at one PIN are counted one after the other.
select id, name, phone, language, role, pin_hash, wrong_tries, try_again_at from people.person where phone = :phone
   for no key update;

-- name: person
select id, name, phone, language, role from people.person where id = :id;

-- name: names
select id, name from people.person where id = any(:ids::bigint[]);

-- name: count_try
update people.person set wrong_tries = :wrong_tries, try_again_at = :try_again_at where id = :id;

-- name: open_session
insert into people.session (token_hash, person_id, opened_at, ends_at) values (:token_hash, :person_id, :now, :ends_at);

-- name: who
select p.id, p.name, p.phone, p.language, p.role
  from people.session s join people.person p on p.id = s.person_id
 where s.token_hash = :token_hash and s.ended_at is null and s.ends_at > :now;

-- name: running_sessions
-- Which of these sessions still run.
select token_hash from people.session where token_hash = any(:token_hashes::bytea[]) and ended_at is null and ends_at > :now;

-- name: end_session
update people.session set ended_at = :now where token_hash = :token_hash and ended_at is null;

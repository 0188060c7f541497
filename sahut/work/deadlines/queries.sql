-- name: open_deadline
-- One running clock of a kind for a subject; a second one changes nothing.
insert into work.deadline (kind, subject, audience, policy, opened_at, due_at)
values (:kind, :subject, :audience, :policy, :opened_at, :due_at)
on conflict (kind, subject) where kept_at is null and broken_at is null do nothing
returning id;

-- name: keep_deadline
update work.deadline set kept_at = :now where kind = :kind and subject = :subject and kept_at is null and broken_at is null
returning id;

-- name: overdue_subjects
-- Of clocks of these kinds. Locks nothing: whoever breaks a clock locks its subject first.
select distinct subject
  from (select subject from work.deadline
         where kept_at is null and broken_at is null and due_at < :now and kind = any(:kinds::text[])
         order by due_at, id limit :at_most) as due;

-- name: break_overdue_deadlines
update work.deadline set broken_at = :now
 where subject = any(:subjects::bigint[]) and kind = any(:kinds::text[])
   and kept_at is null and broken_at is null and due_at < :now
returning id, kind, subject, due_at;

-- name: running_deadlines
-- Of many subjects at once, for lists.
select subject, kind, due_at from work.deadline
 where subject = any(:subjects::bigint[]) and kind = any(:kinds::text[]) and kept_at is null and broken_at is null
 order by due_at;

-- name: deadlines_of
select id, kind, subject, due_at, kept_at, broken_at from work.deadline
 where subject = :subject and kind = any(:kinds::text[]) order by id desc limit 50;

-- name: audit_overdue
-- Clocks that ran out more than a minute ago and that nobody has marked.
select kind, count(*) as overdue, min(due_at) as since from work.deadline
 where kept_at is null and broken_at is null and due_at < work.clock() - interval '1 minute' group by kind order by kind;

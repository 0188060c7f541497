-- What the doctor asks the database. Everything here only reads, and answers quickly on large tables.

-- name: safety
-- What "committed is kept" rests on. Failures are counted since the statistics were reset, over all databases.
select current_setting('data_checksums') = 'on' as data_checksums,
       current_setting('fsync') = 'on' as fsync,
       current_setting('full_page_writes') = 'on' as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       (select coalesce(sum(checksum_failures), 0) from pg_stat_database)::bigint as checksum_failures;

-- name: rights
-- What the application's role owns, and what it may change of what is append-only (such tables bear that trigger).
select rolname as role, rolsuper as is_superuser,
       array(select format('%I.%I', nspname, relname) from pg_class c join pg_namespace s on s.oid = relnamespace
              where relowner = r.oid and nspname not like 'pg\_%' order by 1 limit 3) as owned,
       array(select format('%I.%I', nspname, relname)
               from pg_class c join pg_namespace s on s.oid = relnamespace
              where exists (select from pg_trigger t where t.tgrelid = c.oid and tgname = 'append_only')
                and has_table_privilege(r.oid, c.oid, 'update, delete, truncate')
              order by 1 limit 3) as changeable
  from pg_roles r
 where rolname = :role;

-- name: applied_migrations
select name, sha256 from db.migration;

-- name: clock
select extract(epoch from clock_timestamp())::float8 as at_s;

-- name: sessions
-- Client sessions only: the server's own processes hold nothing up for long.
select (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as used,
       current_setting('max_connections')::int as allowed,
       array(select application_name from pg_stat_activity
              where backend_type = 'client backend' and state = 'active' and wait_event_type = 'Client'
                and state_change < clock_timestamp() - make_interval(secs => :hung_after_s)
              order by state_change limit 5) as hung,
       coalesce(extract(epoch from clock_timestamp() - longest.xact_start), 0)::float8 as longest_s,
       coalesce(longest.application_name, '') as longest_name
  from (select) as one
  left join lateral (select xact_start, application_name from pg_stat_activity
                      where backend_type = 'client backend' and pid <> pg_backend_pid() and xact_start is not null
                      order by xact_start limit 1) as longest on true;

-- name: vacuum
select (select max(age(datfrozenxid)) from pg_database)::bigint as xids,
       coalesce(worst.named, '') as table_name, coalesce(worst.dead, 0) as dead, coalesce(worst.live, 0) as live
  from (select) as one
  left join lateral (select format('%I.%I', schemaname, relname) as named, n_dead_tup as dead, n_live_tup as live
                       from pg_stat_user_tables order by n_dead_tup desc limit 1) as worst on true;

-- name: sealing_lag
-- Of the oldest event above what the sealer has seen. What waits in a gap behind a long transaction is not late.
select coalesce((select extract(epoch from clock_timestamp() - at)
                   from work.event where id > (select seen from work.head) order by id limit 1), 0)::float8 as lag_s;

-- name: heads
select clock_timestamp() as now, head.n as n, signed.n as signed_n, signed.root as signed_root, signed.signed_at
  from work.head
  left join lateral (select n, root, signed_at from work.signed_head order by signed_at desc limit 1) as signed on true;

-- name: has_head
select exists (select from work.signed_head where n = :n and root = :root);

-- name: clocks
select (select count(*) from work.deadline
         where kept_at is null and broken_at is null and due_at < (select work.clock()))::int as overdue,
       coalesce((select extract(epoch from work.clock() - min(due_at)) from work.deadline
                  where kept_at is null and broken_at is null and due_at < (select work.clock())), 0)::float8
           as oldest_overdue_s,
       (select count(*) from work.deadline
         where broken_at > work.clock() - interval '1 day' and audience = 'customer')::int as broken_lately;

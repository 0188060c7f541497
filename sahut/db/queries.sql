-- name: server_figures
-- What every role may see. The sessions are our own: of others the server tells no times.
select pg_database_size(current_database()) as bytes,
       (select coalesce(extract(epoch from clock_timestamp() - min(xact_start)), 0)::float8
          from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()) as oldest_transaction_s,
       (select count(*) from pg_stat_activity where datname = current_database()) as sessions,
       (select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waiting,
       (select age(datfrozenxid) from pg_database where datname = current_database()) as transaction_age,
       (select extract(epoch from clock_timestamp() - last_archived_time)::float8 from pg_stat_archiver) as archived_s,
       (select failed_count from pg_stat_archiver) as archive_failures,
       (select count(*) from pg_stat_replication) as replicas,
       (select extract(epoch from max(replay_lag))::float8 from pg_stat_replication) as replay_lag_s;

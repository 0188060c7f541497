-- name: end_hung_sessions
select application_name, pg_terminate_backend(pid) as ended
  from pg_stat_activity
 where usename = current_user and pid <> pg_backend_pid() and state = 'active' and wait_event_type = 'Client'
   and state_change < clock_timestamp() - make_interval(secs => :after_s);

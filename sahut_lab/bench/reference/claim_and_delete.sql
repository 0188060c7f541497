begin;
select id from reference.job where run_at <= now() order by run_at, id limit 1 for update skip locked \gset
insert into reference.event (topic, subject, body) values ('done', :id, jsonb_build_object('job', :id::bigint));
delete from reference.job where id = :id;
commit;

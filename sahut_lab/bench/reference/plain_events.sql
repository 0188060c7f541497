insert into plain_event (topic, subject, kind, body) values ('bench', 1, 'said', '{"amount_minor": 1500000, "payment": "1882593475819487235"}');

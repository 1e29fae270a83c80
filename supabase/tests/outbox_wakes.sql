-- When a message is due, to the row: nobody looks at photos that are not ready, and no contact outlives its use.

begin;
create extension if not exists pgtap with schema extensions;
select plan(9);

update private.outbox set recipient = null, given_up_at = now() where recipient is not null;
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.events (id, event_name, event_slug) values ('8f000000-0000-4000-8000-000000000001', 'Tap', 'tap-crowd');
insert into public.generations (
  event_id, style_id, status, photo_path, result_path, expected_seconds, started_at, succeeded_at, image_url
)
select '8f000000-0000-4000-8000-000000000001', 'tap_a', 'succeeded', 'tap.jpg', 'results/' || name, 20, now(), now(), 'https://tap.example/p.png'
from unnest('{tenth, deleted, hidden}'::text[]) as photos (name);

create function pg_temp.photo(p_name text)
returns uuid
language sql
as $$ select id from public.generations where result_path = 'results/' || p_name; $$;
create function pg_temp.leave(p_name text)
returns void
language sql
as $$ select public.leave_contact(pg_temp.photo(p_name), 'email', p_name || '@tap.example', 'es'); $$;
create function pg_temp.message(p_name text)
returns private.outbox
language sql
as $$ select outbox from private.outbox where generation_id = pg_temp.photo(p_name); $$;
create function pg_temp.claimed()
returns integer
language sql
as $$ select count(*)::integer from public.claim_messages(10); $$;

select pg_temp.leave('tenth');
update private.outbox set tries = 9 where recipient = 'tenth@tap.example';
select is(pg_temp.claimed(), 1, 'the tenth try is claimed');
select is(pg_temp.claimed(), 0, 'and not by another sweep while it is being sent');
select public.finish_messages(
  jsonb_build_array(jsonb_build_object('message_id', (pg_temp.message('tenth')).id, 'channel', 'email', 'outcome', 'sent'))
);
select isnt((pg_temp.message('tenth')).sent_at, null, 'what the tenth try sent is noted as sent');

select pg_temp.leave('deleted');
update public.generations set deleted_at = now(), image_url = null where id = pg_temp.photo('deleted');
select is((pg_temp.message('deleted')).recipient, null, 'a deleted photo takes the contact with it at once');

select pg_temp.leave('hidden');
update public.generations set visibility = 'hidden', image_url = null where id = pg_temp.photo('hidden');
select is(pg_temp.claimed(), 0, 'a picture that was hidden before anybody was told is not told of');
update public.generations set visibility = 'visible', image_url = 'https://tap.example/p.png' where id = pg_temp.photo('hidden');
select is(pg_temp.claimed(), 1, 'but once it is shown again');

-- What a claim reads must not grow with the photos that are being made

insert into public.generations (event_id, style_id, status, photo_path, result_path, expected_seconds, started_at)
select '8f000000-0000-4000-8000-000000000001', 'tap_a', 'processing', 'crowd', format('results/tap_%s.png', number), 20, now()
from generate_series(1, 1000) as numbers (number);
select public.leave_contact(id, 'email', 'crowd@tap.example', 'es') from public.generations where photo_path = 'crowd';

create function pg_temp.rows_read()
returns bigint
language sql
as $$
  select sum(seq_tup_read + idx_tup_fetch)::bigint from pg_stat_xact_user_tables
  where relid in ('public.generations'::regclass, 'private.outbox'::regclass);
$$;
create temporary table reads as select pg_temp.rows_read() as before;
select pg_temp.claimed();
select cmp_ok(pg_temp.rows_read() - (select before from reads), '<=', 60::bigint, 'while 1,000 photos are made, a claim reads next to nothing');
analyze private.outbox;
discard plans;
update reads set before = pg_temp.rows_read();
select pg_temp.claimed();
select cmp_ok(pg_temp.rows_read() - (select before from reads), '<=', 60::bigint, 'also when statistics know that all of them wait');
update public.generations
set status = 'failed', failed_at = now(), error_code = 'GENERATION_FAILED'
where result_path = 'results/tap_1.png';
select is(pg_temp.claimed(), 1, 'the end of one makes one message due');

select * from finish();
rollback;

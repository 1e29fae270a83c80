-- Messages that tell somebody about their picture: when they are due, how often they are tried, and that the contact
-- is gone afterwards.

begin;
create extension if not exists pgtap with schema extensions;
select plan(22);

update private.settings set is_in_maintenance = false;
update private.outbox set run_at = 'infinity' where recipient is not null;
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug) values ('88000000-0000-4000-8000-000000000001', 'Tap', 'tap-party');
select private.allocate_event_credits('88000000-0000-4000-8000-000000000001', 500);

create temporary table photos (name text primary key, id uuid);
create function pg_temp.begin_photo(p_name text)
returns void
language sql
as $$
  insert into photos
  select p_name, generation_id
  from public.begin_generation('tap_a', '3:4', 'tap/' || p_name, p_photo_hash => 'h', p_event_slug => 'tap-party');
  select public.leave_contact(photos.id, 'email', p_name || '@tap.example', 'pt') from photos where name = p_name;
$$;
create function pg_temp.succeed(p_name text, p_image_url text default 'https://tap.example/p.png')
returns void
language sql
as $$
  update public.generations
  set status = 'succeeded', started_at = now(), succeeded_at = now(), image_url = p_image_url,
    visibility = case when p_image_url is null then 'pending' else 'visible' end
  where id = (select photos.id from photos where name = p_name);
$$;
create function pg_temp.message(p_name text)
returns private.outbox
language sql stable
as $$ select outbox from private.outbox where generation_id = (select photos.id from photos where name = p_name); $$;
create function pg_temp.claim()
returns text
language sql
as $$ select string_agg(split_part(recipient, '@', 1), ' ' order by recipient) from public.claim_messages(10); $$;
create function pg_temp.finish(p_name text, p_outcome text, p_detail text default null)
returns integer
language sql
as $$
  select public.finish_messages(jsonb_build_array(jsonb_build_object(
    'message_id', (pg_temp.message(p_name)).id, 'channel', 'email', 'outcome', p_outcome, 'detail', p_detail
  )));
$$;

select pg_temp.begin_photo('a');
select is(pg_temp.claim(), null, 'nothing is said while the photo is made');
select pg_temp.succeed('a');
select results_eq(
  $$ select channel, recipient, language, image_url from public.claim_messages(10) $$,
  $$ values ('email', 'a@tap.example', 'pt', 'https://tap.example/p.png') $$, 'once it is there somebody is to be told'
);
select is(pg_temp.claim(), null, 'by one caller');
select is((pg_temp.message('a')).run_at, now() + interval '1 minute', 'who has a minute for it');
update private.outbox set run_at = now() where recipient = 'a@tap.example';
select pg_temp.claim();
select is((pg_temp.message('a')).run_at, now() + interval '2 minutes', 'the next one two');
select is(pg_temp.finish('a', 'retry', 'HTTP 500'), 0, 'a message that did not get through is not sent');
select results_eq(
  $$ select (pg_temp.message('a')).recipient, (pg_temp.message('a')).last_error $$, $$ values ('a@tap.example', 'HTTP 500') $$,
  'it keeps its contact, and why'
);
select is(pg_temp.finish('a', 'sent'), 1, 'one that did is');
select results_eq(
  $$ select (pg_temp.message('a')).recipient, (pg_temp.message('a')).sent_at, (pg_temp.message('a')).last_error $$,
  $$ values (null::text, now(), null::text) $$, 'and its contact is gone'
);
select pg_temp.finish('a', 'refused', 'late');
select is((pg_temp.message('a')).given_up_at, null, 'a second answer changes nothing');
select public.leave_contact((select id from photos where name = 'a'), 'email', 'again@tap.example', 'es');
select is((select count(*)::integer from private.outbox join photos on photos.id = generation_id where name = 'a'), 1, 'nor does a repeated request');
select throws_ok(
  $$ update private.outbox set recipient = 'x@tap.example' where id = (pg_temp.message('a')).id $$, '23514', null,
  'a sent message has no contact'
);

select pg_temp.begin_photo('refused');
select pg_temp.succeed('refused');
select pg_temp.finish('refused', 'refused', 'HTTP 422');
select results_eq(
  $$ select (pg_temp.message('refused')).recipient, (pg_temp.message('refused')).given_up_at $$, $$ values (null::text, now()) $$,
  'a contact that is refused is forgotten'
);

select pg_temp.begin_photo('failed');
select public.fail_generation((select id from photos where name = 'failed'), 'GENERATION_FAILED');
select results_eq(
  $$ select recipient, image_url from public.claim_messages(10) $$, $$ values ('failed@tap.example', null::text) $$, 'who waits for a photo that failed is told too'
);
select pg_temp.finish('failed', 'misconfigured', 'HTTP 401');
select is(
  (select count(*)::integer from private.alerts where kind = 'message_channel_refused' and subject = 'email' and resolved_at is null), 1,
  'a channel that refuses us is an alert'
);
select is_empty($$ select from private.alerts where message ~ 'tap.example' $$, 'without a contact');
select pg_temp.finish('failed', 'sent');
select is(
  (select count(*)::integer from private.alerts where kind = 'message_channel_refused' and subject = 'email' and resolved_at is null), 0,
  'the next success resolves it'
);

select pg_temp.begin_photo('pending');
select pg_temp.succeed('pending', null);
select is(pg_temp.claim(), null, 'a picture that waits for approval is not told of');

select pg_temp.begin_photo('old'), pg_temp.begin_photo('stubborn'), pg_temp.begin_photo('deleted');
select pg_temp.succeed('old'), pg_temp.succeed('stubborn'), pg_temp.succeed('deleted');
update private.outbox set created_at = now() - interval '3 days' where recipient = 'old@tap.example';
update private.outbox set tries = 10 where recipient = 'stubborn@tap.example';
update public.generations set deleted_at = now(), image_url = null where id = (select id from photos where name = 'deleted');
select is(pg_temp.claim(), null, 'nothing is sent after three days, ten tries, or of a photo that was deleted');
select is(
  (
    select count(*)::integer from private.outbox join photos on photos.id = generation_id
    where name in ('old', 'stubborn', 'deleted') and recipient is null and given_up_at is not null
  ),
  3, 'and the contacts are gone'
);
select is((pg_temp.message('pending')).recipient, 'pending@tap.example', 'others stay');
select is(public.finish_messages('[]'), 0, 'nothing to finish is nothing');

select * from finish();
rollback;

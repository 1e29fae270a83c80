-- sweep_database() and the files that storage still has to move: what a killed process left behind is
-- found and finished, once, in bounded steps.

begin;
create extension if not exists pgtap with schema extensions;
select plan(68);

-- Whatever else this database has to sweep is swept first, so that the counts are of these tests.
select public.sweep_database(100000);
delete from private.file_tasks;
update public.api_key_pool set is_active = false;

insert into auth.users (id, email) values ('8f000000-0000-4000-8000-000000000001', 'user@tap.example');
select private.post_movement('grant', 'issued', null, 'user', '8f000000-0000-4000-8000-000000000001', 500, 'tap-user');
insert into public.styles_metadata (id, label, category, subcategory, credit_cost) values ('tap_a', 'A', 'tap', 'Tap', 100);
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug) values ('8f000000-0000-4000-8000-000000000002', 'Tap', 'tap-party');
select private.post_movement('grant', 'issued', null, 'event', '8f000000-0000-4000-8000-000000000002', 100, 'tap-give');

create temporary table photos (name text primary key, id uuid);
create function pg_temp.begin_photo(p_name text, p_age interval default '0', p_is_running boolean default false, p_user_id uuid default null)
returns void
language plpgsql
as $$
begin
  insert into photos
  select p_name, begun.generation_id
  from public.begin_generation(
    'tap_a', '3:4', 'selfies/' || p_name, p_photo_hash => 'h', p_user_id => p_user_id,
    p_event_slug => case when p_user_id is null then 'tap-party' end
  ) as begun;
  update public.generations
  set created_at = now() - p_age,
    run_at = now() - p_age,
    status = case when p_is_running then 'processing' else 'queued' end,
    started_at = case when p_is_running then now() - p_age end
  where id = (select photos.id from photos where photos.name = p_name);
end;
$$;

create function pg_temp.photo(p_name text)
returns public.generations
language sql stable
as $$ select generations from public.generations join photos using (id) where photos.name = p_name; $$;

create function pg_temp.add_attempt(p_name text, p_attempt integer, p_age interval, p_status text default 'claimed')
returns void
language sql
as $$
  insert into private.generation_attempts (
    generation_id, attempt, status, account, token_hash, model, prompt_version, claimed_at, task_id, submitted_at, next_check_at
  )
  select (pg_temp.photo(p_name)).id, p_attempt, p_status, 'tap', 'x', 'tap', 1, now() - p_age,
    case p_status when 'submitted' then format('tap-%s-%s', p_name, p_attempt) end,
    case p_status when 'submitted' then now() - p_age end,
    now();
$$;

create function pg_temp.attempt(p_name text, p_attempt integer default 1)
returns private.generation_attempts
language sql stable
as $$
  select generation_attempts from private.generation_attempts
  where generation_attempts.generation_id = (pg_temp.photo(p_name)).id and generation_attempts.attempt = p_attempt;
$$;

create function pg_temp.statuses(variadic p_names text[])
returns text
language sql stable
as $$
  select string_agg(concat_ws(' ', names.name, generations.status, generations.error_code), ', ' order by names.place)
  from unnest(p_names) with ordinality as names (name, place)
  join photos on photos.name = names.name
  join public.generations using (id);
$$;

-- Nothing to do

select is(
  public.sweep_database(), '{"expired": 0, "requeued": 0, "abandoned": 0, "selfies": 0}'::jsonb, 'a sweep that finds nothing does nothing'
);

-- The deadline

select pg_temp.begin_photo('running_15', '15 minutes', true), pg_temp.begin_photo('running_14', '14 minutes 59 seconds', true),
  pg_temp.begin_photo('queued_12', '12 minutes'), pg_temp.begin_photo('queued_11', '11 minutes 59 seconds'),
  pg_temp.begin_photo('user_16', '16 minutes', true, '8f000000-0000-4000-8000-000000000001');
select pg_temp.add_attempt('running_15', 1, '14 minutes', 'submitted'), pg_temp.add_attempt('running_14', 1, '14 minutes', 'submitted');
create temporary table credits_before as
  select
    (select credits_used from public.events where event_slug = 'tap-party') as event_used,
    (select credits from public.profiles where id = '8f000000-0000-4000-8000-000000000001') as user_credits;
select is(
  public.sweep_database(), '{"expired": 3, "requeued": 0, "abandoned": 0, "selfies": 0}'::jsonb, 'a sweep expires what is past its deadline'
);
select is(
  pg_temp.statuses('running_15', 'running_14'), 'running_15 failed GENERATION_TIMED_OUT, running_14 processing',
  'a running photo is given up after 15 minutes'
);
select is(
  pg_temp.statuses('queued_12', 'queued_11'), 'queued_12 failed PROVIDER_UNAVAILABLE, queued_11 queued',
  'a photo that nobody could take is given up after 12 minutes'
);
select is(pg_temp.statuses('user_16'), 'user_16 failed GENERATION_TIMED_OUT', 'a user''s photo is given up alike');
select is(
  (select credits_used from public.events where event_slug = 'tap-party'), (select event_used - 2 from credits_before),
  'the event is refunded for each'
);
select is(
  (select credits from public.profiles where id = '8f000000-0000-4000-8000-000000000001'), (select user_credits + 100 from credits_before),
  'the user is refunded what the photo cost'
);
select is((pg_temp.photo('running_15')).refunded_at, now(), 'a photo that was given up says that it was refunded');
select is((pg_temp.attempt('running_15')).status, 'submitted', 'its task is still waited for: the picture may come late');
select is(
  public.sweep_database(), '{"expired": 0, "requeued": 0, "abandoned": 0, "selfies": 0}'::jsonb, 'a second sweep finds nothing more'
);
select is(
  (select credits_used from public.events where event_slug = 'tap-party'), (select event_used - 2 from credits_before),
  'a second sweep refunds nothing more'
);
select is(
  (select state from public.complete_generation((pg_temp.attempt('running_15')).id, 'tap-running_15-1', 'generations', 'https://tap.example/l.png', 1, 1)),
  'success', 'the late picture is delivered'
);
select is(
  (select credits_used from public.events where event_slug = 'tap-party'), (select event_used - 2 from credits_before),
  'the late picture is free'
);

select pg_temp.begin_photo('old_' || number, make_interval(mins => 20 + number)) from generate_series(1, 8) as numbers (number);
select is(public.sweep_database(4) ->> 'expired', '4', 'a sweep gives up no more photos than it was told');
select is(
  (select array_agg(name order by name) from photos join public.generations using (id) where name like 'old%' and status = 'failed'),
  '{old_5,old_6,old_7,old_8}', 'the oldest come first'
);
select is(public.sweep_database(200) ->> 'expired', '4', 'the next sweep takes the rest');

-- Claims whose outcome nobody recorded

select pg_temp.begin_photo('lost', '3 minutes', true), pg_temp.begin_photo('fresh', '3 minutes', true), pg_temp.begin_photo('known', '3 minutes', true),
  pg_temp.begin_photo('overtaken', '5 minutes', true);
update public.generations set run_at = now() + interval '1 hour' where id = (pg_temp.photo('lost')).id;
select pg_temp.add_attempt('lost', 1, '2 minutes'), pg_temp.add_attempt('fresh', 1, '1 minute 59 seconds'),
  pg_temp.add_attempt('known', 1, '3 minutes', 'submitted'), pg_temp.add_attempt('overtaken', 1, '5 minutes'),
  pg_temp.add_attempt('overtaken', 2, '1 minute');
select is(
  public.sweep_database(), '{"expired": 0, "requeued": 1, "abandoned": 0, "selfies": 0}'::jsonb, 'a sweep requeues what a dead process had claimed'
);
select is(
  pg_temp.statuses('lost', 'fresh', 'known', 'overtaken'), 'lost queued, fresh processing, known processing, overtaken processing',
  'a claim is lost after 2 minutes without a word, unless a newer one is under way'
);
select is((pg_temp.photo('lost')).run_at, now(), 'a photo whose claim was lost is due at once');
select results_eq(
  $$ select status, error_code, finished_at from private.generation_attempts where id = (pg_temp.attempt('lost')).id $$,
  $$ values ('abandoned', 'LOST', now()) $$, 'a lost claim is abandoned'
);
select is((pg_temp.attempt('overtaken', 1)).status, 'abandoned', 'an overtaken claim is abandoned too');
select is((pg_temp.attempt('fresh')).status, 'claimed', 'a fresh claim is left alone');
select is((pg_temp.photo('lost')).credits_charged::integer, 1, 'a photo whose claim was lost stays charged');
select is(
  (select state from public.complete_generation((pg_temp.attempt('lost')).id, 'tap-lost', 'generations', 'https://tap.example/x.png', 1, 1)),
  'success', 'a lost claim may still bring the picture'
);

-- Tasks that never answer

select pg_temp.begin_photo('silent', '61 minutes', true), pg_temp.begin_photo('slow', '61 minutes', true);
select pg_temp.add_attempt('silent', 1, '1 hour', 'submitted'), pg_temp.add_attempt('slow', 1, '59 minutes 59 seconds', 'submitted');
select is(
  public.sweep_database(), '{"expired": 2, "requeued": 0, "abandoned": 1, "selfies": 0}'::jsonb, 'a sweep stops waiting for what never answers'
);
select is(
  (pg_temp.attempt('silent')).status || ', ' || (pg_temp.attempt('slow')).status, 'abandoned, submitted', 'a late picture is waited for one hour'
);
select is(
  (select state from public.complete_generation((pg_temp.attempt('silent')).id, 'tap-silent-1', 'generations', 'https://tap.example/s.png', 1, 1)),
  'success', 'if it comes after all it is delivered'
);

-- Selfies

delete from private.file_tasks;
insert into storage.objects (bucket_id, name, created_at)
values
  ('user_photos', 'guests/tap/old.jpg', now() - interval '24 hours'),
  ('user_photos', 'guests/tap/young.jpg', now() - interval '23 hours 59 minutes'),
  ('user_photos', 'guests/tap/planned.jpg', now() - interval '3 days'),
  ('generations', 'results/tap.png', now() - interval '3 days');
insert into private.file_tasks (action, bucket, path, tries, run_at)
values ('remove', 'user_photos', 'guests/tap/planned.jpg', 4, now() + interval '5 minutes');
select is(public.sweep_database() ->> 'selfies', '1', 'a sweep removes the selfies that outlived their day');
select results_eq(
  $$ select action, bucket, path, tries, run_at from private.file_tasks order by path $$,
  $$ values
       ('remove', 'user_photos', 'guests/tap/old.jpg', 0, now()),
       ('remove', 'user_photos', 'guests/tap/planned.jpg', 4, now() + interval '5 minutes') $$,
  'young selfies and pictures stay, and a removal under way keeps its pace'
);
select is(public.sweep_database() ->> 'selfies', '0', 'a removal is planned once');

-- Leftovers

insert into private.rate_limits (name, window_started_at, hits, expires_at)
values ('tap:over', now() - interval '1 minute', 1, now()), ('tap:on', now(), 1, now() + interval '1 second');
insert into private.pin_sessions (event_id, token_hash, created_at, expires_at)
values
  ('8f000000-0000-4000-8000-000000000002', 'over', now() - interval '1 day', now()),
  ('8f000000-0000-4000-8000-000000000002', 'on', now() - interval '1 day', now() + interval '1 second');
insert into private.photo_uploads (path, event_id, created_at)
values
  ('guests/tap/over.jpg', '8f000000-0000-4000-8000-000000000002', now() - interval '1 day'),
  ('guests/tap/on.jpg', '8f000000-0000-4000-8000-000000000002', now() - interval '23 hours');
insert into private.webhook_inbox (is_verified, topic, received_at)
values (true, 'tap-over', now() - interval '30 days'), (true, 'tap-on', now() - interval '29 days');
select public.sweep_database();
select is((select array_agg(name) from private.rate_limits where name like 'tap:%'), '{tap:on}', 'counters whose window is over are dropped');
select is(
  (select array_agg(convert_from(token_hash, 'UTF8')) from private.pin_sessions where event_id = '8f000000-0000-4000-8000-000000000002'), '{on}',
  'sessions that have expired are dropped'
);
select is(
  (select array_agg(path) from private.photo_uploads where path like 'guests/tap/%'), '{guests/tap/on.jpg}',
  'upload addresses are forgotten after a day'
);
select is((select array_agg(topic) from private.webhook_inbox where topic like 'tap-%'), '{tap-on}', 'notifications are kept for 30 days');

-- The pulse

select is((select last_sweep_at from public.get_health()), now(), 'a sweep leaves its pulse');
insert into public.api_key_pool (api_key, is_active) values ('tap-1', true), ('tap-2', true), ('tap-off', false);
select results_eq(
  'select is_sweeping, provider_keys from public.get_health()', 'values (true, 2)', 'health sees the pulse and the keys in the rotation'
);
update private.sweeper set last_sweep_at = now() - interval '119 seconds';
select is((select is_sweeping from public.get_health()), true, 'a sweep less than 2 minutes ago is health');
update private.sweeper set last_sweep_at = now() - interval '120 seconds';
select is((select is_sweeping from public.get_health()), false, 'no sweep for 2 minutes is not');
update private.sweeper set last_sweep_at = null;
select results_eq(
  'select last_sweep_at, is_sweeping from public.get_health()', 'values (null::timestamptz, false)', 'a sweeper that never swept is not'
);

-- What a sweep measures, so that a status need not

update private.settings set provider_tasks_per_window = 15;
update public.api_key_pool set account_name = 'tap' where api_key = 'tap-1';
update public.generations set status = 'processing', started_at = now() where status = 'queued';
delete from private.generation_attempts;

create temporary view measured as
  select expected_seconds::real, dispatch_rate::real, queue_length from private.sweeper;

select public.sweep_database();
select results_eq(
  'select * from measured', 'values (20::real, 3::real, 0)', 'before any picture a sweep guesses the provider''s time, and counts the accounts of the pool'
);
insert into public.api_key_pool (api_key, account_name) values ('tap-3', 'tap');
select pg_temp.begin_photo('measured_' || number, p_is_running => true) from generate_series(1, 3) as numbers (number);
select pg_temp.add_attempt('measured_' || number, 1, '1 minute', 'submitted') from generate_series(1, 3) as numbers (number);
update private.generation_attempts
set status = 'succeeded', finished_at = now(), latency_ms = (array[5000, 9000, 90000])[(substr(photos.name, 10))::integer]
from photos
where photos.id = generation_attempts.generation_id;
select pg_temp.begin_photo('waiting_1'), pg_temp.begin_photo('waiting_2');
select results_eq('select * from measured', 'values (20::real, 3::real, 0)', 'what was measured stays as it was until the next sweep');
select public.sweep_database();
select results_eq(
  'select * from measured', 'values (9::real, 3::real, 2)',
  'a sweep measures the median of the provider''s times, the rate of the accounts and the queue'
);
update public.api_key_pool set is_active = false where api_key = 'tap-2';
select public.sweep_database();
select is((select dispatch_rate from measured), 1.5::real, 'two keys of one account count once, keys out of the rotation not at all');

update private.sweeper set expected_seconds = 60, dispatch_rate = 0.5, queue_length = 500;
select is(
  (select eta_seconds from public.get_generation((pg_temp.photo('measured_1')).id)), 60, 'the estimate of a running photo is the time that the provider takes'
);
select results_eq(
  $$ select queue_position, eta_seconds from public.begin_generation('tap_a', '3:4', 'selfies/m', p_photo_hash => 'h', p_event_slug => 'tap-party') $$,
  $$ values (3, 66) $$, 'the estimate of a new photo adds its wait in the queue, whose front is counted'
);
select pg_temp.begin_photo('waiting_' || number) from generate_series(3, 9) as numbers (number);
select results_eq(
  $$ select queue_position, eta_seconds from public.begin_generation('tap_a', '3:4', 'selfies/m', p_photo_hash => 'h', p_event_slug => 'tap-party') $$,
  $$ values (501, 1062) $$, 'behind ten others the queue is as long as the sweep saw it'
);

-- Files: leases

delete from private.file_tasks;
select private.plan_file_removal('user_photos', 'tap/1.jpg');
insert into private.file_tasks (action, bucket, path, to_bucket, run_at)
values
  ('move', 'generations_private', 'tap/2.png', 'generations', now() - interval '1 minute'),
  ('remove', 'user_photos', 'tap/3.jpg', null, now() + interval '1 second');

select results_eq(
  'select action, bucket, path, to_bucket from public.claim_file_tasks(1)',
  $$ values ('move', 'generations_private', 'tap/2.png', 'generations') $$,
  'no more tasks are handed out than asked for, the longest due first'
);
select results_eq(
  'select action, bucket, path, to_bucket from public.claim_file_tasks(10)',
  $$ values ('remove', 'user_photos', 'tap/1.jpg', null::text) $$,
  'a task is leased to one caller, and not before its time'
);
select is_empty('select * from public.claim_file_tasks(10)', 'a leased task is not handed out again');
select is(
  (select run_at - now() from private.file_tasks where path = 'tap/1.jpg'), interval '30 seconds', 'the first lease is 30 seconds'
);
update private.file_tasks set run_at = now() where path = 'tap/1.jpg';
select is((select count(*)::integer from public.claim_file_tasks(10)), 1, 'a task that nobody confirmed comes again');
select is(
  (select run_at - now() from private.file_tasks where path = 'tap/1.jpg'), interval '1 minute', 'each lease is twice as long as the one before'
);
update private.file_tasks set run_at = now(), tries = 500 where path = 'tap/1.jpg';
select is((select count(*)::integer from public.claim_file_tasks(10)), 1, 'a task is never given up');
select is((select run_at - now() from private.file_tasks where path = 'tap/1.jpg'), interval '1 hour', 'the longest lease is an hour');
select private.plan_file_removal('user_photos', 'tap/1.jpg');
select results_eq(
  $$ select run_at, tries from private.file_tasks where path = 'tap/1.jpg' $$, 'values (now(), 0)', 'a removal planned again is brought forward'
);
select private.plan_file_removal('generations_private', 'tap/2.png');
select results_eq(
  $$ select action, to_bucket, run_at from private.file_tasks where path = 'tap/2.png' $$, $$ values ('remove', null::text, now() + interval '30 seconds') $$,
  'a removal replaces a move of the same file, and waits until nobody can be moving it'
);

-- Files: confirmations

select is(
  (select public.finish_file_tasks(array_agg(id), 'https://tap.example/public') from private.file_tasks where path in ('tap/1.jpg', 'tap/2.png')),
  2, 'confirmed tasks are counted'
);
select is((select array_agg(path) from private.file_tasks), '{tap/3.jpg}', 'confirmed tasks are gone, others stay');
select is(public.finish_file_tasks(array[-1, null], 'https://tap.example/public'), 0, 'tasks that are gone can be confirmed again');
select is(public.finish_file_tasks('{}', 'https://tap.example/public'), 0, 'nothing can be confirmed');

create function pg_temp.finish_move(p_name text, p_bucket text, p_to_bucket text)
returns text
language plpgsql
as $$
declare
  v_task_id bigint;
begin
  insert into private.file_tasks (action, bucket, path, to_bucket)
  values ('move', p_bucket, (pg_temp.photo(p_name)).result_path, p_to_bucket)
  returning id into v_task_id;
  perform public.finish_file_tasks(array[v_task_id], 'https://tap.example/public');
  return replace((pg_temp.photo(p_name)).image_url, (pg_temp.photo(p_name)).result_path, '<path>');
end;
$$;

select pg_temp.begin_photo('moved', p_is_running => true), pg_temp.begin_photo('waiting');
select pg_temp.add_attempt('moved', 1, '0', 'submitted');
update public.generations set visibility = 'pending' where id = (pg_temp.photo('moved')).id;
select public.complete_generation((pg_temp.attempt('moved')).id, 'tap-moved-1', 'generations_private', 'https://tap.example/p.png', 1, 1);

select is(pg_temp.finish_move('moved', 'generations_private', 'generations'), null, 'a pending picture gets no public address, wherever it was moved');
update public.generations set visibility = 'visible' where id = (pg_temp.photo('moved')).id;
select is(pg_temp.finish_move('waiting', 'generations_private', 'generations'), null, 'a photo without a picture gets no public address');
select is(pg_temp.finish_move('moved', 'generations', 'generations_private'), null, 'a move out of the public bucket publishes nothing');
select is(
  pg_temp.finish_move('moved', 'generations_private', 'generations'), 'https://tap.example/public/<path>',
  'an approved picture becomes public when storage has moved it'
);
select is(
  (select count(*)::integer from public.event_gallery where image_url = 'https://tap.example/public/' || (pg_temp.photo('moved')).result_path), 1,
  'and enters the gallery'
);
select public.delete_generation((pg_temp.photo('moved')).id);
delete from private.file_tasks where path = (pg_temp.photo('moved')).result_path;
select is(pg_temp.finish_move('moved', 'generations_private', 'generations'), null, 'a deleted picture does not become public by a late move');

select lives_ok('set constraints all immediate', 'every row points at what exists');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

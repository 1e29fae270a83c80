-- From the queue to the provider and back: which photo is next, which key takes it, what is known of
-- each try, and what a try that failed leaves behind.

begin;
create extension if not exists pgtap with schema extensions;
select plan(85);

-- Only this test's photos and keys are in play.
update public.generations set run_at = 'infinity' where status = 'queued';
update private.generation_attempts set next_check_at = 'infinity' where next_check_at is not null;
update public.api_key_pool set is_active = false;
update private.settings
set provider_tasks_per_window = 20, provider_tasks_running = 100, provider_model = 'tap-model', provider_resolution = '2K',
  provider_output_format = 'jpg', is_in_maintenance = false;

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt, version) values ('tap_a', 'Paint A', 7);
insert into public.events (id, event_name, event_slug)
values
  ('8c000000-0000-4000-8000-000000000001', 'Tap', 'tap-party'),
  ('8c000000-0000-4000-8000-000000000002', 'Tap', 'tap-quiet');
select private.post_movement('grant', 'issued', null, 'event', id, 500, 'tap-give:' || event_slug)
from public.events
where event_slug like 'tap-%';

-- Photos go by the name of their guest: tap_photo_1 and so on.
create function pg_temp.queue_photo(p_name text, p_age interval default '0', p_slug text default 'tap-party')
returns void
language sql
as $$
  select public.begin_generation(
    'tap_a', '4:5', 'guests/tap/' || p_name, p_photo_hash => 'h', p_event_slug => p_slug, p_guest_id => 'tap_' || p_name
  );
  update public.generations set created_at = now() - p_age, run_at = now() - p_age where guest_id = 'tap_' || p_name;
$$;

create function pg_temp.photo(p_name text)
returns public.generations
language sql stable
as $$ select generations from public.generations where generations.guest_id = 'tap_' || p_name; $$;

create function pg_temp.attempt(p_name text, p_attempt integer default 1)
returns private.generation_attempts
language sql stable
as $$
  select generation_attempts from private.generation_attempts
  where generation_attempts.generation_id = (pg_temp.photo(p_name)).id and generation_attempts.attempt = p_attempt;
$$;

create function pg_temp.add_key(p_key text, p_account text default null, p_last_used_at timestamptz default null)
returns void
language sql
as $$ insert into public.api_key_pool (api_key, account_name, last_used_at) values (p_key, p_account, p_last_used_at); $$;

create function pg_temp.key(p_key text)
returns public.api_key_pool
language sql stable
as $$ select api_key_pool from public.api_key_pool where api_key_pool.api_key = p_key; $$;

-- Claims up to so many photos; says which, or with which keys.
create function pg_temp.claim(p_count integer default 1, p_what text default 'photos')
returns text[]
language plpgsql
as $$
declare
  v_claim record;
  v_said text[] := '{}';
begin
  for v_i in 1 .. p_count loop
    select substr(generations.guest_id, 5) as photo, claimed.api_key into v_claim
    from public.claim_generations() as claimed
    join public.generations on generations.id = claimed.generation_id;
    exit when not found;
    v_said := v_said || case p_what when 'photos' then v_claim.photo else v_claim.api_key end;
  end loop;
  return v_said;
end;
$$;

create function pg_temp.start_over()
returns void
language sql
as $$
  delete from public.generations where generations.guest_id like 'tap\_%';
  delete from public.api_key_pool where api_key_pool.api_key like 'tap-%';
  delete from private.alerts where alerts.kind = 'provider_key_disabled';
$$;

-- Without a key

select pg_temp.queue_photo('photo_1');
select is(pg_temp.claim(), '{}', 'without a key nothing is claimed');

insert into public.api_key_pool (api_key, is_active) values ('tap-off', false);
select is(pg_temp.claim(), '{}', 'an inactive key takes nothing');

insert into public.api_key_pool (api_key, cooldown_until) values ('tap-cooling', now() + interval '1 second');
select is(pg_temp.claim(), '{}', 'a key that cools down takes nothing');
select is((pg_temp.photo('photo_1')).status, 'queued', 'what cannot be dispatched stays queued');
update public.api_key_pool set cooldown_until = now() where api_key = 'tap-cooling';
select is(pg_temp.claim(), '{photo_1}', 'a key that has cooled down takes photos again');

-- What a claim hands out and leaves behind

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1');
select pg_temp.add_key('tap-key', 'tap-account');
create temporary table claimed as select * from public.claim_generations();

select results_eq(
  $$ select attempt, api_key, photo_path, prompt, aspect_ratio, model, resolution, output_format from claimed $$,
  $$ values (1, 'tap-key', 'guests/tap/photo_1', 'Paint A', '4:5', 'tap-model', '2K', 'jpg') $$,
  'a claim hands out all that the provider is to be told'
);
select matches((select callback_token from claimed), '^[0-9a-f]{48}$', 'a claim hands out a token that nobody can guess');
select results_eq(
  $$ select (pg_temp.photo('photo_1')).status::text, (pg_temp.photo('photo_1')).started_at $$, $$ values ('processing', now()) $$,
  'a claimed photo is processing'
);
select results_eq(
  $$ select status, account, model, prompt_version, task_id, api_key_id = (pg_temp.key('tap-key')).id
     from private.generation_attempts where id = (select attempt_id from claimed) $$,
  $$ values ('claimed', 'tap-account', 'tap-model', 7, null::text, true) $$,
  'a claim is an attempt with its key, model and version of the prompt'
);
select is(
  (pg_temp.attempt('photo_1')).token_hash, (select sha256(callback_token::bytea) from claimed), 'of the token only the hash is kept'
);
select ok((pg_temp.key('tap-key')).last_used_at >= now(), 'a claim uses its key');
select is((pg_temp.key('tap-key')).usage_count, 0::bigint, 'a key is counted when the provider accepts, not when it is claimed');
select is(pg_temp.claim(), '{}', 'a claimed photo is not claimed again');

-- Which photo

select pg_temp.start_over();
select pg_temp.add_key('tap-key');
select pg_temp.queue_photo('photo_1', '1 minute'), pg_temp.queue_photo('photo_2', '3 minutes'), pg_temp.queue_photo('photo_3', '2 minutes');
update public.generations set run_at = now() + interval '1 second' where guest_id = 'tap_photo_2';
select is(pg_temp.claim(5), '{photo_3,photo_1}', 'who has waited longest is next, and nobody before their time');

select pg_temp.start_over();
select pg_temp.add_key('tap-key');
select pg_temp.queue_photo('photo_1', '12 minutes'), pg_temp.queue_photo('photo_2', '11 minutes 59 seconds');
select is(pg_temp.claim(5), '{photo_2}', 'nothing is dispatched from minute 12 on');
select is((pg_temp.photo('photo_1')).status, 'queued', 'what is too old is left to the sweeper');

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_unprompted', 'U', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_unprompted', 'Paint U');
select pg_temp.start_over();
select pg_temp.add_key('tap-key');
select pg_temp.queue_photo('photo_1', '2 minutes'), pg_temp.queue_photo('photo_2', '1 minute');
update public.generations set style_id = 'tap_unprompted' where guest_id = 'tap_photo_1';
delete from public.identity_prompts where id = 'tap_unprompted';
select is(pg_temp.claim(5), '{photo_2}', 'a style whose prompt was taken away does not block the queue');
insert into public.identity_prompts (id, master_prompt) values ('tap_unprompted', 'Paint U');
select is(pg_temp.claim(5), '{photo_1}', 'its photos go on when the prompt is back');

-- Which key

select pg_temp.start_over();
select pg_temp.queue_photo('photo_' || number) from generate_series(1, 4) as numbers (number);
select pg_temp.add_key('tap-yesterday', null, now() - interval '1 day'), pg_temp.add_key('tap-last-week', null, now() - interval '7 days'),
  pg_temp.add_key('tap-new');
select is(
  pg_temp.claim(4, 'keys'), '{tap-new,tap-last-week,tap-yesterday,tap-new}', 'the key that rested longest is next, one never used before all'
);

-- Rate

select pg_temp.start_over();
select pg_temp.queue_photo('photo_' || lpad(number::text, 2, '0')) from generate_series(1, 45) as numbers (number);
select pg_temp.add_key('tap-key', 'tap-account');
select is(cardinality(pg_temp.claim(25)), 20, 'an account takes 20 photos in 10 seconds');
select pg_temp.add_key('tap-sister', 'tap-account');
select is(cardinality(pg_temp.claim(25)), 0, 'another key of the same account brings no more room');
select pg_temp.add_key('tap-alone');
select is(cardinality(pg_temp.claim(25)), 20, 'another account brings room of its own');
update private.generation_attempts set sent_by = now() - interval '9 seconds' where account = 'tap-account';
select is(cardinality(pg_temp.claim(25)), 0, 'the window is 10 seconds');
update private.generation_attempts set sent_by = now() - interval '10 seconds' where account = 'tap-account';
select is(cardinality(pg_temp.claim(25)), 5, 'after 10 seconds an account takes more');

-- Running tasks

select pg_temp.start_over();
update private.settings set provider_tasks_running = 2;
select pg_temp.queue_photo('photo_' || number, make_interval(secs => 10 - number)) from generate_series(1, 5) as numbers (number);
select pg_temp.add_key('tap-key', 'tap-account'), pg_temp.add_key('tap-sister', 'tap-account');
select is(pg_temp.claim(5), '{photo_1,photo_2}', 'an account runs as many tasks as the settings say, over all of its keys');
select public.record_submission((pg_temp.attempt('photo_1')).id, 'tap-task-1');
update private.generation_attempts set claimed_at = now() - interval '1 minute' where account = 'tap-account';
select is(pg_temp.claim(5), '{}', 'a task that the provider accepted is running, and so is one whose answer is awaited');
select public.release_attempt((pg_temp.attempt('photo_1')).id, 'tap', 'tap', 'keep');
select is(pg_temp.claim(5), '{photo_3}', 'a task that ended makes room for one');
update private.settings set provider_tasks_running = 100;

-- The provider accepts

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1'), pg_temp.queue_photo('photo_2');
select pg_temp.add_key('tap-key');
update public.api_key_pool set failure_count = 3, cooldown_until = now() - interval '1 second' where api_key = 'tap-key';
select pg_temp.claim(2);
select public.record_submission((pg_temp.attempt('photo_1')).id, 'tap-task-1');

select results_eq(
  $$ select status, task_id, submitted_at, next_check_at > now() + interval '2 seconds' from private.generation_attempts
     where id = (pg_temp.attempt('photo_1')).id $$,
  $$ values ('submitted', 'tap-task-1', now(), true) $$,
  'an accepted attempt is submitted, and looked at when there may be something to see'
);
select results_eq(
  $$ select usage_count, failure_count, cooldown_until from public.api_key_pool where api_key = 'tap-key' $$,
  $$ values (1::bigint, 0, null::timestamptz) $$,
  'an accepted attempt is counted for its key and clears the key''s failures'
);
select public.record_submission((pg_temp.attempt('photo_1')).id, 'tap-task-again');
select is((pg_temp.attempt('photo_1')).task_id, 'tap-task-1', 'an attempt accepted twice keeps its task');
select is((pg_temp.key('tap-key')).usage_count, 1::bigint, 'an attempt accepted twice is counted once');
select public.release_attempt((pg_temp.attempt('photo_2')).id, 'tap', 'tap', 'keep');
select public.record_submission((pg_temp.attempt('photo_2')).id, 'tap-task-late');
select results_eq(
  $$ select status, task_id from private.generation_attempts where id = (pg_temp.attempt('photo_2')).id $$,
  $$ values ('failed', null::text) $$, 'an attempt that has failed cannot be accepted any more'
);

-- A try that another may follow

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1', '1 minute');
select pg_temp.add_key('tap-key');
select pg_temp.claim();
update public.generations set started_at = now() - interval '30 seconds' where guest_id = 'tap_photo_1';
select public.release_attempt((pg_temp.attempt('photo_1')).id, 'RATE_LIMITED', repeat('x', 600), 'keep');

select results_eq(
  $$ select status, finished_at, error_code, length(error_detail) from private.generation_attempts
     where id = (pg_temp.attempt('photo_1')).id $$,
  $$ values ('failed', now(), 'RATE_LIMITED', 500) $$,
  'a released attempt has failed and keeps why, cut to size'
);
select results_eq(
  $$ select (pg_temp.photo('photo_1')).status::text,
       (pg_temp.photo('photo_1')).run_at between now() + interval '2 seconds' and now() + interval '3 seconds',
       (pg_temp.photo('photo_1')).credits_charged::integer $$,
  $$ values ('queued', true, 1) $$,
  'its photo is queued again for 2 to 3 seconds later, and stays charged'
);
select results_eq(
  $$ select is_active, failure_count, cooldown_until from public.api_key_pool where api_key = 'tap-key' $$,
  $$ values (true, 0, null::timestamptz) $$, 'keep leaves the key alone'
);
update public.generations set run_at = now() where guest_id = 'tap_photo_1';
select is((select attempt from public.claim_generations()), 2, 'the next try is the second attempt');
select is((pg_temp.photo('photo_1')).started_at, now() - interval '30 seconds', 'a photo has started when it was first tried');

select public.release_attempt((pg_temp.attempt('photo_1', 1)).id, 'AGAIN', 'tap', 'cool_down');
select is((pg_temp.photo('photo_1')).status, 'processing', 'an attempt released twice does not requeue what is running by now');
select is((pg_temp.attempt('photo_1', 1)).error_code, 'RATE_LIMITED', 'an attempt released twice keeps its first error');
select is((pg_temp.key('tap-key')).failure_count, 0, 'an attempt released twice does not touch the key');

alter table private.generation_attempts disable trigger generation_attempts_keep_final_state;
update private.generation_attempts set status = 'claimed', finished_at = null where id = (pg_temp.attempt('photo_1', 1)).id;
alter table private.generation_attempts enable trigger generation_attempts_keep_final_state;
select public.release_attempt((pg_temp.attempt('photo_1', 1)).id, 'tap', 'tap', 'keep');
select is((pg_temp.attempt('photo_1', 1)).status, 'failed', 'an overtaken attempt can still be released');
select is((pg_temp.photo('photo_1')).status, 'processing', 'an overtaken attempt does not requeue its photo');

select public.fail_generation((pg_temp.photo('photo_1')).id, 'GENERATION_TIMED_OUT');
select public.release_attempt((pg_temp.attempt('photo_1', 2)).id, 'tap', 'tap', 'keep');
select is((pg_temp.attempt('photo_1', 2)).status, 'failed', 'the last attempt of a photo that was given up can be released');
select is((pg_temp.photo('photo_1')).status, 'failed', 'a photo that was given up is not queued again');
select is(pg_temp.claim(), '{}', 'a photo that was given up is not dispatched again');

-- An account that asks for patience

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1'), pg_temp.queue_photo('photo_2'), pg_temp.queue_photo('photo_3');
select pg_temp.add_key('tap-key', 'tap-account');
select pg_temp.claim(3);
select pg_temp.add_key('tap-sister', 'tap-account'), pg_temp.add_key('tap-stranger', 'tap-elsewhere');
select public.release_attempt((pg_temp.attempt('photo_1')).id, 'RATE_LIMITED', '429', 'cool_down');

select results_eq(
  $$ select api_key, is_active, failure_count, last_error, last_error_at >= now(),
       cooldown_until between now() + interval '10 seconds' and now() + interval '15 seconds'
     from public.api_key_pool where account_name = 'tap-account' order by api_key $$,
  $$ values ('tap-key', true, 1, 'RATE_LIMITED', true, true), ('tap-sister', true, 1, 'RATE_LIMITED', true, true) $$,
  'an account rests with all of its keys, at first for 10 to 15 seconds'
);
select results_eq(
  $$ select failure_count, cooldown_until from public.api_key_pool where api_key = 'tap-stranger' $$,
  $$ values (0, null::timestamptz) $$, 'other accounts do not rest'
);
select is(pg_temp.claim(1, 'keys'), '{tap-stranger}', 'photos go on with the other accounts');
select public.release_attempt((pg_temp.attempt('photo_2')).id, 'RATE_LIMITED', '429', 'cool_down');
select is((pg_temp.key('tap-key')).failure_count, 1, 'refusals of one burst are one');
-- As if the first had been refused before these were sent.
update public.api_key_pool set last_error_at = now() - interval '1 minute' where account_name = 'tap-account';
select pg_temp.queue_photo('photo_4'), pg_temp.queue_photo('photo_5');
update public.api_key_pool set cooldown_until = null where api_key = 'tap-key';
update public.api_key_pool set is_active = api_key = 'tap-key' where api_key like 'tap-%';
select pg_temp.claim(9);
update public.api_key_pool set is_active = true where api_key like 'tap-%';
select public.release_attempt((pg_temp.attempt('photo_4')).id, 'RATE_LIMITED', '429', 'cool_down');
select ok(
  (pg_temp.key('tap-key')).cooldown_until between now() + interval '20 seconds' and now() + interval '30 seconds',
  'the second refusal in a row doubles the rest'
);
update public.api_key_pool set failure_count = 1000, last_error_at = now() - interval '1 minute' where account_name = 'tap-account';
select public.release_attempt((pg_temp.attempt('photo_5')).id, 'RATE_LIMITED', '429', 'cool_down');
select ok(
  (pg_temp.key('tap-key')).cooldown_until between now() + interval '5 minutes' and now() + interval '7 minutes 30 seconds',
  'however many the refusals, an account rests 5 minutes and a half as much again at most'
);
select is((select count(*)::integer from private.alerts where kind = 'provider_key_disabled'), 0, 'a rest alarms nobody');

-- A key that is refused

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1'), pg_temp.queue_photo('photo_2');
select pg_temp.add_key('tap-key', 'tap-account');
select pg_temp.claim(2);
select pg_temp.add_key('tap-sister', 'tap-account');
select public.release_attempt((pg_temp.attempt('photo_1')).id, 'UNAUTHORIZED', '401', 'suspend');

select is((pg_temp.key('tap-key')).is_active, false, 'a refused key leaves the rotation');
select results_eq(
  $$ select is_active, failure_count, cooldown_until from public.api_key_pool where api_key = 'tap-sister' $$,
  $$ values (true, 0, null::timestamptz) $$, 'a refused key says nothing about its account'
);
select is((pg_temp.photo('photo_1')).status, 'queued', 'the photo waits for another key');
select is(pg_temp.claim(1, 'keys'), '{tap-sister}', 'the next key is tried');
select is(
  (select count(*)::integer from private.alerts
   where kind = 'provider_key_disabled' and subject = (pg_temp.key('tap-key')).id::text and resolved_at is null),
  1, 'a person is told that the key was refused'
);
select public.release_attempt((pg_temp.attempt('photo_2')).id, 'UNAUTHORIZED', '401', 'suspend');
select is(
  (select count(*)::integer from private.alerts where kind = 'provider_key_disabled'), 1, 'a key that is refused twice is one alert'
);
select is_empty(
  $$ select from private.alerts where position('tap-key' in message || subject) > 0 $$, 'an alert does not show the key'
);

-- Callbacks

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1');
select pg_temp.add_key('tap-key');
truncate claimed;
insert into claimed select * from public.claim_generations();

select results_eq(
  $$ select found.attempt_id, found.task_id, found.api_key, found.is_finished
     from claimed, public.find_attempt(claimed.generation_id, 1, claimed.callback_token) as found $$,
  $$ select attempt_id, null::text, 'tap-key', false from claimed $$,
  'the token that was sent out finds its attempt'
);
select is_empty(
  $$ select found.* from claimed, public.find_attempt(claimed.generation_id, 1, repeat('0', 48)) as found $$, 'another token finds nothing'
);
select is_empty(
  $$ select found.* from claimed, public.find_attempt(claimed.generation_id, 1, null) as found $$, 'no token finds nothing'
);
select is_empty(
  $$ select found.* from claimed, public.find_attempt(claimed.generation_id, 2, claimed.callback_token) as found $$,
  'the token of one attempt does not find another'
);
select is_empty(
  $$ select found.* from claimed, public.find_attempt(gen_random_uuid(), 1, claimed.callback_token) as found $$,
  'the token of one photo does not find another'
);
select public.release_attempt((select attempt_id from claimed), 'tap', 'tap', 'keep');
select is(
  (select found.is_finished from claimed, public.find_attempt(claimed.generation_id, 1, claimed.callback_token) as found), false,
  'an attempt that has failed may still bring a picture'
);
select public.complete_generation((select attempt_id from claimed), 'tap-task', 'generations', 'https://tap.example/1.png', 9000, 1);
select is(
  (select found.is_finished from claimed, public.find_attempt(claimed.generation_id, 1, claimed.callback_token) as found), true,
  'once the photo has its picture no callback matters'
);

-- Asking for what was accepted

select pg_temp.start_over();
select pg_temp.queue_photo('photo_' || number, make_interval(secs => 10 - number)) from generate_series(1, 4) as numbers (number);
select pg_temp.add_key('tap-key');
select pg_temp.claim(4);
select public.record_submission((pg_temp.attempt('photo_' || number)).id, 'tap-task-' || number) from generate_series(1, 3) as numbers (number);

select is_empty('select * from public.claim_checks(10)', 'nothing is asked for before it is due');
update private.generation_attempts
set next_check_at = now() - make_interval(secs => 4 - right(task_id, 1)::integer),
  submitted_at = now() - case task_id
    when 'tap-task-1' then interval '29 seconds' when 'tap-task-2' then interval '30 seconds' else interval '2 minutes'
  end
where task_id like 'tap-task-%';
select results_eq(
  format('select attempt, task_id, api_key, seconds_since_submission from public.claim_checks(10, %L)', (pg_temp.photo('photo_3')).id),
  $$ values (1, 'tap-task-3', 'tap-key', 120) $$,
  'one photo can be asked for alone'
);
select is((select array_agg(task_id) from public.claim_checks(1)), '{tap-task-1}', 'no more are handed out than asked for, the longest due first');
select is((select array_agg(task_id) from public.claim_checks(10)), '{tap-task-2}', 'what one caller asks for nobody else does');
select is_empty('select * from public.claim_checks(10)', 'what has been asked for is not due');
select results_eq(
  $$ select task_id, next_check_at between now() + usual.pace * 0.75 and now() + usual.pace * 1.25
     from private.generation_attempts
     join (
       values ('tap-task-1', interval '3 seconds'), ('tap-task-2', interval '7 seconds'), ('tap-task-3', interval '20 seconds')
     ) as usual (task_id, pace) using (task_id)
     order by task_id $$,
  $$ values ('tap-task-1', true), ('tap-task-2', true), ('tap-task-3', true) $$,
  'a task is asked for every 3 seconds at first, every 7 from half a minute, every 20 from two minutes, a quarter more or less'
);
update private.generation_attempts set next_check_at = now() where task_id like 'tap-task-%';
update private.generation_attempts set next_check_at = now() where id = (pg_temp.attempt('photo_4')).id;
select public.release_attempt((pg_temp.attempt('photo_1')).id, 'tap', 'tap', 'keep');
select public.fail_generation((pg_temp.photo('photo_2')).id, 'GENERATION_TIMED_OUT');
select is(
  (select array_agg(task_id order by task_id) from public.claim_checks(10)), '{tap-task-2,tap-task-3}',
  'neither a finished attempt nor one without a task is asked for; the late task of a photo that was given up is'
);

select pg_temp.start_over();
select pg_temp.queue_photo('photo_' || number, make_interval(secs => 10 - number)) from generate_series(1, 7) as numbers (number);
select pg_temp.add_key('tap-key');
select pg_temp.claim(7);
select public.record_submission((pg_temp.attempt('photo_' || number)).id, 'tap-task-' || number) from generate_series(1, 7) as numbers (number);
update private.generation_attempts
set next_check_at = now() - make_interval(secs => 10 - right(task_id, 1)::integer),
  account = case task_id when 'tap-task-7' then 'tap-other' else account end
where task_id like 'tap-task-%';
select is(
  (select array_agg(task_id order by task_id) from public.claim_checks(10)),
  '{tap-task-1,tap-task-2,tap-task-3,tap-task-7}', 'no more than three questions of an account at once'
);
select is((select array_agg(task_id order by task_id) from public.claim_checks(10)), '{tap-task-4,tap-task-5,tap-task-6}', 'the others are next');

-- What the outside sees meanwhile

select pg_temp.start_over();
select pg_temp.queue_photo('photo_1', '40 seconds'), pg_temp.queue_photo('photo_2', '20 seconds'), pg_temp.queue_photo('photo_3', '10 seconds');

create function pg_temp.seen(p_name text)
returns public.generation_status
language sql
as $$ select public.get_generation((pg_temp.photo(p_name)).id); $$;

select is(
  array[(pg_temp.seen('photo_1')).queue_position, (pg_temp.seen('photo_3')).queue_position], '{1,3}', 'the queue position counts who is ahead'
);
select is((pg_temp.seen('photo_3')).state, 'waiting', 'a queued photo is waiting');
select ok(
  (pg_temp.seen('photo_1')).progress > (pg_temp.seen('photo_3')).progress and (pg_temp.seen('photo_3')).progress > 0,
  'progress grows with age'
);
select ok((pg_temp.seen('photo_1')).progress < 1, 'progress does not reach 1 before the end');
create temporary table progress_before as select (pg_temp.seen('photo_1')).progress;
select pg_temp.add_key('tap-key');
select pg_temp.claim();
select results_eq(
  $$ select (pg_temp.seen('photo_1')).state, (pg_temp.seen('photo_1')).queue_position, (pg_temp.seen('photo_1')).is_due,
       (pg_temp.seen('photo_1')).eta_seconds > 0, (pg_temp.seen('photo_1')).progress = (select progress from progress_before) $$,
  $$ values ('processing', null::integer, false, true, true) $$,
  'a claimed photo is processing, without a place in the queue, and its progress does not jump'
);
select is((pg_temp.seen('photo_3')).queue_position, 2, 'who has been claimed is not ahead any more');
select public.record_submission((pg_temp.attempt('photo_1')).id, 'tap-task-1');
select is((pg_temp.seen('photo_1')).is_due, false, 'right after it was accepted the provider need not be asked');
update private.generation_attempts set next_check_at = now() where task_id = 'tap-task-1';
select is((pg_temp.seen('photo_1')).is_due, true, 'when its time has come the provider should be asked');
select public.release_attempt((pg_temp.attempt('photo_1')).id, 'tap', 'tap', 'keep');
select ok(
  (pg_temp.seen('photo_1')).progress >= (select progress from progress_before), 'progress does not run backwards when a try fails'
);

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

-- The health of the provider's keys: what a refusal says about which of them, what heals, and what is counted.

begin;
create extension if not exists pgtap with schema extensions;
select plan(33);

delete from private.queue_lanes;
update public.generations set run_at = 'infinity' where status = 'queued';
update public.api_key_pool set is_active = false;
update private.settings
set is_in_maintenance = false, provider_tasks_per_window = 2, provider_tasks_running = 100, provider_window_seconds = 10, cooldown_seconds = 10;
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug, config)
values ('89000000-0000-4000-8000-000000000001', 'Tap', 'tap-party', '{"limits": {"per_guest": 100}}');
select private.allocate_event_credits('89000000-0000-4000-8000-000000000001', 500);

create function pg_temp.start_over(variadic p_keys text[])
returns void
language sql
as $$
  delete from public.generations where photo_path like 'tap/%';
  delete from public.api_key_pool where api_key like 'tap-%';
  delete from private.alerts where kind = 'provider_key_disabled';
  -- tap-a1 and tap-a2 are keys of account tap-a.
  insert into public.api_key_pool (api_key, account_name) select key, left(key, 5) from unnest(p_keys) as keys (key);
$$;

create function pg_temp.queue(p_count integer)
returns void
language sql
as $$
  select public.begin_generation('tap_a', '3:4', 'tap/p', p_photo_hash => 'h', p_event_slug => 'tap-party') from generate_series(1, p_count);
$$;

-- Claims so many; the attempts are numbered in this order.
create temporary table claimed (number integer, attempt_id bigint, api_key text);
create function pg_temp.claim(p_count integer)
returns text
language sql
as $$
  delete from claimed;
  insert into claimed
  select row_number() over (order by attempt_id), attempt_id, api_key from public.claim_generations(p_count);
  select string_agg(api_key, ' ' order by number) from claimed;
$$;

create function pg_temp.refuse(p_number integer, p_code text, p_key_action text)
returns void
language sql
as $$ select public.release_attempt((select attempt_id from claimed where number = p_number), p_code, 'tap', p_key_action); $$;

create function pg_temp.accept(p_number integer)
returns void
language sql
as $$ select public.record_submission(attempt_id, 'tap-task-' || attempt_id) from claimed where number = p_number; $$;

-- As if the attempt had been sent later than everything before.
create function pg_temp.send_later(p_number integer)
returns void
language sql
as $$
  update private.generation_attempts set claimed_at = clock_timestamp() + interval '1 second'
  where id = (select attempt_id from claimed where number = p_number);
$$;

-- The window of an account

select pg_temp.start_over('tap-a1', 'tap-a2', 'tap-b1');
select pg_temp.queue(9);
select pg_temp.claim(9);
select is(
  (select string_agg(left(api_key, 5), ' ' order by left(api_key, 5)) from claimed), 'tap-a tap-a tap-b tap-b',
  'keys of one account share its window'
);
select is(
  (select array_agg(distinct sent_by - claimed_at) from private.generation_attempts where account like 'tap-%'), array[interval '20 seconds'],
  'what is not answered may arrive as long as we wait'
);
update private.generation_attempts set sent_by = now() - interval '9.9 seconds' where account like 'tap-%';
select is(pg_temp.claim(1), null, 'a slot is taken');
update private.generation_attempts set sent_by = now() - interval '10 seconds' where account like 'tap-%';
select isnt(pg_temp.claim(1), null, 'for ten seconds');
update private.settings set provider_window_seconds = 9;
update private.generation_attempts set sent_by = now() - interval '9 seconds' where account like 'tap-%';
select isnt(pg_temp.claim(1), null, 'or as long as the settings say');
update private.generation_attempts set claimed_at = now() - interval '5 seconds'
where id = (select attempt_id from claimed where number = 1);
select public.record_submission((select attempt_id from claimed where number = 1), 'tap-recorded-late', 2);
select is(
  (select sent_by from private.generation_attempts where task_id = 'tap-recorded-late'), now() - interval '3 seconds',
  'it counts from the answer, not from when we come to note it'
);

-- The cap of running tasks

update private.settings set provider_tasks_per_window = 20, provider_tasks_running = 3, provider_window_seconds = 10;
select pg_temp.start_over('tap-a1', 'tap-a2');
select pg_temp.queue(9);
select pg_temp.claim(9);
select is((select count(*)::integer from claimed), 3, 'an account has no more than so many running, whatever the key');
update private.generation_attempts set claimed_at = now() - interval '15 minutes' where account like 'tap-%';
select pg_temp.claim(9);
select is((select count(*)::integer from claimed), 3, 'what is past its deadline takes no room, though it may come late');
update private.settings set provider_tasks_running = 100;

-- A rest

select pg_temp.start_over('tap-a1', 'tap-a2', 'tap-b1');
select pg_temp.queue(9);
update public.api_key_pool set is_active = api_key = 'tap-a1' where api_key like 'tap-%';
select pg_temp.claim(3);
update public.api_key_pool set is_active = true where api_key like 'tap-%';
select pg_temp.refuse(1, '429', 'cool_down');
select pg_temp.refuse(2, '429', 'cool_down');
select results_eq(
  $$ select api_key, failure_count, cooldown_until > now() from public.api_key_pool where api_key like 'tap-%' order by api_key $$,
  $$ values ('tap-a1', 1, true), ('tap-a2', 1, true), ('tap-b1', 0, null) $$, 'a burst that was too fast is one refusal, of the whole account'
);
select pg_temp.accept(3);
select is((select count(*)::integer from public.api_key_pool where cooldown_until > now()), 2, 'what got through of the same burst heals nothing');
update public.api_key_pool set cooldown_until = now() where api_key = 'tap-a1';
update public.api_key_pool set is_active = false where api_key = 'tap-b1';
select pg_temp.claim(1);
select pg_temp.send_later(1);
select pg_temp.accept(1);
select results_eq(
  $$ select failure_count, cooldown_until from public.api_key_pool where api_key in ('tap-a1', 'tap-a2') $$,
  $$ values (0, null::timestamptz), (0, null) $$, 'a success of a later one heals the account'
);

-- Out of the rotation

select pg_temp.start_over('tap-a1', 'tap-a2', 'tap-b1');
select pg_temp.queue(9);
update public.api_key_pool set is_active = api_key = 'tap-a1' where api_key like 'tap-%';
select pg_temp.claim(2);
update public.api_key_pool set is_active = true where api_key like 'tap-%';
select pg_temp.refuse(1, '402', 'suspend_account');
select results_eq(
  $$ select api_key, is_active, suspended_at is not null from public.api_key_pool where api_key like 'tap-%' order by api_key $$,
  $$ values ('tap-a1', false, true), ('tap-a2', false, true), ('tap-b1', true, false) $$, 'an account without credits goes with all of its keys'
);
select pg_temp.refuse(2, '402', 'suspend_account');
select results_eq(
  $$ select subject, resolved_at from private.alerts where kind = 'provider_key_disabled' $$, $$ values ('tap-a', null::timestamptz) $$,
  'one alert says so'
);
select is(pg_temp.claim(1), 'tap-b1', 'photos go on with the others');
select pg_temp.refuse(1, '401', 'suspend');
select is((select count(*)::integer from public.get_health(), generate_series(1, provider_keys)), 0, 'health knows that no key is left');
select is(public.seconds_until_dispatch(), null, 'nobody waits for room that will not come');
select is_empty($$ select from private.alerts where message ~ 'tap-[ab]\d' $$, 'an alert does not show a key');

-- Back again

select is_empty($$ select * from public.claim_key_probes(10) where api_key like 'tap-%' $$, 'a suspended key is not asked about at once');
update public.api_key_pool set cooldown_until = now() where api_key like 'tap-%';
create temporary table probes as select * from public.claim_key_probes(10);
select is((select string_agg(api_key, ' ' order by api_key) from probes where api_key like 'tap-%'), 'tap-a1 tap-a2 tap-b1', 'then it is');
select is_empty($$ select * from public.claim_key_probes(10) where api_key like 'tap-%' $$, 'by one caller, and later again');
select ok(
  (select bool_and(cooldown_until between now() + interval '1 minute' and now() + interval '4 minutes') from public.api_key_pool where api_key like 'tap-%'),
  'minutes later'
);
create function pg_temp.report(p_key text, p_balance numeric)
returns boolean
language sql
as $$ select public.report_key_balance((select id from public.api_key_pool where api_key = p_key), p_balance); $$;
select is(
  array[pg_temp.report('tap-b1', null), pg_temp.report('tap-b1', 0)], '{false,false}', 'a key that is still refused, or has nothing left, stays out'
);
insert into public.generations (event_id, style_id, status, result_path, expected_seconds, started_at, succeeded_at, photo_path)
values ('89000000-0000-4000-8000-000000000001', 'tap_a', 'succeeded', 'tap-priced', 20, now(), now(), 'tap/p');
insert into private.generation_attempts (
  generation_id, attempt, account, token_hash, model, prompt_version, status, task_id, submitted_at, finished_at, cost_credits
)
select id, 1, 'tap-x', 'x', 'tap', 1, 'succeeded', 'tap-priced', now(), now() + interval '1 day', 8
from public.generations where result_path = 'tap-priced';
select is(pg_temp.report('tap-a1', 159.5), false, 'nor does one whose balance does not pay for a window of 20 pictures');
select is(pg_temp.report('tap-a1', 160), true, 'one that is well again comes back');
select is(pg_temp.report('tap-a1', 160), false, 'once');
select results_eq(
  $$ select is_active, suspended_at, cooldown_until from public.api_key_pool where api_key = 'tap-a1' $$,
  $$ values (true, null::timestamptz, null::timestamptz) $$, 'ready for work'
);
select results_eq(
  $$ select subject = 'tap-a', resolved_at is not null from private.alerts where kind = 'provider_key_disabled' order by 1 desc $$,
  $$ values (true, true), (false, false) $$, 'its alert is resolved, the other''s is not'
);

-- Counted

select pg_temp.start_over('tap-a1');
select pg_temp.queue(3);
select pg_temp.claim(3);
select pg_temp.accept(1);
select pg_temp.accept(1);
select is((select usage_count from public.api_key_pool where api_key = 'tap-a1'), 1::bigint, 'a task is counted once');
select public.complete_generation(
  (select attempt_id from claimed where number = 2), 'tap-by-callback', 'generations', 'https://tap.example/p.png', 1, 1
);
select is((select usage_count from public.api_key_pool where api_key = 'tap-a1'), 2::bigint, 'also one that we first hear of by its callback');
select pg_temp.refuse(3, '500', 'keep');
select is((select usage_count from public.api_key_pool where api_key = 'tap-a1'), 2::bigint, 'a refusal is no use');

-- Looks stay within what the provider answers

update private.sweeper set expected_seconds = 20;
select ok(
  (
    select bool_and(private.next_check_at('tap-none', now()) - now() between interval '7.5 seconds' and interval '12.5 seconds')
    from generate_series(1, 100)
  ),
  'a task is first asked about when half of the usual time is over'
);
select ok(
  (
    select bool_and(
      private.next_check_at('tap-none', now() - interval '1 second') - now() between interval '2.25 seconds' and interval '3.75 seconds'
    )
    from generate_series(1, 100)
  ),
  'then every three seconds or so'
);
insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version, status, task_id, submitted_at)
select generations.id, 100 + number, 'tap-busy', 'x', 'tap', 1, 'submitted', 'tap-busy-' || number, now()
from (select id from public.generations where photo_path = 'tap/p' limit 1) as generations, generate_series(1, 100) as numbers (number);
select ok(
  (
    select avg(extract(epoch from private.next_check_at('tap-busy', now() - interval '1 second') - now())) between 24 and 26
    from generate_series(1, 1000)
  ),
  'with a hundred running, so seldom that all together are asked about four times a second'
);

select * from finish();
rollback;

-- Whose turn it is: events among each other, people who pay for themselves, guests of one event.

begin;
create extension if not exists pgtap with schema extensions;
select plan(19);

delete from private.queue_lanes;
update public.generations set run_at = 'infinity' where status = 'queued';
update public.api_key_pool set is_active = false;
update private.settings set is_in_maintenance = false, provider_tasks_per_window = 1000, provider_tasks_running = 1000;
insert into public.api_key_pool (api_key) values ('tap-key');
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug, config)
select format('8a000000-0000-4000-8000-00000000000%s', number)::uuid, 'Tap', 'tap-party-' || number, '{"limits": {"per_guest": 100}}'
from generate_series(1, 3) as numbers (number);
select private.allocate_event_credits(id, 500) from public.events where event_slug like 'tap-party-%';
insert into auth.users (id, email)
select format('8a000000-0000-4000-8000-00000000001%s', number)::uuid, format('u%s@tap.example', number)
from generate_series(1, 3) as numbers (number);
select private.post_movement('grant', 'issued', null, 'user', id, 10000, 'tap:' || id) from auth.users where email like 'u_@tap.example';

-- Photos go by lane, guest and number: 1a1 is the first photo of guest a at party 1, u2 a photo of user 2.
create function pg_temp.queue(variadic p_names text[])
returns void
language plpgsql
as $$
declare
  v_name text;
begin
  foreach v_name in array p_names loop
    perform public.begin_generation(
      'tap_a', '3:4', 'tap/' || v_name, p_photo_hash => 'h',
      p_user_id => case when v_name like 'u%' then format('8a000000-0000-4000-8000-00000000001%s', substr(v_name, 2, 1))::uuid end,
      p_event_slug => case when v_name not like 'u%' then 'tap-party-' || left(v_name, 1) end,
      p_guest_id => case when v_name not like 'u%' then 'tap_guest_' || substr(v_name, 2, 1) end
    );
    -- The transaction has one time for all.
    update public.generations set created_at = clock_timestamp() where photo_path = 'tap/' || v_name;
  end loop;
end;
$$;

create function pg_temp.claim(p_limit integer)
returns text
language sql
as $$ select string_agg(substr(photo_path, 5), ' ' order by attempt_id) from public.claim_generations(p_limit); $$;

create function pg_temp.position_of(p_name text)
returns integer
language sql
as $$
  select private.count_ahead(generations) + 1 from public.generations where photo_path = 'tap/' || p_name;
$$;

create function pg_temp.start_over()
returns void
language sql
as $$
  delete from public.generations where photo_path like 'tap/%';
  delete from private.queue_lanes;
$$;

-- Events among each other

select pg_temp.queue('1a1', '1b1', '1c1', '1d1', '1e1', '2a1', '2b1');
select is(pg_temp.claim(10), '1a1 2a1 1b1 2b1 1c1 1d1 1e1', 'a burst at one event delays another by one photo in two');

select pg_temp.start_over();
select pg_temp.queue('1a1', '1b1', '1c1', '1d1', '1e1');
select is(pg_temp.claim(3), '1a1 1b1 1c1', 'an event that is alone has all');
select pg_temp.queue('2a1', '2b1', '2c1', '3a1');
select is(pg_temp.claim(3), '2a1 3a1 1d1', 'who comes later is not behind those who came before, nor makes up for what others had');
select is(pg_temp.claim(3), '2b1 1e1 2c1', 'from then on they take turns');

-- People who pay for themselves

select pg_temp.start_over();
select pg_temp.queue('1a1', '1b1', '1c1', '1d1', 'u1', 'u2', '1e1');
select is(pg_temp.claim(10), 'u1 1a1 u2 1b1 1c1 1d1 1e1', 'a user is not behind a party');
select pg_temp.start_over();
select pg_temp.queue('1a1', '1b1', 'u1a', 'u1b', 'u1c', 'u2a');
select is(pg_temp.claim(10), 'u1a 1a1 u2a 1b1 u1b u1c', 'nor one who makes many behind a party, but behind another user');

-- Guests of one event

select pg_temp.start_over();
select pg_temp.queue('1a1', '1a2', '1a3', '1b1', '1b2', '1c1');
select is(pg_temp.claim(10), '1a1 1b1 1c1 1a2 1b2 1a3', 'guests take turns');

select pg_temp.start_over();
select pg_temp.queue('1a1', '1a2', '1a3', '1b1');
select is(pg_temp.claim(3), '1a1 1b1 1a2', 'the second turn has begun');
select pg_temp.queue('1c1', '1c2', '1d1');
select is(pg_temp.claim(10), '1c1 1d1 1a3 1c2', 'a new guest joins the turn that is served, and those who wait are not overtaken for ever');

select pg_temp.start_over();
select pg_temp.queue('1a1', '1b1', '1c1');
select is(pg_temp.claim(1), '1a1', 'a try');
update public.generations set status = 'queued' where photo_path = 'tap/1a1';
select is(pg_temp.claim(10), '1a1 1b1 1c1', 'a photo that comes back keeps its place');

select pg_temp.start_over();
select pg_temp.queue('1a1', '1b1');
update public.generations set run_at = now() + interval '1 second' where photo_path = 'tap/1a1';
select is(pg_temp.claim(10), '1b1', 'one that must wait before its next try blocks nobody');

-- What is told

select pg_temp.start_over();
select pg_temp.queue('1a1', '1b1', '1c1', '1d1', '2a1', '2b1', 'u1');
select is(
  array[pg_temp.position_of('1a1'), pg_temp.position_of('1b1'), pg_temp.position_of('1d1'), pg_temp.position_of('2b1'), pg_temp.position_of('u1')],
  '{3,5,7,5,3}', 'a place in the queue counts the turns of the others as well'
);
update private.sweeper set waiting_lanes = 3, queue_length = 7, dispatch_rate = 1, expected_seconds = 20;
select results_eq(
  $$ select queue_position, eta_seconds from public.begin_generation('tap_a', '3:4', 'tap/2c1', p_photo_hash => 'h', p_event_slug => 'tap-party-2') $$,
  $$ values (8, 28) $$, 'so does that of a new one, as far as a sweep has seen'
);
select is(
  (select expected_seconds from public.generations where photo_path = 'tap/2c1')::real, 28::real, 'progress is measured against what was expected with the wait'
);

-- When to ask again

update public.api_key_pool set cooldown_until = now() + interval '1.5 seconds' where api_key = 'tap-key';
select is(pg_temp.claim(1), null, 'no key');
select is(
  (select dispatch_opens_at from private.sweeper), now() + interval '1.5 seconds', 'a claim that finds no room notes when there will be'
);
select is(
  (select is_due from public.get_generation((select id from public.generations where photo_path = 'tap/1a1'))), false,
  'so that a poll need not ask before'
);
update private.sweeper set dispatch_opens_at = now();
select is(
  (select is_due from public.get_generation((select id from public.generations where photo_path = 'tap/1a1'))), true, 'and asks then'
);

select * from finish();
rollback;

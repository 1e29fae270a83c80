-- The ends of a photo: success, failure, deletion. Each may be told twice, late, or by an attempt that
-- was overtaken; what is final stays final, and credits move once.

begin;
create extension if not exists pgtap with schema extensions;
select plan(123);

insert into auth.users (id, email)
values ('8d000000-0000-4000-8000-000000000001', 'user@tap.example'), ('8d000000-0000-4000-8000-000000000002', 'master@tap.example');
update public.profiles set role = 'master' where id = '8d000000-0000-4000-8000-000000000002';
select private.post_movement('grant', 'issued', null, 'user', '8d000000-0000-4000-8000-000000000001', 5000, 'tap-user');

insert into public.styles_metadata (id, label, category, subcategory, credit_cost) values ('tap_a', 'A', 'tap', 'Tap', 100);
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.partners (id, name) values ('8d000000-0000-4000-8000-000000000003', 'Tap Partner');
select private.grant_credits('partner', '8d000000-0000-4000-8000-000000000003', 100, 'for the test');
insert into public.events (id, partner_id, event_name, event_slug, config)
values
  ('8d000000-0000-4000-8000-000000000004', '8d000000-0000-4000-8000-000000000003', 'Tap', 'tap-party', '{"limits": {"per_guest": 99}}'),
  ('8d000000-0000-4000-8000-000000000005', '8d000000-0000-4000-8000-000000000003', 'Tap', 'tap-closing', '{}'),
  ('8d000000-0000-4000-8000-000000000006', null, 'Tap', 'tap-own-closing', '{}'),
  ('8d000000-0000-4000-8000-000000000007', null, 'Tap', 'tap-moderated', '{"moderation": "before"}');
select private.allocate_event_credits(id, 50, 'tap-give:' || event_slug)
from public.events
where event_slug in ('tap-party', 'tap-moderated');
select private.allocate_event_credits(id, 1, 'tap-give:' || event_slug)
from public.events
where event_slug in ('tap-closing', 'tap-own-closing');

-- A photo by a name of its own, with so many attempts, all accepted by the provider.
create temporary table photos (name text primary key, id uuid);
create function pg_temp.begin_photo(
  p_name text, p_attempts integer default 1, p_slug text default 'tap-party', p_user_id uuid default null, p_path text default null
)
returns void
language plpgsql
as $$
begin
  insert into photos
  select p_name, begun.generation_id
  from public.begin_generation(
    'tap_a', '3:4', coalesce(p_path, 'selfies/' || p_name || '.jpg'), p_photo_hash => 'h', p_user_id => p_user_id,
    p_event_slug => case when p_user_id is null then p_slug end
  ) as begun;

  if p_attempts > 0 then
    update public.generations set status = 'processing', started_at = now() where id = (select photos.id from photos where name = p_name);
  end if;
  insert into private.generation_attempts (
    generation_id, attempt, status, account, token_hash, model, prompt_version, task_id, submitted_at, next_check_at
  )
  select photos.id, number, 'submitted', 'tap', 'x', 'tap', 1, format('tap-%s-%s', p_name, number), now(), now()
  from photos, generate_series(1, p_attempts) as numbers (number)
  where photos.name = p_name;
end;
$$;

create function pg_temp.photo(p_name text)
returns public.generations
language sql stable
as $$ select generations from public.generations join photos using (id) where photos.name = p_name; $$;

create function pg_temp.attempt(p_name text, p_attempt integer default 1)
returns private.generation_attempts
language sql stable
as $$
  select generation_attempts from private.generation_attempts
  where generation_attempts.generation_id = (pg_temp.photo(p_name)).id and generation_attempts.attempt = p_attempt;
$$;

create function pg_temp.complete(p_name text, p_attempt integer default 1, p_bucket text default 'generations')
returns public.generation_status
language sql
as $$
  select public.complete_generation(
    (pg_temp.attempt(p_name, p_attempt)).id, format('tap-%s-%s', p_name, p_attempt), p_bucket,
    format('https://tap.example/%s-%s.png', p_name, p_attempt), 9000, 1.5
  );
$$;

create function pg_temp.fail(p_name text, p_attempt integer default null)
returns public.generation_status
language sql
as $$
  select public.fail_generation(
    (pg_temp.photo(p_name)).id, 'GENERATION_FAILED',
    case when p_attempt is not null then (pg_temp.attempt(p_name, p_attempt)).id end, 'the provider said no'
  );
$$;

create function pg_temp.in_gallery(p_name text)
returns text
language sql stable
as $$
  select event_gallery.image_url from public.event_gallery
  where event_gallery.image_url like format('https://tap.example/%s-%%', p_name);
$$;

create function pg_temp.planned(p_name text)
returns text[]
language sql stable
as $$
  select coalesce(array_agg(concat_ws(' ', file_tasks.action, file_tasks.bucket, file_tasks.to_bucket) order by file_tasks.bucket), '{}')
  from private.file_tasks
  where file_tasks.path in ((pg_temp.photo(p_name)).result_path, (pg_temp.photo(p_name)).photo_path);
$$;

create function pg_temp.refunds(p_name text)
returns integer
language sql stable
as $$
  select coalesce(sum(movements.amount), 0)::integer from private.credit_movements as movements
  where movements.generation_id = (pg_temp.photo(p_name)).id and movements.kind = 'refund';
$$;

create function pg_temp.user_credits()
returns integer
language sql stable
as $$ select profiles.credits from public.profiles where profiles.id = '8d000000-0000-4000-8000-000000000001'; $$;

create function pg_temp.event_credits(p_slug text)
returns integer[]
language sql stable
as $$ select array[events.credits_allocated, events.credits_used] from public.events where events.event_slug = p_slug; $$;

-- What a call leaves in the world, for those that must leave nothing.
create temporary view world as
  select
    (select md5(string_agg(generations::text, '|' order by generations.id)) from public.generations) as photos,
    (select md5(string_agg(generation_attempts::text, '|' order by generation_attempts.id)) from private.generation_attempts) as attempts,
    (select count(*) from private.credit_movements) as movements,
    (select md5(string_agg(file_tasks::text, '|' order by file_tasks.id)) from private.file_tasks) as files,
    (select md5(string_agg(gallery_photos::text, '|' order by gallery_photos.generation_id)) from private.gallery_photos) as gallery,
    (select sum(usage_count) from public.styles_metadata) as usage_count,
    (select sum(total_generations) from public.profiles) as total_generations;
create temporary table world_before as select * from world;
create function pg_temp.remember_the_world()
returns void
language sql
as $$
  truncate world_before;
  insert into world_before select * from world;
$$;

-- Success

select pg_temp.begin_photo('good');
select is((select row(bucket, path, is_wanted)::text from public.get_result_target((pg_temp.attempt('good')).id, (pg_temp.attempt('good')).task_id)),
  format('(generations,%s,t)', (pg_temp.photo('good')).result_path), 'the picture of a visible photo goes to the public bucket');
select results_eq(
  $$ select state, image_url, image_bucket, error, refunded, progress from pg_temp.complete('good') $$,
  $$ values ('success', 'https://tap.example/good-1.png', 'generations', null::text, false, 1::numeric) $$,
  'a photo that is completed answers with its picture'
);
select results_eq(
  $$ select (pg_temp.photo('good')).status::text, (pg_temp.photo('good')).succeeded_at, (pg_temp.photo('good')).image_url, (pg_temp.photo('good')).credits_charged::integer $$,
  $$ values ('succeeded', now(), 'https://tap.example/good-1.png', 1) $$,
  'a completed photo is succeeded and stays charged'
);
select results_eq(
  $$ select status, finished_at, latency_ms, cost_credits from private.generation_attempts where id = (pg_temp.attempt('good')).id $$,
  $$ values ('succeeded', now(), 9000, 1.5) $$,
  'the attempt that completed keeps its latency and cost'
);
select is(pg_temp.in_gallery('good'), 'https://tap.example/good-1.png', 'a completed photo of an event is in its gallery');
select is(pg_temp.planned('good'), '{remove user_photos}', 'the selfie of a completed photo is removed');
select is((select usage_count from public.styles_metadata where id = 'tap_a'), 1::bigint, 'a completed photo counts for its style');
select is((select total_generations from public.profiles where id = '8d000000-0000-4000-8000-000000000001'), 0, 'a guest''s photo counts for no user');
select is(pg_temp.refunds('good'), 0, 'a completed photo refunds nothing');
select is_empty(
  format('select * from public.get_result_target(%s, %L)', (pg_temp.attempt('good')).id, (pg_temp.attempt('good')).task_id), 'a photo that has its picture wants no other'
);

select pg_temp.begin_photo('mine', p_user_id => '8d000000-0000-4000-8000-000000000001');
select is((pg_temp.complete('mine')).state, 'success', 'a photo of a user is completed alike');
select is((select total_generations from public.profiles where id = '8d000000-0000-4000-8000-000000000001'), 1, 'a completed photo counts for its user');
select is((pg_temp.photo('mine')).image_url, 'https://tap.example/mine-1.png', 'a photo of a user has its picture');
select is(pg_temp.in_gallery('mine'), null, 'a photo of a user is in no gallery');

-- Success told twice

select pg_temp.remember_the_world();
select is((pg_temp.complete('good')).image_url, 'https://tap.example/good-1.png', 'completing twice answers with the same picture');
select public.complete_generation((pg_temp.attempt('good')).id, 'tap-x', 'generations', 'https://tap.example/good-x.png', 1, 1);
select results_eq('select * from world', 'select * from world_before', 'completing twice changes nothing, whatever the second call says');
select public.complete_generation((pg_temp.attempt('good')).id, 'tap-x', 'generations_private', 'https://tap.example/good-x.png', 1, 1);
select results_eq(
  format('select action, bucket from private.file_tasks where path = %L', (pg_temp.photo('good')).result_path),
  $$ values ('remove', 'generations_private') $$, 'what a second finisher stored elsewhere is removed'
);
select pg_temp.begin_photo('to_be_moved');
update public.generations set visibility = 'pending' where id = (pg_temp.photo('to_be_moved')).id;
select public.complete_generation((pg_temp.attempt('to_be_moved')).id, 'tap-to-be-moved', 'generations_private', 'https://tap.example/a.png', 1, 1);
update public.generations set visibility = 'visible' where id = (pg_temp.photo('to_be_moved')).id;
insert into private.file_tasks (action, bucket, path, to_bucket)
values ('move', 'generations_private', (pg_temp.photo('to_be_moved')).result_path, 'generations');
select public.complete_generation((pg_temp.attempt('to_be_moved')).id, 'tap-to-be-moved', 'generations_private', 'https://tap.example/a.png', 1, 1);
select results_eq(
  format('select action, to_bucket from private.file_tasks where path = %L', (pg_temp.photo('to_be_moved')).result_path),
  $$ values ('move', 'generations') $$, 'but not what is about to be moved to where it belongs'
);

-- Several attempts

select pg_temp.begin_photo('raced', 3);
select is((pg_temp.complete('raced', 2)).image_url, 'https://tap.example/raced-2.png', 'any attempt may complete');
select is(
  (select array_agg(status order by attempt) from private.generation_attempts where generation_id = (pg_temp.photo('raced')).id),
  '{abandoned,succeeded,abandoned}', 'the other attempts are no longer waited for'
);
select pg_temp.remember_the_world();
select is((pg_temp.complete('raced', 3)).image_url, 'https://tap.example/raced-2.png', 'the picture of a second attempt does not replace the first');
select is((pg_temp.fail('raced', 3)).state, 'success', 'the failure of another attempt does not undo the success');
select results_eq('select * from world', 'select * from world_before', 'what the other attempts say later changes nothing');

select pg_temp.begin_photo('unheard', 0);
insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
values ((pg_temp.photo('unheard')).id, 1, 'tap', 'x', 'tap', 1);
update public.generations set status = 'processing', started_at = now() where id = (pg_temp.photo('unheard')).id;
select is((pg_temp.complete('unheard')).state, 'success', 'an attempt whose answer was lost may complete');
select results_eq(
  $$ select status, task_id, submitted_at is not null from private.generation_attempts where id = (pg_temp.attempt('unheard')).id $$,
  $$ values ('succeeded', 'tap-unheard-1', true) $$,
  'its task is known from then on'
);

-- Failure

select pg_temp.begin_photo('bad');
create temporary table party_before as select (pg_temp.event_credits('tap-party'))[2] as used;
select results_eq(
  $$ select state, image_url, image_bucket, error, refunded, progress from pg_temp.fail('bad', 1) $$,
  $$ values ('fail', null::text, null::text, 'GENERATION_FAILED', true, 1::numeric) $$,
  'a photo that fails answers with why, and that it was refunded'
);
select results_eq(
  $$ select (pg_temp.photo('bad')).status::text, (pg_temp.photo('bad')).failed_at, (pg_temp.photo('bad')).refunded_at, (pg_temp.photo('bad')).credits_charged::integer,
       (pg_temp.photo('bad')).error_code::text $$,
  $$ values ('failed', now(), now(), 0, 'GENERATION_FAILED') $$,
  'a failed photo is refunded and costs nothing'
);
select results_eq(
  $$ select status, finished_at, error_code, error_detail from private.generation_attempts where id = (pg_temp.attempt('bad')).id $$,
  $$ values ('failed', now(), 'GENERATION_FAILED', 'the provider said no') $$,
  'the attempt that failed keeps why'
);
select is((pg_temp.event_credits('tap-party'))[2], (select used - 1 from party_before), 'the event has its credit back');
select results_eq(
  $$ select kind::text, source::text, destination::text, destination_id, amount::integer from private.credit_movements
     where generation_id = (pg_temp.photo('bad')).id and kind <> 'charge' $$,
  $$ values ('refund', 'spent', 'event', '8d000000-0000-4000-8000-000000000004'::uuid, 1) $$,
  'the refund of an event''s photo is one movement that names the photo'
);
select is(pg_temp.planned('bad'), '{remove user_photos}', 'the selfie of a failed photo is removed');
select is(pg_temp.in_gallery('bad'), null, 'a failed photo is in no gallery');

create temporary table user_before as select pg_temp.user_credits() as credits;
select pg_temp.begin_photo('mine_bad', p_user_id => '8d000000-0000-4000-8000-000000000001');
select is((pg_temp.fail('mine_bad', 1)).refunded, true, 'a photo of a user is refunded alike');
select is(pg_temp.refunds('mine_bad'), 100, 'a user gets back what the photo cost');
select is(pg_temp.user_credits(), (select credits from user_before), 'the user has the balance of before');

select pg_temp.begin_photo('unsent', 0);
select is(
  (select state from public.fail_generation((pg_temp.photo('unsent')).id, 'PROVIDER_UNAVAILABLE')), 'fail',
  'a photo that was never dispatched can be given up'
);
select is(pg_temp.refunds('unsent'), 1, 'a photo that was never dispatched is refunded');

select pg_temp.begin_photo('free', p_user_id => '8d000000-0000-4000-8000-000000000002');
select is((pg_temp.fail('free', 1)).refunded, false, 'a free photo is not refunded');
select is(pg_temp.refunds('free'), 0, 'a free photo that fails moves no credits');

-- Failure told twice, too late, or by the wrong attempt

select pg_temp.remember_the_world();
select is((pg_temp.fail('bad', 1)).state, 'fail', 'failing twice answers with the failure');
select is(
  (select error from public.fail_generation((pg_temp.photo('bad')).id, 'GENERATION_TIMED_OUT')), 'GENERATION_FAILED',
  'the first failure stays the reason'
);
select is((pg_temp.fail('good', 1)).state, 'success', 'failing after the success answers with the success');
select is((pg_temp.fail('mine')).image_url, 'https://tap.example/mine-1.png', 'giving up after the success answers with the picture');
select results_eq('select * from world', 'select * from world_before', 'failing what is final changes nothing');

select pg_temp.begin_photo('overtaken', 2);
select is((pg_temp.fail('overtaken', 1)).state, 'processing', 'an attempt that was overtaken does not fail its photo');
select is((pg_temp.attempt('overtaken', 1)).status, 'failed', 'the overtaken attempt itself has failed');
select is(pg_temp.refunds('overtaken'), 0, 'while another attempt runs nothing is refunded');
select is((pg_temp.fail('overtaken', 2)).state, 'fail', 'the newest attempt fails its photo');
select is(pg_temp.refunds('overtaken'), 1, 'then the photo is refunded, once');

select pg_temp.begin_photo('stranger');
select pg_temp.begin_photo('bystander');
select public.fail_generation((pg_temp.photo('stranger')).id, 'GENERATION_FAILED', (pg_temp.attempt('bystander')).id);
select is(
  (pg_temp.attempt('bystander')).status || ', ' || (pg_temp.photo('bystander')).status, 'submitted, processing',
  'the failure of one photo does not touch the attempts of another'
);

-- A picture that comes late

select is((pg_temp.in_gallery('bad')), null, 'before its late picture a failed photo is in no gallery');
select results_eq(
  format('select bucket, is_wanted from public.get_result_target(%s, %L)', (pg_temp.attempt('bad')).id, (pg_temp.attempt('bad')).task_id),
  $$ values ('generations', true) $$, 'the picture of a failed photo is still wanted'
);
create temporary table late_before as
  select (select usage_count from public.styles_metadata where id = 'tap_a') as usage_count, pg_temp.event_credits('tap-party') as event_credits;
select results_eq(
  $$ select state, image_url, error, refunded from pg_temp.complete('bad') $$,
  $$ values ('success', 'https://tap.example/bad-1.png', null::text, true) $$,
  'a late picture turns the failure into a success that is refunded'
);
select results_eq(
  $$ select (pg_temp.photo('bad')).status::text, (pg_temp.photo('bad')).credits_charged::integer, (pg_temp.photo('bad')).refunded_at, (pg_temp.photo('bad')).error_code::text $$,
  $$ values ('succeeded', 0, now(), null::text) $$,
  'a late picture is free'
);
select is(pg_temp.event_credits('tap-party'), (select event_credits from late_before), 'a late picture charges nobody, and the refund stays');
select is(
  (select usage_count from public.styles_metadata where id = 'tap_a'), (select usage_count + 1 from late_before), 'a late picture counts once'
);
select is(pg_temp.in_gallery('bad'), 'https://tap.example/bad-1.png', 'a late picture is in the gallery');
select is((pg_temp.complete('overtaken', 1)).state, 'success', 'an attempt that failed may still bring the picture');
select is((pg_temp.complete('mine_bad')).refunded, true, 'a late picture of a user is free too');
select is(pg_temp.user_credits(), (select credits from user_before), 'a late picture leaves the user''s refund');
select pg_temp.remember_the_world();
select is((pg_temp.complete('bad')).refunded, true, 'a late picture told twice is the same answer');
select is((pg_temp.fail('bad')).state, 'success', 'a late success cannot fail again');
select results_eq('select * from world', 'select * from world_before', 'after the late success nothing changes');

-- Refunds of closed events go on

select pg_temp.begin_photo('closing', p_slug => 'tap-closing');
select pg_temp.begin_photo('own_closing', p_slug => 'tap-own-closing');
update public.events set closed_at = now() where event_slug in ('tap-closing', 'tap-own-closing');
create temporary table partner_before as
  select credits_total, credits_used from public.partners where id = '8d000000-0000-4000-8000-000000000003';
select is((pg_temp.fail('closing', 1)).refunded, true, 'a photo of a closed event is refunded');
select is(pg_temp.event_credits('tap-closing'), '{0,0}', 'a closed event keeps nothing of a refund');
select results_eq(
  $$ select credits_total, credits_used from public.partners where id = '8d000000-0000-4000-8000-000000000003' $$,
  $$ select credits_total, credits_used - 1 from partner_before $$,
  'the refund of a closed event goes on to its partner'
);
select is((pg_temp.fail('own_closing', 1)).refunded, true, 'a photo of a closed event without a partner is refunded');
select is(pg_temp.event_credits('tap-own-closing'), '{0,0}', 'a closed event without a partner keeps nothing either');
select is(
  (select string_agg(kind || ' ' || amount, ', ' order by id) from private.credit_movements where generation_id = (pg_temp.photo('closing')).id),
  'charge 1, refund 1, return 1', 'the way of the refund is in the ledger'
);
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

-- One selfie, two photos

select pg_temp.begin_photo('twin_a', p_path => 'selfies/twins.jpg');
select pg_temp.begin_photo('twin_b', p_path => 'selfies/twins.jpg');
select is((pg_temp.complete('twin_a')).state, 'success', 'the first photo of a selfie is completed');
select is(pg_temp.planned('twin_a'), '{}', 'a selfie that an unfinished photo needs is kept');
select is((pg_temp.fail('twin_b', 1)).state, 'fail', 'the last photo of a selfie fails');
select is(pg_temp.planned('twin_b'), '{remove user_photos}', 'a selfie that nobody needs any more is removed');

-- What the host has not approved

select pg_temp.begin_photo('pending', p_slug => 'tap-moderated');
select is(
  (select bucket from public.get_result_target((pg_temp.attempt('pending')).id, (pg_temp.attempt('pending')).task_id)), 'generations_private',
  'the picture of a pending photo goes to the private bucket'
);
select results_eq(
  format(
    'select state, image_url, image_bucket, image_path = %L from pg_temp.complete(%L, 1, %L)',
    (pg_temp.photo('pending')).result_path, 'pending', 'generations_private'
  ),
  $$ values ('success', null::text, 'generations_private', true) $$,
  'a pending photo has no public address, and says where its picture lies'
);
select is(pg_temp.in_gallery('pending'), null, 'a pending photo is in no gallery');
select is(pg_temp.planned('pending'), '{remove user_photos}', 'a picture that lies where it belongs is not moved');

select pg_temp.begin_photo('hidden');
update public.generations set visibility = 'hidden' where id = (pg_temp.photo('hidden')).id;
select is((pg_temp.complete('hidden')).image_url, null, 'a photo hidden while its picture was stored has no public address');
select is(
  pg_temp.planned('hidden'), '{"move generations generations_private","remove user_photos"}', 'its picture moves out of the public bucket'
);

select pg_temp.begin_photo('approved', p_slug => 'tap-moderated');
update public.generations set visibility = 'visible' where id = (pg_temp.photo('approved')).id;
select is(
  (pg_temp.complete('approved', 1, 'generations_private')).image_bucket, 'generations_private',
  'a photo approved while its picture was stored says where its picture lies until it has moved'
);
select is((pg_temp.photo('approved')).image_url, null, 'until its picture has moved it has no public address');
select is(
  pg_temp.planned('approved'), '{"move generations_private generations","remove user_photos"}', 'its picture moves into the public bucket'
);

-- Deletion

create function pg_temp.outcome(p_name text, p_user_id uuid default null)
returns text
language plpgsql
as $$
declare
  v_state text;
  v_detail text;
begin
  return public.delete_generation((pg_temp.photo(p_name)).id, p_user_id);
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    return v_state || ' ' || (v_detail::jsonb ->> 'code');
end;
$$;

select pg_temp.remember_the_world();
select is(pg_temp.outcome('nobody'), 'PT404 GENERATION_NOT_FOUND', 'an unknown photo cannot be deleted');
select is(pg_temp.outcome('mine'), 'PT401 UNAUTHENTICATED', 'the id of a user''s photo is not enough to delete it');
select is(
  pg_temp.outcome('mine', '8d000000-0000-4000-8000-000000000002'), 'PT404 GENERATION_NOT_FOUND', 'another user cannot delete it, not even the master here'
);
select results_eq('select * from world', 'select * from world_before', 'a refused deletion changes nothing');

delete from private.file_tasks;
select is(pg_temp.outcome('mine', '8d000000-0000-4000-8000-000000000001'), 'true', 'its user deletes a photo');
select results_eq(
  $$ select (pg_temp.photo('mine')).deleted_at, (pg_temp.photo('mine')).image_url, (pg_temp.photo('mine')).status::text, (pg_temp.photo('mine')).credits_charged::integer $$,
  $$ values (now(), null::text, 'succeeded', 100) $$, 'a deleted photo loses its picture and is not refunded'
);
select is(pg_temp.planned('mine'), '{"remove generations","remove generations_private"}', 'the picture of a deleted photo is removed wherever it lies');
select is(
  pg_temp.outcome('mine', '8d000000-0000-4000-8000-000000000001'), 'PT404 GENERATION_NOT_FOUND', 'a deleted photo is not found any more'
);
select is(pg_temp.outcome('good'), 'true', 'whoever holds the id of a guest''s photo deletes it');
select is(pg_temp.in_gallery('good'), null, 'a deleted photo leaves the gallery at once');

select pg_temp.begin_photo('dropped');
select is(pg_temp.outcome('dropped'), 'true', 'a running photo can be deleted');
select results_eq(
  $$ select (pg_temp.photo('dropped')).status::text, pg_temp.refunds('dropped'), is_wanted from public.get_result_target((pg_temp.attempt('dropped')).id, (pg_temp.attempt('dropped')).task_id) $$,
  $$ values ('processing', 0, false) $$, 'it goes on, is not refunded, and its picture is not wanted'
);
select is((pg_temp.complete('dropped')).image_url, null, 'a photo deleted while it ran is finished without a public address');
select is(pg_temp.planned('dropped'), '{"remove generations","remove user_photos"}', 'its picture and selfie are removed');
select is((pg_temp.photo('dropped')).credits_charged::integer, 1, 'a photo deleted while it ran stays charged when it is finished');
select is(pg_temp.in_gallery('dropped'), null, 'a photo deleted while it ran never enters the gallery');

select pg_temp.begin_photo('dropped_bad');
select is(pg_temp.outcome('dropped_bad'), 'true', 'another running photo is deleted');
select is((pg_temp.fail('dropped_bad', 1)).refunded, true, 'a photo deleted while it ran is refunded when it fails');

-- What does not exist, and what no row may be

select throws_ok($$ select public.complete_generation(-1, 't', 'generations', 'u', 1, 1) $$, 'PT404', null, 'an unknown attempt cannot complete');
select throws_ok($$ select public.fail_generation(gen_random_uuid(), 'GENERATION_FAILED') $$, 'PT404', null, 'an unknown photo cannot fail');
select throws_ok(
  format('update public.generations set %s where id = %L', given.change, (pg_temp.photo(given.photo)).id), '23514',
  format('new row for relation "generations" violates check constraint "generations_%s"', given.rule), given.name
)
from (
  values
    ('raced', 'status = ''failed'', error_code = ''GENERATION_FAILED'', failed_at = now()', 'status_matches_timestamps',
      'no row has failed and kept its success'),
    ('raced', 'succeeded_at = null', 'status_matches_timestamps', 'no row has succeeded at no time'),
    ('raced', 'status = ''queued''', 'status_matches_timestamps', 'no row that succeeded is queued'),
    ('raced', 'error_code = ''GENERATION_FAILED''', 'error_code_matches_status', 'no row that succeeded has an error'),
    ('raced', 'refunded_at = now()', 'refunded_is_not_charged', 'no row is refunded and charged'),
    ('raced', 'visibility = ''hidden''', 'image_url_is_public', 'no hidden row has a public address'),
    ('raced', 'deleted_at = now()', 'image_url_is_public', 'no deleted row has a public address'),
    ('dropped_bad', 'credits_charged = 1', 'failed_is_not_charged', 'no failed row is charged'),
    ('raced', 'event_id = null', 'has_one_payer', 'no living row is paid by nobody'),
    ('raced', 'user_id = ''8d000000-0000-4000-8000-000000000001''', 'has_one_payer', 'no row is paid by two'),
    ('raced', 'idempotency_key = ''tap-key-without-hash''', 'idempotency_key_has_hash', 'no row has a key without the hash of its request')
) as given (photo, change, rule, name);
select throws_ok(
  format('update public.generations set %s where id = %L', given.change, (pg_temp.photo('raced')).id), '23514',
  format('value for domain private.%s violates check constraint "%s"', given.domain, given.rule), given.name
)
from (
  values
    ('status = ''painted''', 'generation_state', 'generation_state_known', 'no row has an unknown status'),
    ('visibility = ''secret''', 'photo_visibility', 'photo_visibility_known', 'no row has an unknown visibility'),
    ('error_code = ''OOPS''', 'generation_error', 'generation_error_known', 'no row has an unknown error'),
    ('aspect_ratio = ''2:1''', 'aspect_ratio', 'aspect_ratio_known', 'no row has an unknown ratio'),
    ('guest_id = ''short''', 'guest_id', 'guest_id_format', 'no row has a guest of another form'),
    ('credits_charged = -1', 'credit_count', 'credit_count_nonnegative', 'no row is charged less than nothing'),
    ('expected_seconds = 0', 'positive_real', 'positive_real_is_positive', 'no row expects no time at all')
) as given (change, domain, rule, name);

select lives_ok('set constraints all immediate', 'every row points at what exists');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger at the end');

select * from finish();
rollback;

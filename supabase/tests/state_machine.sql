-- Every move at a photo in every state it can be in: what is legal happens, everything else is a no-op that tells
-- where the photo stands. The arrows are those of docs/generations.md.

begin;
create extension if not exists pgtap with schema extensions;
select plan(85);

update private.settings set is_in_maintenance = false;
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug) values ('8b000000-0000-4000-8000-000000000001', 'Tap', 'tap-party');
select private.allocate_event_credits('8b000000-0000-4000-8000-000000000001', 500);

create temporary table photos (name text primary key, id uuid);

create function pg_temp.attempt(p_name text)
returns bigint
language sql stable
as $$
  select generation_attempts.id from private.generation_attempts
  join photos on photos.id = generation_attempts.generation_id
  where photos.name = p_name order by generation_attempts.attempt limit 1;
$$;

create function pg_temp.add_attempt(p_name text)
returns void
language plpgsql
as $$
begin
  insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
  select photos.id, 1 + (select count(*) from private.generation_attempts where generation_id = photos.id), 'tap', 'x', 'tap', 1
  from photos where photos.name = p_name;
  update public.generations set status = 'processing', started_at = now() where id = (select photos.id from photos where photos.name = p_name);
end;
$$;

-- What a sweep does once the answer to a creation is overdue.
create function pg_temp.lose(p_attempt bigint)
returns void
language plpgsql
as $$
begin
  update private.generation_attempts set claimed_at = now() - interval '3 minutes' where generation_attempts.id = p_attempt;
  perform private.requeue_lost_attempts(10);
end;
$$;

create function pg_temp.move(p_name text, p_move text)
returns text
language plpgsql
as $$
declare
  v_photo uuid := (select photos.id from photos where photos.name = p_name);
  v_attempt bigint := pg_temp.attempt(p_name);
begin
  return case p_move
    when 'record' then (public.record_submission(v_attempt, 'tap-' || v_attempt)).state
    when 'release' then (public.release_attempt(v_attempt, '500', 'tap', 'keep')).state
    when 'retry' then (public.fail_attempt(v_attempt, 'GENERATION_FAILED', 'tap', true)).state
    when 'fail' then (public.fail_attempt(v_attempt, 'GENERATION_FAILED', 'tap', false)).state
    when 'complete' then (public.complete_generation(v_attempt, 'tap-' || v_attempt, 'generations', 'https://tap.example/p.png', 1, 1)).state
    when 'expire' then (public.fail_generation(v_photo, 'GENERATION_TIMED_OUT')).state
    when 'copy' then (
      select case count(*) when 0 then 'no copy' else 'copy' end from public.get_result_target(v_attempt, 'tap-' || v_attempt)
    )
    when 'lose' then (select 'lost' from pg_temp.lose(v_attempt))
    when 'claim' then (select 'processing' from pg_temp.add_attempt(p_name))
  end;
end;
$$;

-- How a photo gets into each state; its first attempt is the one that moves are about.
create temporary table states (state text, moves text[]);
insert into states
values
  ('claimed', '{claim}'),
  ('submitted', '{claim,record}'),
  ('released', '{claim,release}'),
  ('overtaken', '{claim,release,claim}'),
  ('lost', '{claim,lose}'),
  ('failed', '{claim,record,fail}'),
  ('timed out', '{claim,record,expire}'),
  ('succeeded', '{claim,record,complete}'),
  ('late', '{claim,record,expire,complete}');

-- What each move answers, where photo and attempt stand after it, and whether the photo is paid.
create temporary table moves (state text, move text, answer text, photo text, attempt text, charged integer);
insert into moves
values
  ('claimed', 'record', 'waiting or processing', 'processing', 'submitted', 1),
  ('claimed', 'release', 'waiting', 'queued', 'failed', 1),
  ('claimed', 'retry', 'waiting', 'queued', 'failed', 1),
  ('claimed', 'fail', 'fail', 'failed', 'failed', 0),
  ('claimed', 'copy', 'copy', 'processing', 'submitted', 1),
  ('claimed', 'complete', 'success', 'succeeded', 'succeeded', 1),
  ('claimed', 'expire', 'fail', 'failed', 'claimed', 0),
  ('submitted', 'record', 'processing', 'processing', 'submitted', 1),
  ('submitted', 'release', 'waiting', 'queued', 'failed', 1),
  ('submitted', 'retry', 'waiting', 'queued', 'failed', 1),
  ('submitted', 'fail', 'fail', 'failed', 'failed', 0),
  ('submitted', 'copy', 'copy', 'processing', 'submitted', 1),
  ('submitted', 'complete', 'success', 'succeeded', 'succeeded', 1),
  ('submitted', 'expire', 'fail', 'failed', 'submitted', 0),
  ('released', 'record', 'waiting', 'queued', 'failed', 1),
  ('released', 'release', 'waiting', 'queued', 'failed', 1),
  ('released', 'retry', 'waiting', 'queued', 'failed', 1),
  ('released', 'fail', 'waiting', 'queued', 'failed', 1),
  ('released', 'copy', 'copy', 'queued', 'submitted', 1),
  ('released', 'complete', 'success', 'succeeded', 'succeeded', 1),
  ('released', 'expire', 'fail', 'failed', 'failed', 0),
  ('overtaken', 'record', 'processing', 'processing', 'failed', 1),
  ('overtaken', 'release', 'processing', 'processing', 'failed', 1),
  ('overtaken', 'retry', 'processing', 'processing', 'failed', 1),
  ('overtaken', 'fail', 'processing', 'processing', 'failed', 1),
  ('overtaken', 'copy', 'copy', 'processing', 'submitted', 1),
  ('overtaken', 'complete', 'success', 'succeeded', 'succeeded', 1),
  ('overtaken', 'expire', 'fail', 'failed', 'failed', 0),
  ('lost', 'record', 'waiting', 'queued', 'abandoned', 1),
  ('lost', 'release', 'waiting', 'queued', 'abandoned', 1),
  ('lost', 'retry', 'waiting', 'queued', 'abandoned', 1),
  ('lost', 'fail', 'waiting', 'queued', 'abandoned', 1),
  ('lost', 'copy', 'copy', 'queued', 'submitted', 1),
  ('lost', 'complete', 'success', 'succeeded', 'succeeded', 1),
  ('lost', 'expire', 'fail', 'failed', 'abandoned', 0),
  ('failed', 'record', 'fail', 'failed', 'failed', 0),
  ('failed', 'release', 'fail', 'failed', 'failed', 0),
  ('failed', 'retry', 'fail', 'failed', 'failed', 0),
  ('failed', 'fail', 'fail', 'failed', 'failed', 0),
  ('failed', 'copy', 'copy', 'failed', 'submitted', 0),
  ('failed', 'complete', 'success', 'succeeded', 'succeeded', 0),
  ('failed', 'expire', 'fail', 'failed', 'failed', 0),
  ('timed out', 'record', 'fail', 'failed', 'submitted', 0),
  ('timed out', 'release', 'fail', 'failed', 'failed', 0),
  ('timed out', 'retry', 'fail', 'failed', 'failed', 0),
  ('timed out', 'fail', 'fail', 'failed', 'failed', 0),
  ('timed out', 'copy', 'copy', 'failed', 'submitted', 0),
  ('timed out', 'complete', 'success', 'succeeded', 'succeeded', 0),
  ('timed out', 'expire', 'fail', 'failed', 'submitted', 0),
  ('succeeded', 'record', 'success', 'succeeded', 'succeeded', 1),
  ('succeeded', 'release', 'success', 'succeeded', 'succeeded', 1),
  ('succeeded', 'retry', 'success', 'succeeded', 'succeeded', 1),
  ('succeeded', 'fail', 'success', 'succeeded', 'succeeded', 1),
  ('succeeded', 'copy', 'no copy', 'succeeded', 'succeeded', 1),
  ('succeeded', 'complete', 'success', 'succeeded', 'succeeded', 1),
  ('succeeded', 'expire', 'success', 'succeeded', 'succeeded', 1),
  ('late', 'record', 'success', 'succeeded', 'succeeded', 0),
  ('late', 'release', 'success', 'succeeded', 'succeeded', 0),
  ('late', 'retry', 'success', 'succeeded', 'succeeded', 0),
  ('late', 'fail', 'success', 'succeeded', 'succeeded', 0),
  ('late', 'copy', 'no copy', 'succeeded', 'succeeded', 0),
  ('late', 'complete', 'success', 'succeeded', 'succeeded', 0),
  ('late', 'expire', 'success', 'succeeded', 'succeeded', 0);
-- The answer to a record is that of the moment before it, which nothing depends on.
update moves set answer = 'processing' where answer = 'waiting or processing';

create function pg_temp.play(p_state text, p_move text)
returns table (answer text, photo text, attempt text, charged integer)
language plpgsql
as $$
declare
  v_name text := p_state || ' ' || p_move;
  v_step text;
  v_answer text;
begin
  insert into photos
  select v_name, begun.generation_id
  from public.begin_generation('tap_a', '3:4', 'tap/' || v_name, p_photo_hash => 'h', p_event_slug => 'tap-party') as begun;
  foreach v_step in array (select states.moves from states where states.state = p_state) loop
    perform pg_temp.move(v_name, v_step);
  end loop;
  v_answer := pg_temp.move(v_name, p_move);
  return query
  select v_answer, generations.status::text, generation_attempts.status, generations.credits_charged::integer
  from photos
  join public.generations using (id)
  join private.generation_attempts on generation_attempts.id = pg_temp.attempt(v_name)
  where photos.name = v_name;
end;
$$;

select results_eq(
  format('select * from pg_temp.play(%L, %L)', moves.state, moves.move),
  format('values (%L, %L, %L, %s)', moves.answer, moves.photo, moves.attempt, moves.charged),
  format('%s: %s', moves.state, moves.move)
)
from moves;

select is(
  (select credits_used from public.events where event_slug = 'tap-party'), (select sum(charged)::integer from moves),
  'the event paid for exactly those that are charged'
);

-- A task that failed for a passing reason is followed by one more, not by many

insert into photos
select 'unlucky', generation_id from public.begin_generation('tap_a', '3:4', 'tap/unlucky', p_photo_hash => 'h', p_event_slug => 'tap-party');
select pg_temp.add_attempt('unlucky');
select public.release_attempt(pg_temp.attempt('unlucky'), '429', 'tap', 'keep');
select pg_temp.add_attempt('unlucky');
create function pg_temp.newest()
returns bigint
language sql stable
as $$ select max(generation_attempts.id) from private.generation_attempts join photos on photos.id = generation_id where name = 'unlucky'; $$;
select public.record_submission(pg_temp.newest(), 'tap-unlucky-1');
select is((public.fail_attempt(pg_temp.newest(), 'GENERATION_FAILED', '500', true)).state, 'waiting', 'a first failed task gets another, refusals before it do not count');
select pg_temp.add_attempt('unlucky');
select public.record_submission(pg_temp.newest(), 'tap-unlucky-2');
select is((public.fail_attempt(pg_temp.newest(), 'GENERATION_FAILED', '500', true)).state, 'fail', 'a second one is the end');

-- One attempt is copied at a time, and one that is being copied is looked at

insert into photos
select 'twice', generation_id from public.begin_generation('tap_a', '3:4', 'tap/twice', p_photo_hash => 'h', p_event_slug => 'tap-party');
select pg_temp.move('twice', step) from unnest('{claim,lose,claim}'::text[]) as step;
create function pg_temp.copy_newest()
returns bigint
language sql
as $$
  select count(*)
  from (select max(generation_attempts.id) as id from private.generation_attempts join photos on photos.id = generation_id where name = 'twice') as newest
  cross join lateral public.get_result_target(newest.id, 'tap-newest');
$$;
select is(pg_temp.move('twice', 'copy'), 'copy', 'an attempt that was lost is copied when its picture is found');
select results_eq(
  $$ select status, task_id, finished_at, next_check_at >= now() + interval '10 seconds' from private.generation_attempts where id = pg_temp.attempt('twice') $$,
  $$ select 'submitted', 'tap-' || pg_temp.attempt('twice'), null::timestamptz, true $$,
  'then it is open again, and looked at should its copier be dead in ten seconds'
);
select is(pg_temp.copy_newest(), 0::bigint, 'meanwhile the attempt that replaced it waits');
select pg_temp.move('twice', 'retry');
select is(pg_temp.copy_newest(), 1::bigint, 'until that copy has failed');

-- What no function does, nobody does by hand either

create function pg_temp.throws_on_photo(p_state text, p_status text)
returns text
language sql
as $$
  select throws_ok(
    format($u$ update public.generations set status = %L, started_at = now(), failed_at = null, succeeded_at = null, error_code = null, image_url = null
      where id = (select id from photos where name = %L) $u$, p_status, p_state || ' expire'),
    '23514', null, format('no photo goes from %s to %s', p_state, p_status)
  );
$$;
select pg_temp.throws_on_photo('succeeded', 'queued');
select pg_temp.throws_on_photo('succeeded', 'processing');
select pg_temp.throws_on_photo('succeeded', 'failed');
select pg_temp.throws_on_photo('failed', 'queued');
select pg_temp.throws_on_photo('failed', 'processing');

create function pg_temp.throws_on_attempt(p_state text, p_status text)
returns text
language sql
as $$
  select throws_like(
    format('update private.generation_attempts set status = %L where id = %s', p_status, pg_temp.attempt(p_state || ' expire')),
    '%cannot go from%', format('no attempt goes from %s to %s', p_state, p_status)
  );
$$;
select pg_temp.throws_on_attempt('succeeded', 'submitted');
select pg_temp.throws_on_attempt('succeeded', 'failed');
select pg_temp.throws_on_attempt('succeeded', 'abandoned');
select pg_temp.throws_on_attempt('failed', 'claimed');
select pg_temp.throws_on_attempt('failed', 'abandoned');
select pg_temp.throws_on_attempt('lost', 'failed');
select pg_temp.throws_on_attempt('submitted', 'claimed');

select throws_ok(
  $$ select public.record_submission(-1, 'tap') $$, 'PT404', null, 'an attempt that does not exist is refused'
);
select throws_ok(
  $$ select public.fail_attempt(-1, 'GENERATION_FAILED', 'tap', true) $$, 'PT404', null, 'also when it fails'
);
select is_empty('select * from public.credit_audit()', 'the books are right');

select * from finish();
rollback;

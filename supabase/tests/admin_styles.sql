-- The catalogue as a master keeps it: styles, versions of their prompts, which are lost never and told nowhere,
-- and tests, which cost and count for nobody.

begin;
create extension if not exists pgtap with schema extensions;
select plan(78);

insert into auth.users (id, email, email_confirmed_at)
select format('7b000000-0000-4000-8000-00000000010%s', given.n)::uuid, given.name || '@styles.tap.example', now()
from (values ('master', 1), ('owner', 2), ('host', 3), ('user', 4)) as given (name, n);
create function pg_temp.person(p_name text)
returns uuid
language sql
as $$ select id from public.profiles where email = p_name || '@styles.tap.example'; $$;
update public.profiles set role = 'master' where id = pg_temp.person('master');
insert into public.partners (id, name, user_id)
values ('7b000000-0000-4000-8000-000000000001', 'Tap One', pg_temp.person('owner'));
insert into public.clients (partner_id, name, user_id)
values ('7b000000-0000-4000-8000-000000000001', 'Tap Client', pg_temp.person('host'));

insert into public.styles_metadata (id, label, category, subcategory, is_active) values ('tap_s', 'S', 'tap', 'Tap', false);
insert into storage.objects (bucket_id, name) values ('user_photos', pg_temp.person('master') || '/selfie.jpg');

-- What a call comes to for a person ($1, their folder: MINE): a value as text, or a refusal as its code and field.
create function pg_temp.outcome(p_who text, p_call text)
returns text
language plpgsql
as $$
declare
  v_value text;
  v_detail text;
begin
  execute 'select ' || replace(p_call, 'MINE', coalesce(pg_temp.person(p_who)::text, '')) into v_value using pg_temp.person(p_who);
  return coalesce(v_value, 'null');
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return coalesce(
    nullif(concat_ws(' ', substring(v_detail from '"code": "(\w+)"'), substring(v_detail from '"field": "([\w.]+)"')), ''), sqlerrm
  );
end;
$$;
create function pg_temp.notes()
returns table (action text, before jsonb, after jsonb)
language sql
as $$ select action, before, after from private.audit_log where target = 'style' and target_id like 'tap\_%' order by id; $$;

-- Every door, for everybody: what exists and what does not is refused alike.
create temporary table doors as
select replace(doors.call, 'ID', quote_literal(given.id)) as call
from (values
  ('exists (select from public.list_styles($1))'),
  ('public.create_style($1, ''{"id": "tap_n", "label": "N", "category": "tap", "subcategory": "Tap"}'') is not null'),
  ('public.update_style($1, ID, ''{"label": "Mine"}'') is not null'),
  ('public.get_prompt($1, ID) is not null'),
  ('public.set_prompt($1, ID, ''Mine'') is not null'),
  ('public.begin_style_test($1, ID, ''MINE/selfie.jpg'', ''3:4'', ''Mine'') is not null')
) as doors (call)
cross join (values ('tap_s'), ('tap_none')) as given (id)
where given.id = 'tap_s' or doors.call like '%ID%';

select is(pg_temp.outcome(people.name, doors.call), 'FORBIDDEN', format('%s: %s', people.name, doors.call))
from doors
cross join (values ('owner'), ('host'), ('user'), ('nobody')) as people (name);
select is(pg_temp.outcome('master', doors.call), 'STYLE_NOT_FOUND', 'what does not exist is not found by a master: ' || doors.call)
from doors
where doors.call like '%tap_none%';
select is_empty('select * from pg_temp.notes()', 'what was refused is not noted');

-- Styles.
select is(
  public.create_style(
    pg_temp.person('master'), '{"id": "tap_new", "label": "New", "category": "tap", "subcategory": "Tap", "tags": ["a"], "is_active": false}'
  ) - 'created_at' - 'updated_at',
  '{"id": "tap_new", "label": "New", "category": "tap", "subcategory": "Tap", "tags": ["a"], "image_url": null, "is_premium": false,
    "is_active": false, "credit_cost": 100, "sort_order": 999, "usage_count": 0, "prompt_version": null}',
  'what is not given has its default'
);
select is(pg_temp.outcome('master', calls.call), calls.expected, calls.call)
from (values
  ($$ public.create_style($1, '{"id": "tap_new", "label": "X", "category": "tap", "subcategory": "Tap"}') $$, 'CONFLICT id'),
  ($$ public.create_style($1, '{"id": "No Id", "label": "X", "category": "tap", "subcategory": "Tap"}') $$, 'INVALID_INPUT id'),
  ($$ public.update_style($1, 'tap_new', '{"credit_cost": 0}') $$, 'INVALID_INPUT credit_cost'),
  ($$ public.update_style($1, 'tap_new', '{"label": " "}') $$, 'INVALID_INPUT label'),
  ($$ public.update_style($1, 'tap_new', '{"is_active": true, "image_url": "https://x.example/x.jpg"}') ->> 'is_active' $$, 'true'),
  ($$ public.update_style($1, 'tap_new', '{"image_url": null}') ->> 'image_url' $$, 'null'),
  ($$ public.update_style($1, 'tap_new', '{"usage_count": 9}') ->> 'usage_count' $$, '0'),
  ($$ public.update_style($1, 'tap_new', '{}') ->> 'label' $$, 'New')
) as calls (call, expected);
select results_eq(
  $$ select action, before, after from pg_temp.notes() where action = 'update' $$,
  $$ values
    ('update', '{"is_active": false, "image_url": null}'::jsonb, '{"is_active": true, "image_url": "https://x.example/x.jpg"}'::jsonb),
    ('update', '{"image_url": "https://x.example/x.jpg"}', '{"image_url": null}') $$,
  'what changed is noted, and a request that changed nothing is not'
);

-- Prompts.
create function pg_temp.history()
returns text
language sql
as $$
  select string_agg(format('%s %s', version, master_prompt), ', ' order by version)
  from private.prompt_versions where style_id = 'tap_s';
$$;
select is(
  public.get_prompt(pg_temp.person('master'), 'tap_s'), '{"prompt": null, "versions": []}', 'a style without prompt has had none'
);
select is(pg_temp.outcome('master', calls.call), calls.expected, calls.name)
from (values
  ('the first text', $$ public.set_prompt($1, 'tap_s', 'One') #>> '{prompt,version}' $$, '1'),
  ('another', $$ public.set_prompt($1, 'tap_s', 'Two') #>> '{prompt,version}' $$, '2'),
  ('the same again', $$ public.set_prompt($1, 'tap_s', 'Two') #>> '{prompt,version}' $$, '2'),
  ('the first again is a new version', $$ public.set_prompt($1, 'tap_s', 'One') #>> '{prompt,version}' $$, '3')
) as calls (name, call, expected);
select results_eq(
  $$ select before, after from pg_temp.notes() where action = 'set_prompt' $$,
  $$ values ('{"version": null}'::jsonb, '{"version": 1}'::jsonb), ('{"version": 1}', '{"version": 2}'), ('{"version": 2}', '{"version": 3}') $$,
  'versions are noted, texts are not'
);
update public.identity_prompts set master_prompt = 'By hand', version = 1 where id = 'tap_s';
update public.identity_prompts set version = 1 where id = 'tap_s';
select is(pg_temp.history(), '1 One, 2 Two, 3 One, 4 By hand', 'whoever changes a text, it is a version of its own');
delete from public.identity_prompts where id = 'tap_s';
select is(pg_temp.outcome('master', $$ public.get_prompt($1, 'tap_s') ->> 'prompt' $$), 'null', 'a prompt may be taken away');
insert into public.identity_prompts (id, master_prompt) values ('tap_s', 'Anew');
select is(pg_temp.history(), '1 One, 2 Two, 3 One, 4 By hand, 5 Anew', 'a prompt that begins anew goes on counting');
select is(
  (
    select string_agg(concat_ws(' ', version ->> 'version', (version ->> 'written_by' = pg_temp.person('master')::text)::text), ', ')
    from jsonb_array_elements(public.get_prompt(pg_temp.person('master'), 'tap_s') -> 'versions') as version
  ),
  '5, 4, 3 true, 2 true, 1 true', 'the latest first, and who wrote it'
);
select throws_ok(statement, '23001', null, statement)
from (values
  ($$ update private.prompt_versions set master_prompt = 'Never' where style_id = 'tap_s' $$),
  ($$ delete from private.prompt_versions where style_id = 'tap_s' $$),
  ($$ truncate private.prompt_versions $$)
) as refused (statement);

-- Tests. The only key is this one, and nothing else waits.
delete from public.generations where status = 'queued';
update public.api_key_pool set is_active = false;
insert into public.api_key_pool (api_key) values ('tap-styles-key');
create temporary table tests as
select 'published' as name, status.*
from public.begin_style_test(pg_temp.person('master'), 'tap_s', pg_temp.person('master') || '/selfie.jpg', '1:1') as status
union all
select 'draft', status.*
from public.begin_style_test(pg_temp.person('master'), 'tap_s', pg_temp.person('master') || '/selfie.jpg', '1:1', 'Draft') as status;
select is(pg_temp.outcome('master', calls.call), calls.expected, calls.name)
from (values
  ('a photo of another', $$ public.begin_style_test($1, 'tap_s', gen_random_uuid() || '/x.jpg', '1:1') $$, 'INVALID_INPUT photo_path'),
  ('a photo that is not there', $$ public.begin_style_test($1, 'tap_s', 'MINE/none.jpg', '1:1') $$, 'INVALID_INPUT photo_path'),
  ('a style without prompt', $$ public.begin_style_test($1, 'tap_new', 'MINE/selfie.jpg', '1:1') $$, 'STYLE_NOT_FOUND'),
  ('but with a draft', $$ (public.begin_style_test($1, 'tap_new', 'MINE/selfie.jpg', '1:1', 'Draft')).state $$, 'waiting')
) as calls (name, call, expected);
delete from public.generations where style_id = 'tap_new';

-- All of this is one instant: what was first is said here.
update public.generations set run_at = now() - interval '1 second' where id = (select generation_id from tests where name = 'published');
create temporary table claims as select 1 as turn, claim.* from public.claim_generations() as claim;
insert into claims select 2, claim.* from public.claim_generations() as claim;
select results_eq(
  $$ select tests.name, claims.prompt, attempts.prompt_version
     from claims join tests using (generation_id) join private.generation_attempts as attempts on attempts.id = claims.attempt_id
     order by claims.turn $$,
  $$ values ('published', 'Anew', 5), ('draft', 'Draft', 0) $$,
  'the style''s prompt is sent, or the draft, and the attempt says which'
);
select lives_ok(
  $$ select public.complete_generation(attempt_id, 'tap-task-' || turn, 'generations', 'https://x.example/x.png', 5, 8) from claims $$,
  'pictures of tests arrive'
);
select results_eq(
  $$ select now_is.state, generations.credits_charged::integer
     from tests
     join public.generations on generations.id = tests.generation_id
     cross join lateral public.get_generation(tests.generation_id, pg_temp.person('master')) as now_is $$,
  $$ values ('success', 0), ('success', 0) $$,
  'their master sees them, and nothing was charged'
);
select results_eq(
  $$ select (select usage_count from public.styles_metadata where id = 'tap_s'),
       (select total_generations from public.profiles where id = pg_temp.person('master')),
       (select credits from public.profiles where id = pg_temp.person('master')) $$,
  $$ values (0::bigint, 0, 500) $$,
  'they count for no style and no person'
);
select results_eq(
  $$ select after ->> 'is_draft', after ? 'generation_id', after::text like '%Draft%' from pg_temp.notes() where action = 'test' $$,
  $$ values ('false', true, false), ('true', true, false), ('true', true, false) $$,
  'they are noted, drafts without their text'
);
select is(
  (
    select string_agg(pg_temp.outcome('master', $$ (public.begin_style_test($1, 'tap_s', 'MINE/selfie.jpg', '1:1')).state $$), ' ' order by n)
    from generate_series(1, 8) as n
  ),
  'waiting waiting waiting waiting waiting waiting waiting RATE_LIMITED', 'ten a minute'
);

select * from finish();
rollback;

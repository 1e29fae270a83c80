-- The provider's keys as a master keeps them: added, looked at and rested, but never read back.

begin;
create extension if not exists pgtap with schema extensions;
select plan(34);

insert into auth.users (id, email, email_confirmed_at)
select format('7c000000-0000-4000-8000-00000000010%s', given.n)::uuid, given.name || '@keys.tap.example', now()
from (values ('master', 1), ('owner', 2), ('host', 3), ('user', 4)) as given (name, n);
create function pg_temp.person(p_name text)
returns uuid
language sql
as $$ select id from public.profiles where email = p_name || '@keys.tap.example'; $$;
update public.profiles set role = 'master' where id = pg_temp.person('master');
insert into public.partners (id, name, user_id)
values ('7c000000-0000-4000-8000-000000000001', 'Tap One', pg_temp.person('owner'));
insert into public.clients (partner_id, name, user_id)
values ('7c000000-0000-4000-8000-000000000001', 'Tap Client', pg_temp.person('host'));
insert into public.api_key_pool (id, api_key, account_name)
values
  ('7c000000-0000-4000-8000-000000000011', 'tap-secret-abcd', 'Uno'),
  ('7c000000-0000-4000-8000-000000000012', 'short', null);

-- What a call comes to for a person ($1): a value as text, or a refusal as its code and field.
create function pg_temp.outcome(p_who text, p_call text)
returns text
language plpgsql
as $$
declare
  v_value text;
  v_detail text;
begin
  execute 'select ' || p_call into v_value using pg_temp.person(p_who);
  return coalesce(v_value, 'null');
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return coalesce(
    nullif(concat_ws(' ', substring(v_detail from '"code": "(\w+)"'), substring(v_detail from '"field": "([\w.]+)"')), ''), sqlerrm
  );
end;
$$;

-- Every door, for everybody: what exists and what does not is refused alike.
create temporary table doors as
select replace(doors.call, 'ID', quote_literal(given.id) || '::uuid') as call
from (values
  ('exists (select from public.list_api_keys($1))'),
  ('public.add_api_key($1, ''tap-secret-abcd'', null, true) is not null'),
  ('public.update_api_key($1, ID, ''{"is_active": false}'') is not null')
) as doors (call)
cross join (values ('7c000000-0000-4000-8000-000000000011'), ('7c000000-0000-4000-8000-000000000099')) as given (id)
where given.id like '%11' or doors.call like '%ID%';
select is(pg_temp.outcome(people.name, doors.call), 'FORBIDDEN', format('%s: %s', people.name, doors.call))
from doors
cross join (values ('owner'), ('host'), ('user'), ('nobody')) as people (name);
select is(
  pg_temp.outcome('master', $$ public.update_api_key($1, '7c000000-0000-4000-8000-000000000099', '{}') $$), 'NOT_FOUND',
  'a key that does not exist is not found by a master'
);

-- Adding.
select is(
  public.add_api_key(pg_temp.person('master'), 'tap-secret-wxyz', 'Dos', true) - 'id' - 'created_at',
  '{"masked": "…wxyz", "account_name": "Dos", "is_active": true, "health": "ready", "cooldown_until": null, "failure_count": 0, "suspended_at": null,
    "last_error": null, "last_error_at": null, "running_tasks": 0, "usage_count": 0, "last_used_at": null}',
  'a key is added, and its last four characters are all that comes back'
);
select is(
  pg_temp.outcome('master', $$ public.add_api_key($1, 'tap-secret-wxyz', 'Tres', false) $$), 'CONFLICT api_key', 'a key is there once'
);

-- How they are.
create function pg_temp.described(p_id text)
returns jsonb
language sql
as $$
  select described from public.list_api_keys(pg_temp.person('master')) as described
  where described ->> 'id' = '7c000000-0000-4000-8000-0000000000' || p_id;
$$;
select is(pg_temp.described('12') ->> 'masked', '…', 'of a key that is short anyway nothing is shown');
update public.api_key_pool
set failure_count = 3, cooldown_until = now() + interval '1 minute', last_error = 'HTTP_429', last_error_at = now()
where id = '7c000000-0000-4000-8000-000000000011';
select is(pg_temp.described('11') ->> 'health', 'cooling', 'a key that rests');
update public.api_key_pool set cooldown_until = now() where id = '7c000000-0000-4000-8000-000000000011';
select is(pg_temp.described('11') ->> 'health', 'ready', 'a key that has rested');

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_k', 'K', 'tap', 'Tap');
insert into public.generations (id, user_id, style_id, photo_path, result_path, expected_seconds)
values ('7c000000-0000-4000-8000-000000000021', pg_temp.person('master'), 'tap_k', 'x', 'tap-keys', 10);
insert into private.generation_attempts (
  generation_id, attempt, status, api_key_id, account, task_id, token_hash, model, prompt_version, submitted_at, finished_at
)
select '7c000000-0000-4000-8000-000000000021', given.attempt, given.status, '7c000000-0000-4000-8000-000000000011', 'Uno',
  'tap-' || given.attempt, '', 'tap', 1, now(), case when given.attempt > 2 then now() end
from (values (1, 'claimed'), (2, 'submitted'), (3, 'succeeded'), (4, 'failed'), (5, 'abandoned')) as given (attempt, status);
select is(pg_temp.described('11') ->> 'running_tasks', '2', 'tasks run from the claim until they end');

-- Changing.
select is(pg_temp.outcome('master', format($$ public.update_api_key($1, '7c000000-0000-4000-8000-000000000011', '%s') ->> '%s' $$, calls.changes, calls.field)),
  calls.expected, calls.name)
from (values
  ('nothing', '{}', 'failure_count', '3'),
  ('another account', '{"account_name": "Otra"}', 'account_name', 'Otra'),
  ('the past stays with the key', '{"account_name": null}', 'failure_count', '3'),
  ('its past is forgotten', '{"reset_health": true}', 'failure_count', '0'),
  ('with what went wrong last', '{}', 'last_error', 'null'),
  ('out of rotation', '{"is_active": false}', 'health', 'inactive'),
  ('columns that are not a master''s', '{"usage_count": 9, "api_key": "mine-mine-mine"}', 'masked', '…abcd'),
  ('nor do they count', '{}', 'usage_count', '0')
) as calls (name, changes, field, expected);
update public.api_key_pool set failure_count = 5, cooldown_until = now() + interval '1 hour' where id = '7c000000-0000-4000-8000-000000000011';
select is(
  pg_temp.outcome('master', $$ public.update_api_key($1, '7c000000-0000-4000-8000-000000000011', '{"is_active": true}') ->> 'health' $$),
  'ready', 'back in rotation it begins without its past'
);

select results_eq(
  $$ select before - 'cooldown_until' - 'last_error_at', after - 'cooldown_until' - 'last_error_at' from private.audit_log
     where target = 'api_key' and target_id = '7c000000-0000-4000-8000-000000000011' order by id $$,
  $$ values
    ('{"account_name": "Uno"}'::jsonb, '{"account_name": "Otra"}'::jsonb),
    ('{"account_name": "Otra"}', '{"account_name": null}'),
    ('{"failure_count": 3, "last_error": "HTTP_429"}', '{"failure_count": 0, "last_error": null}'),
    ('{"is_active": true}', '{"is_active": false}'),
    ('{"is_active": false, "failure_count": 5}', '{"is_active": true, "failure_count": 0}') $$,
  'what changed is noted'
);
select is_empty(
  $$ select from private.audit_log where concat(before, after) ~ 'secret|abcd|wxyz' $$, 'and of keys nothing'
);

select * from finish();
rollback;

-- What only a master may: partners, accounts, prices, settings, the log and alerts. Everybody else is
-- refused before anything is looked up; what is done is noted; what is refused changes nothing.

begin;
create extension if not exists pgtap with schema extensions;
select plan(132);

insert into auth.users (id, email, email_confirmed_at)
select format('7d000000-0000-4000-8000-00000000010%s', given.n)::uuid, given.name || '@master.tap.example', now()
from (values ('master', 1), ('owner', 2), ('host', 3), ('user', 4)) as given (name, n);
create function pg_temp.person(p_name text)
returns uuid
language sql
as $$ select id from public.profiles where email = p_name || '@master.tap.example'; $$;
update public.profiles set role = 'master' where id = pg_temp.person('master');

insert into public.partners (id, name, user_id, contact_email)
values ('7d000000-0000-4000-8000-000000000001', 'Tap One', pg_temp.person('owner'), 'owner@tap.example');
insert into public.clients (id, partner_id, name, user_id)
values ('7d000000-0000-4000-8000-000000000011', '7d000000-0000-4000-8000-000000000001', 'Tap Client', pg_temp.person('host'));
insert into public.events (id, partner_id, client_id, event_name, event_slug)
values (
  '7d000000-0000-4000-8000-000000000021', '7d000000-0000-4000-8000-000000000001', '7d000000-0000-4000-8000-000000000011', 'Tap', 'tap-master'
);
insert into public.credit_packs (id, name, audience, credits, price)
values ('7d000000-0000-4000-8000-000000000031', 'Tap Pack', 'user', 500, 4000);

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
  ('exists (select from public.list_partners($1, null, null, null, null, 5))'),
  ('public.create_partner($1, ''{"name": "Tap"}'') is not null'),
  ('public.get_partner($1, ID) is not null'),
  ('public.update_partner($1, ID, ''{"is_active": true}'') is not null'),
  ('public.move_partner_credits($1, ID, 5, ''Tap'') is not null'),
  ('exists (select from public.list_users($1, null, null, null, null, 5))'),
  ('public.get_user($1, ID) is not null'),
  ('public.change_role($1, ID, ''master'') is not null'),
  ('public.move_user_credits($1, ID, 5, ''Tap'') is not null'),
  ('exists (select from public.list_packs($1))'),
  ('public.save_pack($1, ID, ''{"price": 1}'') is not null'),
  ('public.get_settings($1) is not null'),
  ('public.update_settings($1, ''{"signup_bonus": 0}'') is not null'),
  ('exists (select from public.list_audit($1, ''{}'', null, 5))'),
  ('exists (select from public.list_alerts($1, null, null, 5))'),
  ('public.resolve_alert($1, 999999999) is not null')
) as doors (call)
cross join (values ('7d000000-0000-4000-8000-000000000001'), ('7d000000-0000-4000-8000-000000000099')) as given (id)
where given.id like '%1' or doors.call like '%ID%';
create temporary table people as
select given.name from (values ('owner'), ('host'), ('user'), ('nobody')) as given (name);

select is(pg_temp.outcome(people.name, doors.call), 'FORBIDDEN', format('%s: %s', people.name, doors.call))
from doors
cross join people;
select is(
  pg_temp.outcome('master', replace(replace(doors.call, '000000000001', '000000000099'), '999999999', '999999998')), 'NOT_FOUND',
  'what does not exist is not found by a master: ' || doors.call
)
from doors
where doors.call like '%000000000001%' or doors.call like '%resolve%';
select is_empty(
  $$ select from private.audit_log where target_id like '7d000000-%' or actor_id in (select pg_temp.person(name) from people) $$,
  'what was refused is not noted'
);

-- Partners.
select is(
  public.get_partner(pg_temp.person('master'), '7d000000-0000-4000-8000-000000000001') - 'created_at' - 'updated_at' - 'user_id',
  '{"id": "7d000000-0000-4000-8000-000000000001", "name": "Tap One", "business_name": null, "contact_name": null,
    "contact_email": "owner@tap.example", "contact_phone": null, "credits_total": 0, "credits_used": 0, "is_active": true,
    "config": {}, "credits_left": 0, "debt": 0, "clients": 1, "events": 1}',
  'a partner: its row, what it has and owes, how many clients and events'
);
select is(pg_temp.outcome('master', calls.call), calls.expected, calls.call)
from (values
  ('public.create_partner($1, ''{"name": "Tap", "config": {"style_presets": ["no_such_style"]}}'')', 'INVALID_INPUT config.style_presets'),
  (
    'public.update_partner($1, ''7d000000-0000-4000-8000-000000000001'', ''{"config": {"style_presets": ["no_such_style"]}}'')',
    'INVALID_INPUT config.style_presets'
  ),
  ('public.update_partner($1, ''7d000000-0000-4000-8000-000000000001'', ''{"config": {"radius": "4px"}}'') -> ''config''', '{"radius": "4px"}'),
  ('public.update_partner($1, ''7d000000-0000-4000-8000-000000000001'', ''{"contact_email": null}'') ->> ''contact_email''', 'null'),
  ('public.update_partner($1, ''7d000000-0000-4000-8000-000000000001'', ''{}'') ->> ''name''', 'Tap One')
) as calls (call, expected);
select results_eq(
  $$ select action, before, after from private.audit_log where target_id = '7d000000-0000-4000-8000-000000000001' order by id $$,
  $$ values
    ('update', '{"config": {}}'::jsonb, '{"config": {"radius": "4px"}}'::jsonb),
    ('update', '{"contact_email": "hidden"}', '{"contact_email": null}') $$,
  'only what changed is noted, and of an address only that it did'
);

-- Credits of partners and accounts: a key means one request, never below zero, noted once.
select is(pg_temp.outcome('master', calls.call), calls.expected, calls.name)
from (values
  ('a grant', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', 50, 'Tap', 'tap-key-000000001') #>> '{partner,credits_left}' $$, '50'),
  ('repeated', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', 50, 'Tap', 'tap-key-000000001') #>> '{partner,credits_left}' $$, '50'),
  ('its key for more', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', 51, 'Tap', 'tap-key-000000001') $$, 'IDEMPOTENCY_CONFLICT'),
  ('its key for less', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', -50, 'Tap', 'tap-key-000000001') $$, 'IDEMPOTENCY_CONFLICT'),
  ('more than there is', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', -51, 'Tap') $$, 'INSUFFICIENT_CREDITS'),
  ('nothing', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', 0, 'Tap') $$, 'INVALID_INPUT amount'),
  ('too much', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', 10000001, 'Tap') $$, 'INVALID_INPUT amount'),
  ('without a reason', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', 5, ' ') $$, 'INVALID_INPUT reason'),
  ('some taken back', $$ public.move_partner_credits($1, '7d000000-0000-4000-8000-000000000001', -20, 'Tap') #>> '{movement,kind}' $$, 'adjustment'),
  ('a gift to an account', $$ public.move_user_credits($1, pg_temp.person('user'), 10, 'Tap', 'tap-key-000000002') #>> '{user,credits}' $$, '510'),
  ('repeated', $$ public.move_user_credits($1, pg_temp.person('user'), 10, 'Tap', 'tap-key-000000002') #>> '{user,credits}' $$, '510'),
  ('its key for another', $$ public.move_user_credits($1, pg_temp.person('host'), 10, 'Tap', 'tap-key-000000002') $$, 'IDEMPOTENCY_CONFLICT'),
  ('more than there is', $$ public.move_user_credits($1, pg_temp.person('user'), -511, 'Tap') $$, 'INSUFFICIENT_CREDITS')
) as calls (name, call, expected);
select results_eq(
  -- Distinct, because all of this is one transaction: only in one of its own a repeated request is recognised as such.
  $$ select distinct target, (after ->> 'amount')::integer as amount from private.audit_log where action = 'move_credits' order by amount $$,
  $$ values ('user', 10), ('partner', 20), ('partner', 50) $$,
  'each movement is noted, none that was refused'
);

-- Prices and settings.
select is(pg_temp.outcome('master', calls.call), calls.expected, calls.call)
from (values
  ($$ public.save_pack($1, '7d000000-0000-4000-8000-000000000031', '{"price": 4500.5}') ->> 'price' $$, '4500.50'),
  ($$ public.save_pack($1, '7d000000-0000-4000-8000-000000000031', '{"price": 0}') $$, 'INVALID_INPUT price'),
  ($$ public.save_pack($1, '7d000000-0000-4000-8000-000000000031', '{"credits": 0}') $$, 'INVALID_INPUT credits'),
  ($$ public.save_pack($1, null, '{"name": " ", "audience": "user", "credits": 1, "price": 1}') $$, 'INVALID_INPUT name'),
  ($$ public.save_pack($1, null, '{"name": "Tap New", "audience": "partner", "credits": 1, "price": 1}') ->> 'sort_order' $$, '999'),
  ($$ public.update_settings($1, '{"signup_bonus": -1}') $$, 'INVALID_INPUT signup_bonus'),
  ($$ public.update_settings($1, '{"pack_unlock_price": 0, "referral_reward": 7}') $$, 'INVALID_INPUT pack_unlock_price'),
  ($$ public.update_settings($1, '{"provider_tasks_running": 0}') $$, 'INVALID_INPUT provider_tasks_running'),
  ($$ public.update_settings($1, '{"referral_reward": 70, "is_in_maintenance": true}') ->> 'is_in_maintenance' $$, 'true')
) as calls (call, expected);
select results_eq(
  $$ select target, before, after from private.audit_log where target in ('pack', 'settings') and action = 'update' order by id $$,
  $$ values
    ('pack', '{"price": 4000.00}'::jsonb, '{"price": 4500.50}'::jsonb),
    ('settings', '{"referral_reward": 100, "is_in_maintenance": false}', '{"referral_reward": 70, "is_in_maintenance": true}') $$,
  'what prices and settings were is noted'
);

select * from finish();
rollback;

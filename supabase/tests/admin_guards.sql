-- Who may act for what in event-admin, the audit log that nobody changes, and the counters of tables.

begin;
create extension if not exists pgtap with schema extensions;
select plan(37);

insert into auth.users (id, email, email_confirmed_at)
select format('7e000000-0000-4000-8000-00000000010%s', n)::uuid, format('guard%s@tap.example', n), now()
from generate_series(1, 6) as n;
create temporary table people as
  select given.name, format('7e000000-0000-4000-8000-00000000010%s', given.n)::uuid as id
  from (values ('master', 1), ('owner', 2), ('suspended', 3), ('host', 4), ('user', 5), ('rival', 6)) as given (name, n);
update public.profiles set role = 'master' where profiles.id = (select id from people where name = 'master');

insert into public.partners (id, name, user_id, is_active)
select given.id, given.name, (select id from people where people.name = given.owner), given.is_active
from (values
  ('7e000000-0000-4000-8000-000000000001'::uuid, 'Tap One', 'owner', true),
  ('7e000000-0000-4000-8000-000000000002', 'Tap Rival', 'rival', true),
  ('7e000000-0000-4000-8000-000000000003', 'Tap Suspended', 'suspended', false)
) as given (id, name, owner, is_active);
insert into public.clients (id, partner_id, name, user_id)
values ('7e000000-0000-4000-8000-000000000011', '7e000000-0000-4000-8000-000000000001', 'Tap Client', (select id from people where name = 'host'));
insert into public.events (id, partner_id, client_id, event_name, event_slug)
values
  ('7e000000-0000-4000-8000-000000000021', '7e000000-0000-4000-8000-000000000001', '7e000000-0000-4000-8000-000000000011', 'Tap', 'tap-hosted'),
  ('7e000000-0000-4000-8000-000000000022', '7e000000-0000-4000-8000-000000000002', null, 'Tap', 'tap-rival'),
  ('7e000000-0000-4000-8000-000000000023', null, null, 'Tap', 'tap-own'),
  ('7e000000-0000-4000-8000-000000000024', '7e000000-0000-4000-8000-000000000003', null, 'Tap', 'tap-suspended');

-- A refusal's code, or the value.
create function pg_temp.outcome(p_call text, p_who text)
returns text
language plpgsql
as $$
declare
  v_value text;
  v_detail text;
begin
  execute 'select ' || replace(p_call, 'WHO', quote_nullable((select id from pg_temp.people where name = p_who)) || '::uuid') into v_value;
  return coalesce(v_value, 'null');
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return coalesce(substring(v_detail from '"code": "(\w+)"'), sqlerrm);
end;
$$;

select is(pg_temp.outcome(given.call, given.who), given.expected, format('%s: %s', given.who, given.call))
from (values
  ('private.acting_partner(WHO)', 'master', 'null'),
  ('private.acting_partner(WHO, ''7e000000-0000-4000-8000-000000000002'')', 'master', '7e000000-0000-4000-8000-000000000002'),
  ('private.acting_partner(WHO, ''7e000000-0000-4000-8000-000000000099'')', 'master', 'NOT_FOUND'),
  ('private.acting_partner(WHO)', 'owner', '7e000000-0000-4000-8000-000000000001'),
  ('private.acting_partner(WHO, ''7e000000-0000-4000-8000-000000000001'')', 'owner', '7e000000-0000-4000-8000-000000000001'),
  ('private.acting_partner(WHO, ''7e000000-0000-4000-8000-000000000002'')', 'owner', 'NOT_FOUND'),
  ('private.acting_partner(WHO, ''7e000000-0000-4000-8000-000000000099'')', 'owner', 'NOT_FOUND'),
  ('private.acting_partner(WHO)', 'suspended', 'FORBIDDEN'),
  ('private.acting_partner(WHO)', 'host', 'FORBIDDEN'),
  ('private.acting_partner(WHO)', 'nobody', 'FORBIDDEN'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000021'')).event_slug', 'master', 'tap-hosted'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000023'')).event_slug', 'master', 'tap-own'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000021'')).event_slug', 'owner', 'tap-hosted'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000022'')).event_slug', 'owner', 'EVENT_NOT_FOUND'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000023'')).event_slug', 'owner', 'EVENT_NOT_FOUND'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000024'')).event_slug', 'suspended', 'EVENT_NOT_FOUND'),
  ('(private.staff_event(WHO, ''7e000000-0000-4000-8000-000000000021'')).event_slug', 'host', 'EVENT_NOT_FOUND'),
  ('(private.host_event(WHO, null, null)).event_slug', 'host', 'tap-hosted'),
  ('(private.host_event(WHO, null, ''tap-hosted'')).event_slug', 'host', 'tap-hosted'),
  ('(private.host_event(WHO, null, ''tap-rival'')).event_slug', 'host', 'EVENT_NOT_FOUND'),
  ('(private.host_event(WHO, null, null)).event_slug', 'user', 'FORBIDDEN'),
  ('(private.host_event(WHO, null, ''tap-hosted'')).event_slug', 'user', 'EVENT_NOT_FOUND'),
  ('(private.host_event(WHO, null, ''tap-hosted'')).event_slug', 'owner', 'tap-hosted'),
  ('(private.host_event(WHO, null, ''tap-hosted'')).event_slug', 'rival', 'EVENT_NOT_FOUND'),
  ('(private.host_event(WHO, null, null)).event_slug', 'owner', 'FORBIDDEN'),
  ('(private.host_event(WHO, ''no such token'', null)).event_slug', 'host', 'UNAUTHENTICATED')
) as given (call, who, expected);

-- A client whose partner or self is deactivated is told so; with two events an account must choose.
insert into public.events (partner_id, client_id, event_name, event_slug)
values ('7e000000-0000-4000-8000-000000000001', '7e000000-0000-4000-8000-000000000011', 'Tap', 'tap-second');
select is(pg_temp.outcome('private.host_event(WHO, null, null)', 'host'), 'INVALID_INPUT', 'an account that hosts several chooses');
select is(pg_temp.outcome('(private.host_event(WHO, null, ''tap-second'')).event_slug', 'host'), 'tap-second', 'and gets what it chose');
update public.clients set is_active = false where name = 'Tap Client';
select is(pg_temp.outcome('private.host_event(WHO, null, ''tap-second'')', 'host'), 'EVENT_PAUSED', 'a deactivated client hosts nothing');

-- The audit log.
select set_config('request.headers', '{"x-request-id": "tap-request"}', true);
select private.log_action((select id from people where name = 'master'), 'tap', 'style', 'pb_a', '{"a": 1}', '{"a": 2}');
select is((select request_id from private.audit_log where action = 'tap'), 'tap-request', 'an action is noted with its request');
select throws_ok('delete from private.audit_log', '23001', null, 'nobody deletes what staff did');
select throws_ok('truncate private.audit_log', '23001', null, 'nor empties the log');
select throws_ok('update private.audit_log set actor_id = null', '23001', null, 'nor changes who did it');
select throws_ok($$update private.audit_log set after = '{}'$$, '23001', null, 'nor what');
select lives_ok('update private.audit_log set before = null, after = null', 'but an erasure may empty what was noted');

-- Tables.
select public.count_table_scan('tap-hosted', format('table-%s', n)) from generate_series(1, 510) as n;
select public.count_table_scan('tap-hosted', 'table-7');
select is((select count(*)::integer from private.table_scans), 500, 'an event has at most 500 tables');
select is((select scans from private.table_scans where label = 'table-7'), 2, 'scans are counted');

rollback;

-- What staff does for its tenants: clients, invitations, white label and wallet. Who may, what is refused,
-- what is noted.

begin;
create extension if not exists pgtap with schema extensions;
select plan(61);

insert into auth.users (id, email, email_confirmed_at)
select format('7b000000-0000-4000-8000-00000000010%s', given.n)::uuid, given.name || '@tenants.tap.example', now()
from (values ('master', 1), ('owner', 2), ('suspended', 3), ('rival', 4), ('host', 5)) as given (name, n);
create function pg_temp.person(p_name text)
returns uuid
language sql
as $$ select id from public.profiles where email = p_name || '@tenants.tap.example'; $$;
update public.profiles set role = 'master' where id = pg_temp.person('master');

insert into public.partners (id, name, user_id, is_active, contact_email)
values
  ('7b000000-0000-4000-8000-000000000001', 'Tap One', pg_temp.person('owner'), true, ' Owner@Tap.example '),
  ('7b000000-0000-4000-8000-000000000002', 'Tap Rival', pg_temp.person('rival'), true, null),
  ('7b000000-0000-4000-8000-000000000003', 'Tap Suspended', pg_temp.person('suspended'), false, null);
insert into public.clients (id, partner_id, name, user_id, email)
values
  ('7b000000-0000-4000-8000-000000000011', '7b000000-0000-4000-8000-000000000001', 'Tap Client', pg_temp.person('host'), 'Ana@Host.example'),
  ('7b000000-0000-4000-8000-000000000013', '7b000000-0000-4000-8000-000000000003', 'Tap Suspended''s', null, null);
insert into public.events (id, partner_id, client_id, event_name, event_slug)
values
  ('7b000000-0000-4000-8000-000000000021', '7b000000-0000-4000-8000-000000000001', '7b000000-0000-4000-8000-000000000011', 'Tap', 'tap-open'),
  ('7b000000-0000-4000-8000-000000000022', '7b000000-0000-4000-8000-000000000001', '7b000000-0000-4000-8000-000000000011', 'Tap', 'tap-over');
update public.events set closed_at = now() where event_slug = 'tap-over';

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

-- One client.
select is(
  pg_temp.outcome(given.who, replace(calls.call, 'CLIENT', quote_literal('7b000000-0000-4000-8000-0000000000' || given.client))), given.expected,
  format('%s of client %s for %s', split_part(calls.call, '(', 1), given.client, given.who)
)
from (values
  ('public.get_client($1, CLIENT) is not null'),
  ('public.update_client($1, CLIENT, ''{"phone": "1"}'') is not null'),
  ('exists (select from public.invite_client($1, CLIENT, ''eva@host.example''))')
) as calls (call)
cross join (values
  ('owner', '11', 'true'), ('master', '11', 'true'), ('rival', '11', 'NOT_FOUND'), ('host', '11', 'NOT_FOUND'),
  ('suspended', '13', 'NOT_FOUND'), ('master', '99', 'NOT_FOUND')
) as given (who, client, expected);

-- One's partner, or the one that a master names.
select is(
  pg_temp.outcome(
    given.who, replace(calls.call, 'PARTNER', quote_nullable('7b000000-0000-4000-8000-0000000000' || given.partner) || '::uuid')
  ),
  given.expected, format('%s of partner %s for %s', split_part(calls.call, '(', 1), coalesce(given.partner, 'unnamed'), given.who)
)
from (values
  ('public.create_client($1, PARTNER, ''{"name": "Tap New"}'') is not null'),
  ('public.get_branding($1, PARTNER) is not null'),
  ('public.update_branding($1, PARTNER, ''{"radius": "8px"}'') is not null'),
  ('public.issue_partner_logo($1, PARTNER) is not null'),
  ('public.get_wallet($1, PARTNER) is not null')
) as calls (call)
cross join (values
  ('owner', null, 'true'), ('owner', '02', 'NOT_FOUND'), ('master', '01', 'true'), ('master', null, 'INVALID_INPUT partner_id'),
  ('suspended', null, 'FORBIDDEN'), ('host', null, 'FORBIDDEN')
) as given (who, partner, expected);

-- Invitations.
select is(
  (select email from public.invite_client(pg_temp.person('owner'), '7b000000-0000-4000-8000-000000000011')), 'ana@host.example',
  'a client is invited by its own address'
);
select is(
  (select email from public.invite_partner(pg_temp.person('master'), '7b000000-0000-4000-8000-000000000001')), 'owner@tap.example', 'a partner too'
);
select is(
  pg_temp.outcome('master', 'email from public.invite_partner($1, ''7b000000-0000-4000-8000-000000000002'')'), 'INVALID_INPUT email',
  'one must be known'
);
select is(
  pg_temp.outcome('owner', 'email from public.invite_partner($1, ''7b000000-0000-4000-8000-000000000001'', ''eva@tap.example'')'), 'FORBIDDEN',
  'only a master invites owners'
);

-- Clients and their events.
select public.update_client(pg_temp.person('owner'), '7b000000-0000-4000-8000-000000000011', '{"is_active": false, "email": null}');
select is(
  (select string_agg(event_slug || ' ' || is_client_active, ', ' order by event_slug) from public.events where event_slug like 'tap-o%'),
  'tap-open false, tap-over true', 'a client that is deactivated stops its open events'
);
select is(
  (select before || after from private.audit_log where target_id = '7b000000-0000-4000-8000-000000000011' and action = 'update' order by id desc limit 1),
  '{"email": null, "is_active": false}', 'and is noted so'
);
select ok(
  (select before ->> 'email' = 'hidden' from private.audit_log where target_id = '7b000000-0000-4000-8000-000000000011' and action = 'update' order by id desc limit 1),
  'without the address it had'
);
select is(
  pg_temp.outcome('owner', 'public.update_client($1, ''7b000000-0000-4000-8000-000000000011'', ''{"contracted_styles": ["tap_none"]}'')'),
  'INVALID_INPUT contracted_styles', 'a style that does not exist cannot be contracted'
);
select is(
  pg_temp.outcome('owner', 'public.update_branding($1, null, ''{"style_presets": ["tap_none"]}'')'), 'INVALID_INPUT style_presets',
  'nor preset'
);

-- The wallet.
select private.grant_credits('partner', '7b000000-0000-4000-8000-000000000001', 100, 'tap');
select public.allocate_credits(pg_temp.person('owner'), '7b000000-0000-4000-8000-000000000021', 30);
update public.events set is_active = true, client_id = null where event_slug = 'tap-open';
select public.increment_event_credit('7b000000-0000-4000-8000-000000000021', 4);
select is(
  public.get_wallet(pg_temp.person('owner'), null) - 'partner_id',
  '{"credits_total": 100, "credits_used": 30, "credits_left": 70, "credits_consumed": 4, "debt": 0}', 'what events hold is used, what they made is consumed'
);
select results_eq(
  $$ select kind, amount, balance, event_name from public.list_wallet_movements(pg_temp.person('owner'), null, null, 10) $$,
  $$ values ('allocation', -30, 70::bigint, 'Tap'), ('grant', 100, 100, null) $$, 'its movements, without the photos of its events'
);
select results_eq(
  $$ select kind, balance from public.list_wallet_movements(
       pg_temp.person('owner'), null, (select max(id) from public.list_wallet_movements(pg_temp.person('owner'), null, null, 1)), 10
     ) $$,
  $$ values ('grant', 100::bigint) $$, 'page by page'
);
select is(
  pg_temp.outcome('rival', 'count(*) from public.list_wallet_movements($1, ''7b000000-0000-4000-8000-000000000001'', null, 10)'), 'NOT_FOUND',
  'and nobody else''s'
);

select * from finish();
rollback;

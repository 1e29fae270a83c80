-- Becoming a partner or a client: by staff, or by an invitation that compares what auth holds. Nobody
-- changes their own role.

begin;
create extension if not exists pgtap with schema extensions;
select plan(47);

insert into auth.users (id, email, email_confirmed_at)
values
  ('76000000-0000-4000-8000-000000000001', 'owner@tap.example', now()),
  ('76000000-0000-4000-8000-000000000002', 'rival@tap.example', now()),
  ('76000000-0000-4000-8000-000000000003', 'master@tap.example', now()),
  ('76000000-0000-4000-8000-000000000004', 'Anna@tap.example', now()),
  ('76000000-0000-4000-8000-000000000005', 'unconfirmed@tap.example', null),
  ('76000000-0000-4000-8000-000000000006', 'other@tap.example', now());
delete from auth.users where email = 'master@cabina.test';
update public.profiles set role = 'master' where email = 'master@tap.example';
insert into public.partners (id, name, user_id)
values
  ('76000000-0000-4000-8000-000000000011', 'Tap Partner', '76000000-0000-4000-8000-000000000001'),
  ('76000000-0000-4000-8000-000000000012', 'Tap Rival', '76000000-0000-4000-8000-000000000002'),
  ('76000000-0000-4000-8000-000000000013', 'Tap New', null);
update public.profiles set role = 'partner' where email in ('owner@tap.example', 'rival@tap.example');
insert into public.clients (id, partner_id, name)
values ('76000000-0000-4000-8000-000000000021', '76000000-0000-4000-8000-000000000011', 'Tap Client');

create function pg_temp.id_of(p_number integer)
returns uuid
language sql strict
as $$
  select format('76000000-0000-4000-8000-0000000000%s', lpad(p_number::text, 2, '0'))::uuid;
$$;

create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
declare
  v_detail text;
  v_result text;
begin
  execute p_call into v_result;
  return v_result;
exception
  when others then
    get stacked diagnostics v_detail = pg_exception_detail;
    return coalesce(v_detail::jsonb ->> 'code', sqlstate);
end;
$$;

create function pg_temp.invite(p_actor integer, p_partner integer, p_client integer, p_email text)
returns text
language sql
as $$
  select pg_temp.outcome(format(
    'select token from public.create_invitation(%L, %L, %L, %L)', pg_temp.id_of(p_actor), pg_temp.id_of(p_partner), pg_temp.id_of(p_client), p_email
  ));
$$;

create function pg_temp.accept(p_actor integer, p_token text)
returns text
language sql
as $$
  select pg_temp.outcome(format('select role from public.accept_invitation(%L, %L)', pg_temp.id_of(p_actor), p_token));
$$;

create temporary table tokens (name text, token text);

-- Inviting

select is(pg_temp.invite(given.actor, given.partner, given.client, given.email), given.outcome, given.name)
from (
  values
    (1, 11, null, 'a@tap.example', 'FORBIDDEN', 'a partner invites no owner of a partner'),
    (4, 11, null, 'a@tap.example', 'FORBIDDEN', 'nor does a user'),
    (4, 11, 21, 'a@tap.example', 'NOT_FOUND', 'a user invites no host'),
    (2, 11, 21, 'a@tap.example', 'NOT_FOUND', 'a partner invites no host of another partner''s client'),
    (2, 12, 21, 'a@tap.example', 'NOT_FOUND', 'not even by naming itself'),
    (1, 11, 29, 'a@tap.example', 'NOT_FOUND', 'nor of a client that does not exist'),
    (3, 19, null, 'a@tap.example', 'NOT_FOUND', 'nobody is invited to a partner that does not exist'),
    (1, 11, 21, 'tap.example', 'INVALID_INPUT', 'an invitation needs an address'),
    (1, 11, 21, 'a b@tap.example', 'INVALID_INPUT', 'one without spaces'),
    (1, 11, 21, null, 'INVALID_INPUT', 'and not none')
) as given (actor, partner, client, email, outcome, name);
insert into tokens values ('host', pg_temp.invite(1, 11, 21, ' anna@TAP.example '));
select matches((select token from tokens where name = 'host'), '^[0-9a-f]{64}$', 'a partner invites the host of its client');
select is_empty(
  $$ select from private.invitations join tokens on encode(token_hash, 'hex') = token or encode(token_hash, 'escape') = token $$,
  'of the token only a hash is kept'
);

-- Accepting

select is(pg_temp.accept(6, (select token from tokens where name = 'host')), 'FORBIDDEN', 'another address does not accept');
select is(pg_temp.accept(9, (select token from tokens where name = 'host')), 'UNAUTHENTICATED', 'nor somebody who does not exist');
select is(pg_temp.accept(4, 'nonsense'), 'NOT_FOUND', 'a token that was never given opens nothing');
select is(pg_temp.accept(4, null), 'NOT_FOUND', 'nor does none');
update auth.users set email_confirmed_at = null where email = 'Anna@tap.example';
select is(pg_temp.accept(4, (select token from tokens where name = 'host')), 'FORBIDDEN', 'an unconfirmed address proves nothing');
update auth.users set email_confirmed_at = now() where email = 'Anna@tap.example';
-- profiles.email is not what counts.
update public.profiles set email = 'anna@tap.example' where email = 'other@tap.example';
select is(pg_temp.accept(6, (select token from tokens where name = 'host')), 'FORBIDDEN', 'nor does an address that only the profile shows');
select is(pg_temp.accept(4, (select token from tokens where name = 'host')), 'client', 'who owns the invited address becomes a client');
select is((select user_id from public.clients where id = pg_temp.id_of(21)), pg_temp.id_of(4), 'the host of that client');
select is((select role::text from public.profiles where id = pg_temp.id_of(4)), 'client', 'and is one from now on');
select is(pg_temp.accept(4, (select token from tokens where name = 'host')), 'client', 'accepting again answers the same');
select is(pg_temp.accept(6, (select token from tokens where name = 'host')), 'NOT_FOUND', 'for others it is used up');
insert into tokens values ('second host', pg_temp.invite(1, 11, 21, 'other@tap.example'));
select is(pg_temp.accept(6, (select token from tokens where name = 'second host')), 'CONFLICT', 'a client that has a host gets no second one');

insert into tokens values ('old', pg_temp.invite(3, 13, null, 'other@tap.example'));
insert into tokens values ('owner', pg_temp.invite(3, 13, null, 'other@tap.example'));
select is(pg_temp.accept(6, (select token from tokens where name = 'old')), 'NOT_FOUND', 'a new invitation ends the earlier one');
update private.invitations set expires_at = now() where email = 'other@tap.example';
select is(pg_temp.accept(6, (select token from tokens where name = 'owner')), 'NOT_FOUND', 'an expired one is over');
update private.invitations set expires_at = now() + interval '1 day' where email = 'other@tap.example';
select is(pg_temp.accept(6, (select token from tokens where name = 'owner')), 'partner', 'in time its owner becomes a partner');
select is((select user_id from public.partners where id = pg_temp.id_of(13)), pg_temp.id_of(6), 'the owner of that partner');
insert into tokens values ('taken', pg_temp.invite(3, 11, null, 'anna@tap.example'));
select is(pg_temp.accept(4, (select token from tokens where name = 'taken')), 'CONFLICT', 'a partner that has an owner gets no second one');
update public.partners set user_id = null where id = pg_temp.id_of(11);
insert into tokens values ('two', pg_temp.invite(3, 11, null, 'rival@tap.example'));
select is(pg_temp.accept(2, (select token from tokens where name = 'two')), 'CONFLICT', 'nobody owns two partners');
update public.partners set user_id = pg_temp.id_of(1) where id = pg_temp.id_of(11);

select is(
  (select string_agg(distinct pg_temp.invite(1, 11, 21, 'x@tap.example'), ' ') from generate_series(1, 60)) ~ 'RATE_LIMITED', true,
  'nobody floods the world with invitations'
);
update public.partners set is_active = false where id = pg_temp.id_of(11);
select is(pg_temp.invite(1, 11, 21, 'x@tap.example'), 'NOT_FOUND', 'a suspended partner invites nobody');
update public.partners set is_active = true where id = pg_temp.id_of(11);

-- Roles

create function pg_temp.set_role(p_actor integer, p_user integer, p_role text)
returns text
language sql
as $$
  select pg_temp.outcome(format('select public.set_role(%L, %L, %L)::text', pg_temp.id_of(p_actor), pg_temp.id_of(p_user), p_role));
$$;
select is(pg_temp.set_role(given.actor, given.person, given.role), given.outcome, given.name)
from (
  values
    (1, 1, 'master', 'FORBIDDEN', 'nobody raises themselves'),
    (1, 4, 'user', 'FORBIDDEN', 'nor lowers others'),
    (3, 4, 'king', 'INVALID_INPUT', 'there are four roles'),
    (3, 9, 'user', 'NOT_FOUND', 'of people who exist'),
    (3, 3, 'user', 'CONFLICT', 'the last master stays')
) as given (actor, person, role, outcome, name);
select is(pg_temp.set_role(3, 4, 'master'), '', 'a master makes a master');
select is((select is_master from public.profiles where id = pg_temp.id_of(4)), true, 'who is one at once');
select is(pg_temp.set_role(4, 3, 'user'), '', 'and may demote the first');
select is(pg_temp.set_role(3, 3, 'master'), 'FORBIDDEN', 'who no longer may anything');
select is(pg_temp.set_role(4, 6, 'user'), '', 'a partner''s owner is demoted');
select is((select user_id from public.partners where id = pg_temp.id_of(13)), null, 'and loses the partner with the role');
select results_eq(
  $$ select before ->> 'role', after ->> 'role' from private.audit_log where action = 'set_role' and target_id = pg_temp.id_of(6)::text $$,
  $$ values ('partner', 'user') $$, 'what staff did is noted'
);
select is_empty(
  $$ select from private.audit_log where (coalesce(before::text, '') || coalesce(after::text, '')) like '%@%' $$, 'without an address'
);

-- Erasure

select isnt_empty($$ select from private.invitations where accepted_by = pg_temp.id_of(4) $$, 'an accepted invitation is kept');
delete from auth.users where id = pg_temp.id_of(4);
select is_empty($$ select from private.invitations where email = 'anna@tap.example' $$, 'until the person is erased');

select * from finish();
rollback;

-- One key, one movement: the same request again is answered with what it moved, before any rule is
-- asked; another request with that key is refused. Movements without a key are movements of their own.

begin;
create extension if not exists pgtap with schema extensions;
select plan(48);

insert into auth.users (id, email)
values
  ('74000000-0000-4000-8000-000000000001', 'keyed@tap.example'),
  ('74000000-0000-4000-8000-000000000002', 'other@tap.example');
insert into public.partners (id, name) values ('74000000-0000-4000-8000-000000000003', 'Tap Partner');
insert into public.events (id, partner_id, event_name, event_slug)
values
  ('74000000-0000-4000-8000-000000000004', '74000000-0000-4000-8000-000000000003', 'Tap', 'tap-first'),
  ('74000000-0000-4000-8000-000000000005', '74000000-0000-4000-8000-000000000003', 'Tap', 'tap-second');
select private.grant_credits('partner', '74000000-0000-4000-8000-000000000003', 1000, 'for the test');

-- Two people of staff.
create temporary view staff as
  select '74000000-0000-4000-8000-00000000000a'::uuid as ana, '74000000-0000-4000-8000-00000000000b'::uuid as bob;

-- The id of the movement that a request made, or its refusal as 'SQLSTATE code'. p_asked is the function
-- with what it is asked for, without the key and the person.
create function pg_temp.request(p_asked text, p_key text default null, p_staff_id uuid default null)
returns text
language plpgsql
as $$
declare
  v_movement_id bigint;
  v_state text;
  v_detail text;
begin
  execute format('select id from private.%s, p_idempotency_key => %L, p_staff_id => %L)', rtrim(p_asked, ')'), p_key, p_staff_id)
    into v_movement_id;
  return v_movement_id;
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    return concat_ws(' ', v_state, case when v_state like 'PT%' then v_detail::jsonb ->> 'code' end);
end;
$$;

-- The four movements that staff asks for, each with other requests of its kind.
create temporary table kinds (name text, asked text);
insert into kinds
values
  ('grant', $$grant_credits('user', '74000000-0000-4000-8000-000000000001', 50, 'a present')$$),
  ('adjustment', $$adjust_credits('user', '74000000-0000-4000-8000-000000000001', -5, 'a mistake')$$),
  ('allocation', $$allocate_event_credits('74000000-0000-4000-8000-000000000004', 50)$$),
  ('transfer', $$transfer_event_credits('74000000-0000-4000-8000-000000000004', '74000000-0000-4000-8000-000000000005', 5)$$);
create temporary table other_requests (name text, asked text, difference text);
insert into other_requests
values
  ('grant', $$grant_credits('user', '74000000-0000-4000-8000-000000000001', 51, 'a present')$$, 'amount'),
  ('grant', $$grant_credits('user', '74000000-0000-4000-8000-000000000001', 50, 'another present')$$, 'reason'),
  ('grant', $$grant_credits('user', '74000000-0000-4000-8000-000000000002', 50, 'a present')$$, 'user'),
  ('grant', $$grant_credits('partner', '74000000-0000-4000-8000-000000000001', 50, 'a present')$$, 'kind of account'),
  ('adjustment', $$adjust_credits('user', '74000000-0000-4000-8000-000000000001', 5, 'a mistake')$$, 'direction'),
  ('adjustment', $$adjust_credits('user', '74000000-0000-4000-8000-000000000001', -5, 'another mistake')$$, 'reason'),
  ('allocation', $$allocate_event_credits('74000000-0000-4000-8000-000000000004', 51)$$, 'amount'),
  ('allocation', $$allocate_event_credits('74000000-0000-4000-8000-000000000005', 50)$$, 'event'),
  ('transfer', $$transfer_event_credits('74000000-0000-4000-8000-000000000004', '74000000-0000-4000-8000-000000000005', 6)$$, 'amount'),
  ('transfer', $$transfer_event_credits('74000000-0000-4000-8000-000000000005', '74000000-0000-4000-8000-000000000004', 5)$$, 'direction');

create temporary view world as
  select
    (select credits from public.profiles where id = '74000000-0000-4000-8000-000000000001') as user_credits,
    (select credits from public.profiles where id = '74000000-0000-4000-8000-000000000002') as other_credits,
    (select array[credits_total, credits_used] from public.partners where id = '74000000-0000-4000-8000-000000000003') as partner,
    (select array_agg(credits_allocated order by id) from public.events where partner_id = '74000000-0000-4000-8000-000000000003') as events,
    (select count(*) from private.credit_movements) as movements,
    (select count(*) from private.credit_notes) as notes;

-- The same request again

create temporary table first_answers as
  select kinds.name, pg_temp.request(kinds.asked, 'tap-key', staff.ana) as answer from kinds, staff;
create temporary table world_before as select * from world;
select is(
  (select row(user_credits, partner, events)::text from world), '(45,"{1000,50}","{45,5}")', 'the first requests have moved what they asked for'
);
select is(
  pg_temp.request(kinds.asked, 'tap-key', staff.ana), first_answers.answer, format('the same %s again is answered with the same movement', kinds.name)
)
from kinds join first_answers using (name), staff;
select results_eq(
  $$ select id, kind::text, amount::integer, staff_id from private.grant_credits(
       'user', '74000000-0000-4000-8000-000000000001', 50, 'a present', 'tap-key', (select ana from staff)) $$,
  $$ select id, kind::text, amount::integer, staff_id from private.credit_movements
     where id = (select answer::bigint from first_answers where name = 'grant') $$,
  'with the whole row of the ledger'
);
select results_eq('select * from world', 'select * from world_before', 'and moves nothing');

-- Another request with that key

select is(
  pg_temp.request(other_requests.asked, 'tap-key', staff.ana), 'PT409 IDEMPOTENCY_CONFLICT',
  format('a %s of another %s with that key is a conflict', name, difference)
)
from other_requests, staff;
select is(
  pg_temp.request($$allocate_event_credits('74000000-0000-4000-8000-0000000000ff', 50)$$, 'tap-key', ana), 'PT409 IDEMPOTENCY_CONFLICT',
  'even for an event that does not exist'
)
from staff;
select results_eq('select * from world', 'select * from world_before', 'a conflict moves nothing');

-- Whose key it is

select isnt(
  pg_temp.request(kinds.asked, 'tap-key', staff.bob), first_answers.answer,
  format('the key of another person of staff is another key: another %s', kinds.name)
)
from kinds join first_answers using (name), staff;
select is(
  (select row(user_credits, partner, events)::text from world), '(90,"{1000,100}","{90,10}")', 'the other person''s requests have moved as much again'
);
select matches(
  pg_temp.request(kinds.asked, 'tap-key'), '^[0-9]+$',
  format('the key of the system is another key: another %s', kinds.name)
) from kinds;
select is(
  (select row(user_credits, partner, events)::text from world), '(135,"{1000,150}","{135,15}")', 'the system''s requests have moved as much again'
);
select is(
  (select count(distinct answer)::integer from first_answers), 4, 'one key of one person serves once for each kind of movement'
);

-- Without a key

select isnt(
  pg_temp.request(kinds.asked, p_staff_id => staff.ana), pg_temp.request(kinds.asked, p_staff_id => staff.ana),
  format('without a key each %s is a movement of its own', kinds.name)
)
from kinds, staff;
select is(
  (select row(user_credits, partner, events)::text from world), '(225,"{1000,250}","{225,25}")', 'and each has moved'
);

-- Only what moved something is remembered

select is(
  pg_temp.request($$allocate_event_credits('74000000-0000-4000-8000-000000000004', 751)$$, 'tap-later', ana), 'PT402 INSUFFICIENT_CREDITS',
  'a request is refused'
)
from staff;
select private.grant_credits('partner', '74000000-0000-4000-8000-000000000003', 1, 'for the test');
select matches(
  pg_temp.request($$allocate_event_credits('74000000-0000-4000-8000-000000000004', 751)$$, 'tap-later', ana), '^[0-9]+$',
  'it may be tried again with its key, and is moved when it can be'
)
from staff;
select is(
  pg_temp.request($$allocate_event_credits('74000000-0000-4000-8000-000000000004', 0)$$, 'tap-key', ana), 'PT400 INVALID_INPUT',
  'what could never be asked is refused before any key is looked at'
)
from staff;

-- A replay asks no rule

update public.partners set is_active = false where id = '74000000-0000-4000-8000-000000000003';
select private.close_event('74000000-0000-4000-8000-000000000004');
select private.close_event('74000000-0000-4000-8000-000000000005');
create temporary table world_after as select * from world;
select is(
  pg_temp.request(kinds.asked, 'tap-new', staff.ana), 'PT403 EVENT_ENDED',
  format('a new %s to a closed event is refused', kinds.name)
)
from kinds, staff
where kinds.name in ('allocation', 'transfer');
select is(
  pg_temp.request(kinds.asked, 'tap-key', staff.ana), first_answers.answer, format('the %s of before is answered as before', kinds.name)
)
from kinds join first_answers using (name), staff
where kinds.name in ('allocation', 'transfer');
select results_eq('select * from world', 'select * from world_after', 'and moves nothing into a closed event');

select private.post_movement('adjustment', 'user', '74000000-0000-4000-8000-000000000001', 'issued', null, 225, 'tap-empty');
select is(
  pg_temp.request(kinds.asked, 'tap-key', staff.ana), first_answers.answer, 'an adjustment that the balance no longer allows is answered as before'
)
from kinds join first_answers using (name), staff
where kinds.name = 'adjustment';
delete from auth.users where id = '74000000-0000-4000-8000-000000000001';
select is(
  pg_temp.request(kinds.asked, 'tap-key', staff.ana), first_answers.answer, format('the %s of somebody who is gone is answered as before', kinds.name)
)
from kinds join first_answers using (name), staff
where kinds.name in ('grant', 'adjustment');
select is(pg_temp.request(asked, 'tap-new'), 'PT404 NOT_FOUND', 'a new grant to them is refused') from kinds where name = 'grant';

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

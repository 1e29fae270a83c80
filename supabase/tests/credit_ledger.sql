-- The journal and the balances beside it: append-only, once per key, never below nothing, and
-- credit_audit() as the judge of the two.

begin;
create extension if not exists pgtap with schema extensions;
select plan(63);

-- A user, a partner with two events, and an event of the master's own.
insert into auth.users (id, email) values ('7b000000-0000-4000-8000-000000000001', 'ledger@tap.example');
insert into public.partners (id, name) values ('7b000000-0000-4000-8000-000000000002', 'Tap Partner');
insert into public.events (id, partner_id, event_name, event_slug)
values
  ('7b000000-0000-4000-8000-000000000003', '7b000000-0000-4000-8000-000000000002', 'First', 'tap-first'),
  ('7b000000-0000-4000-8000-000000000004', '7b000000-0000-4000-8000-000000000002', 'Second', 'tap-second'),
  ('7b000000-0000-4000-8000-000000000005', null, 'Own', 'tap-own');

create temporary view balances as
  select
    (select credits from public.profiles where id = '7b000000-0000-4000-8000-000000000001') as user_credits,
    (select array[credits_total, credits_used] from public.partners
     where id = '7b000000-0000-4000-8000-000000000002') as partner,
    (select array[credits_allocated, credits_used] from public.events
     where id = '7b000000-0000-4000-8000-000000000003') as first_event,
    (select array[credits_allocated, credits_used] from public.events
     where id = '7b000000-0000-4000-8000-000000000004') as second_event,
    (select array[credits_allocated, credits_used] from public.events
     where id = '7b000000-0000-4000-8000-000000000005') as own_event;

-- Accounts by the names that the tests use; one movement, with a key of its own unless one is given.
create function pg_temp.move(p_source text, p_destination text, p_amount integer, p_key text default gen_random_uuid()::text)
returns void
language sql
as $$
  with accounts (name, kind, id) as (
    values
      ('issued', 'issued'::private.credit_account, null::uuid),
      ('spent', 'spent', null),
      ('user', 'user', '7b000000-0000-4000-8000-000000000001'),
      ('partner', 'partner', '7b000000-0000-4000-8000-000000000002'),
      ('first event', 'event', '7b000000-0000-4000-8000-000000000003'),
      ('second event', 'event', '7b000000-0000-4000-8000-000000000004'),
      ('own event', 'event', '7b000000-0000-4000-8000-000000000005')
  )
  select private.post_movement('adjustment', source.kind, source.id, destination.kind, destination.id, p_amount, p_key)
  from accounts as source, accounts as destination
  where source.name = p_source and destination.name = p_destination;
$$;

-- The refusal of a call as 'SQLSTATE code {figures}', or 'done'.
create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
declare
  v_state text;
  v_detail text;
begin
  execute p_call;
  return 'done';
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    if v_state not like 'PT%' then
      return v_state;
    end if;
    return concat_ws(' ', v_state, v_detail::jsonb ->> 'code', nullif(v_detail::jsonb - 'code', '{}')::text);
end;
$$;

-- Balances follow movements

select pg_temp.move('issued', 'user', 50);
select is((select user_credits from balances), 50, 'credits issued to a user are theirs');
select pg_temp.move('user', 'spent', 20);
select is((select user_credits from balances), 30, 'what a user spends leaves the balance');
select pg_temp.move('spent', 'user', 5);
select is((select user_credits from balances), 35, 'what is refunded comes back to the user');
select pg_temp.move('user', 'issued', 15);
select is((select user_credits from balances), 20, 'a reversed purchase leaves the balance of the user');

select pg_temp.move('issued', 'partner', 100);
select is((select partner from balances), '{100,0}', 'a partner''s purchase raises its total');
select pg_temp.move('partner', 'issued', 10);
select is((select partner from balances), '{90,0}', 'a reversed purchase lowers the partner''s total');
select pg_temp.move('partner', 'first event', 40);
select is((select partner from balances), '{90,40}', 'what a partner gives to an event is used, and its total stays');
select is((select first_event from balances), '{40,0}', 'an event holds what it was given');
select pg_temp.move('first event', 'spent', 7);
select is((select first_event from balances), '{40,7}', 'a photo raises what the event used');
select pg_temp.move('spent', 'first event', 2);
select is((select first_event from balances), '{40,5}', 'a refund lowers what the event used');
select pg_temp.move('first event', 'second event', 10);
select is((select first_event from balances), '{30,5}', 'a transfer leaves the event that gives');
select is((select second_event from balances), '{10,0}', 'a transfer arrives at the event that takes');
select is((select partner from balances), '{90,40}', 'a transfer between two events of a partner moves nothing of the partner');
select pg_temp.move('first event', 'partner', 25);
select is((select first_event from balances), '{5,5}', 'what an event returns leaves its allocation');
select is((select partner from balances), '{90,15}', 'what an event returns can be allocated again by the partner');
select pg_temp.move('issued', 'own event', 8);
select is((select own_event from balances), '{8,0}', 'an event without a partner holds what was issued to it');
select pg_temp.move('own event', 'issued', 3);
select is((select own_event from balances), '{5,0}', 'an event without a partner returns to where credits come from');
select is((select user_credits from balances), 20, 'movements of partners and events leave users alone');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

-- The last wall

create temporary table ledger_before as select count(*) as movements from private.credit_movements;

select is(pg_temp.outcome($$select pg_temp.move('user', 'spent', 21)$$), '23514', 'a user''s balance cannot go below nothing');
select is(pg_temp.outcome($$select pg_temp.move('own event', 'spent', 6)$$), '23514', 'an event cannot use more than it holds');
select is(pg_temp.outcome($$select pg_temp.move('first event', 'partner', 1)$$), '23514', 'an event cannot return what it has used');
select is(pg_temp.outcome($$select pg_temp.move('spent', 'own event', 1)$$), '23514', 'an event cannot be refunded what it did not use');
select is(pg_temp.outcome($$select pg_temp.move('partner', 'first event', 76)$$), '23514', 'a partner cannot allocate more than it has');
select is(pg_temp.outcome($$select pg_temp.move('partner', 'issued', 76)$$), '23514', 'a partner cannot give back what its events hold');
select is(pg_temp.outcome($$select pg_temp.move('issued', 'user', 0)$$), '23514', 'a movement of nothing is refused');
select is(pg_temp.outcome($$select pg_temp.move('issued', 'user', -5)$$), '23514', 'a negative movement is refused');
select is(pg_temp.outcome($$select pg_temp.move('user', 'user', 5)$$), '23514', 'a movement from an account to itself is refused');
select is(pg_temp.outcome($$select pg_temp.move('issued', 'issued', 5)$$), '23514', 'a movement from a system account to itself is refused');
select is(
  pg_temp.outcome($$select private.post_movement('grant', 'issued', null, 'user', null, 5, 'tap-nobody')$$), '23514',
  'a movement to a user without an id is refused'
);
select is(
  pg_temp.outcome(
    $$select private.post_movement('charge', 'user', '7b000000-0000-4000-8000-000000000001', 'spent', gen_random_uuid(), 5, 'tap-x')$$
  ),
  '23514', 'a system account has no id'
);

select is(pg_temp.outcome($$select pg_temp.move('issued', 'user', 1, 'tap-once')$$), 'done', 'a new idempotency key is written');
select is(pg_temp.outcome($$select pg_temp.move('issued', 'user', 1, 'tap-once')$$), '23505', 'the same idempotency key is refused');
select is((select user_credits from balances), 21, 'of two movements with one key one has changed the balance');
select is(
  (select count(*) from private.credit_movements), (select movements + 1 from ledger_before),
  'a refused movement leaves no trace'
);

-- Append-only

select is(current_user, tableowner::name, 'these tests speak as the owner of the ledger')
from pg_tables
where (schemaname, tablename) = ('private', 'credit_movements');
select is(pg_temp.outcome('update private.credit_movements set amount = amount'), '23001', 'no movement can be changed, not even by the owner');
select is(pg_temp.outcome('delete from private.credit_movements'), '23001', 'no movement can be deleted, not even by the owner');
select is(pg_temp.outcome('truncate private.credit_movements'), '23001', 'the ledger cannot be emptied, not even by the owner');

-- The judge

update public.profiles set credits = credits + 1 where id = '7b000000-0000-4000-8000-000000000001';
select results_eq(
  'select * from public.credit_audit()',
  $$ values ('user', '7b000000-0000-4000-8000-000000000001'::uuid, 'credits', 22::bigint, 21::bigint) $$,
  'credit_audit() finds a tampered balance of a user'
);
update public.profiles set credits = credits - 1 where id = '7b000000-0000-4000-8000-000000000001';

update public.partners set credits_total = credits_total + 5, credits_used = credits_used - 1
where id = '7b000000-0000-4000-8000-000000000002';
select results_eq(
  'select * from public.credit_audit()',
  $$ values
       ('partner', '7b000000-0000-4000-8000-000000000002'::uuid, 'credits_total', 95::bigint, 90::bigint),
       ('partner', '7b000000-0000-4000-8000-000000000002'::uuid, 'credits_used', 14::bigint, 15::bigint) $$,
  'credit_audit() finds both tampered balances of a partner'
);
update public.partners set credits_total = credits_total - 5, credits_used = credits_used + 1
where id = '7b000000-0000-4000-8000-000000000002';

update public.events set credits_allocated = 9, credits_used = 1 where id = '7b000000-0000-4000-8000-000000000004';
select results_eq(
  'select * from public.credit_audit()',
  $$ values
       ('event', '7b000000-0000-4000-8000-000000000004'::uuid, 'credits_allocated', 9::bigint, 10::bigint),
       ('event', '7b000000-0000-4000-8000-000000000004'::uuid, 'credits_used', 1::bigint, 0::bigint) $$,
  'credit_audit() finds both tampered balances of an event'
);
update public.events set credits_allocated = 10, credits_used = 0 where id = '7b000000-0000-4000-8000-000000000004';

insert into public.events (id, event_name, event_slug, credits_allocated)
values ('7b000000-0000-4000-8000-000000000006', 'Minted', 'tap-minted', 3);
select results_eq(
  'select * from public.credit_audit()',
  $$ values ('event', '7b000000-0000-4000-8000-000000000006'::uuid, 'credits_allocated', 3::bigint, 0::bigint) $$,
  'credit_audit() finds credits that no movement brought'
);
delete from public.events where id = '7b000000-0000-4000-8000-000000000006';

savepoint ghost;
select private.post_movement('grant', 'issued', null, 'user', '7b000000-0000-4000-8000-0000000000ff', 5, 'tap-ghost');
select results_eq(
  'select * from public.credit_audit()',
  $$ values ('user', '7b000000-0000-4000-8000-0000000000ff'::uuid, 'credits', 0::bigint, 5::bigint) $$,
  'credit_audit() finds a movement to an account that does not exist'
);
rollback to ghost;
select is_empty('select * from public.credit_audit()', 'credit_audit() is empty again once the balances are right');

-- grant_partner_credits

select is(
  (select array[credits_total, credits_used] from private.grant_partner_credits(
    '7b000000-0000-4000-8000-000000000002', 60, 'tap-grant', '7b000000-0000-4000-8000-00000000000a', 'a launch present'
  )),
  '{150,15}', 'grant_partner_credits returns the partner with its new balance'
);
select results_eq(
  $$ select kind::text, amount, staff_id, reason from private.credit_movements where idempotency_key = 'tap-grant' $$,
  $$ values ('grant', 60, '7b000000-0000-4000-8000-00000000000a'::uuid, 'a launch present') $$,
  'a grant keeps who gave it and why'
);
select is(
  pg_temp.outcome($$select private.grant_partner_credits('7b000000-0000-4000-8000-000000000002', 60, 'tap-grant', null, null)$$),
  '23505', 'the same grant again is refused'
);
select is(
  pg_temp.outcome($$select private.grant_partner_credits('7b000000-0000-4000-8000-000000000002', -1, 'tap-minus', null, null)$$),
  '23514', 'a grant cannot take'
);
select is(
  pg_temp.outcome($$select private.grant_partner_credits(gen_random_uuid(), 60, 'tap-unknown', null, null)$$), 'P0002',
  'a grant to an unknown partner is refused'
);
select is((select partner from balances), '{150,15}', 'refused grants have changed nothing');

-- allocate_event_credits

select is(
  (select array[credits_allocated, credits_used] from private.allocate_event_credits(
    '7b000000-0000-4000-8000-000000000003', 100, 'tap-allocation', '7b000000-0000-4000-8000-00000000000a'
  )),
  '{105,5}', 'allocate_event_credits returns the event with its new balance'
);
select is((select partner from balances), '{150,115}', 'an allocation comes out of what the partner can allocate');
select results_eq(
  $$ select kind::text, source::text, destination::text, staff_id from private.credit_movements where idempotency_key = 'tap-allocation' $$,
  $$ values ('allocation', 'partner', 'event', '7b000000-0000-4000-8000-00000000000a'::uuid) $$,
  'an allocation is one movement from the partner to the event'
);
select is(
  pg_temp.outcome($$select private.allocate_event_credits('7b000000-0000-4000-8000-000000000003', 36, 'tap-too-much')$$),
  'PT402 INSUFFICIENT_CREDITS {"needed": 36, "balance": 35}',
  'more than the partner can allocate is refused with both figures'
);
select is(
  pg_temp.outcome($$select private.allocate_event_credits('7b000000-0000-4000-8000-000000000003', 35, 'tap-all')$$), 'done',
  'all that the partner can allocate is given'
);
select is(
  pg_temp.outcome($$select private.allocate_event_credits('7b000000-0000-4000-8000-0000000000ff', 1, 'tap-nowhere')$$),
  'PT404 EVENT_NOT_FOUND', 'an unknown event gets nothing'
);
update public.events set closed_at = now() where id = '7b000000-0000-4000-8000-000000000004';
select is(
  pg_temp.outcome($$select private.allocate_event_credits('7b000000-0000-4000-8000-000000000004', 1, 'tap-closed')$$),
  'PT403 EVENT_ENDED', 'a closed event gets nothing'
);
select is(
  pg_temp.outcome($$select private.allocate_event_credits('7b000000-0000-4000-8000-000000000005', -1, 'tap-take')$$), '23514',
  'an allocation cannot take'
);
select is(
  (select credits_allocated from private.allocate_event_credits('7b000000-0000-4000-8000-000000000005', 12, 'tap-own-allocation')),
  17, 'an event of the master''s own is given freely'
);
select is(
  (select source::text from private.credit_movements where idempotency_key = 'tap-own-allocation'), 'issued',
  'credits of the master''s own event come from nobody'
);
select is(
  (select row(partner, first_event, second_event, own_event)::text from balances), '("{150,150}","{140,5}","{10,0}","{17,0}")',
  'refused allocations have changed nothing'
);
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger at the end');

select * from finish();
rollback;

-- The journal and the balances beside it: append-only, once per key, never below nothing, and
-- credit_audit() as the judge of the two.

begin;
create extension if not exists pgtap with schema extensions;
select plan(70);

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
     where id = '7b000000-0000-4000-8000-000000000005') as own_event,
    private.debt_of('user', '7b000000-0000-4000-8000-000000000001') as user_debt,
    private.debt_of('partner', '7b000000-0000-4000-8000-000000000002') as partner_debt;

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
      ('own event', 'event', '7b000000-0000-4000-8000-000000000005'),
      ('user debt', 'user_debt', '7b000000-0000-4000-8000-000000000001'),
      ('partner debt', 'partner_debt', '7b000000-0000-4000-8000-000000000002')
  )
  select private.post_movement('adjustment', source.kind, source.id, destination.kind, destination.id, p_amount, p_key)
  from accounts as source, accounts as destination
  where source.name = p_source and destination.name = p_destination;
$$;

-- 'done', or the SQLSTATE of the refusal.
create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
begin
  execute p_call;
  return 'done';
exception
  when others then
    return sqlstate;
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

-- What a movement leaves

create temporary table written as
  select * from private.post_movement(
    'purchase', 'issued', null, 'user', '7b000000-0000-4000-8000-000000000001', 4, 'tap-all', p_order_id => '7b000000-0000-4000-8000-00000000000b',
    p_payment_id => 'tap-payment', p_staff_id => '7b000000-0000-4000-8000-00000000000a', p_request_hash => 'tap', p_note => 'because'
  );
select results_eq(
  $$ select * from private.credit_movements where idempotency_key = 'tap-all' $$, 'select * from written',
  'a movement answers with its row of the ledger'
);
select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, order_id, payment_id, staff_id, request_hash, created_at
     from written $$,
  $$ values ('purchase', 'issued', null::uuid, 'user', '7b000000-0000-4000-8000-000000000001'::uuid, 4,
       '7b000000-0000-4000-8000-00000000000b'::uuid, 'tap-payment', '7b000000-0000-4000-8000-00000000000a'::uuid, 'tap'::bytea, now()) $$,
  'a movement keeps what it was for and who asked'
);
select results_eq(
  'select note from private.credit_notes where movement_id = (select id from written)', $$ values ('because') $$, 'its note lies beside it'
);
select pg_temp.move('user', 'spent', 4);
select is(
  (select count(*) from private.credit_notes where movement_id > (select id from written)), 0::bigint, 'a movement without a note leaves none'
);

-- Debts

select is(pg_temp.outcome($$select pg_temp.move('user', 'user debt', 1)$$), '23514', 'a debt that there is not cannot be paid');
select pg_temp.move('user debt', 'issued', 12);
select is((select user_debt from balances), 12, 'what a debt gives is owed');
select pg_temp.move('user debt', 'issued', 3);
select is((select user_debt from balances), 15, 'a debt grows');
select is((select user_credits from balances), 20, 'a debt leaves the balance alone');
select is_empty('select * from public.credit_audit()', 'debts agree with the ledger');
select pg_temp.move('user', 'user debt', 5);
select is((select array[user_credits, user_debt] from balances), '{15,10}', 'what is paid to a debt leaves balance and debt');
select is(pg_temp.outcome($$select pg_temp.move('user', 'user debt', 11)$$), '23514', 'no more than the debt can be paid');
select pg_temp.move('user', 'user debt', 10);
select is((select array[user_credits, user_debt] from balances), '{5,0}', 'a debt can be paid to its end');
select pg_temp.move('partner debt', 'issued', 4);
select is((select array[user_debt, partner_debt] from balances), '{0,4}', 'a partner owes for itself');
select pg_temp.move('partner', 'partner debt', 4);
select is((select row(partner, partner_debt)::text from balances), '("{86,15}",0)', 'what a partner pays leaves its total');
select pg_temp.move('issued', 'partner', 4);
select pg_temp.move('issued', 'user', 15);
select is((select user_credits from balances), 20, 'without a debt all that arrives stays');
select is_empty('select * from public.credit_audit()', 'paid debts agree with the ledger');

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

select is(
  pg_temp.outcome($$select private.post_movement('purchase_reversal', 'user_debt', null, 'issued', null, 5, 'tap-x')$$), '23514',
  'a debt of nobody is refused'
);
select is(
  pg_temp.outcome($$select pg_temp.move('issued', 'user', 1, null)$$), '23514',
  'a movement without a key and without a photo could happen twice: refused'
);
select is(
  pg_temp.outcome(
    format(
      'select private.post_movement(%L, %L, null, %L, %L, 1, %L, p_note => %L)',
      'grant', 'issued', 'user', '7b000000-0000-4000-8000-000000000001', 'tap-x', repeat('x', 501)
    )
  ),
  '23514', 'a note of more than 500 characters is refused'
);

create function pg_temp.charge(p_kind text, p_generation_id text)
returns text
language sql
as $$
  select pg_temp.outcome(format(
    'select private.post_movement(%L, %L, null, %L, %L, 1, p_generation_id => %L)',
    p_kind, 'issued', 'partner', '7b000000-0000-4000-8000-000000000002', p_generation_id
  ));
$$;
select is(pg_temp.charge('charge', '7b000000-0000-4000-8000-0000000000e1'), 'done', 'a photo is key enough');
select is(pg_temp.charge('charge', '7b000000-0000-4000-8000-0000000000e1'), '23505', 'a photo is charged once');
select is(pg_temp.charge('refund', '7b000000-0000-4000-8000-0000000000e1'), 'done', 'a movement of another kind for the same photo is written');
select is(pg_temp.charge('refund', '7b000000-0000-4000-8000-0000000000e1'), '23505', 'a photo is refunded once');
select is(pg_temp.charge('charge', '7b000000-0000-4000-8000-0000000000e2'), 'done', 'another photo is charged for itself');
select pg_temp.move('partner', 'issued', 3);

select is(pg_temp.outcome($$select pg_temp.move('issued', 'user', 1, 'tap-once')$$), 'done', 'a new idempotency key is written');
select is(pg_temp.outcome($$select pg_temp.move('issued', 'user', 1, 'tap-once')$$), '23505', 'the same idempotency key is refused');
select is((select user_credits from balances), 21, 'of two movements with one key one has changed the balance');
select is(
  (select count(*) from private.credit_movements), (select movements + 5 from ledger_before),
  'a refused movement leaves no trace'
);

-- Append-only

select is(current_user, tableowner::name, 'these tests speak as the owner of the ledger')
from pg_tables
where (schemaname, tablename) = ('private', 'credit_movements');
select is(pg_temp.outcome('update private.credit_movements set amount = amount'), '23001', 'no movement can be changed, not even by the owner');
select is(pg_temp.outcome('delete from private.credit_movements'), '23001', 'no movement can be deleted, not even by the owner');
select is(pg_temp.outcome('truncate private.credit_movements cascade'), '23001', 'the ledger cannot be emptied, not even by the owner');

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
update public.events set credits_allocated = 0 where id = '7b000000-0000-4000-8000-000000000006';

insert into private.credit_debts (account, account_id, amount)
values ('user_debt', '7b000000-0000-4000-8000-000000000001', 7)
on conflict (account, account_id) do update set amount = excluded.amount;
select results_eq(
  'select * from public.credit_audit()',
  $$ values ('user_debt', '7b000000-0000-4000-8000-000000000001'::uuid, 'amount', 7::bigint, 0::bigint) $$,
  'credit_audit() finds a tampered debt'
);
update private.credit_debts set amount = 0 where account_id = '7b000000-0000-4000-8000-000000000001';

savepoint ghost;
select private.post_movement('grant', 'issued', null, 'user', '7b000000-0000-4000-8000-0000000000ff', 5, 'tap-ghost');
select results_eq(
  'select * from public.credit_audit()',
  $$ values ('user', '7b000000-0000-4000-8000-0000000000ff'::uuid, 'credits', 0::bigint, 5::bigint) $$,
  'credit_audit() finds a movement to an account that does not exist'
);
rollback to ghost;
select is_empty('select * from public.credit_audit()', 'credit_audit() is empty again once the balances are right');

select * from finish();
rollback;

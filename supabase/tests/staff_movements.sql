-- grant_credits() and adjust_credits(): what staff gives to users and partners, and corrects.

begin;
create extension if not exists pgtap with schema extensions;
select plan(57);

-- A user, a partner and the person of staff who moves their credits.
insert into auth.users (id, email) values ('70000000-0000-4000-8000-000000000001', 'staffed@tap.example');
insert into public.partners (id, name) values ('70000000-0000-4000-8000-000000000002', 'Tap Partner');

create temporary view balances as
  select
    (select credits from public.profiles where id = '70000000-0000-4000-8000-000000000001') as user_credits,
    (select array[credits_total, credits_used] from public.partners where id = '70000000-0000-4000-8000-000000000002') as partner;

-- What a call comes to: the new balances as 'user, partner', or its refusal as 'SQLSTATE code {figures}'.
create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
declare
  v_state text;
  v_detail text;
begin
  execute 'select from private.' || p_call;
  return (select concat_ws(', ', balances.user_credits, balances.partner::text) from balances);
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    if v_state not like 'PT%' then
      return v_state;
    end if;
    return concat_ws(' ', v_state, v_detail::jsonb ->> 'code', nullif(v_detail::jsonb - 'code', '{}')::text);
end;
$$;

create function pg_temp.move(p_function text, p_account text, p_amount text, p_reason text default 'for the test', p_account_id text default null)
returns text
language sql
as $$
  select pg_temp.outcome(format(
    '%s(%L, %L, %s, %L)', p_function, p_account,
    coalesce(p_account_id, '70000000-0000-4000-8000-00000000000' || case p_account when 'user' then 1 else 2 end), p_amount, p_reason
  ));
$$;

-- Grants

create temporary table granted as
  select * from private.grant_credits(
    'user', '70000000-0000-4000-8000-000000000001', 60, 'a launch present', 'tap-key', '70000000-0000-4000-8000-00000000000a'
  );
select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, staff_id from granted $$,
  $$ values ('grant', 'issued', null::uuid, 'user', '70000000-0000-4000-8000-000000000001'::uuid, 60, '70000000-0000-4000-8000-00000000000a'::uuid) $$,
  'a grant answers with its movement, which keeps who gave it'
);
select results_eq(
  $$ select * from private.credit_movements where destination_id = '70000000-0000-4000-8000-000000000001' $$, 'select * from granted',
  'a grant is one movement of the ledger'
);
select is(
  (select note from private.credit_notes where movement_id = (select id from granted)), 'a launch present', 'a grant keeps why it was given'
);
select is((select user_credits from balances), 60, 'what is granted to a user is theirs');
select is(pg_temp.move('grant_credits', 'partner', '100'), '60, {100,0}', 'what is granted to a partner can be allocated');
select is(pg_temp.move('grant_credits', 'partner', '100'), '60, {200,0}', 'the same grant again, without a key, is another one');

-- Adjustments

create temporary table adjusted as
  select * from private.adjust_credits(
    'user', '70000000-0000-4000-8000-000000000001', -20, 'given by mistake', 'tap-key', '70000000-0000-4000-8000-00000000000a'
  );
select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, staff_id from adjusted $$,
  $$ values ('adjustment', 'user', '70000000-0000-4000-8000-000000000001'::uuid, 'issued', null::uuid, 20, '70000000-0000-4000-8000-00000000000a'::uuid) $$,
  'an adjustment below 0 is a movement away from the account'
);
select is(
  (select note from private.credit_notes where movement_id = (select id from adjusted)), 'given by mistake', 'an adjustment keeps why it was made'
);
select is((select user_credits from balances), 40, 'an adjustment below 0 takes from the balance');
select is(pg_temp.move('adjust_credits', 'user', '5'), '45, {200,0}', 'an adjustment above 0 adds to the balance');
select is(
  (select row(kind, source, destination)::text from private.credit_movements order by id desc limit 1), '(adjustment,issued,user)',
  'an adjustment above 0 is a movement to the account'
);
select is(pg_temp.move('adjust_credits', 'partner', '-30'), '45, {170,0}', 'an adjustment takes from a partner what it bought');
select is(pg_temp.move('adjust_credits', 'partner', '10'), '45, {180,0}', 'an adjustment adds to a partner');
select is(pg_temp.move('adjust_credits', 'user', '-45'), '0, {180,0}', 'all that is there can be taken');

-- Refusals

create temporary table world_before as
  select balances.*, (select count(*) from private.credit_movements) as movements, (select count(*) from private.credit_notes) as notes from balances;

select is(
  pg_temp.move('adjust_credits', 'user', '-1'), 'PT402 INSUFFICIENT_CREDITS {"needed": 1, "balance": 0}',
  'more than a user has is refused with both figures'
);
select is(
  pg_temp.move('adjust_credits', 'partner', '-181'), 'PT402 INSUFFICIENT_CREDITS {"needed": 181, "balance": 180}',
  'more than a partner has is refused with both figures'
);
select is(pg_temp.move(given.called, given.account, given.amount), given.outcome, given.called || given.name)
from (
  values
    ('grant_credits', 'user', '0', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses an amount of 0'),
    ('grant_credits', 'user', '-5', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses to take'),
    ('grant_credits', 'user', 'null', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses no amount'),
    ('grant_credits', 'user', '10000001', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses more than 10 million at once'),
    ('adjust_credits', 'user', '0', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses an amount of 0'),
    ('adjust_credits', 'user', 'null', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses no amount'),
    ('adjust_credits', 'user', '10000001', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses to add more than 10 million at once'),
    ('adjust_credits', 'partner', '-10000001', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses to take more than 10 million at once'),
    ('adjust_credits', 'user', '-2147483648', 'PT400 INVALID_INPUT {"field": "amount"}', '() refuses the smallest number there is'),
    ('grant_credits', 'event', '5', 'PT400 INVALID_INPUT {"field": "account"}', '() refuses an event'),
    ('grant_credits', 'issued', '5', 'PT400 INVALID_INPUT {"field": "account"}', '() refuses an account of the system'),
    ('grant_credits', 'user_debt', '5', 'PT400 INVALID_INPUT {"field": "account"}', '() refuses a debt'),
    ('grant_credits', null, '5', 'PT400 INVALID_INPUT {"field": "account"}', '() refuses no account'),
    ('adjust_credits', 'event', '5', 'PT400 INVALID_INPUT {"field": "account"}', '() refuses an event')
) as given (called, account, amount, outcome, name);
select is(
  pg_temp.move(called, account, '5', p_account_id => '70000000-0000-4000-8000-0000000000ff'), 'PT404 NOT_FOUND',
  format('%s() refuses an unknown %s', called, account)
)
from (values ('grant_credits'), ('adjust_credits')) as functions (called)
cross join (values ('user'), ('partner')) as accounts (account);
select is(
  pg_temp.move('grant_credits', 'user', '5', p_account_id => '70000000-0000-4000-8000-000000000002'), 'PT404 NOT_FOUND',
  'the id of a partner is no user'
);
select is(
  pg_temp.move(called, 'user', '5', reason), 'PT400 INVALID_INPUT {"field": "reason"}', format('%s() refuses %s', called, name)
)
from (values ('grant_credits'), ('adjust_credits')) as functions (called)
cross join (
  values (null, 'no reason'), ('', 'an empty reason'), ('   ', 'a blank reason'), (repeat('x', 501), 'a reason of more than 500 characters')
) as reasons (reason, name);

select results_eq(
  'select balances.*, (select count(*) from private.credit_movements), (select count(*) from private.credit_notes) from balances',
  'select * from world_before', 'refused movements have changed nothing'
);

-- Bounds

select is(
  pg_temp.move('grant_credits', 'user', '10000000', repeat('x', 500)), '10000000, {180,0}',
  '10 million at once, with a reason of 500 characters'
);
select private.post_movement('adjustment', 'issued', null, 'partner', '70000000-0000-4000-8000-000000000002', 990000000 - 180, 'tap-rich');
select is(
  pg_temp.move('grant_credits', 'partner', '10000000'), '10000000, {1000000000,0}', 'an account may have had 1000 million'
);
select is(
  pg_temp.move('grant_credits', 'partner', '1'), 'PT400 INVALID_INPUT {"sum": 1000000000, "field": "amount"}', 'no grant takes it further'
);
select is(
  pg_temp.move('adjust_credits', 'partner', '1'), 'PT400 INVALID_INPUT {"sum": 1000000000, "field": "amount"}', 'nor does an adjustment'
);

select matches(
  pg_temp.move('grant_credits', 'user', '1', repeat('x', 500) || ' '), '^(10000001,|PT400 INVALID_INPUT)',
  'a blank after a reason of 500 characters is taken or refused, never an error of the database'
);

-- Debts

select private.post_movement('purchase_reversal', 'partner_debt', '70000000-0000-4000-8000-000000000002', 'issued', null, 50, 'tap-debt');
select private.adjust_credits('partner', '70000000-0000-4000-8000-000000000002', -10000000, 'to be poor');
select private.post_movement('adjustment', 'partner', '70000000-0000-4000-8000-000000000002', 'issued', null, 990000000, 'tap-poor');
select is(
  pg_temp.move('adjust_credits', 'partner', '-1'), 'PT402 INSUFFICIENT_CREDITS {"debt": 50, "needed": 1, "balance": 0}',
  'a refusal to somebody in debt says how much is owed'
);
select is(
  (select amount::integer from private.grant_credits('partner', '70000000-0000-4000-8000-000000000002', 20, 'towards the debt')), 20,
  'a grant to a partner in debt is written in full'
);
select is((select partner from balances), '{0,0}', 'and pays the debt first');
select is(private.debt_of('partner', '70000000-0000-4000-8000-000000000002'), 30, 'the debt is less by what was paid');
select private.adjust_credits('partner', '70000000-0000-4000-8000-000000000002', 40, 'and a little more');
select is((select partner from balances), '{10,0}', 'what an adjustment adds pays the debt first, and the rest stays');
select is(private.debt_of('partner', '70000000-0000-4000-8000-000000000002'), 0, 'a debt that was paid is none');
select results_eq(
  $$ select kind::text, destination::text, amount::integer from private.credit_movements
     where source_id = '70000000-0000-4000-8000-000000000002' order by id desc limit 2 $$,
  $$ values ('debt_payment', 'partner_debt', 30), ('debt_payment', 'partner_debt', 20) $$,
  'each payment of a debt is a movement of its own'
);

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

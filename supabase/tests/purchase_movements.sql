-- purchase_credits() and reverse_purchase(): what a payment brings and what its reversal takes back,
-- applied as a state however often it is said; debts, and the reward for who referred the buyer.

begin;
create extension if not exists pgtap with schema extensions;
select plan(110);

update private.settings set signup_bonus = 50, referral_reward = 100, pack_unlock_price = 10;

-- Buyers; the first of each name referred the others. A partner, bought for by its owner.
insert into auth.users (id, email)
select ('72000000-0000-4000-8000-0000000000' || given.number)::uuid, given.name || '@tap.example'
from (
  values
    ('01', 'referrer'), ('02', 'referred'), ('03', 'alone'), ('04', 'owner'), ('05', 'leaving'), ('06', 'lender'),
    ('07', 'led'), ('08', 'going'), ('09', 'gone'), ('10', 'friend')
) as given (number, name);
create function pg_temp.person(p_name text)
returns uuid
language sql stable
as $$ select users.id from auth.users where users.email = p_name || '@tap.example'; $$;

update public.profiles set referred_by = pg_temp.person('referrer') where id in (pg_temp.person('referred'), pg_temp.person('leaving'));
update public.profiles set referred_by = pg_temp.person('lender') where id in (pg_temp.person('led'), pg_temp.person('friend'));
update public.profiles set referred_by = pg_temp.person('going') where id = pg_temp.person('gone');
insert into public.partners (id, name, user_id) values ('72000000-0000-4000-8000-000000000020', 'Tap Partner', pg_temp.person('owner'));
insert into public.events (id, partner_id, event_name, event_slug)
values ('72000000-0000-4000-8000-000000000021', '72000000-0000-4000-8000-000000000020', 'Tap', 'tap-party');
insert into public.credit_packs (id, name, audience, credits, price)
values ('72000000-0000-4000-8000-000000000022', 'Tap', 'user', 500, 4000);
insert into public.styles_metadata (id, label, category, subcategory, credit_cost, is_premium)
values ('tap_a', 'A', 'tap', 'Tap', 100, false), ('tap_gold', 'Gold', 'tap', 'Tap Gold', 100, true);
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');

create temporary table orders (name text primary key, id uuid not null default gen_random_uuid());
create temporary table photos (name text primary key, id uuid not null);

-- One order, for a user or the partner.
create function pg_temp.place_order(p_name text, p_buyer text, p_is_for_partner boolean default false, p_credits integer default 500)
returns void
language sql
as $$
  with placed as (insert into orders (name) values (p_name) returning id)
  insert into public.payment_orders (id, user_id, partner_id, pack_id, credits, amount, currency)
  select
    placed.id, pg_temp.person(p_buyer), case when p_is_for_partner then '72000000-0000-4000-8000-000000000020' end::uuid,
    '72000000-0000-4000-8000-000000000022', p_credits, 4000, 'ARS'
  from placed;
$$;

create function pg_temp.order_id(p_name text)
returns uuid
language sql stable
as $$ select coalesce((select orders.id from orders where orders.name = p_name), '72000000-0000-4000-8000-0000000000ff'); $$;

create function pg_temp.pay(p_order text, p_payment_id text)
returns private.credit_movements
language sql
as $$ select private.purchase_credits(pg_temp.order_id(p_order), p_payment_id); $$;

create function pg_temp.credits(p_name text)
returns integer
language sql stable
as $$ select profiles.credits from public.profiles where profiles.id = pg_temp.person(p_name); $$;

create function pg_temp.debt(p_name text)
returns integer
language sql stable
as $$ select private.debt_of('user', pg_temp.person(p_name)); $$;

create function pg_temp.spend(p_name text, p_amount integer)
returns void
language sql
as $$ select private.post_movement('unlock', 'user', pg_temp.person(p_name), 'spent', null, p_amount, 'tap:' || gen_random_uuid()); $$;

-- The movements of an order, oldest first, as 'kind source>destination amount'.
create function pg_temp.history(p_order text, p_skip integer default 0)
returns text[]
language sql stable
as $$
  select coalesce(array_agg(format('%s %s>%s %s', movements.kind, movements.source, movements.destination, movements.amount) order by movements.id), '{}')
  from (
    select * from private.credit_movements
    where credit_movements.order_id = pg_temp.order_id(p_order) order by credit_movements.id offset p_skip
  ) as movements;
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

-- A purchase

select pg_temp.place_order('alone', 'alone'), pg_temp.place_order('alone again', 'alone');
create temporary table bought as select * from pg_temp.pay('alone', 'tap-pay-1');
select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, order_id, payment_id from bought $$,
  $$ values ('purchase', 'issued', null::uuid, 'user', pg_temp.person('alone'), 500, pg_temp.order_id('alone'), 'tap-pay-1') $$,
  'a payment answers with the movement that credits its order'
);
select is(pg_temp.credits('alone'), 500, 'the buyer has the credits of the order');
select results_eq(
  $$ select * from pg_temp.pay('alone', 'tap-pay-1') $$, 'select * from bought', 'the same payment again answers with the same movement'
);
select is(pg_temp.credits('alone'), 500, 'and brings nothing more');
select isnt((pg_temp.pay('alone', 'tap-pay-2')).id, (select id from bought), 'another approved payment of the order is another purchase');
select is(pg_temp.credits('alone'), 1000, 'it brings the credits of the order once more');
select is(pg_temp.history('alone'), '{"purchase issued>user 500","purchase issued>user 500"}', 'nobody is rewarded for a buyer whom nobody referred');
select is(
  pg_temp.outcome(format('select private.purchase_credits(%L, %L)', pg_temp.order_id(given.order_name), given.payment_id)), given.outcome, given.name
)
from (
  values
    ('alone again', 'tap-pay-1', 'PT409 IDEMPOTENCY_CONFLICT', 'a payment that credited another order is a conflict'),
    ('nothing', 'tap-pay-1', 'PT409 IDEMPOTENCY_CONFLICT', 'even when the other order is unknown'),
    ('nothing', 'tap-pay-x', 'PT404 ORDER_NOT_FOUND', 'an unknown order cannot be paid'),
    ('alone again', null, 'PT400 INVALID_INPUT {"field": "payment_id"}', 'a payment without an id is refused'),
    ('alone again', ' ', 'PT400 INVALID_INPUT {"field": "payment_id"}', 'a payment with a blank id is refused'),
    ('alone again', repeat('1', 101), 'PT400 INVALID_INPUT {"field": "payment_id"}', 'a payment id of more than 100 characters is refused')
) as given (order_name, payment_id, outcome, name);
select is(
  row(pg_temp.credits('alone'), pg_temp.history('alone again'))::text, '(1000,{})', 'refused payments have changed nothing'
);

-- A reversal

select is(private.reverse_purchase('tap-pay-1', 200), 200, 'a partial refund takes back its part');
select is(pg_temp.credits('alone'), 800, 'from the balance');
select is(pg_temp.history('alone', 2), '{"purchase_reversal user>issued 200"}', 'as one movement');
select is(private.reverse_purchase('tap-pay-1', 200), 0, 'the same state again takes nothing');
select is(private.reverse_purchase('tap-pay-1', 350), 150, 'a further refund takes the difference');
select is(private.reverse_purchase('tap-pay-1', 500), 150, 'a full refund takes the rest');
select is(pg_temp.credits('alone'), 500, 'all that the payment brought is gone, what the other brought is not');
select is(private.reverse_purchase('tap-pay-1', 300), -200, 'a reversal that was taken back in part gives back its part');
select is(pg_temp.credits('alone'), 700, 'to the balance');
select is(private.reverse_purchase('tap-pay-1', 500), 200, 'and can be taken once more');
select is(private.reverse_purchase('tap-pay-1', 0), -500, 'a dispute that was won gives back everything');
select is(private.reverse_purchase('tap-pay-1', 0), 0, 'once');
select is(
  pg_temp.history('alone', 2),
  '{purchase_reversal user>issued 200,purchase_reversal user>issued 150,purchase_reversal user>issued 150,
    purchase_reinstatement issued>user 200,purchase_reversal user>issued 200,purchase_reinstatement issued>user 500}',
  'each change of the state is one movement'
);
select is(
  (select array_agg(distinct payment_id) from private.credit_movements where order_id = pg_temp.order_id('alone') and kind <> 'purchase'), '{tap-pay-1}',
  'each names its payment'
);
select results_eq(
  $$ select * from pg_temp.pay('alone', 'tap-pay-1') $$, 'select * from bought', 'a purchase that was reversed is still answered with its movement'
);
select is(pg_temp.credits('alone'), 1000, 'and credits nothing again');
select is(
  pg_temp.outcome(format('select private.reverse_purchase(%L, %s)', given.payment_id, given.taken)), given.outcome, given.name
)
from (
  values
    ('tap-pay-x', '1', 'PT404 ORDER_NOT_FOUND', 'a payment that credited nothing cannot be reversed'),
    (null, '1', 'PT404 ORDER_NOT_FOUND', 'no payment cannot be reversed'),
    ('tap-pay-1', '501', 'PT400 INVALID_INPUT {"field": "taken", "credits": 500}', 'no more than it brought is taken back'),
    ('tap-pay-1', '-1', 'PT400 INVALID_INPUT {"field": "taken", "credits": 500}', 'no less than nothing is taken back'),
    ('tap-pay-1', 'null', 'PT400 INVALID_INPUT {"field": "taken", "credits": 500}', 'an unknown amount is not taken back')
) as given (payment_id, taken, outcome, name);

-- A debt

select is_empty(
  $$ select from private.alerts where kind = 'credit_debt' and subject like '72000000-%' $$, 'as long as the balance suffices nobody is alerted'
);
select pg_temp.spend('alone', 850);
select is(private.reverse_purchase('tap-pay-1', 500), 500, 'a reversal of credits that were spent takes all the same');
select is(
  array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,350}', 'what is there comes from the balance, the rest is owed'
);
select is(
  pg_temp.history('alone', 8), '{"purchase_reversal user>issued 150","purchase_reversal user_debt>issued 350"}', 'as two movements'
);
select results_eq(
  $$ select subject, message from private.alerts where kind = 'credit_debt' and subject like '72000000-%' and resolved_at is null $$,
  $$ select pg_temp.person('alone')::text, 'user owes 350 credits after a reversed purchase' $$, 'staff is alerted'
);
select is(private.reverse_purchase('tap-pay-1', 500), 0, 'the same state again takes nothing from somebody in debt');
select is(private.reverse_purchase('tap-pay-2', 100), 100, 'another payment can be reversed too');
select is(pg_temp.debt('alone'), 450, 'and the debt grows');
select is(
  (select array_agg(message) from private.alerts where kind = 'credit_debt' and subject = pg_temp.person('alone')::text),
  '{"user owes 450 credits after a reversed purchase"}', 'the alert that is open says how much it is now'
);
select is(
  pg_temp.outcome($$select public.begin_generation('tap_a', '3:4', 'p/x', p_photo_hash => 'h', p_user_id => pg_temp.person('alone'))$$),
  'PT402 INSUFFICIENT_CREDITS {"debt": 450, "needed": 100, "balance": 0}', 'somebody in debt makes no photo, and is told how much they owe'
);
select set_config('request.jwt.claims', jsonb_build_object('sub', pg_temp.person('alone'), 'role', 'authenticated')::text, true);
select is(
  pg_temp.outcome($$select public.unlock_style_pack('Tap Gold')$$), 'PT402 INSUFFICIENT_CREDITS {"debt": 450, "needed": 10, "balance": 0}',
  'nor do they unlock a pack'
);

-- The debt is paid first by whatever arrives

select pg_temp.place_order('first aid', 'alone', p_credits => 100);
select is((pg_temp.pay('first aid', 'tap-pay-3')).amount::integer, 100, 'a purchase by somebody in debt is written in full');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,350}', 'a purchase pays the debt');
select is(private.reverse_purchase('tap-pay-2', 50), -50, 'a reversal is taken back in part');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,300}', 'a reinstatement pays the debt');
select private.grant_credits('user', pg_temp.person('alone'), 20, 'a consolation');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,280}', 'a grant pays the debt');
select private.adjust_credits('user', pg_temp.person('alone'), 30, 'a correction');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,250}', 'an adjustment pays the debt');
update auth.users set email_confirmed_at = now() where id = pg_temp.person('alone');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,200}', 'the bonus of the sign-up pays the debt');
select private.reverse_purchase('tap-pay-3', 0);
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{0,200}', 'a reversal that takes nothing pays nothing');
select private.grant_credits('user', pg_temp.person('alone'), 260, 'more than is owed');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{60,0}', 'what is left after the debt is theirs');
select is(
  (select array_agg(amount::integer order by id) from private.credit_movements
   where kind = 'debt_payment' and source_id = pg_temp.person('alone') and destination_id = pg_temp.person('alone')),
  '{100,50,20,30,50,200}', 'each payment of a debt is a movement of its own'
);

-- A refund pays the debt as well.
select private.grant_credits('user', pg_temp.person('alone'), 40, 'for a photo');
insert into photos
select 'alone', generation_id
from public.begin_generation('tap_a', '3:4', 'p/x', p_photo_hash => 'h', p_user_id => pg_temp.person('alone'));
select is(private.reverse_purchase('tap-pay-3', 70), 70, 'a reversal while a photo is made');
select is((select state from public.fail_generation((select id from photos where name = 'alone'), 'GENERATION_FAILED')), 'fail', 'the photo fails');
select is(array[pg_temp.credits('alone'), pg_temp.debt('alone')], '{30,0}', 'a refund pays the debt, and the rest is theirs');

-- A partner's order

select pg_temp.place_order('wholesale', 'owner', true, 1000);
select results_eq(
  $$ select destination::text, destination_id, amount::integer from pg_temp.pay('wholesale', 'tap-pay-10') $$,
  $$ values ('partner', '72000000-0000-4000-8000-000000000020'::uuid, 1000) $$, 'a partner order credits the partner'
);
select is(pg_temp.credits('owner'), 0, 'and not the person who paid');
create function pg_temp.partner()
returns integer[]
language sql stable
as $$
  select array[credits_total, credits_used, private.debt_of('partner', partners.id)] from public.partners
  where partners.id = '72000000-0000-4000-8000-000000000020';
$$;
select private.allocate_event_credits('72000000-0000-4000-8000-000000000021', 700);
select is(private.reverse_purchase('tap-pay-10', 400), 400, 'a partner order is reversed in part');
select is(pg_temp.partner(), '{700,700,100}', 'what the events hold stays theirs, and the partner owes it');
select is(
  pg_temp.history('wholesale', 1), '{"purchase_reversal partner>issued 300","purchase_reversal partner_debt>issued 100"}', 'as two movements'
);
select is(
  (select message from private.alerts where kind = 'credit_debt' and subject = '72000000-0000-4000-8000-000000000020' and resolved_at is null),
  'partner owes 100 credits after a reversed purchase', 'staff is alerted of a partner alike'
);
select is(public.increment_event_credit('72000000-0000-4000-8000-000000000021', 5), true, 'its running event goes on');
select is(private.reverse_purchase('tap-pay-10', 1000), 600, 'it can be reversed in full');
select is(pg_temp.partner(), '{700,700,700}', 'and all of it is owed');
select is(private.reverse_purchase('tap-pay-10', 800), -200, 'a part of it is given back');
select is(pg_temp.partner(), '{700,700,500}', 'a reinstatement pays the partner''s debt');
select pg_temp.place_order('wholesale too', 'owner', true, 600);
select pg_temp.pay('wholesale too', 'tap-pay-11');
select is(pg_temp.partner(), '{800,700,0}', 'the next purchase pays the rest of the debt, and what is left can be allocated');

-- The reward for who referred the buyer

select pg_temp.place_order('first', 'referred'), pg_temp.place_order('second', 'referred');
select pg_temp.pay('first', 'tap-pay-20');
select is(
  array[pg_temp.credits('referred'), pg_temp.credits('referrer')], '{500,100}',
  'the first purchase of a referred person rewards who referred them'
);
select is(pg_temp.history('first', 1), '{"referral_reward issued>user 100"}', 'the reward is a movement of the order');
select pg_temp.pay('first', 'tap-pay-20'), pg_temp.pay('first', 'tap-pay-21'), pg_temp.pay('second', 'tap-pay-22');
select is(
  array[pg_temp.credits('referred'), pg_temp.credits('referrer')], '{1500,100}',
  'neither the same payment nor another of that order nor another order rewards again'
);
update private.settings set referral_reward = 70;
select private.reverse_purchase('tap-pay-20', 500);
select is(pg_temp.credits('referrer'), 100, 'as long as something of the first order is paid the reward stays');
select private.reverse_purchase('tap-pay-21', 499);
select is(pg_temp.credits('referrer'), 100, 'however little it is');
select private.reverse_purchase('tap-pay-21', 500);
select is(pg_temp.credits('referrer'), 0, 'a first order of which nothing is left takes the reward back');
select private.reverse_purchase('tap-pay-21', 500);
select private.reverse_purchase('tap-pay-22', 500);
select is(pg_temp.debt('referrer'), 0, 'once');
select private.reverse_purchase('tap-pay-20', 400);
select is(pg_temp.credits('referrer'), 100, 'a reversal that is taken back gives the reward again, as much as it was');
select private.reverse_purchase('tap-pay-20', 0);
select is(pg_temp.credits('referrer'), 100, 'once');
select pg_temp.spend('referrer', 80);
select private.reverse_purchase('tap-pay-20', 500);
select is(array[pg_temp.credits('referrer'), pg_temp.debt('referrer')], '{0,80}', 'a reward that was spent is owed');
select is(
  (select message from private.alerts where kind = 'credit_debt' and subject = pg_temp.person('referrer')::text and resolved_at is null),
  'user owes 80 credits after a reversed purchase', 'and staff is alerted'
);
select private.reverse_purchase('tap-pay-20', 0);
select is(array[pg_temp.credits('referrer'), pg_temp.debt('referrer')], '{20,0}', 'given again it pays that debt first');
select is(
  pg_temp.history('first', 1) @> '{reward_reversal user>issued 20,reward_reversal user_debt>issued 80}', true,
  'a reward is taken back by movements of the order'
);

-- Who gets no reward

select private.post_movement('purchase_reversal', 'user_debt', pg_temp.person('lender'), 'issued', null, 5, 'tap-lender');
select pg_temp.place_order('led', 'led'), pg_temp.place_order('led too', 'led');
select pg_temp.pay('led', 'tap-pay-30');
select is(array[pg_temp.credits('lender'), pg_temp.debt('lender')], '{0,5}', 'somebody in debt is not rewarded');
select private.grant_credits('user', pg_temp.person('lender'), 5, 'to be out of debt');
select pg_temp.pay('led too', 'tap-pay-31');
select is(pg_temp.credits('lender'), 0, 'nor is the reward made up for with the second purchase');
select private.reverse_purchase('tap-pay-30', 500);
select is(pg_temp.debt('lender'), 0, 'a reward that was not paid is not taken back');
update private.settings set referral_reward = 0;
select pg_temp.place_order('friend', 'friend');
select pg_temp.pay('friend', 'tap-pay-32');
select is(pg_temp.history('friend'), '{"purchase issued>user 500"}', 'while rewards are turned off nobody is rewarded');
update private.settings set referral_reward = 100;
update public.profiles set referred_by = pg_temp.person('lender') where id = pg_temp.person('owner');
select pg_temp.place_order('wholesale three', 'owner', true, 100);
select pg_temp.pay('wholesale three', 'tap-pay-33');
select is(pg_temp.credits('lender'), 0, 'a partner order rewards nobody');

-- People who have been erased

select pg_temp.place_order('leaving', 'leaving'), pg_temp.place_order('leaving late', 'leaving'), pg_temp.place_order('gone', 'gone');
select pg_temp.pay('leaving', 'tap-pay-40'), pg_temp.pay('gone', 'tap-pay-41');
select is(array[pg_temp.credits('referrer'), pg_temp.credits('going')], '{120,100}', 'two more first purchases are rewarded');
delete from auth.users where id in (pg_temp.person('leaving'), pg_temp.person('going'));

select results_eq(
  $$ select source::text, destination::text, destination_id, amount::integer from pg_temp.pay('leaving late', 'tap-pay-42') $$,
  $$ values ('issued', 'written_off', null::uuid, 500) $$, 'a payment for an erased person is credited to nobody'
);
select is((pg_temp.pay('leaving late', 'tap-pay-42')).amount::integer, 500, 'and is answered again');
select is(pg_temp.credits('referrer'), 120, 'it rewards nobody');
select is(private.reverse_purchase('tap-pay-42', 500), 500, 'it can be reversed');
select is(
  pg_temp.history('leaving late'), '{"purchase issued>written_off 500","purchase_reversal written_off>issued 500"}', 'from nobody'
);
select is(private.reverse_purchase('tap-pay-40', 500), 500, 'a purchase of before the erasure can be reversed');
select is(
  pg_temp.history('leaving', 2), '{"purchase_reversal written_off>issued 500","reward_reversal user>issued 100"}',
  'from nobody, and the reward from who referred the erased person'
);
select is(pg_temp.credits('referrer'), 20, 'who keeps the rest');
select is(private.reverse_purchase('tap-pay-40', 0), -500, 'that reversal can be taken back');
select is(pg_temp.credits('referrer'), 120, 'and the reward is given again');
select is(private.reverse_purchase('tap-pay-41', 500), 500, 'a purchase by somebody whose referrer was erased is reversed');
select is(
  pg_temp.history('gone', 2), '{"purchase_reversal user>issued 500","reward_reversal written_off>issued 100"}', 'the reward is taken back from nobody'
);
select is(private.reverse_purchase('tap-pay-41', 0), -500, 'and is reinstated');
select is(
  pg_temp.history('gone', 4), '{"purchase_reinstatement issued>user 500","referral_reward issued>written_off 100"}', 'with the reward given to nobody'
);
select is(private.reverse_purchase('tap-pay-41', 500), 500, 'and reversed once more');
select is(pg_temp.history('gone', 6), '{"purchase_reversal user>issued 500","reward_reversal written_off>issued 100"}', 'as before');
select is(private.reverse_purchase('tap-pay-41', 500), 0, 'the same state again takes nothing from nobody');
select is_empty(
  $$ select from private.credit_debts where account_id not in (select id from public.profiles union select id from public.partners) and amount > 0 $$,
  'nobody who is gone owes anything'
);

select lives_ok('set constraints all immediate', 'every row points at what exists');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

-- An order freezes what is sold; only the payment of that order, as the gateway tells it, credits anything.

begin;
create extension if not exists pgtap with schema extensions;
select plan(71);

insert into auth.users (id, email)
values
  ('78000000-0000-4000-8000-000000000001', 'buyer@tap.example'),
  ('78000000-0000-4000-8000-000000000002', 'owner@tap.example'),
  ('78000000-0000-4000-8000-000000000003', 'suspended@tap.example');
insert into public.partners (id, name, user_id, is_active)
values
  ('78000000-0000-4000-8000-000000000011', 'Tap Partner', '78000000-0000-4000-8000-000000000002', true),
  ('78000000-0000-4000-8000-000000000012', 'Tap Suspended', '78000000-0000-4000-8000-000000000003', false);
insert into public.credit_packs (id, name, audience, credits, price, is_active)
values
  ('78000000-0000-4000-8000-000000000021', 'Tap Starter', 'user', 500, 4000, true),
  ('78000000-0000-4000-8000-000000000022', 'Tap Wholesale', 'partner', 5000, 30000, true),
  ('78000000-0000-4000-8000-000000000023', 'Tap Retired', 'user', 1, 1, false);

create function pg_temp.id_of(p_number integer)
returns uuid
language sql strict
as $$
  select format('78000000-0000-4000-8000-0000000000%s', lpad(p_number::text, 2, '0'))::uuid;
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

create function pg_temp.order_pack(p_user integer, p_pack integer, p_url text default null, p_key text default null)
returns text
language sql
as $$
  select pg_temp.outcome(format(
    'select id from public.create_order(%L, %L, %L, %L)', pg_temp.id_of(p_user), pg_temp.id_of(p_pack), p_url, p_key
  ));
$$;

-- Ordering

select is(pg_temp.order_pack(given.person, given.pack), given.outcome, given.name)
from (
  values
    (9, 21, 'UNAUTHENTICATED', 'nobody orders for somebody who does not exist'),
    (1, 29, 'NOT_FOUND', 'a pack that does not exist is not on sale'),
    (1, 23, 'NOT_FOUND', 'nor is a retired one'),
    (1, 22, 'FORBIDDEN', 'a user does not buy wholesale'),
    (3, 22, 'FORBIDDEN', 'nor does a suspended partner')
) as given (person, pack, outcome, name);
create temporary table orders (name text, id uuid);
insert into orders values ('user', pg_temp.order_pack(1, 21, 'https://app.example/back', 'tap-key-of-16-chars')::uuid);
insert into orders values ('partner', pg_temp.order_pack(2, 22)::uuid);
insert into orders values ('owner as user', pg_temp.order_pack(2, 21)::uuid);
select results_eq(
  $$ select orders.name, partner_id, credits, amount, currency, status, title from public.payment_orders join orders using (id) order by 1 $$,
  $$ values
       ('owner as user', null::uuid, 500, 4000.00, 'ARS', 'pending', 'Tap Starter · 500 créditos'),
       ('partner', pg_temp.id_of(11), 5000, 30000.00, 'ARS', 'pending', 'Tap Wholesale · 5000 créditos'),
       ('user', null::uuid, 500, 4000.00, 'ARS', 'pending', 'Tap Starter · 500 créditos') $$,
  'an order freezes credits, price and who is credited'
);
update public.credit_packs set price = 1, credits = 1000000 where id = pg_temp.id_of(21);
select is(
  pg_temp.order_pack(1, 21, 'https://app.example/back', 'tap-key-of-16-chars'), (select id::text from orders where name = 'user'),
  'the same key and request give the same order'
);
select is((select row(credits, amount)::text from public.payment_orders join orders using (id) where name = 'user'), '(500,4000.00)', 'at its price of then');
select is(pg_temp.order_pack(1, 21, 'https://app.example/other', 'tap-key-of-16-chars'), 'IDEMPOTENCY_CONFLICT', 'another request under that key is a conflict');
select isnt(pg_temp.order_pack(2, 21, 'https://app.example/back', 'tap-key-of-16-chars'), (select id::text from orders where name = 'user'), 'somebody else''s key is another key');
select is(
  (select string_agg(distinct length(pg_temp.order_pack(3, 21))::text, ',') from generate_series(1, 31)), '12,36', 'the thirty-first order within an hour is RATE_LIMITED'
);

select is(
  (select preference_id from public.record_preference((select id from orders where name = 'user'), 'pref-1', 'https://pay.example/1', '4711')), 'pref-1',
  'the gateway''s page is noted'
);
select is(
  (select preference_id || init_point from public.record_preference((select id from orders where name = 'user'), 'pref-2', 'https://pay.example/2', '4712')),
  'pref-1https://pay.example/1', 'the first one stays'
);
select public.record_preference(id, 'pref-p', 'https://pay.example/p', '4711') from orders where name <> 'user';
select is(pg_temp.outcome(format('select id from public.record_preference(%L, %L, %L, %L)', pg_temp.id_of(99), 'x', 'x', 'x')), 'ORDER_NOT_FOUND', 'for an order that exists');
select is(pg_temp.outcome(format('select status from public.get_order(%L, %L)', id, pg_temp.id_of(1))), 'pending', 'the buyer looks at the order')
from orders where name = 'user';
select is(pg_temp.outcome(format('select status from public.get_order(%L, %L)', id, pg_temp.id_of(2))), 'ORDER_NOT_FOUND', 'nobody else does')
from orders where name = 'user';

-- Payments

create function pg_temp.pay(p_payment_id bigint, p_order text, p_changes jsonb default '{}')
returns text
language sql
as $$
  select pg_temp.outcome(format(
    'select outcome || coalesce('' '' || order_status, '''') from public.apply_payment(%L, false, %L)',
    jsonb_build_object(
      'id', p_payment_id, 'status', 'approved', 'status_detail', 'accredited', 'external_reference', orders.id,
      'transaction_amount', payment_orders.amount, 'transaction_amount_refunded', 0, 'currency_id', 'ARS', 'collector_id', 4711,
      'live_mode', false, 'date_last_updated', now(), 'payer', jsonb_build_object('email', 'payer@tap.example')
    ) || p_changes,
    public.receive_notification(true, 'payment', p_payment_id::text, '{}', '{"action": "payment.updated"}')
  ))
  from orders join public.payment_orders using (id) where orders.name = p_order;
$$;
create function pg_temp.credits_of(p_user integer) returns integer language sql as $$ select credits from public.profiles where id = pg_temp.id_of(p_user); $$;

select is(pg_temp.pay(9001, 'user', given.changes), 'mismatch pending', format('a payment with %s credits nothing', given.changes))
from (
  values
    ('{"transaction_amount": 3999.99}'::jsonb), ('{"transaction_amount": 1}'), ('{"transaction_amount": 40000}'), ('{"currency_id": "BRL"}'),
    ('{"collector_id": 4712}'), ('{"collector_id": null}'), ('{"live_mode": true}'), ('{"live_mode": null}'), ('{"currency_id": null}')
) as given (changes);
select is(pg_temp.credits_of(1), 0, 'really nothing');
select is(
  (select count(*)::integer from private.alerts where kind = 'payment_mismatch' and subject = '9001'), 1, 'staff is told once'
);
select is(pg_temp.pay(9002, 'user', jsonb_build_object('external_reference', given.reference)), 'unknown_order', format('a payment for %s credits nothing', coalesce(given.reference, 'nothing')))
from (values ('78000000-0000-4000-8000-000000000099'), ('somebody else''s reference'), (null), (''), ('78000000-0000-4000-8000-0000000000zz')) as given (reference);
select is(pg_temp.pay(9003, 'user', '{"date_last_updated": null}'), 'INVALID_INPUT', 'a payment without a date is none');
select is(pg_temp.pay(9004, 'user', '{"status": "a_new_word"}'), 'unchanged pending', 'a status that nobody has heard of moves nothing');

select is(pg_temp.pay(1, 'user'), 'credited paid', 'an approved payment credits its order');
select is(pg_temp.credits_of(1), 500, 'with what it froze');
select is(pg_temp.pay(1, 'user'), 'unchanged paid', 'once');
select is(
  (select row(user_id, order_id = orders.id, credits_added, amount, status, data -> 'notification' ->> 'action', data -> 'payment' ->> 'id')::text
   from public.payment_notifications, orders where mercadopago_id = '1' and orders.name = 'user'),
  format('(%s,t,500,4000.00,approved,payment.updated,1)', pg_temp.id_of(1)), 'the payment is kept with its notification'
);
select is(pg_temp.pay(1, 'owner as user', '{"date_last_updated": "2999-01-01T00:00:00Z"}'), 'mismatch pending', 'a payment stays with its order');
select is(pg_temp.pay(2, 'user'), 'credited paid', 'a further payment credits too');
select is((select count(*)::integer from private.alerts where kind = 'order_paid_twice'), 1, 'and staff is told');
select is(pg_temp.pay(2, 'user', '{"status": "refunded", "transaction_amount_refunded": 4000, "date_last_updated": "2999-01-01T00:00:00Z"}'), 'reversed paid', 'refunded, it takes back what it gave');
select is(pg_temp.credits_of(1), 500, 'and no more');
select is(
  pg_temp.pay(1, 'user', '{"status_detail": "partially_refunded", "transaction_amount_refunded": 0.01, "date_last_updated": "2999-01-01T00:00:00Z"}'),
  'reversed paid', 'a cent refunded'
);
select is(pg_temp.credits_of(1), 499, 'is a credit');
select is(
  pg_temp.pay(1, 'user', '{"status": "charged_back", "status_detail": "settled", "date_last_updated": "2999-01-02T00:00:00Z"}'), 'reversed refunded',
  'a lost chargeback takes all'
);
select is(pg_temp.pay(4, 'user'), 'credited paid', 'and another payment');
select is(
  pg_temp.pay(4, 'user', jsonb_build_object('status', given.status, 'date_last_updated', given.date)), given.outcome,
  format('that is %s after all: %s', given.status, given.outcome)
)
from (
  values
    ('canceled', '2999-01-01T00:00:00Z', 'reversed refunded'), ('approved', '2999-01-02T00:00:00Z', 'reinstated paid'),
    ('cancelled', '2999-01-03T00:00:00Z', 'reversed refunded'), ('approved', '2999-01-04T00:00:00Z', 'reinstated paid'),
    ('rejected', '2999-01-05T00:00:00Z', 'reversed refunded')
) as given (status, date, outcome);
select is(pg_temp.pay(3, 'partner'), 'credited paid', 'a wholesale order is paid');
select is(
  (select row(credits_total, credits_used)::text from public.partners where id = pg_temp.id_of(11)), '(5000,0)', 'and credits the partner'
);
select is(pg_temp.credits_of(2), 0, 'not who bought it');
select is(
  (select string_agg(id, ',' order by id) from public.find_unapplied_payments(
    '[{"id": 1, "date_last_updated": "2999-01-02T00:00:00Z"}, {"id": 2, "date_last_updated": "2999-01-03T00:00:00Z"}, {"id": 77, "date_last_updated": "2020-01-01T00:00:00Z"}]'
  ) as id),
  '2,77', 'what was not applied in its state yet is found'
);

-- An erased buyer

delete from auth.users where id = pg_temp.id_of(1);
select is(pg_temp.pay(1, 'user', '{"status": "charged_back", "status_detail": "reimbursed", "date_last_updated": "2999-01-05T00:00:00Z"}'), 'reinstated paid', 'a payment of an erased buyer is settled');
select is((select data from public.payment_notifications where mercadopago_id = '1'), '{}', 'without a word about them');
select is_empty($$ select * from public.credit_audit() $$, 'the books agree');

-- The notifications themselves, and orders that nobody pays

select isnt(public.receive_notification(true, 'payment', '1', '{}', '{}'), null, 'what the gateway sends is kept');
select public.receive_notification(given, 'stop_delivery_op_wh', 'tap-fraud', '{}', '{}') from (values (true), (true)) as twice (given);
select is((select count(*)::integer from private.alerts where kind = 'fraud_warning'), 1, 'a warning of fraud is for staff');
select public.receive_notification(false, 'stop_delivery_op_wh', 'tap-forged', '{}', '{}');
select is((select count(*)::integer from private.alerts where subject = 'tap-forged'), 0, 'if it is the gateway''s');
update private.rate_limits set hits = 600, expires_at = now() + interval '1 minute' where name = 'notifications:unverified';
insert into private.rate_limits (name, window_started_at, hits, expires_at)
values ('notifications:unverified', now(), 600, now() + interval '1 minute') on conflict do nothing;
select is(public.receive_notification(false, 'payment', '1', '{}', '{}'), null, 'a flood of what nobody can verify is not');
select isnt(public.receive_notification(true, 'payment', '1', '{}', '{}'), null, 'what is verified still is');
update public.payment_orders set created_at = now() - interval '5 days', expires_at = now() - interval '2 days';
select pg_temp.pay(5, 'owner as user', '{"status": "pending"}');
select is(public.cancel_expired_orders(100), 31, 'orders that nobody paid in time are cancelled');
select is((select status from public.payment_orders join orders using (id) where name = 'owner as user'), 'pending', 'but not while a payment is on its way');
select is(
  (select bool_and(status = 'pending') from public.claim_open_orders(100)), true, 'open orders are handed out'
);
select is_empty('select from public.claim_open_orders(100)', 'once a minute');
update public.payment_orders set checked_at = null where id = (select id from orders where name = 'owner as user');
select is(
  (select array_agg(public.claim_order_check(id)) from orders, generate_series(1, 3) where name = 'owner as user'), '{t,f,f}',
  'a buyer who asks all the time asks the gateway once in two seconds'
);
update public.payment_orders set checked_at = now() - interval '3 seconds' where id = (select id from orders where name = 'owner as user');
select is((select public.claim_order_check(id) from orders where name = 'owner as user'), true, 'and then again');
select is((select public.claim_order_check(id) from orders where name = 'partner'), false, 'a paid order is not looked up');

select * from finish();
rollback;

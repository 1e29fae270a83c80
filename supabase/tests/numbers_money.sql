-- What dashboards say of credits and money: who sees which, what an event brought, when credits run out, what the
-- platform sold and gave.

begin;
create extension if not exists pgtap with schema extensions;
select plan(39);

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into auth.users (id, email)
select format('7f000000-0000-4000-8000-00000000000%s', number)::uuid, format('tap-money-%s@tap.example', number)
from generate_series(1, 3) as numbers (number);
update public.profiles set role = 'master' where email = 'tap-money-1@tap.example';
create function pg_temp.master()
returns uuid
language sql
as $$ select '7f000000-0000-4000-8000-000000000001'::uuid; $$;
create function pg_temp.owner()
returns uuid
language sql
as $$ select '7f000000-0000-4000-8000-000000000002'::uuid; $$;
insert into public.partners (id, name, user_id) values ('7f000000-0000-4000-8000-000000000010', 'Tap', pg_temp.owner());
insert into public.events (id, partner_id, event_name, event_slug)
select format('7f000000-0000-4000-8000-00000000002%s', number)::uuid,
  case when number < 4 then '7f000000-0000-4000-8000-000000000010'::uuid end, 'Tap', 'tap-money-' || number
from generate_series(1, 4) as numbers (number);
create function pg_temp.event_id(p_number integer)
returns uuid
language sql
as $$ select format('7f000000-0000-4000-8000-00000000002%s', p_number)::uuid; $$;
insert into public.credit_packs (id, name, audience, credits, price) values ('7f000000-0000-4000-8000-000000000030', 'Tap', 'partner', 500, 4000);
insert into public.payment_orders (id, user_id, partner_id, pack_id, credits, amount, currency)
select format('7f000000-0000-4000-8000-00000000004%s', given.number)::uuid, pg_temp.owner(),
  case when given.number < 4 then '7f000000-0000-4000-8000-000000000010'::uuid end, '7f000000-0000-4000-8000-000000000030', given.credits, given.amount, given.currency
from (values (1, 500, 4000, 'ARS'), (2, 500, 4000, 'ARS'), (3, 100, 10, 'USD'), (4, 700, 70, 'USD')) as given (number, credits, amount, currency);

create function pg_temp.money(p_actor_id uuid)
returns jsonb
language sql
as $$ select public.get_event_stats(p_actor_id, pg_temp.event_id(1)) -> 'money'; $$;
create function pg_temp.overview(p_actor_id uuid, p_partner_id uuid default null)
returns jsonb
language sql
as $$ select public.get_overview(p_actor_id, p_partner_id, null, null, null, 'America/New_York'); $$;
create temporary table before as select pg_temp.overview(pg_temp.master()) -> 'platform' as platform;
-- How much more the platform says now than at the beginning.
create function pg_temp.grown(variadic p_path text[])
returns integer
language sql
as $$
  select (pg_temp.overview(pg_temp.master()) -> 'platform' #>> p_path)::integer - (platform #>> p_path)::integer from before;
$$;

-- Revenue: 500 credits bought and 1,500 given make 2 pesos a credit, of the 8 that were paid for one.

select private.grant_credits('partner', '7f000000-0000-4000-8000-000000000010', 1500, 'Tap');
select is(pg_temp.money(pg_temp.owner()) -> 'revenue', 'null', 'a partner that never ordered brought nobody knows what');
select private.purchase_credits('7f000000-0000-4000-8000-000000000041', 'tap-1');
select private.allocate_event_credits(pg_temp.event_id(1), 100);
select private.allocate_event_credits(pg_temp.event_id(2), 100);
select private.allocate_event_credits(pg_temp.event_id(4), 40);
insert into public.generations (event_id, guest_id, style_id, status, result_path, expected_seconds, credits_charged, created_at, started_at, succeeded_at)
select pg_temp.event_id(1), 'guest_of_tap', 'tap_a', 'succeeded', 'results/tap_' || number, 20, 1, now() - interval '30 minutes' * number / 10, now(), now()
from generate_series(1, 10) as numbers (number);
insert into private.credit_movements (kind, source, source_id, destination, amount, generation_id)
select 'charge', 'event', event_id, 'spent', 1, id from public.generations where event_id = pg_temp.event_id(1);
update public.events set credits_used = 10 where id = pg_temp.event_id(1);
insert into private.generation_attempts (
  generation_id, attempt, status, account, task_id, token_hash, model, prompt_version, submitted_at, finished_at, cost_credits
)
select id, 1, 'succeeded', 'tap', 'tap-' || id, '\x00', 'tap', 1, now(), now(), 4 from public.generations where event_id = pg_temp.event_id(1);

update private.settings set provider_credit_price = null, provider_credit_currency = 'ARS';
select is(pg_temp.money(pg_temp.owner()) ->> 'revenue', '20.00', 'an event brought its photos at the average of all credits');
select is(
  pg_temp.money(pg_temp.owner()) - '{revenue,currency}'::text[],
  '{"provider_credits": null, "provider_cost": null, "provider_currency": null, "margin": null}', 'its partner sees no cost'
);
select is(
  pg_temp.money(pg_temp.master()) - '{revenue,currency}'::text[],
  '{"provider_credits": 40.000, "provider_cost": null, "provider_currency": "ARS", "margin": null}', 'a master none without a price'
);
update private.settings set provider_credit_price = 0.125;
select is(pg_temp.money(pg_temp.master()) ->> 'provider_cost', '5.00', 'with one, what the provider got');
select is(pg_temp.money(pg_temp.master()) ->> 'margin', '15.00', 'and the margin');
update private.settings set provider_credit_currency = 'USD';
select is(pg_temp.money(pg_temp.master()) -> 'margin', 'null', 'which nobody knows across currencies');
select is(pg_temp.money(pg_temp.master()) ->> 'provider_cost', '5.00', 'although the cost is known');
update private.settings set provider_credit_currency = 'ARS';
select private.purchase_credits('7f000000-0000-4000-8000-000000000042', 'tap-2');
select is(pg_temp.money(pg_temp.owner()) ->> 'revenue', '32.00', 'a second order makes it more');
select private.reverse_purchase('tap-2', 250);
select is(pg_temp.money(pg_temp.owner()) ->> 'revenue', '26.67', 'a refund in part less');
select is(public.get_host_stats(pg_temp.owner(), null, 'tap-money-1') -> 'money', null, 'hosts are told nothing of money');
select is(public.get_event_stats(pg_temp.master(), pg_temp.event_id(4)) #> '{money,revenue}', 'null', 'an event of the platform itself brings nothing');

-- The same for a span of days.

select is(
  pg_temp.overview(pg_temp.owner()) -> 'money',
  jsonb_build_object(
    'revenue', jsonb_build_array(jsonb_build_object(
      'currency', 'ARS', 'amount', 6000.00,
      'days', jsonb_build_array(jsonb_build_object('day', (now() at time zone 'America/New_York')::date, 'amount', 6000.00))
    )),
    'provider_credits', null, 'provider_cost', null, 'provider_currency', null, 'margin', null
  ),
  'a partner sees what it paid, without what it got back'
);
select is(
  (pg_temp.overview(pg_temp.master(), '7f000000-0000-4000-8000-000000000010') -> 'money') - 'revenue',
  '{"provider_credits": 40.000, "provider_cost": 5.00, "provider_currency": "ARS", "margin": 5995.00}', 'a master also what is left of it'
);
select private.purchase_credits('7f000000-0000-4000-8000-000000000043', 'tap-3');
select is(pg_temp.money(pg_temp.master()) -> 'revenue', 'null', 'two currencies have no average');
select is(
  (select jsonb_agg(revenue -> 'currency') from jsonb_array_elements(pg_temp.overview(pg_temp.owner()) #> '{money,revenue}') as revenue),
  '["ARS", "USD"]', 'but each its own sum'
);
select is(pg_temp.overview(pg_temp.master(), '7f000000-0000-4000-8000-000000000010') #> '{money,margin}', 'null', 'and there is no margin');

-- What the platform moved.

select private.grant_credits('user', '7f000000-0000-4000-8000-000000000003', 90, 'Tap');
select private.purchase_credits('7f000000-0000-4000-8000-000000000044', 'tap-4');
select is(pg_temp.grown('credits', 'partners', 'sold'), 850, 'credits sold to partners, without the refund');
select is(pg_temp.grown('credits', 'partners', 'granted'), 1540, 'given to them and to the platform''s own events');
select is(pg_temp.grown('credits', 'partners', 'consumed'), 10, 'used by events');
select is(pg_temp.grown('credits', 'users', 'sold'), 700, 'sold to users');
select is(pg_temp.grown('credits', 'users', 'granted'), 90, 'given to them');
select is(pg_temp.grown('credits', 'users', 'consumed'), 0, 'and used by them');
update private.roll_up set counted_until = 'infinity';
insert into private.hourly_credits select * from private.count_credits('-infinity', 'infinity');
select is(pg_temp.grown('credits', 'partners', 'sold'), 850, 'rolled up, the same');
select private.forget_figures();

insert into public.partners (name, is_active) values ('Tap waiting', false);
select is(pg_temp.grown('partners', 'total') || ' ' || pg_temp.grown('partners', 'active'), '1 0', 'partners, and who is active');
select private.raise_alert('tap', 'tap', 'Tap');
select is(pg_temp.grown('open_alerts'), 1, 'open alerts');
insert into public.api_key_pool (api_key, is_active, cooldown_until, failure_count)
values ('tap-1', true, now() + interval '1 minute', 2), ('tap-2', true, null, 0), ('tap-3', false, null, 9);
select is(
  array[pg_temp.grown('api_keys', 'total'), pg_temp.grown('api_keys', 'active'), pg_temp.grown('api_keys', 'cooling_down'), pg_temp.grown('api_keys', 'failing')],
  '{3,2,1,1}', 'keys and their health'
);
select is(pg_temp.overview(pg_temp.owner()) -> 'platform', 'null', 'of which a partner is told nothing');

-- A partner's own.

select is(
  pg_temp.overview(pg_temp.owner()) -> 'events', '{"total": 3, "upcoming": 0, "active": 2, "sold_out": 1, "paused": 0, "ended": 0}', 'events by phase'
);
insert into public.clients (partner_id, name, is_active)
values ('7f000000-0000-4000-8000-000000000010', 'Tap', true), ('7f000000-0000-4000-8000-000000000010', 'Tap', false);
select is(pg_temp.overview(pg_temp.owner()) -> 'clients', '{"total": 2, "active": 1}', 'clients');
select is(
  (pg_temp.overview(pg_temp.owner()) -> 'wallet') - '{partner_id,runs_out_at}'::text[],
  '{"credits_total": 2350, "credits_used": 200, "credits_left": 2150, "credits_consumed": 10, "debt": 0}', 'its wallet'
);
-- 2,340 that are not used yet, at 10 in four weeks, is eighteen years.
select is(pg_temp.overview(pg_temp.owner()) #> '{wallet,runs_out_at}', 'null', 'which is never empty');
update public.events set credits_used = 90 where id = pg_temp.event_id(1);
update public.partners set credits_total = 200 where name = 'Tap';
select is(
  (pg_temp.overview(pg_temp.owner()) #>> '{wallet,runs_out_at}')::timestamptz, now() + interval '28 days' * 11, 'or is at the pace of four weeks'
);

-- When an event runs out: ten photos in half an hour, ninety or ten credits left.

create function pg_temp.runs_out_at()
returns timestamptz
language sql
as $$ select (public.get_event_stats(pg_temp.owner(), pg_temp.event_id(1)) ->> 'runs_out_at')::timestamptz; $$;
select is(pg_temp.runs_out_at(), now() + interval '30 minutes', 'a running event ends at the pace of its photos');
update public.generations set refunded_at = now(), credits_charged = 0
where id in (select id from public.generations where event_id = pg_temp.event_id(1) order by created_at desc limit 5);
select is(pg_temp.runs_out_at(), now() + interval '1 hour', 'of those that were not refunded');
update public.events set is_active = false where id = pg_temp.event_id(1);
select is(pg_temp.runs_out_at(), null, 'paused, it does not');
update public.events set is_active = true where id = pg_temp.event_id(1);
update public.generations set created_at = now() - interval '61 minutes' where event_id = pg_temp.event_id(1);
select is(pg_temp.runs_out_at(), null, 'nor when nobody made photos for an hour');
update public.generations set created_at = now(), refunded_at = null
where id in (select id from public.generations where event_id = pg_temp.event_id(1) limit 2);
select is(pg_temp.runs_out_at(), now() + interval '5 hours', 'the hour counts, not the minutes since the last photo');
update public.generations set created_at = now() where event_id = pg_temp.event_id(1);
update public.generations set refunded_at = null where event_id = pg_temp.event_id(1);
select is(pg_temp.runs_out_at(), now() + interval '5 minutes', 'the first photos of an evening count as those of five minutes');

select * from finish();
rollback;

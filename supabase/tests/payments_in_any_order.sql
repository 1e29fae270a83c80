-- Whatever the order in which the states of a payment become known, and however often each: the credits end
-- as its last decided state says, and the ledger agrees.

begin;
create extension if not exists pgtap with schema extensions;
select plan(5);

insert into auth.users (id, email) values ('77000000-0000-4000-8000-000000000001', 'buyer@tap.example');
insert into public.credit_packs (id, name, audience, credits, price)
values ('77000000-0000-4000-8000-000000000002', 'Tap', 'user', 1000, 300);

-- The fact sheet's states, with the amount of 300 that was refunded, and what follows them.
create temporary table states (name text, status text, detail text, refunded numeric, follows text[]);
insert into states
values
  ('pending', 'pending', 'pending_waiting_payment', 0, '{in_process,approved,rejected,cancelled}'),
  ('in_process', 'in_process', 'pending_review_manual', 0, '{approved,rejected,cancelled}'),
  ('authorized', 'authorized', 'pending_capture', 0, '{approved,cancelled}'),
  ('approved', 'approved', 'accredited', 0, '{partly_refunded,refunded,in_mediation,cb_in_process}'),
  ('partly_refunded', 'approved', 'partially_refunded', 100, '{more_refunded,refunded,in_mediation,cb_in_process}'),
  ('more_refunded', 'approved', 'partially_refunded', 150, '{refunded,in_mediation,cb_in_process}'),
  ('refunded', 'refunded', 'refunded', 300, '{}'),
  ('in_mediation', 'in_mediation', null, 0, '{approved,refunded,cb_in_process}'),
  ('cb_in_process', 'charged_back', 'in_process', 0, '{cb_settled,cb_reimbursed}'),
  ('cb_settled', 'charged_back', 'settled', 0, '{cb_reimbursed}'),
  ('cb_reimbursed', 'charged_back', 'reimbursed', 0, '{}'),
  ('rejected', 'rejected', 'cc_rejected_other_reason', 0, '{}'),
  ('cancelled', 'cancelled', 'expired', 0, '{}'),
  ('canceled', 'canceled', 'by_payer', 0, '{}');

-- Every life of up to four states that begins where payments begin.
create temporary table lives as
with recursive walk as (
  select array[states.name] as life from states where states.name in ('pending', 'in_process', 'authorized', 'approved', 'rejected')
  union all
  select walk.life || next.name
  from walk
  join states on states.name = walk.life[cardinality(walk.life)]
  cross join unnest(states.follows) as next (name)
  where cardinality(walk.life) < 4
)
select row_number() over () as id, walk.life from walk;

-- Every order in which its states may become known; one of them is told twice.
create temporary table tellings as
with recursive told as (
  select lives.id as life_id, lives.life, '{}'::integer[] as places from lives
  union all
  select told.life_id, told.life, told.places || place
  from told
  cross join generate_series(1, cardinality(told.life)) as places (place)
  where place <> all (told.places)
)
select row_number() over () as id, told.life, told.places || told.places[1 + told.life_id % cardinality(told.life)] as places
from told
where cardinality(told.places) = cardinality(told.life);

create function pg_temp.credits_kept(p_life text[])
returns integer
language sql
as $$
  select coalesce(
    (
      select case
        when states.name in ('approved', 'cb_reimbursed') then 1000
        when states.name = 'partly_refunded' then 666
        when states.name = 'more_refunded' then 500
        else 0
      end
      from unnest(p_life) with ordinality as told (name, place)
      join states using (name)
      -- What decides nothing leaves what was decided before.
      where states.name not in ('pending', 'in_process', 'authorized', 'in_mediation', 'cb_in_process')
      order by told.place desc
      limit 1
    ),
    0
  );
$$;

create function pg_temp.payment(p_telling bigint, p_order_id uuid, p_place integer, p_state states)
returns jsonb
language sql
as $$
  select jsonb_build_object(
    'id', 77000000000 + p_telling, 'status', p_state.status, 'status_detail', p_state.detail, 'external_reference', p_order_id,
    'transaction_amount', 300, 'transaction_amount_refunded', p_state.refunded, 'currency_id', 'ARS', 'collector_id', 4711,
    'live_mode', false, 'date_last_updated', now() + p_place * interval '1 second'
  );
$$;

create temporary table results (life text[], places integer[], expected integer, kept integer, is_balanced boolean, status text, order_status text);
do $$
declare
  v_telling record;
  v_order public.payment_orders;
  v_place integer;
  v_before integer;
begin
  for v_telling in select * from tellings loop
    insert into public.payment_orders (user_id, pack_id, credits, amount, currency, preference_id, collector_id)
    values ('77000000-0000-4000-8000-000000000001', '77000000-0000-4000-8000-000000000002', 1000, 300, 'ARS', 'tap', '4711')
    returning * into v_order;
    select credits - private.debt_of('user', id) into v_before from public.profiles where id = v_order.user_id;
    foreach v_place in array v_telling.places loop
      perform public.apply_payment(pg_temp.payment(v_telling.id, v_order.id, v_place, states), false)
      from states where states.name = v_telling.life[v_place];
    end loop;
    insert into results
    select v_telling.life, v_telling.places, pg_temp.credits_kept(v_telling.life), payment_notifications.credits_added,
      profiles.credits - private.debt_of('user', profiles.id) - v_before = payment_notifications.credits_added,
      payment_notifications.status, payment_orders.status
    from public.payment_notifications
    join public.payment_orders on payment_orders.id = payment_notifications.order_id
    join public.profiles on profiles.id = payment_orders.user_id
    where payment_notifications.mercadopago_id = (77000000000 + v_telling.id)::text;
  end loop;
end;
$$;

select cmp_ok((select count(*) from results), '>', 500::bigint, 'hundreds of tellings were tried');
select is_empty($$ select * from results where kept <> expected limit 5 $$, 'the credits are those of the last decided state');
select is_empty($$ select * from results where not is_balanced limit 5 $$, 'and the buyer''s balance, or debt, moved by as many');
select is_empty(
  $$ select results.* from results join states on states.name = life[cardinality(life)] where results.status <> states.status limit 5 $$,
  'the newest state is the one that is kept'
);
select is_empty($$ select * from public.credit_audit() $$, 'the books agree');

select * from finish();
rollback;

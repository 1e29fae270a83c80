-- Selling credits: an order freezes what is sold and for how much before the gateway hears of it, so that a
-- payment can be compared with what was asked for.

alter table public.payment_orders
  add column title text not null default '',
  add column redirect_url text,
  add column preference_key uuid not null default gen_random_uuid(),
  add column collector_id text,
  add column expires_at timestamptz not null default now() + interval '3 days',
  add column checked_at timestamptz;

comment on column public.payment_orders.title is 'What the buyer reads at the gateway.';
comment on column public.payment_orders.redirect_url is 'Where the gateway sends the buyer afterwards; null: the app.';
comment on column public.payment_orders.preference_key is 'Idempotency key of the gateway''s preference: asking again after a lost answer makes no second one.';
comment on column public.payment_orders.collector_id is 'Account of the gateway that asked for the money, from its answer: a payment to another one is not ours.';
comment on column public.payment_orders.expires_at is 'Until when the gateway takes a payment.';
comment on column public.payment_orders.checked_at is 'When its payments were last looked up at the gateway.';

grant select (title, expires_at) on public.payment_orders to authenticated;

drop index public.payment_orders_pending_idx;
create index payment_orders_pending_idx on public.payment_orders (checked_at nulls first, id) where status = 'pending';

alter table public.payment_notifications
  add column gateway_updated_at timestamptz,
  add column decided_at timestamptz;
comment on column public.payment_notifications.decided_at is
  'The same of the newest state that says whose the money is; a mediation, for example, does not.';
comment on column public.payment_notifications.gateway_updated_at is
  'date_last_updated of the payment as it was last applied: an older state never overwrites a newer one.';

create function public.create_order(
  p_user_id uuid, p_pack_id uuid, p_redirect_url text default null, p_idempotency_key text default null
)
returns public.payment_orders
language plpgsql security definer set search_path = ''
as $$
declare
  v_hash bytea := private.hash_request(p_pack_id::text, p_redirect_url);
  v_order public.payment_orders;
  v_pack public.credit_packs;
  v_partner_id uuid;
begin
  -- Requests of one buyer go one after the other: of two with one key the second finds the first one's order.
  perform from public.profiles where profiles.id = p_user_id for no key update;
  if not found then
    perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
  end if;

  if p_idempotency_key is not null then
    select * into v_order
    from public.payment_orders
    where payment_orders.user_id = p_user_id and payment_orders.idempotency_key = p_idempotency_key;
    if found and v_order.request_hash <> v_hash then
      perform private.refuse(
        'IDEMPOTENCY_CONFLICT', 'This idempotency_key was used for another pack or return address',
        p_hint => 'Use a new key for a new order'
      );
    elsif found then
      return v_order;
    end if;
  end if;

  select * into v_pack from public.credit_packs where credit_packs.id = p_pack_id and credit_packs.is_active;
  if not found then
    perform private.refuse('NOT_FOUND', format('There is no pack %s on sale', p_pack_id));
  end if;
  if v_pack.audience = 'partner' then
    select partners.id into v_partner_id
    from public.partners where partners.user_id = p_user_id and partners.is_active;
    if not found then
      perform private.refuse('FORBIDDEN', 'Only partners buy this pack', p_hint => 'Choose a pack for users');
    end if;
  end if;
  perform private.hit_rate_limit('orders:' || p_user_id, 30, interval '1 hour');

  insert into public.payment_orders (
    user_id, partner_id, pack_id, title, credits, amount, currency, redirect_url, idempotency_key, request_hash
  )
  values (
    p_user_id, v_partner_id, v_pack.id, format('%s · %s créditos', v_pack.name, v_pack.credits),
    v_pack.credits, v_pack.price, v_pack.currency, p_redirect_url,
    p_idempotency_key, case when p_idempotency_key is not null then v_hash end
  )
  returning * into v_order;
  return v_order;
end;
$$;
comment on function public.create_order(uuid, uuid, text, text) is
  'Orders a pack at its price of now, for the buyer, or for their partner when the pack is wholesale. The same key and request give the same order. UNAUTHENTICATED, NOT_FOUND (no such pack on sale), FORBIDDEN (partner pack), IDEMPOTENCY_CONFLICT, RATE_LIMITED (30 an hour). Definer; service_role only: it trusts that p_user_id is whom the service authenticated.';
revoke execute on function public.create_order(uuid, uuid, text, text) from public, anon, authenticated;
grant execute on function public.create_order(uuid, uuid, text, text) to service_role;

create function public.record_preference(
  p_order_id uuid, p_preference_id text, p_init_point text, p_collector_id text
)
returns public.payment_orders
language plpgsql security definer set search_path = ''
as $$
declare
  v_order public.payment_orders;
begin
  -- The first one stays: the buyer may be on its page already.
  update public.payment_orders
  set preference_id = p_preference_id, init_point = p_init_point, collector_id = p_collector_id
  where payment_orders.id = p_order_id and payment_orders.preference_id is null;

  select * into v_order from public.payment_orders where payment_orders.id = p_order_id;
  if not found then
    perform private.refuse('ORDER_NOT_FOUND', format('There is no order %s', p_order_id));
  end if;
  return v_order;
end;
$$;
comment on function public.record_preference(uuid, text, text, text) is
  'Notes where the gateway takes the payment of an order, once; returns the order with what was noted first. ORDER_NOT_FOUND. Definer; service_role only.';
revoke execute on function public.record_preference(uuid, text, text, text) from public, anon, authenticated;
grant execute on function public.record_preference(uuid, text, text, text) to service_role;

create function public.get_order(p_order_id uuid, p_user_id uuid)
returns public.payment_orders
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_order public.payment_orders;
begin
  select * into v_order
  from public.payment_orders where payment_orders.id = p_order_id and payment_orders.user_id = p_user_id;
  if not found then
    perform private.refuse('ORDER_NOT_FOUND', format('There is no order %s', p_order_id));
  end if;
  return v_order;
end;
$$;
comment on function public.get_order(uuid, uuid) is
  'A buyer''s order. ORDER_NOT_FOUND, also for somebody else''s. Definer; service_role only: it trusts that p_user_id is whom the service authenticated.';
revoke execute on function public.get_order(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_order(uuid, uuid) to service_role;

create function public.claim_order_check(p_order_id uuid)
returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  update public.payment_orders
  set checked_at = now()
  where payment_orders.id = p_order_id
    and payment_orders.status = 'pending'
    and payment_orders.preference_id is not null
    and coalesce(payment_orders.checked_at <= now() - interval '2 seconds', true);
  return found;
end;
$$;
comment on function public.claim_order_check(uuid) is
  'Whether the caller should look an open order up at the gateway: true once in two seconds, however often its buyer asks. Definer; service_role only.';
revoke execute on function public.claim_order_check(uuid) from public, anon, authenticated;
grant execute on function public.claim_order_check(uuid) to service_role;

create function public.claim_open_orders(p_limit integer)
returns setof public.payment_orders
language sql volatile security definer set search_path = ''
as $$
  update public.payment_orders
  set checked_at = now()
  where payment_orders.id in (
    select open_orders.id
    from public.payment_orders as open_orders
    where open_orders.status = 'pending'
      and (open_orders.checked_at is null or open_orders.checked_at <= now() - interval '1 minute')
      -- The buyer has had time to pay, and the gateway to tell.
      and open_orders.created_at <= now() - interval '1 minute'
    order by open_orders.checked_at nulls first, open_orders.id
    limit p_limit
    for no key update skip locked
  )
  returning *;
$$;
comment on function public.claim_open_orders(integer) is
  'Open orders that nobody has looked up for a minute, those waiting longest first, each for one caller. Definer; service_role only.';
revoke execute on function public.claim_open_orders(integer) from public, anon, authenticated;
grant execute on function public.claim_open_orders(integer) to service_role;

create function public.cancel_expired_orders(p_limit integer)
returns integer
language plpgsql security definer set search_path = ''
as $$
declare
  v_count integer;
begin
  -- A day later than the gateway takes a payment, and only if none is still on its way. Should one be approved
  -- after all, it is credited all the same.
  update public.payment_orders
  set status = 'cancelled'
  where payment_orders.id in (
    select expired.id
    from public.payment_orders as expired
    where expired.status = 'pending'
      and expired.expires_at <= now() - interval '1 day'
      and not exists (
        select from public.payment_notifications
        where payment_notifications.order_id = expired.id
          and payment_notifications.status in ('pending', 'in_process', 'authorized', 'in_mediation')
      )
    limit p_limit
    for no key update skip locked
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function public.cancel_expired_orders(integer) is
  'Orders that can no longer be paid become cancelled. Returns how many. Definer; service_role only.';
revoke execute on function public.cancel_expired_orders(integer) from public, anon, authenticated;
grant execute on function public.cancel_expired_orders(integer) to service_role;

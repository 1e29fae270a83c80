-- What the gateway says of a payment becomes what the ledger holds. Only a payment that was fetched from the
-- gateway gets here, and it is applied as a state: said twice, late or out of order, it ends the same.

create function public.receive_notification(
  p_is_verified boolean, p_topic text, p_resource_id text, p_headers jsonb, p_body jsonb
)
returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  v_id bigint;
begin
  if not p_is_verified then
    -- Anybody can send these: a flood fills neither the table nor the gateway's patience.
    begin
      perform private.hit_rate_limit('notifications:unverified', 600, interval '1 minute');
    exception
      when sqlstate 'PT429' then
        return null;
    end;
  end if;
  insert into private.webhook_inbox (is_verified, topic, resource_id, headers, body)
  values (p_is_verified, left(p_topic, 100), left(p_resource_id, 200), p_headers, p_body)
  returning webhook_inbox.id into v_id;
  -- The gateway suspects a fraud, and says so once.
  if p_is_verified and p_topic = 'stop_delivery_op_wh' then
    perform private.raise_alert(
      'fraud_warning', p_resource_id, format('The gateway asks not to deliver what payment %s bought', p_resource_id)
    );
  end if;
  return v_id;
end;
$$;
comment on function public.receive_notification(boolean, text, text, jsonb, jsonb) is
  'Keeps what the gateway sent, before anything is done with it; returns its id. A fraud warning becomes an alert. Null when there is too much of what cannot be verified (600 a minute): then nothing is kept and nothing should be done. Definer; service_role only.';
revoke execute on function public.receive_notification(boolean, text, text, jsonb, jsonb) from public, anon, authenticated;
grant execute on function public.receive_notification(boolean, text, text, jsonb, jsonb) to service_role;

create function public.finish_notification(p_inbox_id bigint, p_error text default null)
returns void
language sql security definer set search_path = ''
as $$
  update private.webhook_inbox
  set processed_at = now(), error = left(p_error, 500)
  where webhook_inbox.id = p_inbox_id;
$$;
comment on function public.finish_notification(bigint, text) is
  'Notes that a notification was worked on without a payment to apply, and what stopped it. Definer; service_role only.';
revoke execute on function public.finish_notification(bigint, text) from public, anon, authenticated;
grant execute on function public.finish_notification(bigint, text) to service_role;

create function private.match_payment(p_payment jsonb, p_order public.payment_orders, p_is_live boolean)
returns text
language sql stable set search_path = ''
as $$
  select string_agg(format('%s is %s, ordered was %s', given.name, coalesce(given.found, 'missing'), given.expected), '; ')
  from (
    values
      ('amount', (p_payment ->> 'transaction_amount')::numeric(12, 2)::text, p_order.amount::text),
      ('currency', p_payment ->> 'currency_id', p_order.currency),
      ('collector', p_payment ->> 'collector_id', p_order.collector_id),
      ('live_mode', p_payment ->> 'live_mode', p_is_live::text)
  ) as given (name, found, expected)
  where given.found is distinct from given.expected;
$$;
comment on function private.match_payment(jsonb, public.payment_orders, boolean) is
  'In what a payment differs from what its order froze; null when it is the payment of that order.';

create function private.credits_to_take(p_payment jsonb, p_order public.payment_orders)
returns integer
language sql stable set search_path = ''
as $$
  select case
    when p_payment ->> 'status' = 'approved'
      or (p_payment ->> 'status' = 'charged_back' and p_payment ->> 'status_detail' = 'reimbursed')
    then least(
      p_order.credits,
      ceil(p_order.credits * coalesce((p_payment ->> 'transaction_amount_refunded')::numeric, 0) / p_order.amount)
    )::integer
    when p_payment ->> 'status' in ('refunded', 'cancelled', 'canceled', 'rejected')
      or (p_payment ->> 'status' = 'charged_back' and p_payment ->> 'status_detail' = 'settled')
    then p_order.credits
    -- Undecided (mediation, a chargeback in process) or unheard of: nothing moves.
  end;
$$;
comment on function private.credits_to_take(jsonb, public.payment_orders) is
  'How many of an order''s credits a payment in this state has taken back in all: 0 when the money is ours, all when it is not, in part after a partial refund (rounded up); null when that is undecided.';

create function private.settle_order_status(p_order_id uuid)
returns text
language sql volatile set search_path = ''
as $$
  update public.payment_orders
  set status = case when bought.credits is null then payment_orders.status when bought.credits > 0 then 'paid' else 'refunded' end
  from (
    select sum(case credit_movements.kind when 'purchase_reversal' then -amount else amount end) as credits
    from private.credit_movements
    where credit_movements.order_id = p_order_id
      and credit_movements.kind in ('purchase', 'purchase_reversal', 'purchase_reinstatement')
  ) as bought
  where payment_orders.id = p_order_id
  returning payment_orders.status;
$$;
comment on function private.settle_order_status(uuid) is
  'An order is paid while anything of its payments is, refunded when all was taken back, else as it was. Returns the status.';

create function private.find_paid_order(p_reference text)
returns public.payment_orders
language plpgsql set search_path = ''
as $$
begin
  -- The account may sell something else too, with references of its own.
  if p_reference ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
    and exists (select from public.payment_orders where payment_orders.id = p_reference::uuid) then
    return private.lock_order(p_reference::uuid);
  end if;
  return null;
end;
$$;
comment on function private.find_paid_order(text) is
  'The order that a payment refers to, locked with the people whom it concerns; null when it refers to none.';

create function private.credits_of_payment(p_payment_id text)
returns integer
language sql stable set search_path = ''
as $$
  select coalesce(sum(case credit_movements.kind when 'purchase_reversal' then -amount else amount end), 0)::integer
  from private.credit_movements
  where credit_movements.order_id = (
      select purchases.order_id from private.credit_movements as purchases
      where purchases.idempotency_key = 'purchase:' || p_payment_id
    )
    and credit_movements.payment_id = p_payment_id;
$$;
comment on function private.credits_of_payment(text) is 'What a payment has brought and not taken back, in credits.';

create function private.settle_payment(p_order public.payment_orders, p_payment_id text, p_to_take integer)
returns text
language plpgsql set search_path = ''
as $$
declare
  v_before integer := private.credits_of_payment(p_payment_id);
  v_is_credited boolean := exists (
    select from private.credit_movements where credit_movements.idempotency_key = 'purchase:' || p_payment_id
  );
  v_after integer;
begin
  -- A payment that was never ours to keep is not credited, only to be taken back.
  if not v_is_credited and p_to_take = p_order.credits then
    return 'unchanged';
  end if;

  if not v_is_credited and exists (
    select from private.credit_movements
    where credit_movements.order_id = p_order.id and credit_movements.kind = 'purchase'
  ) then
    perform private.raise_alert(
      'order_paid_twice', p_order.id::text, format('Payment %s is a further one for order %s', p_payment_id, p_order.id)
    );
  end if;
  perform private.purchase_credits(p_order.id, p_payment_id);
  perform private.reverse_purchase(p_payment_id, p_to_take);

  v_after := private.credits_of_payment(p_payment_id);
  return case
    when not v_is_credited then 'credited'
    when v_after < v_before then 'reversed'
    when v_after > v_before then 'reinstated'
    else 'unchanged'
  end;
end;
$$;
comment on function private.settle_payment(public.payment_orders, text, integer) is
  'Brings a payment''s credits to those of its order without what is to be taken back: credits it once, takes or gives back the rest. Each distinct payment credits; a further one for an order raises an alert. Returns credited, reversed, reinstated or unchanged. The order is locked by the caller.';

create function public.apply_payment(p_payment jsonb, p_is_live boolean, p_inbox_id bigint default null)
returns table (outcome text, order_id uuid, order_status text)
language plpgsql security definer set search_path = ''
as $$
declare
  v_payment_id text := p_payment ->> 'id';
  v_updated_at timestamptz := (p_payment ->> 'date_last_updated')::timestamptz;
  v_known public.payment_notifications;
  v_order public.payment_orders;
  v_mismatch text;
  v_to_take integer;
  v_is_newest boolean;
  v_is_decisive boolean := false;
  v_outcome text := 'unchanged';
  v_notification jsonb;
begin
  if coalesce(v_payment_id, '') = '' or v_updated_at is null then
    perform private.refuse('INVALID_INPUT', 'A payment needs id and date_last_updated', jsonb_build_object('field', 'payment'));
  end if;
  -- States of one payment are applied one after the other, whichever message brought them.
  perform pg_advisory_xact_lock(hashtextextended('payment:' || v_payment_id, 0));
  select * into v_known from public.payment_notifications where payment_notifications.mercadopago_id = v_payment_id;
  v_is_newest := coalesce(v_known.gateway_updated_at <= v_updated_at, true);

  v_order := private.find_paid_order(p_payment ->> 'external_reference');
  if v_order.id is null then
    v_outcome := 'unknown_order';
  else
    v_mismatch := case
      when v_known.order_id <> v_order.id then format('it was of order %s before', v_known.order_id)
      else private.match_payment(p_payment, v_order, p_is_live)
    end;
    v_to_take := private.credits_to_take(p_payment, v_order);
    -- A state that decides nothing, such as a mediation, leaves what an earlier one decided: should that
    -- one arrive only now, it still counts.
    v_is_decisive := v_mismatch is null and v_to_take is not null and coalesce(v_known.decided_at <= v_updated_at, true);
  end if;

  if v_mismatch is not null then
    v_outcome := 'mismatch';
    if p_payment ->> 'status' not in ('rejected', 'cancelled', 'canceled') then
      perform private.raise_alert(
        'payment_mismatch', v_payment_id, format('Payment %s credits nothing: %s', v_payment_id, v_mismatch)
      );
    end if;
  elsif v_is_decisive then
    v_outcome := private.settle_payment(v_order, v_payment_id, v_to_take);
    v_order.status := private.settle_order_status(v_order.id);
  elsif not v_is_newest then
    v_outcome := 'stale';
  end if;

  -- What made us look is done with, in the same transaction.
  update private.webhook_inbox set processed_at = now()
  where webhook_inbox.id = p_inbox_id
  returning webhook_inbox.body into v_notification;

  insert into public.payment_notifications as known (
    mercadopago_id, user_id, order_id, credits_added, amount, status, data, gateway_updated_at, decided_at
  )
  values (
    v_payment_id, v_order.user_id, v_order.id, private.credits_of_payment(v_payment_id),
    (p_payment ->> 'transaction_amount')::numeric(12, 2), p_payment ->> 'status',
    jsonb_build_object('notification', v_notification, 'payment', p_payment), v_updated_at,
    case when v_is_decisive then v_updated_at end
  )
  on conflict (mercadopago_id) do update set
    credits_added = excluded.credits_added,
    amount = case when v_is_newest then excluded.amount else known.amount end,
    status = case when v_is_newest then excluded.status else known.status end,
    data = case
      when v_is_newest and v_notification is null then known.data || jsonb_build_object('payment', p_payment)
      when v_is_newest then excluded.data
      else known.data
    end,
    gateway_updated_at = greatest(known.gateway_updated_at, excluded.gateway_updated_at),
    decided_at = coalesce(excluded.decided_at, known.decided_at);
  -- Of somebody who was erased the gateway's words about them are not kept.
  update public.payment_notifications set data = '{}'
  where payment_notifications.mercadopago_id = v_payment_id
    and payment_notifications.user_id is not null
    and not exists (select from public.profiles where profiles.id = payment_notifications.user_id);

  return query select v_outcome, v_order.id, v_order.status;
end;
$$;
comment on function public.apply_payment(jsonb, boolean, bigint) is
  'Applies the state of a payment as fetched from the gateway, in one transaction: credits its order once if amount, currency, collector and live mode are those of the order, takes back what was refunded or charged back, gives back what was reimbursed, and keeps the payment with the notification that made us look (p_inbox_id), which is thereby done with. Returns outcome: credited, reversed, reinstated, unchanged, stale (a newer state was applied before), mismatch (alert, nothing credited) or unknown_order. INVALID_INPUT. Definer; service_role only: it trusts that the caller fetched the payment.';
revoke execute on function public.apply_payment(jsonb, boolean, bigint) from public, anon, authenticated;
grant execute on function public.apply_payment(jsonb, boolean, bigint) to service_role;

create function public.find_unapplied_payments(p_payments jsonb)
returns setof text
language sql stable security definer set search_path = ''
as $$
  select given.id
  from jsonb_to_recordset(p_payments) as given (id text, date_last_updated timestamptz)
  left join public.payment_notifications on payment_notifications.mercadopago_id = given.id
  where payment_notifications.gateway_updated_at is null or payment_notifications.gateway_updated_at < given.date_last_updated;
$$;
comment on function public.find_unapplied_payments(jsonb) is
  'Ids of payments ([{ id, date_last_updated }]) that were not applied in that state yet. Definer; service_role only.';
revoke execute on function public.find_unapplied_payments(jsonb) from public, anon, authenticated;
grant execute on function public.find_unapplied_payments(jsonb) to service_role;

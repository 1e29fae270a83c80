-- What a payment brings, and what its reversal takes back. The gateway's truth is applied as a state,
-- never as a step: the caller says what is so (this payment is approved; so many of its credits are
-- taken back in all) and the ledger is brought there, whatever came before and however often.

create function private.buyer_account(p_order public.payment_orders)
returns private.credit_account
language sql immutable set search_path = ''
as $$
  select case when p_order.partner_id is null then 'user' else 'partner' end::private.credit_account;
$$;
comment on function private.buyer_account(public.payment_orders) is 'Whether an order credits a user or a partner.';

create function private.lock_order(p_order_id uuid)
returns public.payment_orders
language plpgsql set search_path = ''
as $$
declare
  v_order public.payment_orders;
begin
  select * into v_order from public.payment_orders where payment_orders.id = p_order_id;
  if not found then
    perform private.refuse('ORDER_NOT_FOUND', format('There is no order %s', p_order_id));
  end if;

  -- People before their order, as the deletion of an account locks them; and who referred the buyer before
  -- the buyer, since the deletion of that person lets go of everybody they referred.
  if v_order.partner_id is null then
    perform private.lock_balance('user', (select profiles.referred_by from public.profiles where profiles.id = v_order.user_id));
    perform private.lock_balance('user', v_order.user_id);
  end if;
  select * into strict v_order from public.payment_orders where payment_orders.id = p_order_id for no key update;
  return v_order;
end;
$$;
comment on function private.lock_order(uuid) is
  'The order, locked together with the people whom its payment concerns. ORDER_NOT_FOUND.';

create function private.give_credits(
  p_kind private.credit_movement_kind,
  p_account private.credit_account,
  p_account_id uuid,
  p_amount integer,
  p_idempotency_key text,
  p_order_id uuid,
  p_payment_id text default null,
  p_request_hash bytea default null
)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_is_gone boolean := private.lock_balance(p_account, p_account_id) is null;
begin
  return private.post_movement(
    p_kind, 'issued', null,
    case when v_is_gone then 'written_off' else p_account end, case when not v_is_gone then p_account_id end,
    p_amount, p_idempotency_key, p_order_id => p_order_id, p_payment_id => p_payment_id, p_request_hash => p_request_hash
  );
end;
$$;
comment on function private.give_credits is
  'Issues credits to a user or partner; to nobody (written_off) when the person has been erased.';

create function private.take_credits(
  p_kind private.credit_movement_kind,
  p_account private.credit_account,
  p_account_id uuid,
  p_amount integer,
  p_idempotency_key text,
  p_order_id uuid,
  p_payment_id text default null
)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_balance integer := private.lock_balance(p_account, p_account_id);
  v_taken integer := least(v_balance, p_amount);
begin
  if v_balance is null then
    perform private.post_movement(
      p_kind, 'written_off', null, 'issued', null, p_amount, p_idempotency_key,
      p_order_id => p_order_id, p_payment_id => p_payment_id
    );
    return;
  end if;

  if v_taken > 0 then
    perform private.post_movement(
      p_kind, p_account, p_account_id, 'issued', null, v_taken, p_idempotency_key,
      p_order_id => p_order_id, p_payment_id => p_payment_id
    );
  end if;
  if v_taken < p_amount then
    perform private.post_movement(
      p_kind, private.debt_account(p_account), p_account_id,
      'issued', null, p_amount - v_taken, p_idempotency_key || ':debt',
      p_order_id => p_order_id, p_payment_id => p_payment_id
    );
    perform private.raise_alert(
      'credit_debt', p_account_id::text,
      format('%s owes %s credits after a reversed purchase', p_account, private.debt_of(p_account, p_account_id))
    );
  end if;
end;
$$;
comment on function private.take_credits is
  'Takes credits back from a user or partner: what is there from the balance, the rest as a debt with an alert for staff. From nobody (written_off) when the person has been erased.';

create function private.purchase_credits(p_order_id uuid, p_payment_id text)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_key text := 'purchase:' || p_payment_id;
  v_hash bytea := private.hash_request(p_order_id::text, p_payment_id);
  v_order public.payment_orders;
  v_movement private.credit_movements;
begin
  if coalesce(length(btrim(p_payment_id)), 0) not between 1 and 100 then
    perform private.refuse(
      'INVALID_INPUT', 'A payment needs an id of 1 to 100 characters', jsonb_build_object('field', 'payment_id')
    );
  end if;

  v_movement := private.find_movement(v_key, v_hash);
  if v_movement.id is not null then
    return v_movement;
  end if;

  v_order := private.lock_order(p_order_id);
  v_movement := private.give_credits(
    'purchase', private.buyer_account(v_order), coalesce(v_order.partner_id, v_order.user_id), v_order.credits,
    v_key, p_order_id, p_payment_id, v_hash
  );
  perform private.settle_referral_reward(v_order);
  return v_movement;
end;
$$;
comment on function private.purchase_credits(uuid, text) is
  'An approved payment credits its order, once per payment: the buyer, or the partner of a partner order. The first purchase of a referred user rewards who referred them. ORDER_NOT_FOUND, INVALID_INPUT, IDEMPOTENCY_CONFLICT (the payment credited another order). Returns the movement.';

create function private.reverse_purchase(p_payment_id text, p_taken integer)
returns integer
language plpgsql set search_path = ''
as $$
declare
  v_purchase private.credit_movements;
  v_order public.payment_orders;
  v_before integer;
  v_count integer;
begin
  select * into v_purchase
  from private.credit_movements where credit_movements.idempotency_key = 'purchase:' || p_payment_id;
  if not found then
    perform private.refuse('ORDER_NOT_FOUND', format('Payment %s has credited no order', p_payment_id));
  end if;
  if p_taken is null or p_taken not between 0 and v_purchase.amount then
    perform private.refuse(
      'INVALID_INPUT',
      format('Payment %s brought %s credits: %s cannot be taken back in all', p_payment_id, v_purchase.amount, coalesce(p_taken::text, 'null')),
      jsonb_build_object('field', 'taken', 'credits', v_purchase.amount)
    );
  end if;

  v_order := private.lock_order(v_purchase.order_id);
  select
    coalesce(sum(case credit_movements.kind when 'purchase_reversal' then amount when 'purchase_reinstatement' then -amount end), 0),
    count(*)
  into v_before, v_count
  from private.credit_movements
  where credit_movements.order_id = v_order.id and credit_movements.payment_id = p_payment_id;

  if p_taken > v_before then
    perform private.take_credits(
      'purchase_reversal', private.buyer_account(v_order), coalesce(v_order.partner_id, v_order.user_id),
      p_taken - v_before, format('purchase_reversal:%s:%s', p_payment_id, v_count), v_order.id, p_payment_id
    );
  elsif p_taken < v_before then
    perform private.give_credits(
      'purchase_reinstatement', private.buyer_account(v_order), coalesce(v_order.partner_id, v_order.user_id),
      v_before - p_taken, format('purchase_reinstatement:%s:%s', p_payment_id, v_count), v_order.id, p_payment_id
    );
  end if;
  perform private.settle_referral_reward(v_order);
  return p_taken - v_before;
end;
$$;
comment on function private.reverse_purchase(text, integer) is
  'Brings the credits taken back of a payment to p_taken in all: more after a further refund, fewer when a dispute was won, none moved when it is so already. What was spent becomes a debt. Returns the credits taken by this call, below 0 when it gave back. ORDER_NOT_FOUND, INVALID_INPUT.';

create function private.settle_referral_reward(p_order public.payment_orders)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_referrer_id uuid;
  v_reward integer;
  v_outstanding integer;
  v_count integer;
  v_is_paid boolean;
begin
  if p_order.partner_id is not null then
    return;
  end if;

  -- What this order's purchase has brought so far, and whether anything of it is still paid for.
  select
    coalesce(sum(case kind when 'referral_reward' then amount when 'reward_reversal' then -amount end), 0),
    count(*) filter (where kind in ('referral_reward', 'reward_reversal')),
    coalesce(sum(case kind when 'purchase_reversal' then -amount when 'purchase' then amount when 'purchase_reinstatement' then amount end), 0) > 0,
    max(destination_id::text) filter (where kind = 'referral_reward'),
    max(amount) filter (where kind = 'referral_reward')
  into v_outstanding, v_count, v_is_paid, v_referrer_id, v_reward
  from private.credit_movements
  where credit_movements.order_id = p_order.id;

  if v_referrer_id is null then
    -- Not rewarded yet. The reward is for the first purchase, ever; none goes to somebody in debt.
    if not v_is_paid or exists (
      select from private.credit_movements
      where credit_movements.destination_id = p_order.user_id
        and credit_movements.kind = 'purchase'
        and credit_movements.order_id <> p_order.id
    ) then
      return;
    end if;
    select profiles.referred_by into v_referrer_id from public.profiles where profiles.id = p_order.user_id;
    v_reward := (select settings.referral_reward from private.settings);
    if v_referrer_id is null or v_reward = 0 or private.debt_of('user', v_referrer_id) > 0 then
      return;
    end if;
  end if;

  if v_is_paid and v_outstanding = 0 then
    perform private.give_credits(
      'referral_reward', 'user', v_referrer_id, v_reward, format('referral_reward:%s:%s', p_order.id, v_count), p_order.id
    );
  elsif not v_is_paid and v_outstanding > 0 then
    perform private.take_credits(
      'reward_reversal', 'user', v_referrer_id, v_outstanding, format('reward_reversal:%s:%s', p_order.id, v_count), p_order.id
    );
  end if;
end;
$$;
comment on function private.settle_referral_reward(public.payment_orders) is
  'Brings the reward for who referred the buyer to what the order deserves: paid with the buyer''s first purchase, taken back when nothing of that purchase is left, given again when a reversal is taken back. The order and both people are locked by the caller.';

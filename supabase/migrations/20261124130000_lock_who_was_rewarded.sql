-- Whose credits the payment of an order concerns is known from the ledger once a reward was paid: the
-- buyer's profile, which names them too, may have been erased since. Two messages for such an order could
-- deadlock, when one of them had read the name before the erasure (seen in credit_storm_test.ts): it held
-- the person and waited for the order, the other held the order and went on to the person.

create or replace function private.lock_order(p_order_id uuid)
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
  -- the buyer, since the deletion of that person lets go of everybody they referred. One statement finds who
  -- that is, so that either the reward is seen or the profile that it was paid for.
  if v_order.partner_id is null then
    perform private.lock_balance('user', coalesce(
      (
        select credit_movements.destination_id
        from private.credit_movements
        where credit_movements.order_id = p_order_id and credit_movements.kind = 'referral_reward'
        limit 1
      ),
      (select profiles.referred_by from public.profiles where profiles.id = v_order.user_id)
    ));
    perform private.lock_balance('user', v_order.user_id);
  end if;
  select * into strict v_order from public.payment_orders where payment_orders.id = p_order_id for no key update;
  return v_order;
end;
$$;

-- What the provider's credits cost us, so that there are margins.

alter table private.settings
  add column provider_credit_price numeric(12, 6),
  add column provider_credit_currency text not null default 'USD',
  add constraint settings_provider_credit_price_nonnegative check (provider_credit_price >= 0),
  add constraint settings_provider_credit_currency_is_iso check (provider_credit_currency ~ '^[A-Z]{3}$');
comment on column private.settings.provider_credit_price is
  'What one credit of the provider costs us; null: unknown, and so are cost and margin.';
comment on column private.settings.provider_credit_currency is
  'Currency of that price. There is a margin where the revenue has the same: nobody here knows an exchange rate.';

create or replace function public.update_settings(p_actor_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old private.settings;
  v_new private.settings;
  v_constraint text;
begin
  perform private.check_master(p_actor_id);
  select * into strict v_old from private.settings for no key update;
  v_new := jsonb_populate_record(v_old, p_changes);
  begin
    update private.settings
    set signup_bonus = v_new.signup_bonus, referral_reward = v_new.referral_reward,
      pack_unlock_price = v_new.pack_unlock_price, is_in_maintenance = v_new.is_in_maintenance,
      provider_model = v_new.provider_model, provider_resolution = v_new.provider_resolution,
      provider_output_format = v_new.provider_output_format,
      provider_tasks_per_window = v_new.provider_tasks_per_window,
      provider_tasks_running = v_new.provider_tasks_running, uploads_per_minute = v_new.uploads_per_minute,
      provider_credit_price = v_new.provider_credit_price,
      provider_credit_currency = v_new.provider_credit_currency
    where settings.is_singleton
    returning * into v_new;
  exception
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform private.refuse_values('settings', v_constraint, p_changes);
  end;
  perform private.log_change(p_actor_id, 'update', 'settings', null, to_jsonb(v_old), to_jsonb(v_new));
  return public.get_settings(p_actor_id);
end;
$$;

create function private.average_price(p_partner_id uuid)
returns table (price numeric, currency text)
language sql stable set search_path = ''
as $$
  -- Credits are alike, bought or given: what was paid is spread over all of them.
  select paid.amount / nullif(partners.credits_total, 0), paid.currency
  from public.partners
  cross join lateral (
    select sum(orders.amount * kept.credits / orders.credits) as amount, min(orders.currency) as currency
    from public.payment_orders as orders
    cross join lateral (
      select sum(case movements.kind when 'purchase_reversal' then -movements.amount else movements.amount end) as credits
      from private.credit_movements as movements
      where movements.order_id = orders.id
        and movements.kind in ('purchase', 'purchase_reversal', 'purchase_reinstatement')
    ) as kept
    where orders.partner_id = partners.id and kept.credits is not null
    having count(distinct orders.currency) = 1
  ) as paid
  where partners.id = p_partner_id;
$$;
comment on function private.average_price(uuid) is
  'What a partner paid for a credit on average: its orders, without what was taken back, over all credits it has had. No row when it never ordered, or in several currencies.';

create function private.describe_money(p_revenue numeric, p_currency text, p_provider_credits numeric, p_is_master boolean)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('revenue', round(p_revenue, 2), 'currency', p_currency) || case
    when p_is_master then jsonb_build_object(
      'provider_credits', p_provider_credits,
      'provider_cost', round(p_provider_credits * settings.provider_credit_price, 2),
      'provider_currency', settings.provider_credit_currency,
      'margin', case
        when p_currency = settings.provider_credit_currency
        then round(p_revenue - p_provider_credits * settings.provider_credit_price, 2)
      end
    )
    else jsonb_build_object('provider_credits', null, 'provider_cost', null, 'provider_currency', null, 'margin', null)
  end
  from private.settings;
$$;
comment on function private.describe_money(numeric, text, numeric, boolean) is
  'Revenue, and for a master what the provider got of it. No margin across currencies, or without a price of the provider''s credits.';

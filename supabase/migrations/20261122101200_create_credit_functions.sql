-- The movements that this far of the product needs. Each: guard, lock, decide, write, return the row.

create function private.refuse_for_credits(p_balance integer, p_needed integer)
returns void
language sql set search_path = ''
as $$
  select private.refuse(
    'INSUFFICIENT_CREDITS',
    format('Balance is %s, %s needed', p_balance, p_needed),
    jsonb_build_object('balance', p_balance, 'needed', p_needed)
  );
$$;
comment on function private.refuse_for_credits(integer, integer) is 'Refuses with INSUFFICIENT_CREDITS and both figures.';

create function private.event_phase(p_event public.events)
returns text
language sql stable set search_path = ''
as $$
  select case
    when p_event.closed_at is not null or p_event.end_date <= now() then 'ended'
    when not p_event.is_active
      or exists (select from public.partners where partners.id = p_event.partner_id and not partners.is_active)
      or exists (select from public.clients where clients.id = p_event.client_id and not clients.is_active)
      then 'paused'
    when p_event.start_date > now() then 'upcoming'
    when p_event.credits_used >= p_event.credits_allocated then 'sold_out'
    else 'active'
  end;
$$;
comment on function private.event_phase(public.events) is
  'ended, paused, upcoming, sold_out or active: the first that applies. An inactive partner or client pauses the event.';

create function public.increment_event_credit(p_event_id uuid, p_amount integer default 1)
returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
begin
  if p_amount is null or p_amount < 1 or p_amount > 1000000 then
    perform private.refuse(
      'INVALID_INPUT',
      format('p_amount is %s, a whole number from 1 to 1000000 is needed', coalesce(p_amount::text, 'null')),
      jsonb_build_object('field', 'p_amount')
    );
  end if;

  select * into v_event from public.events where events.id = p_event_id for no key update;
  if not found
    or private.event_phase(v_event) <> 'active'
    or v_event.credits_allocated - v_event.credits_used < p_amount then
    return false;
  end if;

  perform private.post_movement(
    'charge', 'event', p_event_id, 'spent', null, p_amount, 'increment_event_credit:' || gen_random_uuid()
  );
  return true;
end;
$$;
comment on function public.increment_event_credit(uuid, integer) is
  'Takes credits from an event; false when it is unknown, has not enough, is paused, closed or outside its window. Each call is a movement of its own. INVALID_INPUT for an amount below 1. Definer: no role may write a balance; service_role only.';
revoke execute on function public.increment_event_credit(uuid, integer) from public, anon, authenticated;
grant execute on function public.increment_event_credit(uuid, integer) to service_role;

create function private.grant_partner_credits(
  p_partner_id uuid, p_amount integer, p_idempotency_key text, p_staff_id uuid, p_reason text
)
returns public.partners
language plpgsql set search_path = ''
as $$
declare
  v_partner public.partners;
begin
  perform private.post_movement(
    'grant', 'issued', null, 'partner', p_partner_id, p_amount, p_idempotency_key,
    p_staff_id => p_staff_id, p_reason => p_reason
  );
  select * into strict v_partner from public.partners where partners.id = p_partner_id;
  return v_partner;
end;
$$;
comment on function private.grant_partner_credits is 'Gives a partner credits that it can allocate to its events.';

create function private.allocate_event_credits(
  p_event_id uuid, p_amount integer, p_idempotency_key text, p_staff_id uuid default null
)
returns public.events
language plpgsql set search_path = ''
as $$
declare
  v_event public.events;
  v_partner public.partners;
begin
  select * into v_event from public.events where events.id = p_event_id for no key update;
  if not found then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', p_event_id));
  end if;
  if v_event.closed_at is not null then
    perform private.refuse('EVENT_ENDED', format('Event %s is closed', v_event.event_slug));
  end if;

  select * into v_partner from public.partners where partners.id = v_event.partner_id for no key update;
  if v_partner.credits_total - v_partner.credits_used < p_amount then
    perform private.refuse_for_credits(v_partner.credits_total - v_partner.credits_used, p_amount);
  end if;

  -- The master's own events have no partner: their credits are issued directly.
  perform private.post_movement(
    'allocation',
    case when v_event.partner_id is null then 'issued' else 'partner' end::private.credit_account, v_event.partner_id,
    'event', p_event_id, p_amount, p_idempotency_key, p_staff_id => p_staff_id
  );

  select * into strict v_event from public.events where events.id = p_event_id;
  return v_event;
end;
$$;
comment on function private.allocate_event_credits is
  'Moves credits from a partner to one of its events. INSUFFICIENT_CREDITS when the partner has not enough.';

create function private.unlock_style_pack(p_pack text)
returns public.pack_unlocks
language plpgsql security definer set search_path = ''
as $$
declare
  v_user_id uuid := auth.uid();
  v_price integer := (select settings.pack_unlock_price from private.settings);
  v_profile public.profiles;
  v_unlock public.pack_unlocks;
begin
  if v_user_id is null then
    perform private.refuse('UNAUTHENTICATED', 'Sign in to unlock a pack');
  end if;
  if not exists (
    select from public.styles_metadata
    where styles_metadata.subcategory = p_pack and styles_metadata.is_premium and styles_metadata.is_active
  ) then
    perform private.refuse(
      'STYLE_NOT_FOUND',
      format('There is no premium pack %L', p_pack),
      p_hint => 'A pack is the subcategory of its styles; packs without premium styles need no unlocking'
    );
  end if;

  -- The lock makes two taps at once one purchase.
  select * into v_profile from public.profiles where profiles.id = v_user_id for no key update;

  select * into v_unlock from public.pack_unlocks
  where pack_unlocks.user_id = v_user_id and pack_unlocks.pack = p_pack;
  if found then
    return v_unlock;
  end if;

  if v_profile.credits < v_price then
    perform private.refuse_for_credits(v_profile.credits, v_price);
  end if;

  perform private.post_movement(
    'unlock', 'user', v_user_id, 'spent', null, v_price, format('unlock:%s:%s', v_user_id, p_pack), p_reason => p_pack
  );
  insert into public.pack_unlocks (user_id, pack, price) values (v_user_id, p_pack, v_price) returning * into v_unlock;
  return v_unlock;
end;
$$;
comment on function private.unlock_style_pack(text) is
  'The rule behind public.unlock_style_pack. Definer: it writes a balance; trusts nothing but auth.uid().';
grant execute on function private.unlock_style_pack(text) to authenticated;

create function public.unlock_style_pack(p_pack text)
returns public.pack_unlocks
language sql set search_path = ''
as $$ select private.unlock_style_pack(p_pack); $$;
comment on function public.unlock_style_pack(text) is
  'Buys a premium pack with the caller''s credits, once: asking again returns the first purchase and charges nothing. Refusals: UNAUTHENTICATED, STYLE_NOT_FOUND, INSUFFICIENT_CREDITS.';
revoke execute on function public.unlock_style_pack(text) from public, anon;
grant execute on function public.unlock_style_pack(text) to authenticated;

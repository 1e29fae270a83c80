-- Movements that staff asks for. Each: guard, lock, decide, write, return the movement. Who may ask is
-- decided before; p_staff_id records who did. p_idempotency_key is the caller's and is scoped to the
-- person and the kind of movement; without one every call is a movement of its own.

create function private.staff_key(p_kind text, p_staff_id uuid, p_idempotency_key text)
returns text
language sql volatile set search_path = ''
as $$
  select format('%s:%s:%s', p_kind, coalesce(p_staff_id::text, 'system'), coalesce(p_idempotency_key, gen_random_uuid()::text));
$$;
comment on function private.staff_key(text, uuid, text) is 'The ledger''s key for a key that a person chose.';

create function private.lock_holder(p_account private.credit_account, p_account_id uuid)
returns integer
language plpgsql set search_path = ''
as $$
declare
  v_balance integer;
begin
  if p_account is null or p_account not in ('user', 'partner') then
    perform private.refuse(
      'INVALID_INPUT', format('Account is %s, user or partner is needed', coalesce(p_account::text, 'null')),
      jsonb_build_object('field', 'account')
    );
  end if;
  v_balance := private.lock_balance(p_account, p_account_id);
  if v_balance is null then
    perform private.refuse('NOT_FOUND', format('There is no %s %s', p_account, p_account_id));
  end if;
  return v_balance;
end;
$$;
comment on function private.lock_holder(private.credit_account, uuid) is
  'The balance of a user or partner, locked. INVALID_INPUT for another kind of account, NOT_FOUND.';

drop function private.grant_partner_credits;

create function private.grant_credits(
  p_account private.credit_account,
  p_account_id uuid,
  p_amount integer,
  p_reason text,
  p_idempotency_key text default null,
  p_staff_id uuid default null
)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_key text := private.staff_key('grant', p_staff_id, p_idempotency_key);
  v_hash bytea := private.hash_request(p_account::text, p_account_id::text, p_amount::text, p_reason);
  v_movement private.credit_movements;
begin
  perform private.check_amount(p_amount);
  perform private.check_reason(p_reason);

  v_movement := private.find_movement(v_key, v_hash);
  if v_movement.id is not null then
    return v_movement;
  end if;

  perform private.lock_holder(p_account, p_account_id);
  perform private.check_room(p_account, p_account_id, p_amount);
  return private.post_movement(
    'grant', 'issued', null, p_account, p_account_id, p_amount, v_key,
    p_staff_id => p_staff_id, p_request_hash => v_hash, p_note => p_reason
  );
end;
$$;
comment on function private.grant_credits is
  'Gives a user or partner credits that nobody paid for. INVALID_INPUT, NOT_FOUND, IDEMPOTENCY_CONFLICT.';

create function private.adjust_credits(
  p_account private.credit_account,
  p_account_id uuid,
  p_amount integer,
  p_reason text,
  p_idempotency_key text default null,
  p_staff_id uuid default null
)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_key text := private.staff_key('adjustment', p_staff_id, p_idempotency_key);
  v_hash bytea := private.hash_request(p_account::text, p_account_id::text, p_amount::text, p_reason);
  v_balance integer;
  v_movement private.credit_movements;
begin
  perform private.check_amount(abs(p_amount::bigint));
  perform private.check_reason(p_reason);

  v_movement := private.find_movement(v_key, v_hash);
  if v_movement.id is not null then
    return v_movement;
  end if;

  v_balance := private.lock_holder(p_account, p_account_id);
  if p_amount > 0 then
    perform private.check_room(p_account, p_account_id, p_amount);
    return private.post_movement(
      'adjustment', 'issued', null, p_account, p_account_id, p_amount, v_key,
      p_staff_id => p_staff_id, p_request_hash => v_hash, p_note => p_reason
    );
  end if;
  if v_balance < -p_amount then
    perform private.refuse_for_credits(v_balance, -p_amount, private.debt_of(p_account, p_account_id));
  end if;
  return private.post_movement(
    'adjustment', p_account, p_account_id, 'issued', null, -p_amount, v_key,
    p_staff_id => p_staff_id, p_request_hash => v_hash, p_note => p_reason
  );
end;
$$;
comment on function private.adjust_credits is
  'Corrects the balance of a user or partner: above 0 adds, below 0 takes, never below what is there. INVALID_INPUT, NOT_FOUND, INSUFFICIENT_CREDITS, IDEMPOTENCY_CONFLICT.';

create function private.lock_events(variadic p_event_ids uuid[])
returns setof public.events
language plpgsql set search_path = ''
as $$
declare
  v_unknown uuid;
begin
  -- From the top down, as a partner that is deactivated locks its events: first the partners, then
  -- their open events. Closing takes the partner's lock too, so what is open now stays open; a closed event is
  -- final and is read without a lock. A late refund may therefore hold a closed event and then lock its
  -- partner: nobody who holds that partner waits for it.
  perform from public.partners
  where partners.id in (select events.partner_id from public.events where events.id = any (p_event_ids))
  order by partners.id
  for no key update;

  perform from public.events
  where events.id = any (p_event_ids) and events.closed_at is null
  order by events.id
  for no key update;

  return query select events.* from public.events where events.id = any (p_event_ids);

  select given.id into v_unknown
  from unnest(p_event_ids) as given (id)
  where not exists (select from public.events where events.id = given.id);
  if found then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', v_unknown));
  end if;
end;
$$;
comment on function private.lock_events(uuid[]) is
  'The rows of events, with their partners and those that are open locked until the end of the transaction. EVENT_NOT_FOUND when one does not exist.';

drop function private.allocate_event_credits;

create function private.allocate_event_credits(
  p_event_id uuid, p_amount integer, p_idempotency_key text default null, p_staff_id uuid default null
)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_key text := private.staff_key('allocation', p_staff_id, p_idempotency_key);
  v_hash bytea := private.hash_request(p_event_id::text, p_amount::text);
  v_event public.events;
  v_balance integer;
  v_movement private.credit_movements;
begin
  perform private.check_amount(p_amount);

  v_movement := private.find_movement(v_key, v_hash);
  if v_movement.id is not null then
    return v_movement;
  end if;

  select * into v_event from private.lock_events(p_event_id);
  if v_event.closed_at is not null then
    perform private.refuse('EVENT_ENDED', format('Event %s is closed', v_event.event_slug));
  end if;
  perform private.check_room('event', p_event_id, p_amount);

  -- The master's own events have no partner: their credits are issued directly.
  if v_event.partner_id is not null then
    v_balance := private.lock_balance('partner', v_event.partner_id);
    if v_balance < p_amount then
      perform private.refuse_for_credits(v_balance, p_amount, private.debt_of('partner', v_event.partner_id));
    end if;
  end if;
  return private.post_movement(
    'allocation',
    case when v_event.partner_id is null then 'issued' else 'partner' end::private.credit_account, v_event.partner_id,
    'event', p_event_id, p_amount, v_key, p_staff_id => p_staff_id, p_request_hash => v_hash
  );
end;
$$;
comment on function private.allocate_event_credits is
  'Moves credits from a partner to one of its events. INVALID_INPUT, EVENT_NOT_FOUND, EVENT_ENDED (closed), INSUFFICIENT_CREDITS (a partner in debt has nothing to allocate), IDEMPOTENCY_CONFLICT.';

create function private.transfer_event_credits(
  p_from_event_id uuid, p_to_event_id uuid, p_amount integer, p_idempotency_key text default null, p_staff_id uuid default null
)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_key text := private.staff_key('transfer', p_staff_id, p_idempotency_key);
  v_hash bytea := private.hash_request(p_from_event_id::text, p_to_event_id::text, p_amount::text);
  v_from public.events;
  v_to public.events;
  v_debt integer;
  v_movement private.credit_movements;
begin
  perform private.check_amount(p_amount);
  if p_from_event_id = p_to_event_id then
    perform private.refuse(
      'INVALID_INPUT', 'Credits cannot be transferred from an event to itself', jsonb_build_object('field', 'to_event_id')
    );
  end if;

  v_movement := private.find_movement(v_key, v_hash);
  if v_movement.id is not null then
    return v_movement;
  end if;

  perform private.lock_events(p_from_event_id, p_to_event_id);
  select * into strict v_from from public.events where events.id = p_from_event_id;
  select * into strict v_to from public.events where events.id = p_to_event_id;
  if v_from.partner_id is distinct from v_to.partner_id then
    -- Another partner's event is not there for this one.
    perform private.refuse('EVENT_NOT_FOUND', format('Event %s is not of the same partner', p_to_event_id));
  end if;
  if v_to.closed_at is not null then
    perform private.refuse('EVENT_ENDED', format('Event %s is closed', v_to.event_slug));
  end if;
  if v_from.credits_allocated - v_from.credits_used < p_amount then
    perform private.refuse_for_credits(v_from.credits_allocated - v_from.credits_used, p_amount);
  end if;
  perform private.check_room('event', p_to_event_id, p_amount);

  if v_to.partner_id is not null then
    perform private.lock_balance('partner', v_to.partner_id);
    v_debt := private.debt_of('partner', v_to.partner_id);
    if v_debt > 0 then
      -- Nothing new is allocated while in debt: not from another event either.
      perform private.refuse_for_credits(0, p_amount, v_debt);
    end if;
  end if;
  return private.post_movement(
    'transfer', 'event', p_from_event_id, 'event', p_to_event_id, p_amount, v_key,
    p_staff_id => p_staff_id, p_request_hash => v_hash
  );
end;
$$;
comment on function private.transfer_event_credits is
  'Moves unused credits between two events of one partner, or of the master. INVALID_INPUT, EVENT_NOT_FOUND (also when of another partner), EVENT_ENDED (the receiver is closed), INSUFFICIENT_CREDITS, IDEMPOTENCY_CONFLICT.';

create function private.return_event_credits(p_event public.events, p_amount integer, p_idempotency_key text, p_generation_id uuid default null, p_staff_id uuid default null)
returns void
language plpgsql set search_path = ''
as $$
begin
  if p_amount > 0 then
    perform private.post_movement(
      'return', 'event', p_event.id,
      case when p_event.partner_id is null then 'issued' else 'partner' end::private.credit_account, p_event.partner_id,
      p_amount, p_idempotency_key, p_generation_id, p_staff_id => p_staff_id
    );
  end if;
end;
$$;
comment on function private.return_event_credits is
  'Gives credits of an event, locked by the caller, back to whoever paid for them: its partner, or the platform.';

create function private.close_event(p_event_id uuid, p_staff_id uuid default null)
returns public.events
language plpgsql set search_path = ''
as $$
declare
  v_event public.events;
begin
  select * into v_event from private.lock_events(p_event_id);
  if v_event.closed_at is not null then
    return v_event;
  end if;

  perform private.return_event_credits(
    v_event, v_event.credits_allocated - v_event.credits_used, 'return:' || p_event_id, p_staff_id => p_staff_id
  );
  update public.events set closed_at = now() where events.id = p_event_id returning * into v_event;
  return v_event;
end;
$$;
comment on function private.close_event(uuid, uuid) is
  'Closes an event for good and returns its unused credits to the partner; photos being made go on, and a refund of one goes on to the partner. Closing again changes nothing. Returns the event. EVENT_NOT_FOUND.';

create function private.delete_event(p_event_id uuid, p_staff_id uuid default null)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_event public.events;
begin
  select * into v_event from private.lock_events(p_event_id);
  if v_event.credits_used > 0
    or exists (select from public.generations where generations.event_id = p_event_id) then
    perform private.refuse(
      'CONFLICT', format('Event %s was used: %s credits', v_event.event_slug, v_event.credits_used),
      jsonb_build_object('credits_used', v_event.credits_used), 'Close it instead: its photos and history stay'
    );
  end if;

  perform private.return_event_credits(
    v_event, v_event.credits_allocated, 'deletion:' || p_event_id, p_staff_id => p_staff_id
  );
  delete from public.events where events.id = p_event_id;
end;
$$;
comment on function private.delete_event(uuid, uuid) is
  'Deletes an event that was never used and returns its credits to the partner. EVENT_NOT_FOUND, CONFLICT (it has photos or used credits: close it).';

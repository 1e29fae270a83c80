-- What every movement asks before it moves anything: is this the same request again, is the amount
-- sane, is there a reason, is there enough.

create or replace function private.refuse(p_code text, p_message text, p_extra jsonb default '{}', p_hint text default null)
returns void
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    -- PostgREST turns PTnnn into the HTTP status nnn.
    errcode = case
      when p_code in ('INVALID_INPUT') then 'PT400'
      when p_code in ('UNAUTHENTICATED') then 'PT401'
      when p_code in ('INSUFFICIENT_CREDITS', 'EVENT_SOLD_OUT') then 'PT402'
      when p_code in ('FORBIDDEN', 'EVENT_NOT_STARTED', 'EVENT_ENDED', 'EVENT_PAUSED', 'STYLE_NOT_OFFERED', 'STYLE_LOCKED')
        then 'PT403'
      when p_code in ('EVENT_NOT_FOUND', 'STYLE_NOT_FOUND', 'GENERATION_NOT_FOUND', 'ORDER_NOT_FOUND', 'NOT_FOUND') then 'PT404'
      when p_code in ('IDEMPOTENCY_CONFLICT', 'SLUG_TAKEN', 'CONFLICT') then 'PT409'
      when p_code in ('RATE_LIMITED', 'GUEST_LIMIT_REACHED', 'PIN_LOCKED') then 'PT429'
      when p_code in ('MAINTENANCE') then 'PT503'
      else 'PT500'
    end,
    message = p_message,
    detail = jsonb_build_object('code', p_code) || p_extra,
    hint = coalesce(p_hint, '');
end;
$$;

drop function private.refuse_for_credits(integer, integer);

create function private.refuse_for_credits(p_balance integer, p_needed integer, p_debt integer default 0)
returns void
language plpgsql set search_path = ''
as $$
begin
  perform private.refuse(
    'INSUFFICIENT_CREDITS',
    format('Balance is %s, %s needed', p_balance, p_needed)
      || case when p_debt > 0 then format('; %s owed after a reversed purchase', p_debt) else '' end,
    jsonb_build_object('balance', p_balance, 'needed', p_needed)
      || case when p_debt > 0 then jsonb_build_object('debt', p_debt) else '{}' end
  );
end;
$$;
comment on function private.refuse_for_credits(integer, integer, integer) is
  'Refuses with INSUFFICIENT_CREDITS and the figures: balance, needed, and debt if there is one.';

create function private.check_amount(p_amount bigint)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_amount is null or p_amount not between 1 and 10000000 then
    perform private.refuse(
      'INVALID_INPUT',
      format('amount is %s, a whole number from 1 to 10000000 is needed', coalesce(p_amount::text, 'null')),
      jsonb_build_object('field', 'amount')
    );
  end if;
end;
$$;
comment on function private.check_amount(bigint) is
  'INVALID_INPUT unless the amount is one that a person may move at once: 1 to 10,000,000.';

create function private.check_room(p_account private.credit_account, p_account_id uuid, p_amount integer)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_sum integer := case p_account
    when 'user' then (select profiles.credits from public.profiles where profiles.id = p_account_id)
    when 'partner' then (select partners.credits_total from public.partners where partners.id = p_account_id)
    when 'event' then (select events.credits_allocated from public.events where events.id = p_account_id)
  end;
begin
  if v_sum::bigint + p_amount > 1000000000 then
    perform private.refuse(
      'INVALID_INPUT',
      format('The %s has had %s credits: %s more would pass the limit of 1000000000', p_account, v_sum, p_amount),
      jsonb_build_object('field', 'amount', 'sum', v_sum)
    );
  end if;
end;
$$;
comment on function private.check_room(private.credit_account, uuid, integer) is
  'INVALID_INPUT when a movement by staff would take the sums of an account, locked by the caller, above 1,000,000,000.';

create function private.check_reason(p_reason text)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if btrim(coalesce(p_reason, '')) = '' or length(p_reason) > 500 then
    perform private.refuse(
      'INVALID_INPUT', 'A reason of 1 to 500 characters is needed', jsonb_build_object('field', 'reason'),
      'The owner of the account reads it in the statement'
    );
  end if;
end;
$$;
comment on function private.check_reason(text) is 'INVALID_INPUT unless a reason is given.';

create function private.hash_request(variadic p_parts text[])
returns bytea
language sql immutable set search_path = ''
as $$
  -- As JSON, so that no two lists of parts read the same.
  select sha256(convert_to(to_jsonb(p_parts)::text, 'UTF8'));
$$;
comment on function private.hash_request(text[]) is 'sha-256 of what a request asked for.';

create function private.find_movement(p_idempotency_key text, p_request_hash bytea)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_movement private.credit_movements;
begin
  -- Whoever else uses this key at this moment goes first or waits: the loser of the race reads the
  -- winner's movement in the next statement, whose snapshot is new.
  perform pg_advisory_xact_lock(hashtextextended('credit_movement:' || p_idempotency_key, 0));

  select * into v_movement
  from private.credit_movements where credit_movements.idempotency_key = p_idempotency_key;

  if v_movement.request_hash is distinct from p_request_hash and v_movement.id is not null then
    perform private.refuse(
      'IDEMPOTENCY_CONFLICT', 'This idempotency_key was used for another movement of credits',
      p_hint => 'Use a new key for a new movement'
    );
  end if;
  return v_movement;
end;
$$;
comment on function private.find_movement(text, bytea) is
  'The movement that this key made, all null when there is none; the key is the caller''s until the end of the transaction. IDEMPOTENCY_CONFLICT when another request used it.';

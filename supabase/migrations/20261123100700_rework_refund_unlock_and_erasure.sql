-- Earlier movements, on the extended ledger.

create or replace function private.refund_generation(p_generation public.generations)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_event public.events;
begin
  if p_generation.credits_charged = 0 then
    return;
  end if;

  if p_generation.event_id is null then
    -- An erased person's account is gone: what comes back is written off, as the rest of it was.
    perform private.post_movement(
      'refund', 'spent', null,
      case when p_generation.user_id is null then 'written_off' else 'user' end::private.credit_account, p_generation.user_id,
      p_generation.credits_charged, p_generation_id => p_generation.id
    );
    return;
  end if;

  select * into strict v_event from public.events where events.id = p_generation.event_id for no key update;
  perform private.post_movement(
    'refund', 'spent', null, 'event', v_event.id, p_generation.credits_charged, p_generation_id => p_generation.id
  );
  -- A closed event holds nothing: what comes back goes on to whoever paid for it.
  if v_event.closed_at is not null then
    perform private.return_event_credits(v_event, p_generation.credits_charged, null, p_generation.id);
  end if;
end;
$$;

create or replace function public.increment_event_credit(p_event_id uuid, p_amount integer default 1)
returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
begin
  perform private.check_amount(p_amount);

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

create or replace function private.unlock_style_pack(p_pack text)
returns public.pack_unlocks
language plpgsql security definer set search_path = ''
as $$
declare
  v_user_id uuid := auth.uid();
  v_price integer := (select settings.pack_unlock_price from private.settings);
  v_balance integer;
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
  v_balance := private.lock_balance('user', v_user_id);

  select * into v_unlock from public.pack_unlocks
  where pack_unlocks.user_id = v_user_id and pack_unlocks.pack = p_pack;
  if found then
    return v_unlock;
  end if;

  if v_balance is null then
    perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
  end if;
  if v_balance < v_price then
    perform private.refuse_for_credits(v_balance, v_price, private.debt_of('user', v_user_id));
  end if;

  perform private.post_movement(
    'unlock', 'user', v_user_id, 'spent', null, v_price, format('unlock:%s:%s', v_user_id, p_pack), p_note => p_pack
  );
  insert into public.pack_unlocks (user_id, pack, price) values (v_user_id, p_pack, v_price) returning * into v_unlock;
  return v_unlock;
end;
$$;

create or replace function private.erase_person()
returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_debt integer := private.debt_of('user', old.id);
begin
  -- Their pictures and selfies go; the rows stay as tombstones without anything personal.
  perform private.plan_file_removal(objects.bucket_id, objects.name)
  from storage.objects
  where objects.bucket_id = 'user_photos' and objects.name like old.id::text || '/%';

  perform private.plan_file_removal(buckets.id, generations.result_path)
  from public.generations
  cross join (values ('generations'), ('generations_private')) as buckets (id)
  where generations.user_id = old.id and generations.deleted_at is null;

  delete from private.outbox using public.generations
  where outbox.generation_id = generations.id and generations.user_id = old.id;

  update public.generations
  set deleted_at = coalesce(deleted_at, now()),
    image_url = null,
    user_id = null,
    photo_path = null,
    client_address = null,
    idempotency_key = null,
    request_hash = null
  where user_id = old.id;

  -- Orders and payments keep figures and bare ids; what the person or their browser wrote goes.
  update public.payment_orders
  set idempotency_key = null, request_hash = null, init_point = null
  where user_id = old.id;
  update public.payment_notifications set data = '{}' where user_id = old.id;

  -- The same for what staff wrote about them: the ledger's notes and the two sides of the audit log.
  delete from private.credit_notes using private.credit_movements
  where credit_notes.movement_id = credit_movements.id
    and (credit_movements.source_id = old.id or credit_movements.destination_id = old.id);
  update private.audit_log set before = null, after = null where target_id = old.id::text;

  -- Not post_movement: the balance goes with the row, and a row being deleted cannot be updated.
  if old.credits > 0 then
    insert into private.credit_movements (kind, source, source_id, destination, amount, idempotency_key)
    values ('erasure', 'user', old.id, 'written_off', old.credits, 'erasure:' || old.id);
  end if;
  if v_debt > 0 then
    perform private.post_movement(
      'erasure', 'written_off', null, 'user_debt', old.id, v_debt, format('erasure:%s:debt', old.id)
    );
  end if;
  delete from private.credit_debts where account = 'user_debt' and account_id = old.id;
  return old;
end;
$$;
comment on function private.erase_person() is
  'Trigger: erases a person whose account is deleted, whoever deletes it. Files are queued for removal, photos become tombstones, what is left of the balance (or owed) is written off; the history of credits stays, without a word about the person. Definer: fired by auth''s role.';

create or replace function private.create_profile()
returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_referrer_id uuid;
begin
  select profiles.id into v_referrer_id
  from public.profiles
  where profiles.referral_code = lower(btrim(new.raw_user_meta_data ->> 'referral_code'))
  -- Not to be gone before the new profile names them.
  for key share;

  loop
    begin
      insert into public.profiles (id, email, full_name, referral_code, referred_by)
      values (
        new.id,
        new.email,
        nullif(left(btrim(new.raw_user_meta_data ->> 'full_name'), 200), ''),
        private.new_referral_code(),
        v_referrer_id
      );
      return null;
    exception
      when unique_violation then
        -- Only a referral code that is taken is worth another try.
        if exists (select from public.profiles where profiles.id = new.id) then
          raise;
        end if;
    end;
  end loop;
end;
$$;

-- For the two updates of an erasure.
create index audit_log_target_id_idx on private.audit_log (target_id);

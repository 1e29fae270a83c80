-- The way in: an upload address, then the one call that checks, charges and enqueues.

create function private.open_event(p_event_id uuid, p_event_slug text, p_event_key text)
returns public.events
language plpgsql stable set search_path = ''
as $$
declare
  v_event public.events;
begin
  select * into v_event
  from public.events
  where (p_event_id is null or events.id = p_event_id)
    and (p_event_slug is null or events.event_slug = p_event_slug)
    and num_nonnulls(p_event_id, p_event_slug) > 0;

  if not found then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', coalesce(p_event_slug, p_event_id::text)));
  end if;
  if v_event.config ->> 'access' = 'key' and p_event_key is distinct from v_event.access_key then
    perform private.refuse(
      'FORBIDDEN', 'This event needs the key of its printed QR code', p_hint => 'Scan the code at the event'
    );
  end if;

  case private.event_phase(v_event)
    when 'ended' then
      perform private.refuse('EVENT_ENDED', format('Event %s has ended', v_event.event_slug));
    when 'paused' then
      perform private.refuse('EVENT_PAUSED', format('Event %s is paused', v_event.event_slug));
    when 'upcoming' then
      perform private.refuse(
        'EVENT_NOT_STARTED', format('Event %s starts at %s', v_event.event_slug, v_event.start_date),
        jsonb_build_object('starts_at', v_event.start_date)
      );
    when 'sold_out' then
      perform private.refuse(
        'EVENT_SOLD_OUT',
        format('Event %s has used all of its %s credits', v_event.event_slug, v_event.credits_allocated)
      );
    else null;
  end case;
  return v_event;
end;
$$;
comment on function private.open_event(uuid, text, text) is
  'The event by id or slug when guests may use it now. EVENT_NOT_FOUND, FORBIDDEN (wrong key), EVENT_ENDED, EVENT_PAUSED, EVENT_NOT_STARTED, EVENT_SOLD_OUT.';

create function public.issue_photo_upload(
  p_extension text,
  p_user_id uuid default null,
  p_event_slug text default null,
  p_event_key text default null,
  p_client_address text default null
)
returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
  v_path text;
begin
  if p_event_slug is not null then
    v_event := private.open_event(null, p_event_slug, p_event_key);
    v_path := format('guests/%s/%s.%s', encode(extensions.gen_random_bytes(16), 'hex'), gen_random_uuid(), p_extension);
  elsif p_user_id is not null then
    v_path := format('%s/%s.%s', p_user_id, gen_random_uuid(), p_extension);
  else
    perform private.refuse('UNAUTHENTICATED', 'Sign in, or name the event', p_hint => 'Send a user''s token or event_slug');
  end if;

  perform private.hit_rate_limit(
    'upload:' || coalesce(p_client_address, 'unknown'),
    (select settings.uploads_per_minute from private.settings),
    interval '1 minute'
  );
  insert into private.photo_uploads (path, event_id, user_id) values (v_path, v_event.id, p_user_id);
  return v_path;
end;
$$;
comment on function public.issue_photo_upload(text, uuid, text, text, text) is
  'A new path in bucket user_photos for a user (p_user_id, verified by the caller) or for a guest of an open event. Refuses as open_event does, UNAUTHENTICATED without either, RATE_LIMITED per client address. Definer; service_role only.';
revoke execute on function public.issue_photo_upload(text, uuid, text, text, text) from public, anon, authenticated;
grant execute on function public.issue_photo_upload(text, uuid, text, text, text) to service_role;

create function private.check_style_offered(p_style_id text, p_event public.events)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_style_id = any (p_event.selected_styles) or p_event.selected_styles = '{}' then
    if not exists (
      select from public.clients
      where clients.id = p_event.client_id
        and clients.contracted_styles <> '{}'
        and p_style_id <> all (clients.contracted_styles)
    ) then
      return;
    end if;
  end if;
  perform private.refuse(
    'STYLE_NOT_OFFERED', format('Event %s does not offer the style %s', p_event.event_slug, p_style_id)
  );
end;
$$;
comment on function private.check_style_offered(text, public.events) is
  'Refuses with STYLE_NOT_OFFERED unless the style is selected by the event and contracted by its client; an empty list allows all.';

create function private.check_guest_limits(p_event public.events, p_guest_id text, p_client_address text)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_limits jsonb := coalesce(p_event.config -> 'limits', '{}');
  v_per_guest integer := coalesce((v_limits ->> 'per_guest')::integer, 10);
  v_made integer;
begin
  if p_guest_id is not null then
    -- Requests of one guest at the same moment count one after the other.
    perform pg_advisory_xact_lock(hashtextextended(p_event.id || p_guest_id, 0));
    select count(*) into v_made
    from public.generations
    where generations.event_id = p_event.id
      and generations.guest_id = p_guest_id
      and generations.status <> 'failed';
    if v_made >= v_per_guest then
      perform private.refuse(
        'GUEST_LIMIT_REACHED', format('This guest has made %s of %s photos', v_made, v_per_guest),
        jsonb_build_object('limit', v_per_guest, 'retry_after', 3600)
      );
    end if;
  end if;

  if v_limits ? 'per_address_minute' and p_client_address is not null then
    perform private.hit_rate_limit(
      format('event:%s:address:%s', p_event.id, p_client_address),
      (v_limits ->> 'per_address_minute')::integer,
      interval '1 minute'
    );
  end if;
  if v_limits ? 'per_hour' then
    perform private.hit_rate_limit(
      format('event:%s:hour', p_event.id), (v_limits ->> 'per_hour')::integer, interval '1 hour'
    );
  end if;
end;
$$;
comment on function private.check_guest_limits(public.events, text, text) is
  'Refuses with GUEST_LIMIT_REACHED or RATE_LIMITED above config.limits: per_guest (10), per_address_minute (off), per_hour (off).';

create function private.find_replay(
  p_user_id uuid, p_event_id uuid, p_guest_id text, p_idempotency_key text, p_request_hash bytea
)
returns public.generations
language plpgsql stable set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  if p_event_id is null then
    select * into v_generation from public.generations
    where generations.user_id = p_user_id and generations.idempotency_key = p_idempotency_key;
  else
    select * into v_generation from public.generations
    where generations.event_id = p_event_id
      and generations.guest_id = p_guest_id
      and generations.idempotency_key = p_idempotency_key;
  end if;

  if v_generation.request_hash <> p_request_hash then
    perform private.refuse(
      'IDEMPOTENCY_CONFLICT',
      'This idempotency_key was used for another style, ratio, event or photo',
      p_hint => 'Use a new key for a new photo'
    );
  end if;
  return v_generation;
end;
$$;
comment on function private.find_replay is
  'The generation that this idempotency key made, all null when there is none. IDEMPOTENCY_CONFLICT when it was made by another request.';

create function public.begin_generation(
  p_style_id text,
  p_aspect_ratio text,
  p_photo_path text,
  p_photo_hash text default null,
  p_user_id uuid default null,
  p_event_id uuid default null,
  p_event_slug text default null,
  p_event_key text default null,
  p_guest_id text default null,
  p_idempotency_key text default null,
  p_client_address text default null,
  p_request_id text default null
)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_is_for_event boolean := num_nonnulls(p_event_id, p_event_slug) > 0;
  v_payer_id uuid := case when not v_is_for_event then p_user_id end;
  v_settings private.settings;
  v_style public.styles_metadata;
  v_event public.events;
  v_profile public.profiles;
  v_cost integer := 1;
  v_hash bytea;
  v_generation public.generations;
begin
  if v_payer_id is null and not v_is_for_event then
    perform private.refuse('UNAUTHENTICATED', 'Nobody pays for this photo', p_hint => 'Send a user''s token or name an event');
  end if;

  if v_is_for_event and p_idempotency_key is not null and p_guest_id is null then
    perform private.refuse(
      'INVALID_INPUT', 'An idempotency_key at an event needs a guest_id', jsonb_build_object('field', 'guest_id')
    );
  end if;

  -- The same request again is answered before any rule: the event may have ended meanwhile.
  if p_idempotency_key is not null then
    v_event.id := coalesce(p_event_id, (select events.id from public.events where events.event_slug = p_event_slug));
    v_hash := sha256(convert_to(
      concat_ws('|', p_style_id, p_aspect_ratio, v_event.id, coalesce(p_photo_hash, p_photo_path)), 'UTF8'
    ));
    v_generation := private.find_replay(v_payer_id, v_event.id, p_guest_id, p_idempotency_key, v_hash);
    if v_generation.id is not null then
      return private.describe_generation(v_generation);
    end if;
  end if;

  select * into strict v_settings from private.settings;
  if v_settings.is_in_maintenance then
    perform private.refuse('MAINTENANCE', 'New photos are not taken during maintenance');
  end if;

  if v_is_for_event then
    v_event := private.open_event(p_event_id, p_event_slug, p_event_key);
  end if;

  select styles_metadata.* into v_style
  from public.styles_metadata
  join public.identity_prompts on identity_prompts.id = styles_metadata.id
  where styles_metadata.id = p_style_id and styles_metadata.is_active;
  if not found then
    perform private.refuse('STYLE_NOT_FOUND', format('There is no style %s', p_style_id));
  end if;

  if v_is_for_event then
    perform private.check_style_offered(p_style_id, v_event);
  else
    select * into v_profile from public.profiles where profiles.id = p_user_id;
    if not found then
      perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
    end if;
    v_cost := case when v_profile.is_master then 0 else v_style.credit_cost end;
    if v_style.is_premium and not v_profile.is_master and not exists (
      select from public.pack_unlocks
      where pack_unlocks.user_id = p_user_id and pack_unlocks.pack = v_style.subcategory
    ) then
      perform private.refuse(
        'STYLE_LOCKED', format('The pack %s is premium', v_style.subcategory), p_hint => 'Unlock it with unlock_style_pack'
      );
    end if;
    if v_profile.credits < v_cost then
      perform private.refuse_for_credits(v_profile.credits, v_cost);
    end if;
  end if;

  -- A data URL (p_photo_hash) was stored by the caller itself. A path from outside counts only in
  -- its owner's folder or when it was issued for this very event.
  if p_photo_hash is null
    and not coalesce(p_photo_path like p_user_id::text || '/%' and p_photo_path !~ '(^|/)[.]{1,2}(/|$)', false)
    and not exists (
      select from private.photo_uploads
      where photo_uploads.path = p_photo_path and photo_uploads.event_id = v_event.id
    ) then
    perform private.refuse(
      'INVALID_INPUT', 'photo_path was not issued for this request', jsonb_build_object('field', 'photo_path'),
      'Ask upload-url for a path of the same event or user'
    );
  end if;

  if v_is_for_event then
    perform private.check_guest_limits(v_event, p_guest_id, p_client_address);
  end if;

  insert into public.generations (
    user_id, event_id, guest_id, style_id, aspect_ratio, visibility, credits_charged, photo_path, result_path,
    idempotency_key, request_hash, client_address, request_id, expected_seconds
  )
  values (
    v_payer_id, v_event.id, p_guest_id, p_style_id, p_aspect_ratio,
    case when v_event.config ->> 'moderation' = 'before' then 'pending' else 'visible' end,
    v_cost, p_photo_path,
    format(
      'results/%s_%s%s.png',
      coalesce(v_payer_id, gen_random_uuid()),
      floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
      lpad(floor(random() * 1000000)::text, 6, '0')
    ),
    p_idempotency_key, v_hash, p_client_address, p_request_id,
    private.expected_provider_seconds()
  )
  on conflict do nothing
  returning * into v_generation;

  if not found then
    -- The same key won a race with itself: its winner is committed now, and is the answer.
    v_generation := private.find_replay(v_payer_id, v_event.id, p_guest_id, p_idempotency_key, v_hash);
    return private.describe_generation(v_generation);
  end if;

  -- The charge comes last, so that the one row everybody wants is locked for the shortest time. Its
  -- conditions are checked again in the update: the event may have changed since it was read.
  if v_cost > 0 then
    insert into private.credit_movements (
      kind, source, source_id, destination, amount, idempotency_key, generation_id
    )
    values (
      'charge', case when v_is_for_event then 'event' else 'user' end::private.credit_account,
      coalesce(v_event.id, v_payer_id), 'spent', v_cost, 'charge:' || v_generation.id, v_generation.id
    );
  end if;

  if v_is_for_event then
    update public.events set credits_used = events.credits_used + 1
    where events.id = v_event.id
      and events.credits_used < events.credits_allocated
      and events.is_active
      and events.closed_at is null;
    if not found then
      perform private.open_event(v_event.id, null, v_event.access_key);
      perform private.refuse('EVENT_SOLD_OUT', format('Event %s has no credits left', v_event.event_slug));
    end if;
  elsif v_cost > 0 then
    update public.profiles set credits = profiles.credits - v_cost
    where profiles.id = p_user_id and profiles.credits >= v_cost;
    if not found then
      select * into v_profile from public.profiles where profiles.id = p_user_id;
      if not found then
        perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
      end if;
      perform private.refuse_for_credits(v_profile.credits, v_cost);
    end if;
  end if;

  return private.describe_generation(v_generation);
end;
$$;
comment on function public.begin_generation is
  'Checks every rule, reserves the credit and enqueues the photo, in one transaction; the same idempotency key and request returns the same generation and charges nothing. p_user_id is verified by the caller and pays unless an event is named. p_photo_hash: sha-256 of a data URL''s bytes, null when the photo was uploaded. Refusals: UNAUTHENTICATED, IDEMPOTENCY_CONFLICT, MAINTENANCE, those of open_event, STYLE_NOT_FOUND, STYLE_NOT_OFFERED, STYLE_LOCKED, INVALID_INPUT, GUEST_LIMIT_REACHED, RATE_LIMITED, INSUFFICIENT_CREDITS. Definer: no role may write a balance; service_role only.';
revoke execute on function public.begin_generation from public, anon, authenticated;
grant execute on function public.begin_generation to service_role;

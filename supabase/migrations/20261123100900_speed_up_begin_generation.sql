-- Beginning a photo is what a whole party does at once, so it is made of as few statements as its rules
-- allow, and the one row that all of them want, the event's, is locked last and shortest.
-- docs/credits.md explains what was measured. Functions on this path are PL/pgSQL even where they are one
-- expression: PostgreSQL 17 plans a SQL function again in every query that calls it.

-- What a status needs to know about the platform as a whole is measured by each sweep, not by each request.
alter table private.sweeper
  add column expected_seconds private.positive_real not null default 20,
  add column dispatch_rate private.positive_real not null default 2,
  add column queue_length integer not null default 0;

comment on table private.sweeper is 'The sweeper''s pulse, which health looks at, and what it measured last. Exactly one row.';
comment on column private.sweeper.expected_seconds is 'How long the provider takes for a picture these days.';
comment on column private.sweeper.dispatch_rate is 'Tasks per second that the accounts of the pool take together.';
comment on column private.sweeper.queue_length is 'Photos that waited for dispatch.';

-- Fewer and plainer indexes: each costs a photo request 3 to 10 µs, and a partial one is asked at every
-- insert whether the row belongs to it. A guest's photos are counted and found by key in one index. The
-- sweeper, which alone looked for unfinished photos by age, finds them all in the index of their selfies.
drop index public.generations_event_id_guest_id_idx;
drop index public.generations_event_id_guest_id_idempotency_key_idx;
drop index public.generations_event_id_created_at_idx;
drop index public.generations_unfinished_idx;
create unique index generations_event_id_guest_id_idempotency_key_idx
  on public.generations (event_id, guest_id, idempotency_key);
create index generations_event_id_created_at_idx on public.generations (event_id, created_at desc);

create or replace function private.describe_generation(p_generation public.generations)
returns public.generation_status
language plpgsql stable set search_path = ''
as $$
declare
  v_status public.generation_status;
  v_measured private.sweeper;
  v_age double precision := extract(epoch from now() - p_generation.created_at);
begin
  v_status.generation_id := p_generation.id;
  v_status.state := case p_generation.status
    when 'queued' then 'waiting' when 'processing' then 'processing' when 'succeeded' then 'success' else 'fail'
  end;
  v_status.error := p_generation.error_code;
  v_status.refunded := p_generation.refunded_at is not null;
  v_status.photo_path := p_generation.photo_path;
  v_status.is_check_due := false;

  if p_generation.status = 'succeeded' then
    v_status.image_url := p_generation.image_url;
    -- Until a planned move is done, the file is where it was.
    v_status.image_bucket := coalesce(
      (
        select file_tasks.bucket from private.file_tasks
        where file_tasks.bucket in ('generations', 'generations_private')
          and file_tasks.path = p_generation.result_path
          and file_tasks.action = 'move'
      ),
      case p_generation.visibility when 'visible' then 'generations' else 'generations_private' end
    );
    v_status.image_path := p_generation.result_path;
  end if;

  if p_generation.status in ('succeeded', 'failed') then
    v_status.progress := 1;
    return v_status;
  end if;

  -- A function of age alone, on a scale fixed at the beginning: it cannot run backwards, not even
  -- when a try fails and the photo goes back to the queue.
  v_status.progress := round((0.95 * (1 - exp(-2 * v_age / p_generation.expected_seconds)))::numeric, 3);
  select * into strict v_measured from private.sweeper;

  if p_generation.status = 'queued' then
    -- Counted to a thousand: a status must not cost more the longer the queue is.
    select 1 + count(*) into v_status.queue_position
    from (
      select
      from public.generations
      where generations.status = 'queued'
        and (generations.run_at, generations.created_at, generations.id)
          < (p_generation.run_at, p_generation.created_at, p_generation.id)
      -- The order of the index: without it a plan for any limit would read the whole table.
      order by generations.run_at, generations.created_at
      limit 1000
    ) as ahead;
    v_status.eta_seconds := ceil(v_measured.expected_seconds + v_status.queue_position / v_measured.dispatch_rate);
  else
    select exists (
      select from private.generation_attempts
      where generation_attempts.generation_id = p_generation.id
        and generation_attempts.status = 'submitted'
        and generation_attempts.next_check_at <= now()
    ) into v_status.is_check_due;
    v_status.eta_seconds := greatest(
      ceil(v_measured.expected_seconds - extract(epoch from now() - p_generation.started_at)), 1
    );
  end if;
  return v_status;
end;
$$;

create function private.find_event(p_event_id uuid, p_event_slug text)
returns public.events
language plpgsql stable set search_path = ''
as $$
declare
  v_event public.events;
begin
  -- Two queries and not one with "or": each has one plan, that uses its index.
  if p_event_id is null then
    select * into v_event from public.events where events.event_slug = p_event_slug;
  else
    select * into v_event from public.events
    where events.id = p_event_id and (p_event_slug is null or events.event_slug = p_event_slug);
  end if;
  if v_event.id is null then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', coalesce(p_event_slug, p_event_id::text)));
  end if;
  return v_event;
end;
$$;
comment on function private.find_event(uuid, text) is 'The event by id or slug; by both when both are given. EVENT_NOT_FOUND.';

create function private.check_event_open(p_event public.events, p_event_key text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_event.config ->> 'access' = 'key' and p_event_key is distinct from p_event.access_key then
    perform private.refuse(
      'FORBIDDEN', 'This event needs the key of its printed QR code', p_hint => 'Scan the code at the event'
    );
  end if;

  case private.event_phase(p_event)
    when 'active' then
      return;
    when 'ended' then
      perform private.refuse('EVENT_ENDED', format('Event %s has ended', p_event.event_slug));
    when 'paused' then
      perform private.refuse('EVENT_PAUSED', format('Event %s is paused', p_event.event_slug));
    when 'upcoming' then
      perform private.refuse(
        'EVENT_NOT_STARTED', format('Event %s starts at %s', p_event.event_slug, p_event.start_date),
        jsonb_build_object('starts_at', p_event.start_date)
      );
    when 'sold_out' then
      perform private.refuse(
        'EVENT_SOLD_OUT',
        format('Event %s has used all of its %s credits', p_event.event_slug, p_event.credits_allocated),
        jsonb_build_object('allocated', p_event.credits_allocated, 'used', p_event.credits_used)
      );
  end case;
end;
$$;
comment on function private.check_event_open(public.events, text) is
  'Refuses unless guests may use the event now: FORBIDDEN (wrong key), EVENT_ENDED, EVENT_PAUSED, EVENT_NOT_STARTED, EVENT_SOLD_OUT.';

create or replace function private.open_event(p_event_id uuid, p_event_slug text, p_event_key text)
returns public.events
language plpgsql stable set search_path = ''
as $$
declare
  v_event public.events := private.find_event(p_event_id, p_event_slug);
begin
  perform private.check_event_open(v_event, p_event_key);
  return v_event;
end;
$$;

drop function private.check_guest_limits(public.events, text, text);

create function private.check_guest_limits(p_event public.events, p_made integer, p_client_address text)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_limits jsonb := coalesce(p_event.config -> 'limits', '{}');
  v_per_guest integer := coalesce((v_limits ->> 'per_guest')::integer, 10);
begin
  if p_made >= v_per_guest then
    perform private.refuse(
      'GUEST_LIMIT_REACHED', format('This guest has made %s of %s photos', p_made, v_per_guest),
      jsonb_build_object('limit', v_per_guest, 'retry_after', 3600)
    );
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
comment on function private.check_guest_limits(public.events, integer, text) is
  'Refuses with GUEST_LIMIT_REACHED or RATE_LIMITED above config.limits: per_guest (10, compared with p_made), per_address_minute (off), per_hour (off).';

create function private.check_photo_path(p_photo_path text, p_user_id uuid, p_event_id uuid)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not coalesce(p_photo_path like p_user_id::text || '/%' and p_photo_path !~ '(^|/)[.]{1,2}(/|$)', false)
    and not exists (
      select from private.photo_uploads
      where photo_uploads.path = p_photo_path and photo_uploads.event_id = p_event_id
    ) then
    perform private.refuse(
      'INVALID_INPUT', 'photo_path was not issued for this request', jsonb_build_object('field', 'photo_path'),
      'Ask upload-url for a path of the same event or user'
    );
  end if;
end;
$$;
comment on function private.check_photo_path(text, uuid, uuid) is
  'INVALID_INPUT unless the uploaded photo lies in the user''s folder or was issued for this event.';

-- Its two lookups moved into the statements that begin_generation makes anyway.
drop function private.find_replay(uuid, uuid, text, text, bytea);

create or replace function public.begin_generation(
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
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan
as $$
declare
  v_is_for_event boolean := num_nonnulls(p_event_id, p_event_slug) > 0;
  v_payer_id uuid := case when not v_is_for_event then p_user_id end;
  v_event public.events;
  v_profile public.profiles;
  v_offer record;
  v_made integer := 0;
  v_replay_id uuid;
  v_hash bytea;
  v_cost integer := 1;
  v_id uuid := gen_random_uuid();
  v_generation public.generations;
  v_position integer;
  v_status public.generation_status;
begin
  if v_payer_id is null and not v_is_for_event then
    perform private.refuse('UNAUTHENTICATED', 'Nobody pays for this photo', p_hint => 'Send a user''s token or name an event');
  end if;
  if v_is_for_event and p_idempotency_key is not null and p_guest_id is null then
    perform private.refuse(
      'INVALID_INPUT', 'An idempotency_key at an event needs a guest_id', jsonb_build_object('field', 'guest_id')
    );
  end if;

  -- Requests of one guest, or of one user, go one after the other from here: the second of two with
  -- one key finds what the first one made, and limits and balance are counted exactly.
  if v_is_for_event then
    v_event := private.find_event(p_event_id, p_event_slug);
    if p_guest_id is not null then
      perform pg_advisory_xact_lock(hashtextextended(v_event.id || p_guest_id, 0));
      select count(*) filter (where generations.status <> 'failed'),
        (array_agg(generations.id) filter (where generations.idempotency_key = p_idempotency_key))[1]
      into v_made, v_replay_id
      from public.generations
      where generations.event_id = v_event.id and generations.guest_id = p_guest_id;
    end if;
  else
    select * into v_profile from public.profiles where profiles.id = p_user_id for no key update;
    if not found then
      perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
    end if;
    if p_idempotency_key is not null then
      select generations.id into v_replay_id
      from public.generations
      where generations.user_id = p_user_id and generations.idempotency_key = p_idempotency_key;
    end if;
  end if;

  if p_idempotency_key is not null then
    v_hash := sha256(convert_to(
      concat_ws('|', p_style_id, p_aspect_ratio, v_event.id, coalesce(p_photo_hash, p_photo_path)), 'UTF8'
    ));
  end if;
  -- The same request again is answered before any rule: the event may have ended meanwhile.
  if v_replay_id is not null then
    select * into strict v_generation from public.generations where generations.id = v_replay_id;
    if v_generation.request_hash <> v_hash then
      perform private.refuse(
        'IDEMPOTENCY_CONFLICT',
        'This idempotency_key was used for another style, ratio, event or photo',
        p_hint => 'Use a new key for a new photo'
      );
    end if;
    return private.describe_generation(v_generation);
  end if;

  select settings.is_in_maintenance,
    styles.id as style_id, styles.subcategory, styles.is_premium, styles.credit_cost,
    sweeper.expected_seconds, sweeper.dispatch_rate, sweeper.queue_length,
    (
      -- A new photo is the last of the queue. Above ten its length, as the sweeper saw it, is near enough.
      select count(*)::integer
      from (
        select from public.generations
        where generations.status = 'queued'
        order by generations.run_at, generations.created_at
        limit 10
      ) as waiting
    ) as waiting
  into strict v_offer
  from private.settings
  cross join private.sweeper
  left join public.styles_metadata as styles
    on styles.id = p_style_id
    and styles.is_active
    and exists (select from public.identity_prompts where identity_prompts.id = styles.id);

  if v_offer.is_in_maintenance then
    perform private.refuse('MAINTENANCE', 'New photos are not taken during maintenance');
  end if;
  if v_is_for_event and (v_event.config ->> 'access' = 'key' or private.event_phase(v_event) <> 'active') then
    perform private.check_event_open(v_event, p_event_key);
  end if;
  if v_offer.style_id is null then
    perform private.refuse('STYLE_NOT_FOUND', format('There is no style %s', p_style_id));
  end if;

  if v_is_for_event then
    if v_event.client_id is not null or v_event.selected_styles <> '{}' then
      perform private.check_style_offered(p_style_id, v_event);
    end if;
  elsif v_profile.is_master then
    v_cost := 0;
  else
    v_cost := v_offer.credit_cost;
    if v_offer.is_premium and not exists (
      select from public.pack_unlocks
      where pack_unlocks.user_id = p_user_id and pack_unlocks.pack = v_offer.subcategory
    ) then
      perform private.refuse(
        'STYLE_LOCKED', format('The pack %s is premium', v_offer.subcategory), p_hint => 'Unlock it with unlock_style_pack'
      );
    end if;
    if v_profile.credits < v_cost then
      perform private.refuse_for_credits(v_profile.credits, v_cost, private.debt_of('user', p_user_id));
    end if;
  end if;

  -- A data URL (p_photo_hash) was stored by the caller itself. A path from outside counts only in
  -- its owner's folder or when it was issued for this very event.
  if p_photo_hash is null then
    perform private.check_photo_path(p_photo_path, p_user_id, v_event.id);
  end if;
  -- A guest's first photo can only break limits that the event has set.
  if v_is_for_event and (v_made > 0 or v_event.config ? 'limits') then
    perform private.check_guest_limits(v_event, v_made, p_client_address);
  end if;

  insert into public.generations (
    id, user_id, event_id, guest_id, style_id, aspect_ratio, visibility, credits_charged, photo_path, result_path,
    idempotency_key, request_hash, client_address, request_id, expected_seconds
  )
  values (
    v_id, v_payer_id, v_event.id, p_guest_id, p_style_id, p_aspect_ratio,
    case when v_event.config ->> 'moderation' = 'before' then 'pending' else 'visible' end,
    v_cost, p_photo_path,
    format(
      'results/%s_%s%s.png',
      coalesce(v_payer_id, gen_random_uuid()),
      floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
      lpad(floor(random() * 1000000)::text, 6, '0')
    ),
    p_idempotency_key, v_hash, p_client_address, p_request_id, v_offer.expected_seconds
  );

  if v_cost > 0 then
    insert into private.credit_movements (kind, source, source_id, destination, amount, generation_id)
    values (
      'charge', case when v_is_for_event then 'event' else 'user' end::private.credit_account,
      coalesce(v_event.id, v_payer_id), 'spent', v_cost, v_id
    );
  end if;

  -- What describe_generation would say of it, from what is known already.
  v_position := 1 + case when v_offer.waiting < 10 then v_offer.waiting else greatest(v_offer.queue_length, 10) end;
  v_status := (
    v_id, 'waiting', null, null, null, null, false, v_position,
    ceil(v_offer.expected_seconds + v_position / v_offer.dispatch_rate), 0, false, p_photo_path
  );

  if v_is_for_event then
    -- Guests of one event queue here, before the update reads anything. At the row itself each of them
    -- would have read an old version and would walk through all that came since (64 guests at once:
    -- a third fewer photos a second).
    perform pg_advisory_xact_lock(hashtextextended('charge:' || v_event.id, 0));
    -- The conditions again, since the event may have changed while this request waited.
    update public.events set credits_used = events.credits_used + 1
    where events.id = v_event.id
      and events.credits_used < events.credits_allocated
      and events.is_active
      and events.is_partner_active
      and events.is_client_active
      and events.closed_at is null;
    if not found then
      perform private.open_event(v_event.id, null, v_event.access_key);
      perform private.refuse('EVENT_SOLD_OUT', format('Event %s has no credits left', v_event.event_slug));
    end if;
  elsif v_cost > 0 then
    update public.profiles set credits = profiles.credits - v_cost where profiles.id = p_user_id;
  end if;

  return v_status;
end;
$$;

create or replace function public.sweep_database(p_limit integer default 200)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation record;
  v_expired integer := 0;
  v_requeued integer;
  v_abandoned integer;
  v_selfies integer;
begin
  -- The deadline: nothing is dispatched after minute 12, nothing is waited for after minute 15.
  for v_generation in
    select generations.id, generations.status
    from public.generations
    where generations.status in ('queued', 'processing')
      and generations.created_at <= now() - case generations.status
        when 'queued' then interval '12 minutes' else interval '15 minutes'
      end
    order by generations.created_at
    limit p_limit
    for no key update skip locked
  loop
    perform public.fail_generation(
      v_generation.id,
      case v_generation.status when 'queued' then 'PROVIDER_UNAVAILABLE' else 'GENERATION_TIMED_OUT' end
    );
    v_expired := v_expired + 1;
  end loop;

  -- A claim whose outcome nobody recorded: the process died, or the provider's answer was lost. It may
  -- have made a task, whose callback had this long to come; it may still complete later.
  with lost as (
    update private.generation_attempts
    set status = 'abandoned', finished_at = now(), error_code = 'LOST'
    where generation_attempts.id in (
      select generation_attempts.id from private.generation_attempts
      where generation_attempts.status = 'claimed'
        and generation_attempts.claimed_at <= now() - interval '2 minutes'
      limit p_limit
      for no key update skip locked
    )
    returning generation_attempts.generation_id, generation_attempts.attempt
  )
  update public.generations
  set status = 'queued', run_at = now()
  from lost
  where generations.id = lost.generation_id
    and generations.status = 'processing'
    and not private.is_overtaken(lost.generation_id, lost.attempt);
  get diagnostics v_requeued = row_count;

  -- A late picture is kept for free, but not looked for forever.
  update private.generation_attempts
  set status = 'abandoned', finished_at = now()
  where generation_attempts.status = 'submitted'
    and generation_attempts.submitted_at <= now() - interval '1 hour';
  get diagnostics v_abandoned = row_count;

  -- Selfies that nobody used, or that outlived their day.
  select count(*) into v_selfies
  from (
    select objects.bucket_id, objects.name
    from storage.objects
    where objects.bucket_id = 'user_photos'
      and objects.created_at <= now() - interval '24 hours'
      and not exists (
        select from private.file_tasks
        where file_tasks.bucket = objects.bucket_id and file_tasks.path = objects.name
      )
    limit p_limit
  ) as stale
  cross join lateral private.plan_file_removal(stale.bucket_id, stale.name);

  delete from private.rate_limits where rate_limits.expires_at <= now();
  delete from private.pin_sessions where pin_sessions.expires_at <= now();
  delete from private.photo_uploads where photo_uploads.created_at <= now() - interval '1 day';
  delete from private.webhook_inbox where webhook_inbox.received_at <= now() - interval '30 days';

  update private.sweeper
  set last_sweep_at = now(),
    expected_seconds = private.expected_provider_seconds(),
    dispatch_rate = private.dispatch_rate(),
    queue_length = (select count(*) from public.generations where generations.status = 'queued');
  return jsonb_build_object(
    'expired', v_expired, 'requeued', v_requeued, 'abandoned', v_abandoned, 'selfies', v_selfies
  );
end;
$$;

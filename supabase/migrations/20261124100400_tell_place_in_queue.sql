-- What people are told while they wait, now that the queue goes by turns: how many photos are served before theirs,
-- in all lanes, and how long that takes. Progress is measured against that from the beginning on.

alter type public.generation_status rename attribute is_check_due to is_due;
comment on type public.generation_status is
  'state: waiting, processing, success or fail. image_bucket and image_path: where the picture lies while it has no public image_url. queue_position: 1 is next, null unless waiting. progress: 0 to 1. is_due: who looks at it should move it on, by dispatching the queue while it waits, or by asking the provider.';

create or replace function private.dispatch_rate()
returns real
language sql stable set search_path = ''
as $$
  select greatest(count(distinct coalesce(api_key_pool.account_name, api_key_pool.id::text)), 1)
    * settings.provider_tasks_per_window / settings.provider_window_seconds
  from private.settings
  left join public.api_key_pool
    on api_key_pool.is_active and coalesce(api_key_pool.cooldown_until, '-infinity') <= now()
  group by settings.provider_tasks_per_window, settings.provider_window_seconds;
$$;
comment on function private.dispatch_rate() is 'Tasks per second that the accounts with a key that is well take together; of one, if there is none.';

create function private.count_ahead(p_generation public.generations)
returns integer
-- A plan that sorts the queue is out of the question, whatever the statistics say.
language plpgsql stable set search_path = '' set enable_sort = off
as $$
declare
  v_own integer;
  v_all integer;
  v_lane_id uuid;
begin
  -- Counted to a thousand: a status must not cost more the longer the queue is.
  select count(*) into v_own
  from (
    select from public.generations
    where generations.status = 'queued'
      and generations.lane_id = p_generation.lane_id
      and (generations.turn, generations.created_at, generations.id)
        < (p_generation.turn, p_generation.created_at, p_generation.id)
    order by generations.turn, generations.created_at
    limit 1000
  ) as ahead;

  v_all := v_own;
  for v_lane_id in select * from private.waiting_lanes() loop
    exit when v_all >= 1000;
    -- Lanes take turns: of each other one as many go first, and one more.
    if v_lane_id <> p_generation.lane_id then
      v_all := v_all + (
        select count(*)
        from (
          select from public.generations
          where generations.status = 'queued' and generations.lane_id = v_lane_id
          order by generations.turn, generations.created_at
          limit v_own + 1
        ) as others
      );
    end if;
  end loop;
  return least(v_all, 1000);
end;
$$;
comment on function private.count_ahead(public.generations) is 'How many photos are dispatched before this one that waits; at most 1,000.';

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
  v_status.is_due := false;

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
    v_status.queue_position := 1 + private.count_ahead(p_generation);
    v_status.eta_seconds := ceil(v_measured.expected_seconds + v_status.queue_position / v_measured.dispatch_rate);
    v_status.is_due := p_generation.run_at <= now() and v_measured.dispatch_opens_at <= now();
  else
    select exists (
      select from private.generation_attempts
      where generation_attempts.generation_id = p_generation.id
        and generation_attempts.status = 'submitted'
        and generation_attempts.next_check_at <= now()
    ) into v_status.is_due;
    v_status.eta_seconds := greatest(
      ceil(v_measured.expected_seconds - extract(epoch from now() - p_generation.started_at)), 1
    );
  end if;
  return v_status;
end;
$$;

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
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_sort = off
as $$
declare
  v_is_for_event boolean := num_nonnulls(p_event_id, p_event_slug) > 0;
  v_payer_id uuid := case when not v_is_for_event then p_user_id end;
  v_event public.events;
  v_profile public.profiles;
  v_offer record;
  v_made integer := 0;
  v_lane_id uuid := private.no_event();
  v_turn integer;
  v_replay_id uuid;
  v_hash bytea;
  v_cost integer := 1;
  v_id uuid := gen_random_uuid();
  v_generation public.generations;
  v_ahead integer;
  v_position integer;
  v_eta real;
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
    v_lane_id := v_event.id;
    if p_guest_id is not null then
      perform pg_advisory_xact_lock(hashtextextended(v_event.id || p_guest_id, 0));
      select count(*) filter (where own.status <> 'failed'),
        (array_agg(own.id) filter (where own.idempotency_key = p_idempotency_key))[1],
        1 + max(own.turn) filter (where own.status in ('queued', 'processing'))
      into v_made, v_replay_id, v_turn
      from (
        select generations.id, generations.status, generations.idempotency_key, generations.turn
        from public.generations
        where generations.event_id = v_event.id and generations.guest_id = p_guest_id
        order by generations.idempotency_key
      ) as own;
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
    select case when newest.status in ('queued', 'processing') then 1 + newest.turn end into v_turn
    from public.generations as newest
    where newest.user_id = p_user_id
    order by newest.created_at desc
    limit 1;
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
    sweeper.expected_seconds, sweeper.dispatch_rate, sweeper.queue_length, sweeper.waiting_lanes,
    coalesce(queue_lanes.turn, 0) as turn, coalesce(queue_lanes.waiting, sweeper.queue_length) as lane_length,
    (
      -- A new photo is the last of its lane. Above ten its length, as the sweeper saw it, is near enough.
      select count(*)::integer
      from (
        select from public.generations
        where generations.status = 'queued' and generations.lane_id = v_lane_id
        order by generations.turn, generations.created_at
        limit 10
      ) as waiting
    ) as waiting
  into strict v_offer
  from private.settings
  cross join private.sweeper
  left join private.queue_lanes on queue_lanes.lane_id = v_lane_id
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

  -- What describe_generation would say of it, from what is known already: for each photo ahead in its own lane one
  -- of each other lane goes first as well, as long as those have any.
  v_ahead := case when v_offer.waiting < 10 then v_offer.waiting else greatest(v_offer.lane_length, 10) end;
  v_position := 1 + least(
    v_ahead + (v_ahead + 1) * greatest(v_offer.waiting_lanes - 1, 0), greatest(v_offer.queue_length, v_ahead)
  );
  v_eta := v_offer.expected_seconds + v_position / v_offer.dispatch_rate;
  v_status := (
    v_id, 'waiting', null, null, null, null, false, v_position, ceil(v_eta), 0, false, p_photo_path
  );

  insert into public.generations (
    id, user_id, event_id, guest_id, style_id, aspect_ratio, visibility, credits_charged, photo_path, result_path,
    idempotency_key, request_hash, client_address, request_id, expected_seconds, turn
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
    p_idempotency_key, v_hash, p_client_address, p_request_id, v_eta,
    -- Behind one's own photos, and not before the turn that is being served.
    greatest(v_turn, v_offer.turn)
  );

  if v_cost > 0 then
    insert into private.credit_movements (kind, source, source_id, destination, amount, generation_id)
    values (
      'charge', case when v_is_for_event then 'event' else 'user' end::private.credit_account,
      coalesce(v_event.id, v_payer_id), 'spent', v_cost, v_id
    );
  end if;

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

-- The claim, made of its three questions: which photo is next, which key takes it, and if none does, when will
-- one. Several photos are claimed in one call.

-- The provider counts a task when it arrives, which is between our claim and its answer: a slot is taken until
-- the window is over after the answer, and as long as there is no answer, after the claim.
drop index private.generation_attempts_account_claimed_at_idx;
create index generation_attempts_account_sent_at_idx
  on private.generation_attempts (account, (coalesce(submitted_at, claimed_at)));

create function private.waiting_lanes()
returns setof uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_lane_id uuid := private.no_event();
begin
  -- One look into the index for each lane, however many photos wait in it; its order is named, so that no other
  -- index will do.
  perform from public.generations
  where generations.status = 'queued' and generations.lane_id = v_lane_id
  order by generations.lane_id, generations.turn, generations.created_at
  limit 1;
  if found then
    return next v_lane_id;
  end if;
  loop
    select generations.lane_id into v_lane_id
    from public.generations
    where generations.status = 'queued' and generations.lane_id > v_lane_id
    order by generations.lane_id, generations.turn, generations.created_at
    limit 1;
    exit when not found;
    return next v_lane_id;
  end loop;
end;
$$;
comment on function private.waiting_lanes() is 'The lanes in which photos wait.';

create function private.next_photo(p_settings private.settings)
returns public.generations
language plpgsql set search_path = ''
as $$
declare
  v_lane_id uuid;
  v_generation public.generations;
begin
  for v_lane_id in
    select waiting.lane_id
    from private.waiting_lanes() as waiting (lane_id)
    left join private.queue_lanes on queue_lanes.lane_id = waiting.lane_id
    order by queue_lanes.last_claimed_at nulls first, waiting.lane_id
  loop
    select generations.* into v_generation
    from public.generations
    left join public.identity_prompts on identity_prompts.id = generations.style_id
    left join private.style_tests on style_tests.generation_id = generations.id
    where generations.status = 'queued'
      and generations.lane_id = v_lane_id
      and generations.photo_path is not null
      and generations.run_at <= now()
      and generations.created_at > now() - make_interval(secs => p_settings.dispatch_seconds)
      -- A style whose prompt was taken away does not block the queue.
      and coalesce(style_tests.master_prompt, identity_prompts.master_prompt) is not null
    order by generations.turn, generations.created_at
    limit 1
    for no key update of generations skip locked;
    exit when found;
  end loop;
  return v_generation;
end;
$$;
comment on function private.next_photo(private.settings) is
  'The next photo to dispatch, locked: of the lane that was served least recently the one whose turn it is. Null when none may be dispatched now.';

create function private.next_key(p_settings private.settings)
returns public.api_key_pool
language plpgsql set search_path = ''
as $$
declare
  v_key public.api_key_pool;
begin
  select * into v_key
  from public.api_key_pool
  where api_key_pool.is_active
    and coalesce(api_key_pool.cooldown_until, '-infinity') <= now()
    and p_settings.provider_tasks_per_window > (
      select count(*) from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
        and coalesce(generation_attempts.submitted_at, generation_attempts.claimed_at)
          > now() - make_interval(secs => p_settings.provider_window_seconds)
    )
    and p_settings.provider_tasks_running > (
      select count(*) from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
        and generation_attempts.status in ('claimed', 'submitted')
        -- What is still looked for after that, in case it comes late, takes no room from others.
        and generation_attempts.claimed_at > now() - make_interval(secs => p_settings.delivery_seconds)
    )
  order by api_key_pool.last_used_at nulls first, api_key_pool.id
  limit 1
  for no key update;
  return v_key;
end;
$$;
comment on function private.next_key(private.settings) is
  'The least recently used key that is well and whose account has room, locked. Null when there is none.';

create function private.next_room_at(p_settings private.settings)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return (
    select min(greatest(
      now(), api_key_pool.cooldown_until, sent.at + make_interval(secs => p_settings.provider_window_seconds)
    ))
    from public.api_key_pool
    left join lateral (
      select coalesce(generation_attempts.submitted_at, generation_attempts.claimed_at) as at
      from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
      order by coalesce(generation_attempts.submitted_at, generation_attempts.claimed_at) desc
      offset p_settings.provider_tasks_per_window - 1
      limit 1
    ) as sent on true
    where api_key_pool.is_active
  );
end;
$$;
comment on function private.next_room_at(private.settings) is
  'When the window of an account opens and its key has rested; at once, if only the cap of running tasks is in the way. Null without a key.';

create function private.note_next_room(p_settings private.settings)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_opens_at timestamptz := private.next_room_at(p_settings);
begin
  update private.sweeper
  set dispatch_opens_at = case
    when v_opens_at > now() then least(v_opens_at, now() + interval '2 seconds')
    -- Every account is full, or there is no key: a photo that ends or a master may change that at any moment.
    else now() + interval '1 second'
  end
  where sweeper.is_singleton;
end;
$$;
comment on function private.note_next_room(private.settings) is
  'Notes when an account will have room again, so that those who poll until then need not ask.';

create function public.seconds_until_dispatch()
returns numeric
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_settings private.settings;
begin
  select * into strict v_settings from private.settings;
  if not exists (
    select from public.generations
    where generations.status = 'queued'
      and generations.run_at <= now()
      and generations.created_at > now() - make_interval(secs => v_settings.dispatch_seconds)
  ) then
    return null;
  end if;
  -- Every account full: a look every second.
  return (
    select case when room.at > now() then extract(epoch from room.at - now()) else 1 end
    from private.next_room_at(v_settings) as room (at)
    where room.at is not null
  );
end;
$$;
comment on function public.seconds_until_dispatch() is
  'How long to wait until a photo of the queue can be dispatched, in seconds; null when none waits or there is no key. Definer; service_role only.';
revoke execute on function public.seconds_until_dispatch() from public, anon, authenticated;
grant execute on function public.seconds_until_dispatch() to service_role;

create function private.open_attempt(
  p_generation public.generations, p_key public.api_key_pool, p_settings private.settings
)
returns table (
  attempt_id bigint,
  generation_id uuid,
  attempt integer,
  callback_token text,
  api_key text,
  photo_path text,
  prompt text,
  aspect_ratio text,
  model text,
  resolution text,
  output_format text
)
language plpgsql set search_path = ''
as $$
declare
  v_prompt record;
  v_token text := encode(extensions.gen_random_bytes(24), 'hex');
  v_attempt private.generation_attempts;
begin
  select
    coalesce(style_tests.master_prompt, identity_prompts.master_prompt) as master_prompt,
    case when style_tests.master_prompt is null then identity_prompts.version else 0 end as version
  into strict v_prompt
  from public.styles_metadata
  left join public.identity_prompts on identity_prompts.id = styles_metadata.id
  left join private.style_tests on style_tests.generation_id = p_generation.id
  where styles_metadata.id = p_generation.style_id;

  insert into private.generation_attempts as attempts (
    generation_id, attempt, api_key_id, account, token_hash, model, prompt_version
  )
  select p_generation.id, 1 + coalesce(max(earlier.attempt), 0), p_key.id,
    coalesce(p_key.account_name, p_key.id::text), sha256(convert_to(v_token, 'UTF8')), p_settings.provider_model, v_prompt.version
  from private.generation_attempts as earlier
  where earlier.generation_id = p_generation.id
  returning * into v_attempt;

  return query select
    v_attempt.id, p_generation.id, v_attempt.attempt, v_token, p_key.api_key, p_generation.photo_path,
    v_prompt.master_prompt, p_generation.aspect_ratio::text, p_settings.provider_model,
    p_settings.provider_resolution, p_settings.provider_output_format;
end;
$$;
comment on function private.open_attempt(public.generations, public.api_key_pool, private.settings) is
  'Begins a try at the provider; returns all that it is to be told, with the token of its callback, of which only the hash is kept.';

drop function public.claim_generation();

create function public.claim_generations(p_limit integer default 1)
returns table (
  attempt_id bigint,
  generation_id uuid,
  attempt integer,
  callback_token text,
  api_key text,
  photo_path text,
  prompt text,
  aspect_ratio text,
  model text,
  resolution text,
  output_format text
)
-- Every waiting photo waits for a slow claim: a plan that sorts the queue is out of the question, whatever the
-- statistics say. The few keys and lanes have to be sorted, which then looks dear enough to be compiled first.
language plpgsql security definer set search_path = '' set enable_sort = off set jit = off
as $$
declare
  v_settings private.settings;
  v_generation public.generations;
  v_key public.api_key_pool;
begin
  -- One claim at a time: the rate window and the cap of an account are counts, and two claims that
  -- count at once would both find room. Each photo takes about a millisecond.
  perform pg_advisory_xact_lock(hashtext('cabina.claim_generations'));
  select * into strict v_settings from private.settings;

  for v_i in 1 .. p_limit loop
    v_generation := private.next_photo(v_settings);
    exit when v_generation.id is null;
    v_key := private.next_key(v_settings);
    if v_key.id is null then
      perform private.note_next_room(v_settings);
      exit;
    end if;

    -- The clock and not now(): several photos of one claim are not of one instant.
    insert into private.queue_lanes as lanes (lane_id, last_claimed_at, turn)
    values (v_generation.lane_id, clock_timestamp(), v_generation.turn)
    on conflict on constraint queue_lanes_pkey do update set
      last_claimed_at = excluded.last_claimed_at, turn = greatest(lanes.turn, excluded.turn);
    update public.generations
    set status = 'processing', started_at = coalesce(generations.started_at, now())
    where generations.id = v_generation.id;
    update public.api_key_pool set last_used_at = clock_timestamp() where api_key_pool.id = v_key.id;

    return query select * from private.open_attempt(v_generation, v_key, v_settings);
  end loop;
end;
$$;
comment on function public.claim_generations(integer) is
  'Takes up to p_limit photos from the queue, each lane and guest in turn, each for the least recently used healthy key with room, and opens an attempt for each; no more rows when there is nothing to do or no room. Definer: hands out secrets; service_role only.';
revoke execute on function public.claim_generations(integer) from public, anon, authenticated;
grant execute on function public.claim_generations(integer) to service_role;

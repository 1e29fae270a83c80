-- From the queue to the provider and back: each function is one short transaction, and none is held
-- open across a network call.

create function public.claim_generation()
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
language plpgsql security definer set search_path = ''
as $$
declare
  v_settings private.settings;
  v_generation public.generations;
  v_prompt public.identity_prompts;
  v_key public.api_key_pool;
  v_account text;
  v_token text := encode(extensions.gen_random_bytes(24), 'hex');
  v_attempt_id bigint;
  v_attempt integer;
begin
  -- One claim at a time: the rate window and the cap of an account are counts, and two claims that
  -- count at once would both find room. A claim takes about a millisecond.
  perform pg_advisory_xact_lock(hashtext('cabina.claim_generation'));

  select * into strict v_settings from private.settings;

  -- The join keeps a style whose prompt was taken away from blocking the queue.
  select generations.* into v_generation
  from public.generations
  join public.identity_prompts on identity_prompts.id = generations.style_id
  where generations.status = 'queued'
    and generations.photo_path is not null
    and generations.run_at <= now()
    and generations.created_at > now() - interval '12 minutes'
  order by generations.run_at, generations.created_at, generations.id
  limit 1
  for no key update of generations skip locked;
  if not found then
    return;
  end if;

  select * into v_key
  from public.api_key_pool
  where api_key_pool.is_active
    and coalesce(api_key_pool.cooldown_until, '-infinity') <= now()
    and v_settings.provider_tasks_per_window > (
      select count(*) from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
        and generation_attempts.claimed_at > now() - interval '10 seconds'
    )
    and v_settings.provider_tasks_running > (
      select count(*) from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
        and generation_attempts.status in ('claimed', 'submitted')
    )
  order by api_key_pool.last_used_at nulls first, api_key_pool.id
  limit 1
  for no key update;
  if not found then
    return;
  end if;

  select * into strict v_prompt from public.identity_prompts where identity_prompts.id = v_generation.style_id;
  v_account := coalesce(v_key.account_name, v_key.id::text);

  select 1 + coalesce(max(generation_attempts.attempt), 0) into v_attempt
  from private.generation_attempts
  where generation_attempts.generation_id = v_generation.id;

  insert into private.generation_attempts (
    generation_id, attempt, api_key_id, account, token_hash, model, prompt_version
  )
  values (
    v_generation.id, v_attempt, v_key.id, v_account, sha256(convert_to(v_token, 'UTF8')),
    v_settings.provider_model, v_prompt.version
  )
  returning generation_attempts.id into v_attempt_id;

  update public.generations
  set status = 'processing', started_at = coalesce(generations.started_at, now())
  where generations.id = v_generation.id;
  update public.api_key_pool set last_used_at = clock_timestamp() where api_key_pool.id = v_key.id;

  return query select
    v_attempt_id, v_generation.id, v_attempt, v_token, v_key.api_key, v_generation.photo_path,
    v_prompt.master_prompt, v_generation.aspect_ratio, v_settings.provider_model,
    v_settings.provider_resolution, v_settings.provider_output_format;
end;
$$;
comment on function public.claim_generation() is
  'Takes the next photo of the queue and the least recently used healthy key with room, and opens an attempt; no row when there is nothing to do or no room. Definer: hands out a secret; service_role only.';
revoke execute on function public.claim_generation() from public, anon, authenticated;
grant execute on function public.claim_generation() to service_role;

create function public.record_submission(p_attempt_id bigint, p_task_id text)
returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_key_id uuid;
begin
  update private.generation_attempts
  set status = 'submitted', task_id = p_task_id, submitted_at = now(), next_check_at = now() + interval '3 seconds'
  where generation_attempts.id = p_attempt_id and generation_attempts.status = 'claimed'
  returning generation_attempts.api_key_id into v_key_id;

  if found then
    update public.api_key_pool
    set usage_count = api_key_pool.usage_count + 1, failure_count = 0, cooldown_until = null
    where api_key_pool.id = v_key_id;
  end if;
end;
$$;
comment on function public.record_submission(bigint, text) is
  'The provider accepted an attempt as this task. A no-op when the attempt is past that, for instance because its callback was faster. Definer; service_role only.';
revoke execute on function public.record_submission(bigint, text) from public, anon, authenticated;
grant execute on function public.record_submission(bigint, text) to service_role;

create function private.is_overtaken(p_generation_id uuid, p_attempt integer)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from private.generation_attempts
    where generation_attempts.generation_id = p_generation_id and generation_attempts.attempt > p_attempt
  );
$$;
comment on function private.is_overtaken(uuid, integer) is
  'Whether a newer attempt was made: then this one no longer speaks for its generation, though it may still complete it.';

create function public.release_attempt(
  p_attempt_id bigint, p_error_code text, p_detail text, p_delay_seconds integer, p_key_action text
)
returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_attempt private.generation_attempts;
begin
  update private.generation_attempts
  set status = 'failed', finished_at = now(), error_code = p_error_code, error_detail = left(p_detail, 500)
  where generation_attempts.id = p_attempt_id and generation_attempts.status in ('claimed', 'submitted')
  returning * into v_attempt;
  if not found then
    return;
  end if;

  -- Only the newest attempt speaks for the generation.
  update public.generations
  set status = 'queued', run_at = now() + make_interval(secs => p_delay_seconds)
  where generations.id = v_attempt.generation_id
    and generations.status = 'processing'
    and not private.is_overtaken(v_attempt.generation_id, v_attempt.attempt);

  if p_key_action <> 'keep' then
    update public.api_key_pool
    set failure_count = api_key_pool.failure_count + 1,
      last_error = p_error_code,
      last_error_at = now(),
      is_active = api_key_pool.is_active and p_key_action <> 'disable',
      -- Doubling from 10 seconds to 5 minutes, with up to half as much again so that accounts do not return in step.
      cooldown_until = now()
        + least(interval '10 seconds' * 2 ^ least(api_key_pool.failure_count, 10), interval '5 minutes') * (1 + random() / 2)
    where coalesce(api_key_pool.account_name, api_key_pool.id::text) = v_attempt.account
      -- The provider counts per account; a refused credential says something about one key only.
      and (p_key_action = 'cool_down' or api_key_pool.id = v_attempt.api_key_id);
  end if;
  if p_key_action = 'disable' then
    perform private.raise_alert(
      'provider_key_disabled', coalesce(v_attempt.api_key_id::text, v_attempt.account), format('The provider refused a key of account %s: %s', v_attempt.account, p_detail)
    );
  end if;
end;
$$;
comment on function public.release_attempt(bigint, text, text, integer, text) is
  'A try failed in a way that another may not: the photo goes back to the queue, not before p_delay_seconds. p_key_action: keep, cool_down (the account rests, growing) or disable (the key leaves the rotation, an alert is opened). A no-op on an attempt that is finished. Definer; service_role only.';
revoke execute on function public.release_attempt(bigint, text, text, integer, text) from public, anon, authenticated;
grant execute on function public.release_attempt(bigint, text, text, integer, text) to service_role;

create function public.find_attempt(p_generation_id uuid, p_attempt integer, p_token text)
returns table (attempt_id bigint, task_id text, api_key text, is_finished boolean)
language sql stable security definer set search_path = ''
as $$
  select generation_attempts.id, generation_attempts.task_id, api_key_pool.api_key,
    generations.status = 'succeeded'
  from private.generation_attempts
  join public.generations on generations.id = generation_attempts.generation_id
  left join public.api_key_pool on api_key_pool.id = generation_attempts.api_key_id
  where generation_attempts.generation_id = p_generation_id
    and generation_attempts.attempt = p_attempt
    and generation_attempts.token_hash = sha256(convert_to(p_token, 'UTF8'));
$$;
comment on function public.find_attempt(uuid, integer, text) is
  'The attempt that a callback speaks of; no row unless its token is the one that was sent out. Definer: hands out a secret; service_role only.';
revoke execute on function public.find_attempt(uuid, integer, text) from public, anon, authenticated;
grant execute on function public.find_attempt(uuid, integer, text) to service_role;

create function public.claim_checks(p_limit integer, p_generation_id uuid default null)
returns table (
  attempt_id bigint, generation_id uuid, attempt integer, task_id text, api_key text, seconds_since_submission integer
)
language sql volatile security definer set search_path = ''
as $$
  with due as materialized (
    select generation_attempts.id
    from private.generation_attempts
    where generation_attempts.status = 'submitted'
      and generation_attempts.next_check_at <= now()
      and (p_generation_id is null or generation_attempts.generation_id = p_generation_id)
    order by generation_attempts.next_check_at
    limit p_limit
    for no key update skip locked
  )
  update private.generation_attempts
  set next_check_at = now() + case
      when generation_attempts.submitted_at > now() - interval '30 seconds' then interval '3 seconds'
      when generation_attempts.submitted_at > now() - interval '2 minutes' then interval '7 seconds'
      else interval '20 seconds'
    end
  from due, public.api_key_pool
  where generation_attempts.id = due.id and api_key_pool.id = generation_attempts.api_key_id
  returning generation_attempts.id, generation_attempts.generation_id, generation_attempts.attempt,
    generation_attempts.task_id, api_key_pool.api_key,
    extract(epoch from now() - generation_attempts.submitted_at)::integer;
$$;
comment on function public.claim_checks(integer, uuid) is
  'Tasks that the provider should be asked about now, at the pace that it advises; each is claimed by one caller. Definer: hands out secrets; service_role only.';
revoke execute on function public.claim_checks(integer, uuid) from public, anon, authenticated;
grant execute on function public.claim_checks(integer, uuid) to service_role;

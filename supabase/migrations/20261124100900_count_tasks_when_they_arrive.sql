-- The provider counts a task when it arrives, which is somewhere between our claim and its answer. A slot of the
-- window is taken until the window is over after the latest instant at which it can have arrived: at first when
-- we would have stopped waiting for the answer, then when the answer came. Counted from the claim, bursts met 429.

alter table private.generation_attempts add column sent_by timestamptz not null default now();
alter table private.generation_attempts alter column sent_by set default now() + interval '20 seconds';
comment on column private.generation_attempts.sent_by is
  'At the latest then the provider counted it. Until the answer is known: 20 seconds after the claim, as long as we wait for one.';
drop index private.generation_attempts_account_sent_at_idx;
create index generation_attempts_account_sent_by_idx on private.generation_attempts (account, sent_by);

create or replace function private.next_key(p_settings private.settings)
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
        and generation_attempts.sent_by > now() - make_interval(secs => p_settings.provider_window_seconds)
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

create or replace function private.next_room_at(p_settings private.settings)
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
      -- What is being sent at this moment is taken for answered.
      select least(generation_attempts.sent_by, now()) as at
      from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
      order by generation_attempts.sent_by desc
      offset p_settings.provider_tasks_per_window - 1
      limit 1
    ) as sent on true
    where api_key_pool.is_active
  );
end;
$$;

drop function public.record_submission(bigint, text);

create function public.record_submission(p_attempt_id bigint, p_task_id text, p_elapsed_seconds numeric default null)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
begin
  v_generation := private.lock_generation(private.find_attempt_generation(p_attempt_id));
  update private.generation_attempts
  set status = 'submitted', task_id = p_task_id,
    submitted_at = now(),
    sent_by = least(now(), generation_attempts.claimed_at + make_interval(secs => p_elapsed_seconds)),
    next_check_at = private.next_check_at(generation_attempts.account, now())
  where generation_attempts.id = p_attempt_id and generation_attempts.status = 'claimed'
  returning * into v_attempt;
  if found then
    perform private.heal_account(v_attempt);
  end if;
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.record_submission(bigint, text, numeric) is
  'The provider accepted an attempt as this task. p_elapsed_seconds: from the request of the claim to the provider''s answer, by the caller''s clock; the rate window counts from there, and not from when we come to note it. A no-op when the attempt is past that, for instance because its callback was faster. Returns the photo''s status. Definer; service_role only.';
revoke execute on function public.record_submission(bigint, text, numeric) from public, anon, authenticated;
grant execute on function public.record_submission(bigint, text, numeric) to service_role;

create or replace function public.release_attempt(p_attempt_id bigint, p_error_code text, p_detail text, p_key_action text)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
begin
  v_generation := private.lock_generation(private.find_attempt_generation(p_attempt_id));
  update private.generation_attempts
  set status = 'failed', finished_at = now(), sent_by = least(generation_attempts.sent_by, now()),
    error_code = p_error_code, error_detail = left(p_detail, 500)
  where generation_attempts.id = p_attempt_id and generation_attempts.status in ('claimed', 'submitted')
  returning * into v_attempt;
  if found then
    v_generation := private.requeue_generation(
      v_generation, v_attempt,
      -- What is the key's fault need not wait: the next try is with another one.
      case p_key_action when 'keep' then private.retry_at(v_attempt.attempt) else now() end
    );
    perform private.judge_key(v_attempt, p_key_action);
  end if;
  return private.describe_generation(v_generation);
end;
$$;

create or replace function public.fail_attempt(p_attempt_id bigint, p_error_code text, p_detail text, p_can_retry boolean)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
begin
  v_generation := private.lock_generation(private.find_attempt_generation(p_attempt_id));
  -- Also when it is over: two who looked at the same moment may have begun to copy one after the other.
  update private.generation_attempts set copying_until = null
  where generation_attempts.id = p_attempt_id and generation_attempts.copying_until is not null;
  update private.generation_attempts
  set status = 'failed', finished_at = now(), sent_by = least(generation_attempts.sent_by, now()),
    error_code = p_error_code, error_detail = left(p_detail, 500)
  where generation_attempts.id = p_attempt_id and generation_attempts.status in ('claimed', 'submitted')
  returning * into v_attempt;
  if not found then
    return private.describe_generation(v_generation);
  end if;

  -- Each task may have been billed: what failed for a passing reason gets one more, not many.
  if p_can_retry and 2 > (
    select count(*) from private.generation_attempts
    where generation_attempts.generation_id = v_generation.id
      and generation_attempts.status = 'failed'
      and generation_attempts.task_id is not null
  ) then
    return private.describe_generation(
      private.requeue_generation(v_generation, v_attempt, private.retry_at(v_attempt.attempt))
    );
  end if;
  return public.fail_generation(v_generation.id, p_error_code, p_attempt_id);
end;
$$;

create or replace function public.complete_generation(
  p_attempt_id bigint,
  p_task_id text,
  p_bucket text,
  p_image_url text,
  p_latency_ms integer,
  p_cost_credits numeric,
  p_bytes integer default null,
  p_crc32 bigint default null
)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_is_public boolean;
begin
  v_generation := private.lock_generation(
    (select generation_attempts.generation_id from private.generation_attempts where generation_attempts.id = p_attempt_id)
  );
  v_is_public := v_generation.visibility = 'visible' and v_generation.deleted_at is null;
  if v_generation.status = 'succeeded' then
    -- Finished by somebody else, and perhaps hidden or deleted since: what this one stored must not stay there.
    if (v_is_public <> (p_bucket = 'generations') or v_generation.deleted_at is not null)
      -- Unless it is about to be moved to where it belongs.
      and not exists (
        select from private.file_tasks
        where file_tasks.bucket = p_bucket and file_tasks.path = v_generation.result_path
      ) then
      perform private.plan_file_removal(p_bucket, v_generation.result_path);
    end if;
    return private.describe_generation(v_generation);
  end if;

  update private.generation_attempts
  set status = case when generation_attempts.id = p_attempt_id then 'succeeded' else 'abandoned' end,
    task_id = case when generation_attempts.id = p_attempt_id then p_task_id else generation_attempts.task_id end,
    submitted_at = coalesce(generation_attempts.submitted_at, generation_attempts.claimed_at),
    finished_at = now(),
    copying_until = null,
    sent_by = least(generation_attempts.sent_by, now()),
    latency_ms = case when generation_attempts.id = p_attempt_id then p_latency_ms end,
    cost_credits = case when generation_attempts.id = p_attempt_id then p_cost_credits end
  where generation_attempts.generation_id = v_generation.id
    and (generation_attempts.id = p_attempt_id or generation_attempts.status in ('claimed', 'submitted'));

  insert into private.stored_pictures (generation_id, bytes, crc32)
  select v_generation.id, p_bytes, p_crc32
  where p_bytes is not null;

  -- Visibility may have changed while the picture was copied: then the file follows the row.
  if v_generation.deleted_at is not null then
    perform private.plan_file_removal(p_bucket, v_generation.result_path);
  elsif v_is_public <> (p_bucket = 'generations') then
    insert into private.file_tasks (action, bucket, path, to_bucket)
    values (
      'move', p_bucket, v_generation.result_path, case when v_is_public then 'generations' else 'generations_private' end
    )
    on conflict (bucket, path) do nothing;
  end if;

  update public.generations
  set status = 'succeeded',
    succeeded_at = now(),
    error_code = null,
    image_url = case when v_is_public and p_bucket = 'generations' then p_image_url end
  where generations.id = v_generation.id
  returning * into v_generation;

  if not exists (select from private.style_tests where style_tests.generation_id = v_generation.id) then
    update public.styles_metadata set usage_count = styles_metadata.usage_count + 1
    where styles_metadata.id = v_generation.style_id;
    update public.profiles set total_generations = profiles.total_generations + 1
    where profiles.id = v_generation.user_id;
  end if;

  perform private.release_photo(v_generation.photo_path);
  return private.describe_generation(v_generation);
end;
$$;

-- A master tries a prompt before guests get it: the draft belongs to the test, not to the style.

create table private.style_tests (
  generation_id uuid not null,
  master_prompt text,
  constraint style_tests_pkey primary key (generation_id),
  constraint style_tests_generation_id_fkey foreign key (generation_id) references public.generations (id) on delete cascade,
  constraint style_tests_master_prompt_length check (length(master_prompt) between 1 and 20000)
);
alter table private.style_tests enable row level security;
create policy style_tests_select_nobody on private.style_tests for select to anon, authenticated using (false);
comment on table private.style_tests is 'Photos that masters made to try a style. They count for nobody.';
comment on column private.style_tests.master_prompt is 'The draft that is tried; null: the prompt of the style.';
comment on column private.generation_attempts.prompt_version is
  'Which of private.prompt_versions was sent; 0: the draft of a test (private.style_tests).';

create or replace function public.claim_generation()
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
  v_prompt record;
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

  select generations.* into v_generation
  from public.generations
  left join public.identity_prompts on identity_prompts.id = generations.style_id
  left join private.style_tests on style_tests.generation_id = generations.id
  where generations.status = 'queued'
    and generations.photo_path is not null
    and generations.run_at <= now()
    and generations.created_at > now() - interval '12 minutes'
    -- A style whose prompt was taken away does not block the queue.
    and coalesce(style_tests.master_prompt, identity_prompts.master_prompt) is not null
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

  select
    coalesce(style_tests.master_prompt, identity_prompts.master_prompt) as master_prompt,
    case when style_tests.master_prompt is null then identity_prompts.version else 0 end as version
  into strict v_prompt
  from public.styles_metadata
  left join public.identity_prompts on identity_prompts.id = styles_metadata.id
  left join private.style_tests on style_tests.generation_id = v_generation.id
  where styles_metadata.id = v_generation.style_id;
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
    v_prompt.master_prompt, v_generation.aspect_ratio::text, v_settings.provider_model,
    v_settings.provider_resolution, v_settings.provider_output_format;
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
  if v_generation.status = 'succeeded' then
    return private.describe_generation(v_generation);
  end if;

  update private.generation_attempts
  set status = case when generation_attempts.id = p_attempt_id then 'succeeded' else 'abandoned' end,
    task_id = case when generation_attempts.id = p_attempt_id then p_task_id else generation_attempts.task_id end,
    submitted_at = coalesce(generation_attempts.submitted_at, generation_attempts.claimed_at),
    finished_at = now(),
    latency_ms = case when generation_attempts.id = p_attempt_id then p_latency_ms end,
    cost_credits = case when generation_attempts.id = p_attempt_id then p_cost_credits end
  where generation_attempts.generation_id = v_generation.id
    and (generation_attempts.id = p_attempt_id or generation_attempts.status in ('claimed', 'submitted'));

  insert into private.stored_pictures (generation_id, bytes, crc32)
  select v_generation.id, p_bytes, p_crc32
  where p_bytes is not null;

  v_is_public := v_generation.visibility = 'visible' and v_generation.deleted_at is null;

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

drop function public.begin_style_test(uuid, text, text, text);

create function public.begin_style_test(
  p_actor_id uuid, p_style_id text, p_photo_path text, p_aspect_ratio text, p_master_prompt text default null
)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  perform private.check_master(p_actor_id);
  perform private.hit_rate_limit('style-test:' || p_actor_id, 10, interval '1 minute');
  if not exists (
    select from public.styles_metadata
    left join public.identity_prompts on identity_prompts.id = styles_metadata.id
    where styles_metadata.id = p_style_id and coalesce(p_master_prompt, identity_prompts.master_prompt) is not null
  ) then
    perform private.refuse('STYLE_NOT_FOUND', format('There is no style %s with a prompt', p_style_id));
  end if;
  perform private.check_photo_path(p_photo_path, p_actor_id, null);
  if not exists (select from storage.objects where objects.bucket_id = 'user_photos' and objects.name = p_photo_path) then
    perform private.refuse(
      'INVALID_INPUT', 'Nothing was uploaded to photo_path', jsonb_build_object('field', 'photo_path'),
      'A photo is removed once its test is over: upload it again'
    );
  end if;

  -- A photo of the master's own, as begin_generation makes them for masters, but of any style.
  insert into public.generations (
    user_id, style_id, aspect_ratio, credits_charged, photo_path, result_path, expected_seconds
  )
  values (
    p_actor_id, p_style_id, p_aspect_ratio, 0, p_photo_path,
    format(
      'results/%s_%s%s.png', p_actor_id, floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
      lpad(floor(random() * 1000000)::text, 6, '0')
    ),
    private.expected_provider_seconds()
  )
  returning * into v_generation;
  insert into private.style_tests (generation_id, master_prompt) values (v_generation.id, p_master_prompt);
  perform private.log_action(
    p_actor_id, 'test', 'style', p_style_id, null,
    jsonb_build_object('generation_id', v_generation.id, 'is_draft', p_master_prompt is not null)
  );
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.begin_style_test(uuid, text, text, text, text) is
  'A master tries a style, also one that is not active yet, with its prompt or with a draft: a real photo in the queue that costs nobody credits and counts for no style or person, to be followed like any other of the master''s. FORBIDDEN, RATE_LIMITED (ten a minute), STYLE_NOT_FOUND (also without any prompt), INVALID_INPUT (photo_path: another''s, or nothing is there). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.begin_style_test(uuid, text, text, text, text) from public, anon, authenticated;
grant execute on function public.begin_style_test(uuid, text, text, text, text) to service_role;

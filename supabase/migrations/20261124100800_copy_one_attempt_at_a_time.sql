-- Two attempts of one photo can both bring a picture: a late one and the one that replaced it. They are written
-- to one place, so one at a time, or the bytes of one could end up under what was noted of the other.

alter table private.generation_attempts add column copying_until timestamptz;
comment on column private.generation_attempts.copying_until is
  'Its picture is being copied; until then no other attempt''s is. Longer than a copy can take, since who copies may die.';

drop function public.get_result_target(bigint);

create function public.get_result_target(p_attempt_id bigint)
returns table (bucket text, path text, is_wanted boolean)
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations := private.lock_generation(private.find_attempt_generation(p_attempt_id));
begin
  if v_generation.status = 'succeeded' or exists (
    select from private.generation_attempts
    where generation_attempts.generation_id = v_generation.id
      and generation_attempts.id <> p_attempt_id
      and generation_attempts.copying_until > now()
  ) then
    return;
  end if;
  update private.generation_attempts set copying_until = now() + interval '90 seconds'
  where generation_attempts.id = p_attempt_id;
  return query select
    case v_generation.visibility when 'visible' then 'generations' else 'generations_private' end,
    v_generation.result_path,
    v_generation.deleted_at is null;
end;
$$;
comment on function public.get_result_target(bigint) is
  'Where the picture of an attempt goes; no row when its generation has one, or is just getting that of another attempt: then the next look will tell. Not wanted: the photo was deleted while it was made, and nothing needs to be stored. Definer; service_role only.';
revoke execute on function public.get_result_target(bigint) from public, anon, authenticated;
grant execute on function public.get_result_target(bigint) to service_role;

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

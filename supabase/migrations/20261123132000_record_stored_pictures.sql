-- What an archive has to know of a picture before it can write it: noted while the picture is copied into
-- storage and its bytes pass by anyway, so that an export need not read each picture twice.

create table private.stored_pictures (
  generation_id uuid not null,
  bytes integer not null,
  crc32 bigint not null,
  constraint stored_pictures_pkey primary key (generation_id),
  constraint stored_pictures_generation_id_fkey foreign key (generation_id)
    references public.generations (id) on delete cascade,
  constraint stored_pictures_bytes_positive check (bytes > 0),
  constraint stored_pictures_crc32_has_32_bits check (crc32 between 0 and 4294967295)
);
alter table private.stored_pictures enable row level security;
create policy stored_pictures_select_nobody on private.stored_pictures for select to anon, authenticated using (false);
comment on table private.stored_pictures is
  'Length and CRC-32 of pictures as they were stored. It stays when the picture is deleted: the parts of an export are cut by it.';

drop function public.complete_generation(bigint, text, text, text, integer, numeric);

create function public.complete_generation(
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

  update public.styles_metadata set usage_count = styles_metadata.usage_count + 1
  where styles_metadata.id = v_generation.style_id;
  update public.profiles set total_generations = profiles.total_generations + 1
  where profiles.id = v_generation.user_id;

  perform private.release_photo(v_generation.photo_path);
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.complete_generation is
  'The picture of any attempt is stored: p_bucket says where, p_image_url is its address if that bucket is public, p_bytes and p_crc32 are what was stored (null: nothing was, the photo is deleted). Counts once; a second call changes nothing. After a failure it turns failed into succeeded for free: the refund stays. Definer; service_role only.';
revoke execute on function public.complete_generation from public, anon, authenticated;
grant execute on function public.complete_generation to service_role;

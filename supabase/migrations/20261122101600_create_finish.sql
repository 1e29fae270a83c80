-- The ends of a generation: success, failure, deletion. Each may be told twice, late or by two at
-- once; what is final stays final, and the row is the answer.

create function private.release_photo(p_path text)
returns void
language sql set search_path = ''
as $$
  select private.plan_file_removal('user_photos', p_path)
  where p_path is not null
    and not exists (
      select from public.generations
      where generations.photo_path = p_path and generations.status in ('queued', 'processing')
    );
$$;
comment on function private.release_photo(text) is 'Has a selfie removed once no unfinished generation uses it.';

create function private.lock_generation(p_generation_id uuid)
returns public.generations
language plpgsql set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  -- The person before the photo, as the deletion of an account locks them: the other way round a
  -- photo that finishes at that moment would be a deadlock.
  perform from public.profiles
  where profiles.id = (select generations.user_id from public.generations where generations.id = p_generation_id)
  for no key update;

  select * into v_generation from public.generations where generations.id = p_generation_id for no key update;
  if not found then
    perform private.refuse('GENERATION_NOT_FOUND', format('There is no generation %s', p_generation_id));
  end if;
  return v_generation;
end;
$$;
comment on function private.lock_generation(uuid) is
  'The row of a generation, locked until the end of the transaction together with the person who pays for it. GENERATION_NOT_FOUND.';

create function private.refund_generation(p_generation public.generations)
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
    -- An erased person's account is gone; its credits were written off with it.
    if p_generation.user_id is not null then
      perform private.post_movement(
        'refund', 'spent', null, 'user', p_generation.user_id, p_generation.credits_charged,
        'refund:' || p_generation.id, p_generation.id
      );
    end if;
    return;
  end if;

  select * into strict v_event from public.events where events.id = p_generation.event_id for no key update;
  perform private.post_movement(
    'refund', 'spent', null, 'event', v_event.id, p_generation.credits_charged,
    'refund:' || p_generation.id, p_generation.id
  );
  -- A closed event holds nothing: what comes back goes on to whoever paid for it.
  if v_event.closed_at is not null then
    perform private.post_movement(
      'return', 'event', v_event.id,
      case when v_event.partner_id is null then 'issued' else 'partner' end::private.credit_account, v_event.partner_id,
      p_generation.credits_charged, 'return:' || p_generation.id, p_generation.id
    );
  end if;
end;
$$;
comment on function private.refund_generation(public.generations) is
  'Gives back what a generation cost, to its user or event; from a closed event on to the partner in the same transaction.';

create function public.get_result_target(p_attempt_id bigint)
returns table (bucket text, path text, is_wanted boolean)
language sql stable security definer set search_path = ''
as $$
  select
    case generations.visibility when 'visible' then 'generations' else 'generations_private' end,
    generations.result_path,
    generations.deleted_at is null
  from private.generation_attempts
  join public.generations on generations.id = generation_attempts.generation_id
  where generation_attempts.id = p_attempt_id and generations.status <> 'succeeded';
$$;
comment on function public.get_result_target(bigint) is
  'Where the picture of an attempt goes; no row when its generation has one. Not wanted: the photo was deleted while it was made, and nothing needs to be stored. Definer; service_role only.';
revoke execute on function public.get_result_target(bigint) from public, anon, authenticated;
grant execute on function public.get_result_target(bigint) to service_role;

create function public.complete_generation(
  p_attempt_id bigint, p_task_id text, p_bucket text, p_image_url text, p_latency_ms integer, p_cost_credits numeric
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
  'The picture of any attempt is stored: p_bucket says where, p_image_url is its address if that bucket is public. Counts once; a second call changes nothing. After a failure it turns failed into succeeded for free: the refund stays. Definer; service_role only.';
revoke execute on function public.complete_generation from public, anon, authenticated;
grant execute on function public.complete_generation to service_role;

create function public.fail_generation(
  p_generation_id uuid, p_error_code text, p_attempt_id bigint default null, p_detail text default null
)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  v_generation := private.lock_generation(p_generation_id);

  update private.generation_attempts
  set status = 'failed', finished_at = now(), error_code = p_error_code, error_detail = left(p_detail, 500)
  where generation_attempts.id = p_attempt_id
    and generation_attempts.generation_id = p_generation_id
    and generation_attempts.status in ('claimed', 'submitted');

  -- An attempt that was overtaken by a newer one no longer speaks for the generation.
  if v_generation.status not in ('queued', 'processing') or exists (
    select from private.generation_attempts
    where generation_attempts.id = p_attempt_id
      and private.is_overtaken(generation_attempts.generation_id, generation_attempts.attempt)
  ) then
    return private.describe_generation(v_generation);
  end if;

  perform private.refund_generation(v_generation);
  update public.generations
  set status = 'failed',
    failed_at = now(),
    error_code = p_error_code,
    refunded_at = case when generations.credits_charged > 0 then now() end,
    credits_charged = 0
  where generations.id = p_generation_id
  returning * into v_generation;

  perform private.release_photo(v_generation.photo_path);
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.fail_generation is
  'Gives up on a generation and returns its credit. p_attempt_id: the attempt that failed for good; only the newest fails its generation. A no-op on one that is final. Definer; service_role only.';
revoke execute on function public.fail_generation from public, anon, authenticated;
grant execute on function public.fail_generation to service_role;

create function public.delete_generation(p_generation_id uuid, p_user_id uuid default null)
returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  -- The same doors as for looking at it.
  perform public.get_generation(p_generation_id, p_user_id);

  update public.generations
  set deleted_at = now(), image_url = null
  where generations.id = p_generation_id and generations.deleted_at is null
  returning * into v_generation;

  if found and v_generation.status = 'succeeded' then
    perform private.plan_file_removal('generations', v_generation.result_path);
    perform private.plan_file_removal('generations_private', v_generation.result_path);
  end if;
  return true;
end;
$$;
comment on function public.delete_generation(uuid, uuid) is
  'Deletes a photo for its owner, or for whoever holds a guest''s id: out of every view at once, its file queued for removal; the row stays. Running work is finished and its file discarded; nothing is refunded. Refuses as get_generation does. Definer; service_role only.';
revoke execute on function public.delete_generation(uuid, uuid) from public, anon, authenticated;
grant execute on function public.delete_generation(uuid, uuid) to service_role;

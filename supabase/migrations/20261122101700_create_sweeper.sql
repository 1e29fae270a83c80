-- What finds and finishes whatever a killed process left behind.

create function public.sweep_database(p_limit integer default 200)
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

  update private.sweeper set last_sweep_at = now();
  return jsonb_build_object(
    'expired', v_expired, 'requeued', v_requeued, 'abandoned', v_abandoned, 'selfies', v_selfies
  );
end;
$$;
comment on function public.sweep_database(integer) is
  'The part of a sweep that needs no network: refunds what is past its deadline, requeues lost claims, stops waiting for very late pictures, plans the removal of old selfies, drops leftovers. Bounded by p_limit; safe to run twice at once. Returns counts. Definer; service_role only.';
revoke execute on function public.sweep_database(integer) from public, anon, authenticated;
grant execute on function public.sweep_database(integer) to service_role;

create function public.claim_file_tasks(p_limit integer)
returns table (task_id bigint, action text, bucket text, path text, to_bucket text)
language sql volatile security definer set search_path = ''
as $$
  with due as materialized (
    select file_tasks.id
    from private.file_tasks
    where file_tasks.run_at <= now()
    order by file_tasks.run_at
    limit p_limit
    for no key update skip locked
  )
  update private.file_tasks
  -- The lease doubles with every try, up to an hour: a file that storage refuses does not block the rest.
  set run_at = now() + least(interval '30 seconds' * 2 ^ least(file_tasks.tries, 10), interval '1 hour'),
    tries = file_tasks.tries + 1
  from due
  where file_tasks.id = due.id
  returning file_tasks.id, file_tasks.action, file_tasks.bucket, file_tasks.path, file_tasks.to_bucket;
$$;
comment on function public.claim_file_tasks(integer) is
  'Files to remove or move now, leased to the caller; they come again until finish_file_tasks confirms them. Definer; service_role only.';
revoke execute on function public.claim_file_tasks(integer) from public, anon, authenticated;
grant execute on function public.claim_file_tasks(integer) to service_role;

create function public.finish_file_tasks(p_task_ids bigint[], p_public_base_url text)
returns integer
language plpgsql security definer set search_path = ''
as $$
declare
  v_count integer;
begin
  with finished as (
    delete from private.file_tasks where file_tasks.id = any (p_task_ids)
    returning file_tasks.action, file_tasks.path, file_tasks.to_bucket
  ),
  published as (
    update public.generations
    set image_url = p_public_base_url || '/' || finished.path
    from finished
    where finished.action = 'move'
      and finished.to_bucket = 'generations'
      and generations.result_path = finished.path
      and generations.status = 'succeeded'
      and generations.visibility = 'visible'
      and generations.deleted_at is null
  )
  select count(*) into v_count from finished;
  return v_count;
end;
$$;
comment on function public.finish_file_tasks(bigint[], text) is
  'Storage did what these tasks asked. A picture moved into the public bucket becomes public: p_public_base_url is that bucket''s address. Returns how many were open. Definer; service_role only.';
revoke execute on function public.finish_file_tasks(bigint[], text) from public, anon, authenticated;
grant execute on function public.finish_file_tasks(bigint[], text) to service_role;

create function public.get_health()
returns table (last_sweep_at timestamptz, is_sweeping boolean, provider_keys integer)
language sql stable security definer set search_path = ''
as $$
  select sweeper.last_sweep_at,
    coalesce(sweeper.last_sweep_at > now() - interval '120 seconds', false),
    (select count(*)::integer from public.api_key_pool where api_key_pool.is_active)
  from private.sweeper;
$$;
comment on function public.get_health() is
  'Whether the sweeper is alive (a sweep in the last 120 seconds) and how many provider keys are in the rotation. Definer; service_role only.';
revoke execute on function public.get_health() from public, anon, authenticated;
grant execute on function public.get_health() to service_role;

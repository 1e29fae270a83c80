-- The sweep ends many photos in one transaction. It now takes all locks in the order that everything else takes
-- them, people, photos, events by id, attempts last, so that it can wait for others but never in a circle.

create function private.expire_generations(p_limit integer)
returns integer
language plpgsql set search_path = ''
as $$
declare
  v_settings private.settings;
  v_ids uuid[];
  v_generation record;
begin
  select * into strict v_settings from private.settings;
  v_ids := array(
    select generations.id
    from public.generations
    where generations.status in ('queued', 'processing')
      and generations.created_at <= now() - make_interval(secs => case generations.status
        when 'queued' then v_settings.dispatch_seconds else v_settings.delivery_seconds
      end)
    order by generations.created_at
    limit p_limit
  );
  perform from public.profiles
  where profiles.id in (select generations.user_id from public.generations where generations.id = any (v_ids))
  order by profiles.id
  for no key update;
  perform from public.generations where generations.id = any (v_ids) order by generations.id for no key update;

  -- What ended meanwhile is not among them any more, or not changed by fail_generation.
  for v_generation in
    select generations.id, generations.status
    from public.generations
    where generations.id = any (v_ids) and generations.status in ('queued', 'processing')
    order by generations.event_id, generations.id
  loop
    perform public.fail_generation(
      v_generation.id,
      case v_generation.status when 'queued' then 'PROVIDER_UNAVAILABLE' else 'GENERATION_TIMED_OUT' end
    );
  end loop;
  return cardinality(v_ids);
end;
$$;
comment on function private.expire_generations(integer) is
  'Gives up at most p_limit photos that are past their deadline, and returns their credits. Returns how many were found.';

create function private.requeue_lost_attempts(p_limit integer)
returns integer
language plpgsql set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
  v_count integer := 0;
begin
  -- A claim whose outcome nobody recorded: the process died, or the provider's answer was lost. It may
  -- have made a task, whose callback had this long to come; it may still complete later.
  for v_generation in
    select generations.*
    from public.generations
    where generations.id in (
      select generation_attempts.generation_id
      from private.generation_attempts
      where generation_attempts.status = 'claimed'
        and generation_attempts.claimed_at
          <= now() - make_interval(secs => (select settings.lost_answer_seconds from private.settings))
      limit p_limit
    )
    order by generations.id
    for no key update
  loop
    for v_attempt in
      update private.generation_attempts
      set status = 'abandoned', finished_at = now(), error_code = 'LOST'
      where generation_attempts.generation_id = v_generation.id
        and generation_attempts.status = 'claimed'
        and generation_attempts.claimed_at
          <= now() - make_interval(secs => (select settings.lost_answer_seconds from private.settings))
      returning *
    loop
      if v_generation.status = 'processing' then
        v_generation := private.requeue_generation(v_generation, v_attempt, now());
        v_count := v_count + (v_generation.status = 'queued')::integer;
      end if;
    end loop;
  end loop;
  return v_count;
end;
$$;
comment on function private.requeue_lost_attempts(integer) is
  'Stops waiting for the answer to a creation that should have come long ago, and puts its photo back into the queue. Returns how many photos.';

create function private.measure_queue()
returns void
language plpgsql set search_path = ''
as $$
begin
  update private.queue_lanes
  set waiting = (
    select count(*) from public.generations
    where generations.status = 'queued' and generations.lane_id = queue_lanes.lane_id
  )
  where queue_lanes.last_claimed_at > now() - interval '1 day';
  delete from private.queue_lanes where queue_lanes.last_claimed_at <= now() - interval '1 day';

  update private.sweeper
  set last_sweep_at = now(),
    expected_seconds = private.expected_provider_seconds(),
    dispatch_rate = private.dispatch_rate(),
    queue_length = (select count(*) from public.generations where generations.status = 'queued'),
    waiting_lanes = (select count(*) from private.waiting_lanes())
  where sweeper.is_singleton;
end;
$$;
comment on function private.measure_queue() is 'Notes the sweep, and what a status tells that no single request should count.';

create or replace function public.sweep_database(p_limit integer default 200)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_expired integer := private.expire_generations(p_limit);
  v_requeued integer := private.requeue_lost_attempts(p_limit);
  v_abandoned integer;
  v_selfies integer;
begin
  -- A late picture is kept for free, but not looked for forever.
  update private.generation_attempts
  set status = 'abandoned', finished_at = now()
  where generation_attempts.id in (
    select late.id from private.generation_attempts as late
    where late.status = 'submitted' and late.submitted_at <= now() - interval '1 hour'
    limit p_limit
    for no key update skip locked
  );
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

  perform private.measure_queue();
  return jsonb_build_object(
    'expired', v_expired, 'requeued', v_requeued, 'abandoned', v_abandoned, 'selfies', v_selfies
  );
end;
$$;

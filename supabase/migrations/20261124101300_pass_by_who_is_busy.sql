-- Where there is no order of locks for a sweep to keep, since claims lock lanes by turns, and photos that end want the
-- event that a refund of the sweep holds, it passes by who is busy: the next sweep is seconds away.

create or replace function private.requeue_lost_attempts(p_limit integer)
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
    for no key update skip locked
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

create or replace function private.measure_queue()
returns void
language plpgsql set search_path = ''
as $$
begin
  with free as materialized (
    select queue_lanes.lane_id from private.queue_lanes
    where queue_lanes.last_claimed_at > now() - interval '1 day'
    for no key update skip locked
  )
  update private.queue_lanes
  set waiting = (
    select count(*) from public.generations
    where generations.status = 'queued' and generations.lane_id = queue_lanes.lane_id
  )
  from free
  where queue_lanes.lane_id = free.lane_id;

  with free as materialized (
    select queue_lanes.lane_id from private.queue_lanes
    where queue_lanes.last_claimed_at <= now() - interval '1 day'
    for update skip locked
  )
  delete from private.queue_lanes using free where queue_lanes.lane_id = free.lane_id;

  update private.sweeper
  set last_sweep_at = now(),
    expected_seconds = private.expected_provider_seconds(),
    dispatch_rate = private.dispatch_rate(),
    queue_length = (select count(*) from public.generations where generations.status = 'queued'),
    waiting_lanes = (select count(*) from private.waiting_lanes())
  where sweeper.is_singleton;
end;
$$;

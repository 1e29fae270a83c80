-- What becomes of a try, told once or twice, early or late. Each function locks the photo before its attempts, as
-- those that finish photos do, looks where it stands, and returns the photo's status whatever it did.

create function private.find_attempt_generation(p_attempt_id bigint)
returns uuid
language plpgsql stable set search_path = ''
as $$
begin
  return (select generation_attempts.generation_id from private.generation_attempts where generation_attempts.id = p_attempt_id);
end;
$$;
comment on function private.find_attempt_generation(bigint) is 'The generation that an attempt belongs to.';

create function private.requeue_generation(p_generation public.generations, p_attempt private.generation_attempts, p_run_at timestamptz)
returns public.generations
language plpgsql set search_path = ''
as $$
begin
  -- Only the newest attempt speaks for its photo.
  if p_generation.status = 'processing' and not private.is_overtaken(p_attempt.generation_id, p_attempt.attempt) then
    update public.generations set status = 'queued', run_at = p_run_at
    where generations.id = p_generation.id
    returning * into p_generation;
  end if;
  return p_generation;
end;
$$;
comment on function private.requeue_generation(public.generations, private.generation_attempts, timestamptz) is
  'Puts a photo, which the caller has locked, back into the queue after its newest attempt failed; otherwise changes nothing.';

create function private.retry_at(p_attempt integer)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_first numeric := (select settings.retry_seconds from private.settings);
begin
  -- 2, 4, 8 … 60 seconds, and up to half as much again, so that photos do not come back in step.
  return now() + make_interval(secs => v_first * least(2 ^ (p_attempt - 1), 30) * (1 + random() / 2));
end;
$$;
comment on function private.retry_at(integer) is 'When a photo may be tried again after so many attempts.';

drop function public.record_submission(bigint, text);

create function public.record_submission(p_attempt_id bigint, p_task_id text)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
begin
  v_generation := private.lock_generation(private.find_attempt_generation(p_attempt_id));
  update private.generation_attempts
  set status = 'submitted', task_id = p_task_id, submitted_at = now(),
    next_check_at = private.next_check_at(generation_attempts.account, now())
  where generation_attempts.id = p_attempt_id and generation_attempts.status = 'claimed'
  returning * into v_attempt;
  if found then
    perform private.heal_account(v_attempt);
  end if;
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.record_submission(bigint, text) is
  'The provider accepted an attempt as this task. A no-op when the attempt is past that, for instance because its callback was faster. Returns the photo''s status. Definer; service_role only.';
revoke execute on function public.record_submission(bigint, text) from public, anon, authenticated;
grant execute on function public.record_submission(bigint, text) to service_role;

drop function public.release_attempt(bigint, text, text, integer, text);

create function public.release_attempt(p_attempt_id bigint, p_error_code text, p_detail text, p_key_action text)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
begin
  v_generation := private.lock_generation(private.find_attempt_generation(p_attempt_id));
  update private.generation_attempts
  set status = 'failed', finished_at = now(), error_code = p_error_code, error_detail = left(p_detail, 500)
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
comment on function public.release_attempt(bigint, text, text, text) is
  'The provider made no task of an attempt, and may of another: the photo goes back to the queue. p_key_action: keep, cool_down (the account rests, growing), suspend (the key leaves the rotation) or suspend_account (all keys of its account do; for both an alert is opened). A no-op on an attempt that is over. Returns the photo''s status. Definer; service_role only.';
revoke execute on function public.release_attempt(bigint, text, text, text) from public, anon, authenticated;
grant execute on function public.release_attempt(bigint, text, text, text) to service_role;

create function public.fail_attempt(p_attempt_id bigint, p_error_code text, p_detail text, p_can_retry boolean)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
  v_attempt private.generation_attempts;
begin
  v_generation := private.lock_generation(private.find_attempt_generation(p_attempt_id));
  update private.generation_attempts
  set status = 'failed', finished_at = now(), error_code = p_error_code, error_detail = left(p_detail, 500)
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
comment on function public.fail_attempt(bigint, text, text, boolean) is
  'An attempt came to nothing. p_can_retry: another may do better, so the photo goes back to the queue, once; otherwise it is given up with p_error_code and its credit returned, if the attempt is the newest. A no-op on an attempt that is over. Returns the photo''s status. Definer; service_role only.';
revoke execute on function public.fail_attempt(bigint, text, text, boolean) from public, anon, authenticated;
grant execute on function public.fail_attempt(bigint, text, text, boolean) to service_role;

-- Looks at tasks

create function private.next_check_at(p_account text, p_submitted_at timestamptz)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  v_running integer;
begin
  select count(*) into v_running
  from private.generation_attempts
  where generation_attempts.account = p_account and generation_attempts.status in ('claimed', 'submitted');
  return now() + greatest(
    case
      when p_submitted_at > now() - interval '30 seconds' then interval '3 seconds'
      when p_submitted_at > now() - interval '2 minutes' then interval '7 seconds'
      else interval '20 seconds'
    end,
    -- The provider answers ten questions a second; callbacks are what usually tells, so half of that will do.
    v_running * interval '200 milliseconds'
  );
end;
$$;
comment on function private.next_check_at(text, timestamptz) is
  'When the provider is to be asked again about a task: at the pace that it advises, or slower, so that all of an account''s together stay within its limit.';

create or replace function public.claim_checks(p_limit integer, p_generation_id uuid default null)
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
  set next_check_at = private.next_check_at(generation_attempts.account, generation_attempts.submitted_at)
  from due, public.api_key_pool
  where generation_attempts.id = due.id and api_key_pool.id = generation_attempts.api_key_id
  returning generation_attempts.id, generation_attempts.generation_id, generation_attempts.attempt,
    generation_attempts.task_id, api_key_pool.api_key,
    extract(epoch from now() - generation_attempts.submitted_at)::integer;
$$;

-- Tasks that were submitted together were looked at together, and too early: a burst of questions that the provider
-- refused, and no answer in it.

create or replace function private.next_check_at(p_account text, p_submitted_at timestamptz)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_running integer;
begin
  select count(*) into v_running
  from private.generation_attempts
  where generation_attempts.account = p_account and generation_attempts.status in ('claimed', 'submitted');
  return now() + greatest(
    case
      -- Before half of the usual time there is nothing to see.
      when p_submitted_at >= now()
        then greatest(interval '3 seconds', (select make_interval(secs => sweeper.expected_seconds / 2) from private.sweeper))
      when p_submitted_at > now() - interval '30 seconds' then interval '3 seconds'
      when p_submitted_at > now() - interval '2 minutes' then interval '7 seconds'
      else interval '20 seconds'
    end,
    -- The provider answers ten questions a second. Callbacks are what usually tells, and ask as well: less than half
    -- of that will do.
    v_running * interval '250 milliseconds'
    -- What was submitted together is not asked about together.
  ) * (0.75 + random() / 2);
end;
$$;

create or replace function public.claim_checks(p_limit integer, p_generation_id uuid default null)
returns table (
  attempt_id bigint, generation_id uuid, attempt integer, task_id text, api_key text, seconds_since_submission integer
)
language sql volatile security definer set search_path = ''
as $$
  with due as materialized (
    select generation_attempts.id, generation_attempts.next_check_at,
      row_number() over (partition by generation_attempts.account order by generation_attempts.next_check_at) as place
    from private.generation_attempts
    where generation_attempts.status = 'submitted'
      and generation_attempts.next_check_at <= now()
      and (p_generation_id is null or generation_attempts.generation_id = p_generation_id)
  ),
  taken as materialized (
    select generation_attempts.id
    from due
    join private.generation_attempts using (id)
    -- They are asked for at once, by more than one caller.
    where due.place <= 3
      and generation_attempts.status = 'submitted'
      and generation_attempts.next_check_at <= now()
    order by due.next_check_at
    limit p_limit
    for no key update of generation_attempts skip locked
  )
  update private.generation_attempts
  set next_check_at = private.next_check_at(generation_attempts.account, generation_attempts.submitted_at)
  from taken, public.api_key_pool
  where generation_attempts.id = taken.id and api_key_pool.id = generation_attempts.api_key_id
  returning generation_attempts.id, generation_attempts.generation_id, generation_attempts.attempt,
    generation_attempts.task_id, api_key_pool.api_key,
    extract(epoch from now() - generation_attempts.submitted_at)::integer;
$$;
comment on function public.claim_checks(integer, uuid) is
  'Claims tasks of which the provider is to be asked now, the longest due first, at most three of an account: of one photo or of all. The next question is planned already, so a caller that dies loses nothing. Definer: hands out the key of each task; service_role only.';

-- Claims, successes and refusals each touch several keys of an account, and locked them as they came: two of them
-- could wait for one another. All of them lock by id now, before they change anything.

create function private.lock_account_keys(p_account text)
returns void
language plpgsql set search_path = ''
as $$
begin
  perform from public.api_key_pool
  where coalesce(api_key_pool.account_name, api_key_pool.id::text) = p_account
  order by api_key_pool.id
  for no key update;
end;
$$;
comment on function private.lock_account_keys(text) is
  'Locks the keys of an account, in one order for all: to be called before anything is done to more than one of them.';

create or replace function private.count_usage()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform private.lock_account_keys(new.account);
  update public.api_key_pool set usage_count = api_key_pool.usage_count + 1 where api_key_pool.id = new.api_key_id;
  return null;
end;
$$;

create or replace function private.heal_account(p_attempt private.generation_attempts)
returns void
language plpgsql set search_path = ''
as $$
begin
  perform private.lock_account_keys(p_attempt.account);
  update public.api_key_pool
  set failure_count = 0, cooldown_until = null
  where coalesce(api_key_pool.account_name, api_key_pool.id::text) = p_attempt.account
    and api_key_pool.is_active
    and (api_key_pool.failure_count > 0 or api_key_pool.cooldown_until is not null)
    -- Of two requests under way together, the one that got through does not disprove the other.
    and coalesce(api_key_pool.last_error_at, '-infinity') < p_attempt.claimed_at;
end;
$$;

create or replace function private.judge_key(p_attempt private.generation_attempts, p_action text)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_first interval := (select make_interval(secs => settings.cooldown_seconds) from private.settings);
  v_is_suspension boolean := p_action in ('suspend', 'suspend_account');
begin
  if p_action = 'keep' then
    return;
  end if;

  perform private.lock_account_keys(p_attempt.account);

  update public.api_key_pool
  set failure_count = api_key_pool.failure_count + 1,
    last_error = p_attempt.error_code,
    last_error_at = clock_timestamp(),
    is_active = api_key_pool.is_active and not v_is_suspension,
    suspended_at = case when v_is_suspension then now() end,
    -- Doubling up to thirty times the first rest, with up to half as much again so that accounts do not return in step.
    cooldown_until = now() + v_first * least(2 ^ least(api_key_pool.failure_count, 10), 30) * (1 + random() / 2)
  where coalesce(api_key_pool.account_name, api_key_pool.id::text) = p_attempt.account
    and api_key_pool.is_active
    and (p_action <> 'suspend' or api_key_pool.id = p_attempt.api_key_id)
    -- One burst that was too fast is one refusal, however many requests it had.
    and coalesce(api_key_pool.last_error_at, '-infinity') < p_attempt.claimed_at;

  if v_is_suspension then
    perform private.raise_alert(
      'provider_key_disabled',
      case p_action when 'suspend' then coalesce(p_attempt.api_key_id::text, p_attempt.account) else p_attempt.account end,
      format('The provider refused %s: %s %s',
        case p_action when 'suspend' then 'a key of account ' || p_attempt.account else 'account ' || p_attempt.account end,
        p_attempt.error_code, p_attempt.error_detail)
    );
  end if;
end;
$$;

create or replace function public.report_key_balance(p_api_key_id uuid, p_balance numeric)
returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_key public.api_key_pool;
  v_price numeric := coalesce(
    (
      select generation_attempts.cost_credits
      from private.generation_attempts
      where generation_attempts.status = 'succeeded' and generation_attempts.cost_credits is not null
      order by generation_attempts.finished_at desc
      limit 1
    ),
    0
  );
begin
  -- What is left must pay for a whole window of pictures: a failed one that is given back is no top-up, and the key
  -- would come back only to be refused most of a burst.
  if p_balance is null or p_balance <= 0
    or p_balance < v_price * (select settings.provider_tasks_per_window from private.settings) then
    return false;
  end if;
  update public.api_key_pool
  set is_active = true, suspended_at = null, cooldown_until = null
  where api_key_pool.id = p_api_key_id and api_key_pool.suspended_at is not null
  returning * into v_key;
  if not found then
    return false;
  end if;
  perform private.resolve_key_alerts(v_key);
  return true;
end;
$$;
comment on function public.report_key_balance(uuid, numeric) is
  'The provider told the balance of a suspended key, in its own credits: with enough for a window of pictures the key is back in the rotation and its alert resolved. Its failures are forgotten with the first task that is accepted. Returns whether it is back. Definer; service_role only.';

create or replace function public.claim_generations(p_limit integer default 1)
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
-- Every waiting photo waits for a slow claim: a plan that sorts the queue is out of the question, whatever the
-- statistics say. The few keys and lanes have to be sorted, which then looks dear enough to be compiled first.
language plpgsql security definer set search_path = '' set enable_sort = off set jit = off
as $$
declare
  v_settings private.settings;
  v_generation public.generations;
  v_key public.api_key_pool;
begin
  -- One claim at a time: the rate window and the cap of an account are counts, and two claims that
  -- count at once would both find room. Each photo takes about a millisecond.
  perform pg_advisory_xact_lock(hashtext('cabina.claim_generations'));
  select * into strict v_settings from private.settings;

  for v_i in 1 .. p_limit loop
    v_generation := private.next_photo(v_settings);
    exit when v_generation.id is null;
    -- All at once: one by one, as their turn comes, would be another order than everybody else's.
    if v_i = 1 then
      perform from public.api_key_pool where api_key_pool.is_active order by api_key_pool.id for no key update;
    end if;
    v_key := private.next_key(v_settings);
    if v_key.id is null then
      perform private.note_next_room(v_settings);
      exit;
    end if;

    -- The clock and not now(): several photos of one claim are not of one instant.
    insert into private.queue_lanes as lanes (lane_id, last_claimed_at, turn)
    values (v_generation.lane_id, clock_timestamp(), v_generation.turn)
    on conflict on constraint queue_lanes_pkey do update set
      last_claimed_at = excluded.last_claimed_at, turn = greatest(lanes.turn, excluded.turn);
    update public.generations
    set status = 'processing', started_at = coalesce(generations.started_at, now())
    where generations.id = v_generation.id;
    update public.api_key_pool set last_used_at = clock_timestamp() where api_key_pool.id = v_key.id;

    return query select * from private.open_attempt(v_generation, v_key, v_settings);
  end loop;
end;
$$;

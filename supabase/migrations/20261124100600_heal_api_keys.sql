-- The health of keys. A refusal is held against a key or its account once for all requests that were under way
-- together; a success of a later request heals. A key that the provider refuses for good leaves the rotation,
-- and comes back by itself when the provider says that it is well: after a top-up nobody has to find a switch.

alter table public.api_key_pool add column suspended_at timestamptz;
alter table public.api_key_pool add constraint api_key_pool_suspended_is_inactive check (suspended_at is null or not is_active);
comment on column public.api_key_pool.suspended_at is
  'The provider refused the key (wrong, out of credits, its own cap reached): out of the rotation until a probe finds it well. Null while a master keeps it out.';
comment on column public.api_key_pool.cooldown_until is
  'Not used before this instant, after the provider asked for patience; of a suspended key, not probed before it.';

create index api_key_pool_account_idx on public.api_key_pool ((coalesce(account_name, id::text)));

create function private.count_usage()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  update public.api_key_pool set usage_count = api_key_pool.usage_count + 1 where api_key_pool.id = new.api_key_id;
  return null;
end;
$$;
comment on function private.count_usage() is 'Counts a task of a key, also one that we first hear of by its callback.';
create trigger generation_attempts_count_usage after update of task_id on private.generation_attempts
  for each row
  when (old.task_id is null and new.task_id is not null)
  execute function private.count_usage();

create function private.heal_account(p_attempt private.generation_attempts)
returns void
language plpgsql set search_path = ''
as $$
begin
  update public.api_key_pool
  set failure_count = 0, cooldown_until = null
  where coalesce(api_key_pool.account_name, api_key_pool.id::text) = p_attempt.account
    and api_key_pool.is_active
    and (api_key_pool.failure_count > 0 or api_key_pool.cooldown_until is not null)
    -- Of two requests under way together, the one that got through does not disprove the other.
    and coalesce(api_key_pool.last_error_at, '-infinity') < p_attempt.claimed_at;
end;
$$;
comment on function private.heal_account(private.generation_attempts) is
  'The provider accepted an attempt: its account is well, unless it was refused something after that was sent.';

create function private.judge_key(p_attempt private.generation_attempts, p_action text)
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

  -- In one order, or two that judge the keys of one account could each wait for the other.
  perform from public.api_key_pool
  where coalesce(api_key_pool.account_name, api_key_pool.id::text) = p_attempt.account
  order by api_key_pool.id
  for no key update;

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
comment on function private.judge_key(private.generation_attempts, text) is
  'Holds a refusal against the key of an attempt or its account: cool_down, suspend or suspend_account; keep does nothing.';

create function public.claim_key_probes(p_limit integer)
returns table (api_key_id uuid, api_key text)
language plpgsql security definer set search_path = ''
as $$
begin
  return query
  update public.api_key_pool
  set failure_count = api_key_pool.failure_count + 1,
    -- A minute, two, four … an hour.
    cooldown_until = now() + least(interval '1 minute' * 2 ^ least(api_key_pool.failure_count, 10), interval '1 hour')
  where api_key_pool.id in (
    select due.id from public.api_key_pool as due
    where due.suspended_at is not null and coalesce(due.cooldown_until, '-infinity') <= now()
    order by due.id
    limit p_limit
    for no key update skip locked
  )
  returning api_key_pool.id, api_key_pool.api_key;
end;
$$;
comment on function public.claim_key_probes(integer) is
  'Suspended keys that the provider should be asked about now; each is handed to one caller, and less often the longer it lasts. Definer: hands out secrets; service_role only.';
revoke execute on function public.claim_key_probes(integer) from public, anon, authenticated;
grant execute on function public.claim_key_probes(integer) to service_role;

create function public.report_key_balance(p_api_key_id uuid, p_balance numeric)
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
  -- What is left must pay for a picture, or the key would come back only to be refused again.
  if p_balance is null or p_balance <= 0 or p_balance < v_price then
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
  'The provider told the balance of a suspended key, in its own credits: with enough for a picture the key is back in the rotation and its alert resolved. Its failures are forgotten with the first task that is accepted. Returns whether it is back. Definer; service_role only.';
revoke execute on function public.report_key_balance(uuid, numeric) from public, anon, authenticated;
grant execute on function public.report_key_balance(uuid, numeric) to service_role;

create function private.resolve_key_alerts(p_key public.api_key_pool)
returns void
language plpgsql set search_path = ''
as $$
begin
  update private.alerts set resolved_at = now()
  where alerts.kind = 'provider_key_disabled'
    and alerts.subject in (p_key.id::text, p_key.account_name)
    and alerts.resolved_at is null;
end;
$$;
comment on function private.resolve_key_alerts(public.api_key_pool) is 'A key is well again: closes what was said of it and its account.';

create or replace function private.describe_api_key(p_key public.api_key_pool)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_key.id,
    -- The API takes keys of eight characters and more; of a shorter one four would be too much.
    'masked', '…' || case when length(p_key.api_key) >= 8 then right(p_key.api_key, 4) else '' end,
    'account_name', p_key.account_name,
    'is_active', p_key.is_active,
    'health', case
      when p_key.suspended_at is not null then 'suspended'
      when not p_key.is_active then 'inactive'
      when p_key.cooldown_until > now() then 'cooling'
      else 'ready'
    end,
    'cooldown_until', p_key.cooldown_until,
    'failure_count', p_key.failure_count,
    'last_error', p_key.last_error,
    'last_error_at', p_key.last_error_at,
    'suspended_at', p_key.suspended_at,
    'running_tasks', (
      select count(*) from private.generation_attempts
      where generation_attempts.api_key_id = p_key.id and generation_attempts.status in ('claimed', 'submitted')
    ),
    'usage_count', p_key.usage_count,
    'last_used_at', p_key.last_used_at,
    'created_at', p_key.created_at
  );
$$;

create or replace function public.update_api_key(p_actor_id uuid, p_key_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.api_key_pool;
  v_new public.api_key_pool;
begin
  perform private.check_master(p_actor_id);
  select * into v_old from public.api_key_pool where api_key_pool.id = p_key_id for no key update;
  if not found then
    perform private.refuse('NOT_FOUND', format('There is no key %s', p_key_id));
  end if;
  v_new := jsonb_populate_record(v_old, p_changes);
  if p_changes @> '{"reset_health": true}' and v_old.suspended_at is not null and not p_changes ? 'is_active' then
    v_new.is_active := true;
  end if;
  -- Back in rotation, a key begins without its past as well.
  if p_changes @> '{"reset_health": true}' or v_new.is_active and not v_old.is_active then
    v_new.cooldown_until := null;
    v_new.failure_count := 0;
    v_new.last_error := null;
    v_new.last_error_at := null;
    perform private.resolve_key_alerts(v_old);
  end if;
  -- What a master decides is no longer the provider's doing: a key that is kept out is not probed.
  if v_new.is_active or p_changes ? 'is_active' then
    v_new.suspended_at := null;
  end if;
  update public.api_key_pool
  set account_name = v_new.account_name,
    is_active = v_new.is_active,
    suspended_at = v_new.suspended_at,
    cooldown_until = v_new.cooldown_until,
    failure_count = v_new.failure_count,
    last_error = v_new.last_error,
    last_error_at = v_new.last_error_at
  where api_key_pool.id = p_key_id
  returning * into v_new;
  perform private.log_change(
    p_actor_id, 'update', 'api_key', p_key_id,
    private.describe_api_key(v_old) - '{masked,health,running_tasks}'::text[],
    private.describe_api_key(v_new) - '{masked,health,running_tasks}'::text[]
  );
  return private.describe_api_key(v_new);
end;
$$;
comment on function public.update_api_key(uuid, uuid, jsonb) is
  'A master changes the account of a key, or takes it out of rotation and back; back, or with reset_health, its cooldown, suspension and failures are forgotten. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';

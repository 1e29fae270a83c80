-- What a key is doing now, and a way to let it begin afresh without taking it out of rotation.

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
      when not p_key.is_active then 'inactive'
      when p_key.cooldown_until > now() then 'cooling'
      else 'ready'
    end,
    'cooldown_until', p_key.cooldown_until,
    'failure_count', p_key.failure_count,
    'last_error', p_key.last_error,
    'last_error_at', p_key.last_error_at,
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
  -- Back in rotation, a key begins without its past as well.
  if p_changes @> '{"reset_health": true}' or v_new.is_active and not v_old.is_active then
    v_new.cooldown_until := null;
    v_new.failure_count := 0;
    v_new.last_error := null;
    v_new.last_error_at := null;
  end if;
  update public.api_key_pool
  set account_name = v_new.account_name,
    is_active = v_new.is_active,
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
  'A master changes the account of a key, or takes it out of rotation and back; back, or with reset_health, its cooldown and failures are forgotten. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';

-- The provider's keys: a master adds them and sees how they are, but never reads one back.

create function private.describe_api_key(p_key public.api_key_pool)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_key.id,
    'masked', '…' || right(p_key.api_key, 4),
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
    'usage_count', p_key.usage_count,
    'last_used_at', p_key.last_used_at,
    'created_at', p_key.created_at
  );
$$;
comment on function private.describe_api_key(public.api_key_pool) is 'A key as a master sees it: of the key itself the last four characters.';

create function public.list_api_keys(p_actor_id uuid)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return query select private.describe_api_key(api_key_pool) from public.api_key_pool
  order by api_key_pool.created_at, api_key_pool.id;
end;
$$;
comment on function public.list_api_keys(uuid) is
  'All keys of the provider, masked, the oldest first; there are a dozen. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_api_keys(uuid) from public, anon, authenticated;
grant execute on function public.list_api_keys(uuid) to service_role;

create function public.add_api_key(p_actor_id uuid, p_api_key text, p_account_name text, p_is_active boolean)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_key public.api_key_pool;
begin
  perform private.check_master(p_actor_id);
  insert into public.api_key_pool (api_key, account_name, is_active)
  values (p_api_key, p_account_name, p_is_active)
  on conflict on constraint api_key_pool_api_key_key do nothing
  returning * into v_key;
  if not found then
    perform private.refuse('CONFLICT', 'This key is in the pool already', jsonb_build_object('field', 'api_key'));
  end if;
  perform private.log_action(
    p_actor_id, 'create', 'api_key', v_key.id, null,
    jsonb_build_object('account_name', p_account_name, 'is_active', p_is_active)
  );
  return private.describe_api_key(v_key);
end;
$$;
comment on function public.add_api_key(uuid, text, text, boolean) is
  'A master adds a key of the provider. FORBIDDEN, CONFLICT (it is there already). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.add_api_key(uuid, text, text, boolean) from public, anon, authenticated;
grant execute on function public.add_api_key(uuid, text, text, boolean) to service_role;

create function public.update_api_key(p_actor_id uuid, p_key_id uuid, p_changes jsonb)
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
  update public.api_key_pool
  set account_name = v_new.account_name,
    is_active = v_new.is_active,
    -- Activated again, a key begins without its past.
    cooldown_until = case when v_new.is_active and not v_old.is_active then null else v_old.cooldown_until end,
    failure_count = case when v_new.is_active and not v_old.is_active then 0 else v_old.failure_count end
  where api_key_pool.id = p_key_id
  returning * into v_new;
  perform private.log_change(
    p_actor_id, 'update', 'api_key', p_key_id,
    private.describe_api_key(v_old) - '{masked,health}'::text[], private.describe_api_key(v_new) - '{masked,health}'::text[]
  );
  return private.describe_api_key(v_new);
end;
$$;
comment on function public.update_api_key(uuid, uuid, jsonb) is
  'A master changes the account of a key, or takes it out of rotation and back; back, its cooldown and failures are forgotten. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.update_api_key(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.update_api_key(uuid, uuid, jsonb) to service_role;

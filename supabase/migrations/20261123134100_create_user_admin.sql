-- What a master does with people's accounts.

create extension if not exists pg_trgm with schema extensions;

create index profiles_created_at_id_idx on public.profiles (created_at desc, id desc);
-- Any part of an address or name is found without reading everybody.
create index profiles_email_full_name_idx on public.profiles
  using gin (email extensions.gin_trgm_ops, full_name extensions.gin_trgm_ops);

create function private.describe_user(p_profile public.profiles)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_profile.id,
    'email', p_profile.email,
    'full_name', p_profile.full_name,
    'role', p_profile.role,
    'credits', p_profile.credits,
    'debt', private.debt_of('user', p_profile.id),
    'total_generations', p_profile.total_generations,
    'created_at', p_profile.created_at
  );
$$;
comment on function private.describe_user(public.profiles) is 'A person''s account as a master sees it.';

create function public.list_users(
  p_actor_id uuid, p_role text, p_q text, p_before timestamptz, p_before_id uuid, p_limit integer
)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  -- What is looked for may contain the wildcards of "like".
  v_pattern text := '%' || regexp_replace(p_q, '([%_\\])', '\\\1', 'g') || '%';
begin
  perform private.check_master(p_actor_id);
  return query
  select private.describe_user(profiles)
  from public.profiles
  where (p_role is null or profiles.role = p_role)
    and (p_q is null or profiles.email ilike v_pattern or profiles.full_name ilike v_pattern)
    and (p_before is null or (profiles.created_at, profiles.id) < (p_before, p_before_id))
  order by profiles.created_at desc, profiles.id desc
  limit p_limit;
end;
$$;
comment on function public.list_users(uuid, text, text, timestamptz, uuid, integer) is
  'A page of the accounts, the newest first; p_q is a part of an e-mail address or name. Pages by keyset: p_before and p_before_id are those of the last account of the page before. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_users(uuid, text, text, timestamptz, uuid, integer) from public, anon, authenticated;
grant execute on function public.list_users(uuid, text, text, timestamptz, uuid, integer) to service_role;

create function public.get_user(p_actor_id uuid, p_user_id uuid)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_profile public.profiles;
begin
  perform private.check_master(p_actor_id);
  select * into v_profile from public.profiles where profiles.id = p_user_id;
  if not found then
    perform private.refuse('NOT_FOUND', format('There is no user %s', p_user_id));
  end if;
  return private.describe_user(v_profile);
end;
$$;
comment on function public.get_user(uuid, uuid) is
  'An account, for a master. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_user(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_user(uuid, uuid) to service_role;

create function public.change_role(p_actor_id uuid, p_user_id uuid, p_role text)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  perform public.set_role(p_actor_id, p_user_id, p_role);
  -- Not by get_user: a master may have ceased to be one just now.
  return (select private.describe_user(profiles) from public.profiles where profiles.id = p_user_id);
end;
$$;
comment on function public.change_role(uuid, uuid, text) is
  'set_role, and the account as it is then. Refuses as set_role does. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.change_role(uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.change_role(uuid, uuid, text) to service_role;

create function public.move_user_credits(
  p_actor_id uuid, p_user_id uuid, p_amount integer, p_reason text, p_idempotency_key text default null
)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_movement private.credit_movements;
begin
  perform private.check_master(p_actor_id);
  v_movement := private.adjust_credits('user', p_user_id, p_amount, p_reason, p_idempotency_key, p_actor_id);
  perform private.log_movement(p_actor_id, 'move_credits', 'user', p_user_id, v_movement);
  return jsonb_build_object(
    'user', public.get_user(p_actor_id, p_user_id), 'movement', private.describe_movement(v_movement)
  );
end;
$$;
comment on function public.move_user_credits(uuid, uuid, integer, text, text) is
  'A master corrects the credits of an account: above 0 adds, below 0 takes, never more than are there: the account and the movement, the first one when the request is repeated. FORBIDDEN, NOT_FOUND, INVALID_INPUT (amount, reason), INSUFFICIENT_CREDITS, IDEMPOTENCY_CONFLICT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.move_user_credits(uuid, uuid, integer, text, text) from public, anon, authenticated;
grant execute on function public.move_user_credits(uuid, uuid, integer, text, text) to service_role;

create function public.make_first_master(p_email text)
returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  -- Two at once: the second one waits here, and finds a master.
  perform pg_advisory_xact_lock(hashtextextended('make_first_master', 0));
  select users.id into v_user_id
  from auth.users
  where lower(users.email) = lower(p_email) and users.email_confirmed_at is not null;
  if not found then
    perform private.refuse(
      'NOT_FOUND', format('Nobody has confirmed the address %s', p_email), p_hint => 'Sign up and confirm the e-mail first'
    );
  end if;
  if private.is_master_account(v_user_id) then
    return v_user_id;
  end if;
  if exists (select from public.profiles where profiles.is_master) then
    perform private.refuse(
      'CONFLICT', 'This project has a master already', p_hint => 'Ask a master to change the role (PATCH users/{id}/role)'
    );
  end if;

  update public.profiles set role = 'master' where profiles.id = v_user_id;
  perform private.log_action(null, 'make_first_master', 'user', v_user_id, null, jsonb_build_object('role', 'master'));
  return v_user_id;
end;
$$;
comment on function public.make_first_master(text) is
  'The first master of a project, by the confirmed address of an account. For operators; once there is one, masters change roles. NOT_FOUND, CONFLICT (there is another master). Definer; service_role only.';
revoke execute on function public.make_first_master(text) from public, anon, authenticated;
grant execute on function public.make_first_master(text) to service_role;

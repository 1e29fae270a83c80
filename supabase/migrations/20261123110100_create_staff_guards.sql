-- Who acts. The service passes the person whom it has authenticated (p_actor_id), and these functions
-- decide by what the database says of that person at this moment, never by a claim of a token.

create function private.is_staff_of(p_actor_id uuid, p_partner_id uuid)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from public.profiles where profiles.id = p_actor_id and profiles.is_master)
    or exists (
      select from public.partners
      where partners.id = p_partner_id and partners.user_id = p_actor_id and partners.is_active
    );
$$;
comment on function private.is_staff_of(uuid, uuid) is
  'Whether a person may act for a partner: its owner while it is active, or a master. Null for a partner: a master only.';

create function private.check_master(p_actor_id uuid)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not private.is_staff_of(p_actor_id, null) then
    perform private.refuse('FORBIDDEN', 'Only a master may do this');
  end if;
end;
$$;
comment on function private.check_master(uuid) is 'FORBIDDEN unless the person is a master.';

create function private.log_action(p_actor_id uuid, p_action text, p_target text, p_target_id uuid, p_before jsonb, p_after jsonb)
returns void
language sql set search_path = ''
as $$
  insert into private.audit_log (actor_id, action, target, target_id, before, after)
  values (p_actor_id, p_action, p_target, p_target_id::text, p_before, p_after);
$$;
comment on function private.log_action is 'Notes what staff did. Never put a PIN, token, key or e-mail into before and after.';

create function public.set_role(p_actor_id uuid, p_user_id uuid, p_role text)
returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_role text;
begin
  perform private.check_master(p_actor_id);
  if p_role is null or p_role not in ('user', 'client', 'partner', 'master') then
    perform private.refuse(
      'INVALID_INPUT', format('role is %s: user, client, partner or master is needed', coalesce(p_role, 'null')),
      jsonb_build_object('field', 'role')
    );
  end if;

  -- All masters, so that two who demote each other do not leave the platform without one.
  perform from public.profiles where profiles.is_master or profiles.id = p_user_id order by profiles.id for no key update;
  select profiles.role into v_role from public.profiles where profiles.id = p_user_id;
  if not found then
    perform private.refuse('NOT_FOUND', format('There is no user %s', p_user_id));
  end if;
  if v_role = p_role then
    return;
  end if;
  if v_role = 'master' and not exists (select from public.profiles where profiles.is_master and profiles.id <> p_user_id) then
    perform private.refuse('CONFLICT', 'The last master cannot be demoted', p_hint => 'Make somebody else a master first');
  end if;

  -- Whoever loses a role loses what came with it.
  if p_role in ('user', 'client') then
    update public.partners set user_id = null where partners.user_id = p_user_id;
  end if;
  if p_role = 'user' then
    update public.clients set user_id = null where clients.user_id = p_user_id;
  end if;
  update public.profiles set role = p_role where profiles.id = p_user_id;
  perform private.log_action(
    p_actor_id, 'set_role', 'user', p_user_id, jsonb_build_object('role', v_role), jsonb_build_object('role', p_role)
  );
end;
$$;
comment on function public.set_role(uuid, uuid, text) is
  'A master changes somebody''s role; losing a role unlinks the account from its partner or clients at once. FORBIDDEN, INVALID_INPUT, NOT_FOUND, CONFLICT (the last master). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.set_role(uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.set_role(uuid, uuid, text) to service_role;

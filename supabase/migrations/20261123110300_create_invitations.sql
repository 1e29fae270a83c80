-- Becoming a partner or a client: staff invites an address, and whoever proves to own that address accepts.

create table private.invitations (
  id uuid not null default gen_random_uuid(),
  partner_id uuid not null,
  client_id uuid,
  email text not null,
  token_hash bytea not null,
  invited_by uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '7 days',
  accepted_at timestamptz,
  accepted_by uuid,
  revoked_at timestamptz,
  constraint invitations_pkey primary key (id),
  constraint invitations_partner_id_fkey foreign key (partner_id) references public.partners (id) on delete cascade,
  constraint invitations_client_id_partner_id_fkey
    foreign key (client_id, partner_id) references public.clients (id, partner_id) on delete cascade,
  constraint invitations_token_hash_key unique (token_hash),
  constraint invitations_email_is_normalised check (email = lower(btrim(email)) and email like '_%@_%' and length(email) <= 254),
  constraint invitations_accepted_by_somebody check ((accepted_at is null) = (accepted_by is null))
);

create index invitations_partner_id_idx on private.invitations (partner_id);
create index invitations_client_id_partner_id_idx on private.invitations (client_id, partner_id);
create index invitations_email_idx on private.invitations (email);
create index invitations_accepted_by_idx on private.invitations (accepted_by) where accepted_by is not null;
alter table private.invitations enable row level security;
comment on table private.invitations is
  'Who was asked to become the owner of a partner (client_id is null) or the host of a client. The token itself is stored nowhere.';
comment on column private.invitations.invited_by is 'Bare uuid of the person of staff.';
comment on column private.invitations.accepted_by is 'Bare uuid; the row goes with the person.';

create function private.forget_invitations()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  delete from private.invitations where invitations.accepted_by = old.id or invitations.email = lower(old.email);
  return null;
end;
$$;
comment on function private.forget_invitations() is
  'Trigger: invitations hold an address and go with the person. Definer: fired by auth''s role.';

create trigger profiles_forget_invitations after delete on public.profiles
  for each row execute function private.forget_invitations();

create function public.create_invitation(p_actor_id uuid, p_partner_id uuid, p_client_id uuid, p_email text)
returns table (invitation_id uuid, token text, expires_at timestamptz)
language plpgsql security definer set search_path = ''
as $$
declare
  v_email text := lower(btrim(p_email));
  v_token text := encode(extensions.gen_random_bytes(32), 'hex');
  v_invitation private.invitations;
begin
  if p_client_id is null then
    perform private.check_master(p_actor_id);
  end if;
  -- Locked, so that of two invitations at once the later one revokes the earlier.
  perform from public.partners where partners.id = p_partner_id for no key update;
  if not found
    or not private.is_staff_of(p_actor_id, p_partner_id)
    or (p_client_id is not null and not exists (
      select from public.clients where clients.id = p_client_id and clients.partner_id = p_partner_id
    )) then
    perform private.refuse('NOT_FOUND', format('There is no %s %s', case when p_client_id is null then 'partner' else 'client' end,
      coalesce(p_client_id, p_partner_id)));
  end if;
  if v_email is null or v_email !~ '^[^@[:space:]]+@[^@[:space:]]+$' or length(v_email) > 254 then
    perform private.refuse('INVALID_INPUT', 'An invitation needs an e-mail address', jsonb_build_object('field', 'email'));
  end if;
  perform private.hit_rate_limit('invitations:' || p_actor_id, 60, interval '1 hour');

  update private.invitations set revoked_at = now()
  where invitations.partner_id = p_partner_id
    and invitations.client_id is not distinct from p_client_id
    and invitations.accepted_at is null
    and invitations.revoked_at is null;
  insert into private.invitations (partner_id, client_id, email, token_hash, invited_by)
  values (p_partner_id, p_client_id, v_email, sha256(convert_to(v_token, 'UTF8')), p_actor_id)
  returning * into v_invitation;
  perform private.log_action(
    p_actor_id, 'invite', case when p_client_id is null then 'partner' else 'client' end, coalesce(p_client_id, p_partner_id),
    null, jsonb_build_object('invitation_id', v_invitation.id)
  );
  return query select v_invitation.id, v_token, v_invitation.expires_at;
end;
$$;
comment on function public.create_invitation(uuid, uuid, uuid, text) is
  'Invites an address to own a partner (p_client_id null; a master only) or to host a client (its partner or a master), for 7 days; earlier open invitations to the same end. The token is returned once. FORBIDDEN, NOT_FOUND (also when of another partner), INVALID_INPUT, RATE_LIMITED (60 an hour). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.create_invitation(uuid, uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.create_invitation(uuid, uuid, uuid, text) to service_role;

create function public.accept_invitation(p_actor_id uuid, p_token text)
returns table (role text, partner_id uuid, client_id uuid)
language plpgsql security definer set search_path = ''
as $$
declare
  v_invitation private.invitations;
  v_profile public.profiles;
  v_email text;
  v_owner_id uuid;
begin
  -- The person before the partner, as everywhere.
  select * into v_profile from public.profiles where profiles.id = p_actor_id for no key update;
  -- What auth holds, not what a token claims: an address that was changed or never confirmed proves nothing.
  select lower(users.email) into v_email
  from auth.users where users.id = p_actor_id and users.email_confirmed_at is not null;
  if v_profile.id is null then
    perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
  end if;

  select * into v_invitation
  from private.invitations
  where invitations.token_hash = sha256(convert_to(p_token, 'UTF8'))
  for no key update;
  if not found
    or v_invitation.revoked_at is not null
    or (v_invitation.accepted_at is null and v_invitation.expires_at <= now())
    or v_invitation.accepted_by <> p_actor_id then
    perform private.refuse('NOT_FOUND', 'This invitation is not open', p_hint => 'Ask for a new one');
  end if;
  if v_invitation.accepted_by = p_actor_id then
    return query select v_profile.role::text, v_invitation.partner_id, v_invitation.client_id;
    return;
  end if;
  if v_email is distinct from v_invitation.email then
    perform private.refuse(
      'FORBIDDEN', 'The invitation is for another e-mail address, or this one is not confirmed',
      p_hint => 'Sign in with the invited address and confirm it'
    );
  end if;

  if v_invitation.client_id is null then
    select partners.user_id into strict v_owner_id
    from public.partners where partners.id = v_invitation.partner_id for no key update;
    if v_owner_id <> p_actor_id
      or exists (
        select from public.partners where partners.user_id = p_actor_id and partners.id <> v_invitation.partner_id
      ) then
      perform private.refuse('CONFLICT', 'The partner has an owner, or this account owns another partner');
    end if;
    update public.partners set user_id = p_actor_id where partners.id = v_invitation.partner_id;
    update public.profiles set role = 'partner' where profiles.id = p_actor_id and profiles.role <> 'master';
  else
    select clients.user_id into strict v_owner_id
    from public.clients where clients.id = v_invitation.client_id for no key update;
    if v_owner_id <> p_actor_id then
      perform private.refuse('CONFLICT', 'The client has a host already');
    end if;
    update public.clients set user_id = p_actor_id where clients.id = v_invitation.client_id;
    update public.profiles set role = 'client' where profiles.id = p_actor_id and profiles.role = 'user';
  end if;
  update private.invitations set accepted_at = now(), accepted_by = p_actor_id where invitations.id = v_invitation.id;
  perform private.log_action(
    p_actor_id, 'accept_invitation', case when v_invitation.client_id is null then 'partner' else 'client' end,
    coalesce(v_invitation.client_id, v_invitation.partner_id), null, jsonb_build_object('invitation_id', v_invitation.id)
  );
  return query
    select profiles.role::text, v_invitation.partner_id, v_invitation.client_id
    from public.profiles where profiles.id = p_actor_id;
end;
$$;
comment on function public.accept_invitation(uuid, text) is
  'Makes a person the owner of a partner or the host of a client to which their confirmed address (auth.users) was invited. Accepting again returns the same. UNAUTHENTICATED, NOT_FOUND (unknown, revoked, expired, used by somebody else), FORBIDDEN (another or unconfirmed address), CONFLICT (taken). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.accept_invitation(uuid, text) from public, anon, authenticated;
grant execute on function public.accept_invitation(uuid, text) to service_role;

-- Accepting an invitation locked it before its partner, and making another one locks them the other way
-- round: whoever met was a deadlock. The same function, which now begins with the partner.

create or replace function public.accept_invitation(p_actor_id uuid, p_token text)
returns table (role text, partner_id uuid, client_id uuid)
language plpgsql security definer set search_path = ''
as $$
declare
  v_invitation private.invitations;
  v_profile public.profiles;
  v_email text;
  v_owner_id uuid;
begin
  -- The person before the partner, as everywhere, and the partner before its invitations, as create_invitation.
  select * into v_profile from public.profiles where profiles.id = p_actor_id for no key update;
  -- What auth holds, not what a token claims: an address that was changed or never confirmed proves nothing.
  select lower(users.email) into v_email
  from auth.users where users.id = p_actor_id and users.email_confirmed_at is not null;
  if v_profile.id is null then
    perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
  end if;

  perform from public.partners
  where partners.id in (
    select invitations.partner_id from private.invitations
    where invitations.token_hash = sha256(convert_to(p_token, 'UTF8'))
  )
  for no key update;
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
    select partners.user_id into strict v_owner_id from public.partners where partners.id = v_invitation.partner_id;
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

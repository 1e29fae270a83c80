-- Inviting whoever is meant: without an address the one that stands in the row.

create function public.invite_client(p_actor_id uuid, p_client_id uuid, p_email text default null)
returns table (id uuid, email text, token text, expires_at timestamptz)
language plpgsql security definer set search_path = ''
as $$
declare
  v_client public.clients := private.staff_client(p_actor_id, p_client_id);
  v_email text := lower(btrim(coalesce(p_email, v_client.email)));
begin
  return query
  select created.invitation_id, v_email, created.token, created.expires_at
  from public.create_invitation(p_actor_id, v_client.partner_id, p_client_id, v_email) as created;
end;
$$;
comment on function public.invite_client(uuid, uuid, text) is
  'Invites somebody to host a client, by the client''s own address unless another is given; see create_invitation, whose refusals it has. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.invite_client(uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.invite_client(uuid, uuid, text) to service_role;

create function public.invite_partner(p_actor_id uuid, p_partner_id uuid, p_email text default null)
returns table (id uuid, email text, token text, expires_at timestamptz)
language plpgsql security definer set search_path = ''
as $$
declare
  v_email text;
begin
  perform private.check_master(p_actor_id);
  select partners.contact_email into v_email from public.partners where partners.id = p_partner_id;
  v_email := lower(btrim(coalesce(p_email, v_email)));
  return query
  select created.invitation_id, v_email, created.token, created.expires_at
  from public.create_invitation(p_actor_id, p_partner_id, null, v_email) as created;
end;
$$;
comment on function public.invite_partner(uuid, uuid, text) is
  'A master invites somebody to own a partner, by the partner''s own address unless another is given; see create_invitation, whose refusals it has. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.invite_partner(uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.invite_partner(uuid, uuid, text) to service_role;

-- A partner's customers.

create index clients_partner_id_created_at_idx on public.clients (partner_id, created_at desc, id desc);
drop index public.clients_partner_id_idx; -- the one above begins with the same column

create function private.chosen_partner(p_actor_id uuid, p_partner_id uuid)
returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_partner_id uuid := private.acting_partner(p_actor_id, p_partner_id);
begin
  if v_partner_id is null then
    perform private.refuse(
      'INVALID_INPUT', 'A master names the partner', jsonb_build_object('field', 'partner_id'), 'GET partners lists them'
    );
  end if;
  return v_partner_id;
end;
$$;
comment on function private.chosen_partner(uuid, uuid) is
  'The partner for which a person acts, where there must be one. FORBIDDEN, NOT_FOUND (not theirs), INVALID_INPUT (a master who names none).';

create function private.staff_client(p_actor_id uuid, p_client_id uuid)
returns public.clients
language plpgsql stable set search_path = ''
as $$
declare
  v_client public.clients;
begin
  select * into v_client from public.clients where clients.id = p_client_id;
  if not found or not private.is_staff_of(p_actor_id, v_client.partner_id) then
    perform private.refuse('NOT_FOUND', format('There is no client %s', p_client_id));
  end if;
  return v_client;
end;
$$;
comment on function private.staff_client(uuid, uuid) is
  'A client of the person''s partner, for a master any. NOT_FOUND, also for another partner''s. Takes no lock.';

create function private.describe_client(p_client public.clients)
returns jsonb
language sql immutable set search_path = ''
as $$
  select to_jsonb(p_client);
$$;
comment on function private.describe_client(public.clients) is 'A client as its staff sees it: the row, which has no secret of its own.';

create function public.list_clients(
  p_actor_id uuid,
  p_partner_id uuid,
  p_is_active boolean,
  p_q text,
  p_before timestamptz,
  p_before_id uuid,
  p_limit integer
)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_partner_id uuid := private.acting_partner(p_actor_id, p_partner_id);
begin
  return query
  select private.describe_client(clients)
  from public.clients
  where (v_partner_id is null or clients.partner_id = v_partner_id)
    and (p_is_active is null or clients.is_active = p_is_active)
    and (p_q is null or strpos(lower(clients.name), lower(p_q)) > 0 or strpos(lower(clients.email), lower(p_q)) > 0)
    and (p_before is null or (clients.created_at, clients.id) < (p_before, p_before_id))
  order by clients.created_at desc, clients.id desc
  limit p_limit;
end;
$$;
comment on function public.list_clients(uuid, uuid, boolean, text, timestamptz, uuid, integer) is
  'A page of a partner''s clients, the newest first; a master''s of all, or of the partner named. Pages by keyset: p_before and p_before_id are those of the last client of the page before. FORBIDDEN, NOT_FOUND (a partner that is not theirs). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_clients(uuid, uuid, boolean, text, timestamptz, uuid, integer) from public, anon, authenticated;
grant execute on function public.list_clients(uuid, uuid, boolean, text, timestamptz, uuid, integer) to service_role;

create function public.get_client(p_actor_id uuid, p_client_id uuid)
returns jsonb
language sql stable security definer set search_path = ''
as $$
  select private.describe_client(private.staff_client(p_actor_id, p_client_id));
$$;
comment on function public.get_client(uuid, uuid) is
  'A client for its staff. NOT_FOUND, also for another partner''s. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_client(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_client(uuid, uuid) to service_role;

create function public.create_client(p_actor_id uuid, p_partner_id uuid, p_body jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_partner_id uuid := private.chosen_partner(p_actor_id, p_partner_id);
  v_client public.clients := jsonb_populate_record(null::public.clients, p_body - 'config');
begin
  perform private.check_given_styles(v_client.contracted_styles, 'contracted_styles');
  insert into public.clients (partner_id, name, email, contact_person, phone, contracted_styles, config)
  values (
    v_partner_id, v_client.name, v_client.email, v_client.contact_person, v_client.phone,
    coalesce(v_client.contracted_styles, '{}'), private.merge_config('{}', p_body -> 'config')
  )
  returning * into v_client;
  perform private.log_change(p_actor_id, 'create', 'client', v_client.id, null, private.describe_client(v_client));
  return private.describe_client(v_client);
end;
$$;
comment on function public.create_client(uuid, uuid, jsonb) is
  'A partner takes on a client; a master names the partner. FORBIDDEN, NOT_FOUND (partner), INVALID_INPUT (partner_id, contracted_styles). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.create_client(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.create_client(uuid, uuid, jsonb) to service_role;

create function public.update_client(p_actor_id uuid, p_client_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.clients := private.staff_client(p_actor_id, p_client_id);
  v_new public.clients;
begin
  -- From the partner down: a client that is deactivated locks its events.
  perform from public.partners where partners.id = v_old.partner_id for no key update;
  perform from public.clients where clients.id = p_client_id for no key update;
  v_old := private.staff_client(p_actor_id, p_client_id);

  v_new := jsonb_populate_record(v_old, p_changes - 'config');
  perform private.check_given_styles(v_new.contracted_styles, 'contracted_styles');
  if v_new.is_active <> v_old.is_active then
    update public.clients set is_active = v_new.is_active where clients.id = p_client_id;
  end if;
  update public.clients
  set name = v_new.name, email = v_new.email, contact_person = v_new.contact_person, phone = v_new.phone,
    contracted_styles = v_new.contracted_styles, config = private.merge_config(v_old.config, p_changes -> 'config')
  where clients.id = p_client_id
  returning * into v_new;
  perform private.log_change(
    p_actor_id, 'update', 'client', p_client_id, private.describe_client(v_old), private.describe_client(v_new)
  );
  return private.describe_client(v_new);
end;
$$;
comment on function public.update_client(uuid, uuid, jsonb) is
  'Changes what p_changes names of a client; one that is deactivated takes its open events with it, until it is active again. NOT_FOUND, INVALID_INPUT (contracted_styles). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.update_client(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.update_client(uuid, uuid, jsonb) to service_role;

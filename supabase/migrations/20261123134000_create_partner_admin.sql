-- What a master does with partners.

create index partners_created_at_id_idx on public.partners (created_at desc, id desc);

create function private.describe_partner(p_partner public.partners)
returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(p_partner) || jsonb_build_object(
    'credits_left', p_partner.credits_total - p_partner.credits_used,
    'debt', private.debt_of('partner', p_partner.id),
    'clients', (select count(*) from public.clients where clients.partner_id = p_partner.id),
    'events', (select count(*) from public.events where events.partner_id = p_partner.id)
  );
$$;
comment on function private.describe_partner(public.partners) is
  'A partner as a master sees it: the row, what it has and owes, how many clients and events.';

create function public.list_partners(
  p_actor_id uuid, p_is_active boolean, p_q text, p_before timestamptz, p_before_id uuid, p_limit integer
)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return query
  select private.describe_partner(partners)
  from public.partners
  where (p_is_active is null or partners.is_active = p_is_active)
    and (p_q is null or strpos(lower(concat_ws(' ', partners.name, partners.business_name, partners.contact_email)), lower(p_q)) > 0)
    and (p_before is null or (partners.created_at, partners.id) < (p_before, p_before_id))
  order by partners.created_at desc, partners.id desc
  limit p_limit;
end;
$$;
comment on function public.list_partners(uuid, boolean, text, timestamptz, uuid, integer) is
  'A page of the partners, the newest first. Pages by keyset: p_before and p_before_id are those of the last partner of the page before. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_partners(uuid, boolean, text, timestamptz, uuid, integer) from public, anon, authenticated;
grant execute on function public.list_partners(uuid, boolean, text, timestamptz, uuid, integer) to service_role;

create function private.master_partner(p_actor_id uuid, p_partner_id uuid)
returns public.partners
language plpgsql stable set search_path = ''
as $$
declare
  v_partner public.partners;
begin
  perform private.check_master(p_actor_id);
  select * into v_partner from public.partners where partners.id = p_partner_id;
  if not found then
    perform private.refuse('NOT_FOUND', format('There is no partner %s', p_partner_id));
  end if;
  return v_partner;
end;
$$;
comment on function private.master_partner(uuid, uuid) is 'A partner, for a master. FORBIDDEN, NOT_FOUND. Takes no lock.';

create function public.get_partner(p_actor_id uuid, p_partner_id uuid)
returns jsonb
language sql stable security definer set search_path = ''
as $$
  select private.describe_partner(private.master_partner(p_actor_id, p_partner_id));
$$;
comment on function public.get_partner(uuid, uuid) is
  'A partner, for a master. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_partner(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_partner(uuid, uuid) to service_role;

create function public.create_partner(p_actor_id uuid, p_body jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_given public.partners := jsonb_populate_record(null::public.partners, p_body);
  v_partner public.partners;
begin
  perform private.check_master(p_actor_id);
  insert into public.partners (name, business_name, contact_name, contact_email, contact_phone, is_active, config)
  values (
    v_given.name, v_given.business_name, v_given.contact_name, v_given.contact_email, v_given.contact_phone,
    coalesce(v_given.is_active, true), private.merge_config('{}', v_given.config)
  )
  returning * into v_partner;
  perform private.log_change(p_actor_id, 'create', 'partner', v_partner.id, null, to_jsonb(v_partner));
  return private.describe_partner(v_partner);
end;
$$;
comment on function public.create_partner(uuid, jsonb) is
  'A master takes on a partner; its owner comes by invitation. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.create_partner(uuid, jsonb) from public, anon, authenticated;
grant execute on function public.create_partner(uuid, jsonb) to service_role;

create function public.update_partner(p_actor_id uuid, p_partner_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.partners;
  v_new public.partners;
begin
  perform private.master_partner(p_actor_id, p_partner_id);
  select * into strict v_old from public.partners where partners.id = p_partner_id for no key update;
  v_new := jsonb_populate_record(v_old, p_changes - 'config');
  update public.partners
  set name = v_new.name, business_name = v_new.business_name, contact_name = v_new.contact_name,
    contact_email = v_new.contact_email, contact_phone = v_new.contact_phone, is_active = v_new.is_active,
    config = private.merge_config(v_old.config, p_changes -> 'config')
  where partners.id = p_partner_id
  returning * into v_new;
  perform private.log_change(p_actor_id, 'update', 'partner', p_partner_id, to_jsonb(v_old), to_jsonb(v_new));
  return private.describe_partner(v_new);
end;
$$;
comment on function public.update_partner(uuid, uuid, jsonb) is
  'Changes what p_changes names of a partner. One that is deactivated (is_active) is suspended: its people do nothing, its open events pause until it is active again. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.update_partner(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.update_partner(uuid, uuid, jsonb) to service_role;

create function public.move_partner_credits(
  p_actor_id uuid, p_partner_id uuid, p_amount integer, p_reason text, p_idempotency_key text default null
)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_movement private.credit_movements;
begin
  perform private.master_partner(p_actor_id, p_partner_id);
  -- A key means one request, whichever kind of movement that made.
  if exists (
    select from private.credit_movements
    where credit_movements.idempotency_key
      = private.staff_key(case when p_amount > 0 then 'adjustment' else 'grant' end, p_actor_id, p_idempotency_key)
  ) then
    perform private.refuse('IDEMPOTENCY_CONFLICT', format('Key %s belongs to another request', p_idempotency_key));
  end if;

  if p_amount > 0 then
    v_movement := private.grant_credits('partner', p_partner_id, p_amount, p_reason, p_idempotency_key, p_actor_id);
  else
    v_movement := private.adjust_credits('partner', p_partner_id, p_amount, p_reason, p_idempotency_key, p_actor_id);
  end if;
  perform private.log_movement(p_actor_id, 'move_credits', 'partner', p_partner_id, v_movement);
  return jsonb_build_object(
    'partner', public.get_partner(p_actor_id, p_partner_id), 'movement', private.describe_movement(v_movement)
  );
end;
$$;
comment on function public.move_partner_credits(uuid, uuid, integer, text, text) is
  'A master grants a partner credits, or with an amount below 0 takes some back, never more than are there: the partner and the movement, the first one when the request is repeated. FORBIDDEN, NOT_FOUND, INVALID_INPUT (amount, reason), INSUFFICIENT_CREDITS, IDEMPOTENCY_CONFLICT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.move_partner_credits(uuid, uuid, integer, text, text) from public, anon, authenticated;
grant execute on function public.move_partner_credits(uuid, uuid, integer, text, text) to service_role;

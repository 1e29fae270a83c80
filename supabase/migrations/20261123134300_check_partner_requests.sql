-- What a request says of a partner is checked before it is written, so that a refusal names its field; and a
-- key means one request, also for two at once of which one grants and the other takes back.

create function private.check_partner_draft(p_body jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if jsonb_typeof(p_body #> '{config,style_presets}') = 'array' then
    perform private.check_given_styles(
      array(select jsonb_array_elements_text(p_body #> '{config,style_presets}')), 'config.style_presets'
    );
  end if;
end;
$$;
comment on function private.check_partner_draft(jsonb) is
  'What must be true of a partner that a request makes or changes. INVALID_INPUT (config.style_presets: unknown style).';

create or replace function public.create_partner(p_actor_id uuid, p_body jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_given public.partners := jsonb_populate_record(null::public.partners, p_body);
  v_partner public.partners;
begin
  perform private.check_master(p_actor_id);
  perform private.check_partner_draft(p_body);
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
  'A master takes on a partner; its owner comes by invitation. FORBIDDEN, INVALID_INPUT (config.style_presets). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';

create or replace function public.update_partner(p_actor_id uuid, p_partner_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.partners;
  v_new public.partners;
begin
  perform private.master_partner(p_actor_id, p_partner_id);
  perform private.check_partner_draft(p_changes);
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
  'Changes what p_changes names of a partner. One that is deactivated (is_active) is suspended: its people do nothing, its open events pause until it is active again. FORBIDDEN, NOT_FOUND, INVALID_INPUT (config.style_presets). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';

create or replace function public.move_partner_credits(
  p_actor_id uuid, p_partner_id uuid, p_amount integer, p_reason text, p_idempotency_key text default null
)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_movement private.credit_movements;
begin
  perform private.master_partner(p_actor_id, p_partner_id);
  -- A key means one request, whichever kind of movement that made. The ledger's own lock is for one kind only,
  -- so the second of two at once waits here; without a key there is nothing to lock.
  perform pg_advisory_xact_lock(hashtextextended('move_partner_credits:' || p_actor_id || ':' || p_idempotency_key, 0));
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

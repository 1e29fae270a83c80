-- What a master does with prices, settings, the log of actions and alerts.

create function private.refuse_values(p_table text, p_constraint text, p_given jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_field text;
begin
  -- Constraints are named after their column.
  select given.field into v_field
  from jsonb_object_keys(p_given) as given (field)
  where starts_with(p_constraint, format('%s_%s_', p_table, given.field))
  order by length(given.field) desc
  limit 1;
  perform private.refuse(
    'INVALID_INPUT', format('%s cannot be %s (%s)', v_field, p_given ->> v_field, p_constraint),
    jsonb_build_object('field', v_field)
  );
end;
$$;
comment on function private.refuse_values(text, text, jsonb) is
  'INVALID_INPUT with the field for which a row was refused by one of its table''s constraints.';

-- Packs.

create function public.list_packs(p_actor_id uuid)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return query select to_jsonb(credit_packs) from public.credit_packs
  order by credit_packs.audience desc, credit_packs.sort_order, credit_packs.id;
end;
$$;
comment on function public.list_packs(uuid) is
  'All packs of credits, those of users first, in order; there are a dozen. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_packs(uuid) from public, anon, authenticated;
grant execute on function public.list_packs(uuid) to service_role;

create function public.save_pack(p_actor_id uuid, p_pack_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.credit_packs;
  v_new public.credit_packs;
  v_constraint text;
begin
  perform private.check_master(p_actor_id);
  if p_pack_id is not null then
    select * into v_old from public.credit_packs where credit_packs.id = p_pack_id for no key update;
    if not found then
      perform private.refuse('NOT_FOUND', format('There is no pack %s', p_pack_id));
    end if;
  end if;

  v_new := jsonb_populate_record(v_old, p_changes);
  begin
    insert into public.credit_packs (id, name, audience, credits, price, currency, is_active, sort_order)
    values (
      coalesce(p_pack_id, gen_random_uuid()), v_new.name, v_new.audience, v_new.credits, v_new.price,
      coalesce(v_new.currency, 'ARS'), coalesce(v_new.is_active, true), coalesce(v_new.sort_order, 999)
    )
    on conflict (id) do update
    set name = excluded.name, audience = excluded.audience, credits = excluded.credits, price = excluded.price,
      currency = excluded.currency, is_active = excluded.is_active, sort_order = excluded.sort_order
    returning * into v_new;
  exception
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform private.refuse_values('credit_packs', v_constraint, p_changes);
  end;
  perform private.log_change(
    p_actor_id, case when p_pack_id is null then 'create' else 'update' end, 'pack', v_new.id,
    case when p_pack_id is not null then to_jsonb(v_old) end, to_jsonb(v_new)
  );
  return to_jsonb(v_new);
end;
$$;
comment on function public.save_pack(uuid, uuid, jsonb) is
  'Adds a pack of credits (p_pack_id null), or changes what p_changes names of one. Orders that exist keep their own price. FORBIDDEN, NOT_FOUND, INVALID_INPUT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.save_pack(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.save_pack(uuid, uuid, jsonb) to service_role;

-- Settings.

create function public.get_settings(p_actor_id uuid)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return (select to_jsonb(settings) - 'is_singleton' from private.settings);
end;
$$;
comment on function public.get_settings(uuid) is
  'The settings of the platform. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_settings(uuid) from public, anon, authenticated;
grant execute on function public.get_settings(uuid) to service_role;

create function public.update_settings(p_actor_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old private.settings;
  v_new private.settings;
  v_constraint text;
begin
  perform private.check_master(p_actor_id);
  select * into strict v_old from private.settings for no key update;
  v_new := jsonb_populate_record(v_old, p_changes);
  begin
    update private.settings
    set signup_bonus = v_new.signup_bonus, referral_reward = v_new.referral_reward,
      pack_unlock_price = v_new.pack_unlock_price, is_in_maintenance = v_new.is_in_maintenance,
      provider_model = v_new.provider_model, provider_resolution = v_new.provider_resolution,
      provider_output_format = v_new.provider_output_format,
      provider_tasks_per_window = v_new.provider_tasks_per_window,
      provider_tasks_running = v_new.provider_tasks_running, uploads_per_minute = v_new.uploads_per_minute
    where settings.is_singleton
    returning * into v_new;
  exception
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform private.refuse_values('settings', v_constraint, p_changes);
  end;
  perform private.log_change(p_actor_id, 'update', 'settings', null, to_jsonb(v_old), to_jsonb(v_new));
  return public.get_settings(p_actor_id);
end;
$$;
comment on function public.update_settings(uuid, jsonb) is
  'Changes what p_changes names of the settings; it holds from the next request on. FORBIDDEN, INVALID_INPUT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.update_settings(uuid, jsonb) from public, anon, authenticated;
grant execute on function public.update_settings(uuid, jsonb) to service_role;

-- The log of actions.

create index audit_log_actor_id_id_idx on private.audit_log (actor_id, id desc);

create function public.list_audit(p_actor_id uuid, p_filters jsonb, p_before_id bigint, p_limit integer)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return query
  select to_jsonb(audit_log) || jsonb_build_object('actor_email', profiles.email)
  from private.audit_log
  left join public.profiles on profiles.id = audit_log.actor_id
  where (p_filters ->> 'actor_id' is null or audit_log.actor_id = (p_filters ->> 'actor_id')::uuid)
    and (p_filters ->> 'action' is null or audit_log.action = p_filters ->> 'action')
    and (p_filters ->> 'target' is null or audit_log.target = p_filters ->> 'target')
    and (p_filters ->> 'target_id' is null or audit_log.target_id = p_filters ->> 'target_id')
    and audit_log.created_at >= coalesce((p_filters ->> 'from')::timestamptz, '-infinity')
    and audit_log.created_at < coalesce((p_filters ->> 'to')::timestamptz, 'infinity')
    and (p_before_id is null or audit_log.id < p_before_id)
  order by audit_log.id desc
  limit p_limit;
end;
$$;
comment on function public.list_audit(uuid, jsonb, bigint, integer) is
  'A page of what staff did, the latest first. p_filters: actor_id, action, target, target_id, from and to (to excluded). Pages by keyset: p_before_id is the id of the last row of the page before. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_audit(uuid, jsonb, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_audit(uuid, jsonb, bigint, integer) to service_role;

-- Alerts.

create function public.list_alerts(p_actor_id uuid, p_is_open boolean, p_before_id bigint, p_limit integer)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return query
  select to_jsonb(alerts)
  from private.alerts
  where (p_is_open is null or (alerts.resolved_at is null) = p_is_open) and (p_before_id is null or alerts.id < p_before_id)
  order by alerts.id desc
  limit p_limit;
end;
$$;
comment on function public.list_alerts(uuid, boolean, bigint, integer) is
  'A page of what a person must look at, the latest first; open ones alone if p_is_open, settled ones if not, all for null. Pages by keyset: p_before_id is the id of the last one of the page before. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_alerts(uuid, boolean, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_alerts(uuid, boolean, bigint, integer) to service_role;

create function public.resolve_alert(p_actor_id uuid, p_alert_id bigint)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_alert private.alerts;
begin
  perform private.check_master(p_actor_id);
  update private.alerts set resolved_at = now()
  where alerts.id = p_alert_id and alerts.resolved_at is null
  returning * into v_alert;
  if found then
    perform private.log_action(p_actor_id, 'resolve', 'alert', p_alert_id::text, null, jsonb_build_object('kind', v_alert.kind));
    return to_jsonb(v_alert);
  end if;
  select * into v_alert from private.alerts where alerts.id = p_alert_id;
  if not found then
    perform private.refuse('NOT_FOUND', format('There is no alert %s', p_alert_id));
  end if;
  return to_jsonb(v_alert);
end;
$$;
comment on function public.resolve_alert(uuid, bigint) is
  'Somebody has looked after an alert; should its reason come again, a new one is opened. Again it changes nothing. FORBIDDEN, NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.resolve_alert(uuid, bigint) from public, anon, authenticated;
grant execute on function public.resolve_alert(uuid, bigint) to service_role;

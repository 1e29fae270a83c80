-- Events come, change and go.

create function public.create_event(p_actor_id uuid, p_partner_id uuid, p_body jsonb, p_pin text default null)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_partner_id uuid := private.acting_partner(p_actor_id, p_partner_id);
  v_event public.events := jsonb_populate_record(null::public.events, p_body - '{config,event_slug,start_date,end_date}'::text[]);
  v_timezone text;
begin
  v_event.partner_id := v_partner_id;
  v_event.event_slug := private.read_slug(p_body ->> 'event_slug');
  v_event.config := private.merge_config('{}', p_body -> 'config');
  v_timezone := private.timezone_of(v_event.config);
  v_event.start_date := private.read_event_date(p_body, 'start_date', v_timezone);
  v_event.end_date := private.read_event_date(p_body, 'end_date', v_timezone);
  perform private.check_event_draft(v_event, p_body);

  v_event := private.insert_event(v_event);
  perform private.log_change(p_actor_id, 'create', 'event', v_event.id, null, private.describe_event(v_event));
  if p_pin is not null then
    perform public.set_event_pin(p_actor_id, v_event.id, p_pin);
  end if;
  return private.describe_event(private.staff_event(p_actor_id, v_event.id));
end;
$$;
comment on function public.create_event(uuid, uuid, jsonb, text) is
  'A partner creates an event, a master one of any partner or, naming none, of the platform. FORBIDDEN, NOT_FOUND (partner, client), INVALID_INPUT (dates, time zone, styles, slug, PIN), SLUG_TAKEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.create_event(uuid, uuid, jsonb, text) from public, anon, authenticated;
grant execute on function public.create_event(uuid, uuid, jsonb, text) to service_role;

create function private.check_closed_event_change(p_event public.events, p_changes jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_field text;
begin
  select given.field into v_field
  from (
    select jsonb_object_keys(p_changes - '{config,event_name,client_name,client_email}'::text[])
    union all
    select 'config.' || settings.name
    from jsonb_object_keys(p_changes -> 'config') as settings (name)
    where settings.name in ('timezone', 'access', 'limits')
  ) as given (field)
  limit 1;
  if p_event.closed_at is not null and v_field is not null then
    perform private.refuse(
      'EVENT_ENDED', format('Event %s is closed: its %s is final', p_event.event_slug, v_field),
      jsonb_build_object('field', v_field), 'Duplicate it'
    );
  end if;
end;
$$;
comment on function private.check_closed_event_change(public.events, jsonb) is
  'EVENT_ENDED when an event is closed and a change concerns more than its names, looks, gallery and moderation.';

create function public.update_event(p_actor_id uuid, p_event_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.events;
  v_new public.events;
  v_timezone text;
begin
  if p_changes ? 'client_id' then
    -- From the partner down, since the event takes over whether its new client is active. A closed event
    -- is not locked then, but nor does it change its client.
    perform private.staff_event(p_actor_id, p_event_id);
    perform private.lock_events(p_event_id);
    v_old := private.staff_event(p_actor_id, p_event_id);
  else
    v_old := private.lock_staff_event(p_actor_id, p_event_id);
  end if;
  perform private.check_closed_event_change(v_old, p_changes);

  v_new := jsonb_populate_record(v_old, p_changes - '{config,event_slug,start_date,end_date}'::text[]);
  v_new.config := private.merge_config(v_old.config, p_changes -> 'config');
  v_timezone := private.timezone_of(v_new.config);
  if p_changes ? 'event_slug' then
    v_new.event_slug := private.read_slug(p_changes ->> 'event_slug');
  end if;
  if p_changes ? 'start_date' then
    v_new.start_date := private.read_event_date(p_changes, 'start_date', v_timezone);
  end if;
  if p_changes ? 'end_date' then
    v_new.end_date := private.read_event_date(p_changes, 'end_date', v_timezone);
  end if;
  perform private.check_event_draft(v_new, p_changes);

  if v_new.client_id is distinct from v_old.client_id then
    update public.events set client_id = v_new.client_id where events.id = p_event_id;
  end if;
  begin
    update public.events
    set event_name = v_new.event_name, event_slug = v_new.event_slug, client_name = v_new.client_name,
      client_email = v_new.client_email, selected_styles = v_new.selected_styles, config = v_new.config,
      start_date = v_new.start_date, end_date = v_new.end_date, is_active = v_new.is_active
    where events.id = p_event_id
    returning * into v_new;
  exception
    when unique_violation then
      perform private.refuse(
        'SLUG_TAKEN', format('Another event is called %s', v_new.event_slug), jsonb_build_object('field', 'event_slug')
      );
  end;
  perform private.log_change(
    p_actor_id, 'update', 'event', p_event_id, private.describe_event(v_old), private.describe_event(v_new)
  );
  return private.describe_event(v_new);
end;
$$;
comment on function public.update_event(uuid, uuid, jsonb) is
  'Changes what p_changes names of an event. Dates are read in the time zone that it then has; a new time zone alone moves no date. EVENT_NOT_FOUND, EVENT_ENDED (closed: names, looks, gallery and moderation alone may change), NOT_FOUND (client), INVALID_INPUT, SLUG_TAKEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.update_event(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.update_event(uuid, uuid, jsonb) to service_role;

create function public.duplicate_event(p_actor_id uuid, p_event_id uuid, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events := private.staff_event(p_actor_id, p_event_id);
  v_timezone text := private.timezone_of(v_event.config);
begin
  v_event.event_name := coalesce(p_changes ->> 'event_name', v_event.event_name);
  v_event.event_slug := private.read_slug(p_changes ->> 'event_slug');
  v_event.start_date := private.read_event_date(p_changes, 'start_date', v_timezone);
  v_event.end_date := private.read_event_date(p_changes, 'end_date', v_timezone);
  perform private.check_event_draft(v_event, p_changes);

  v_event := private.insert_event(v_event);
  perform private.log_change(
    p_actor_id, 'duplicate', 'event', v_event.id, null,
    private.describe_event(v_event) || jsonb_build_object('duplicate_of', p_event_id)
  );
  return private.describe_event(v_event);
end;
$$;
comment on function public.duplicate_event(uuid, uuid, jsonb) is
  'Another event with the settings, styles and client of this one; no credits, no PIN, a key of its own, and no dates but those given. EVENT_NOT_FOUND, INVALID_INPUT, SLUG_TAKEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.duplicate_event(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function public.duplicate_event(uuid, uuid, jsonb) to service_role;

create function public.delete_event(p_actor_id uuid, p_event_id uuid)
returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events := private.staff_event(p_actor_id, p_event_id);
begin
  perform private.delete_event(p_event_id, p_actor_id);
  perform private.plan_file_removal('event_assets', format('events/%s/logo.png', p_event_id));
  perform private.log_change(p_actor_id, 'delete', 'event', p_event_id, private.describe_event(v_event), null);
end;
$$;
comment on function public.delete_event(uuid, uuid) is
  'Deletes an event that was never used, its logo too, and returns its credits. EVENT_NOT_FOUND, CONFLICT (used: close it). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.delete_event(uuid, uuid) from public, anon, authenticated;
grant execute on function public.delete_event(uuid, uuid) to service_role;

-- What staff sees of events, and how a change is noted.

create index events_created_at_id_idx on public.events (created_at desc, id desc);

create function private.describe_event(p_event public.events)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_event.id,
    'partner_id', p_event.partner_id,
    'client_id', p_event.client_id,
    'event_name', p_event.event_name,
    'event_slug', p_event.event_slug,
    'client_name', p_event.client_name,
    'client_email', p_event.client_email,
    'has_pin', p_event.client_access_pin is not null,
    'credits_allocated', p_event.credits_allocated,
    'credits_used', p_event.credits_used,
    'credits_left', p_event.credits_allocated - p_event.credits_used,
    'selected_styles', p_event.selected_styles,
    'config', p_event.config,
    'phase', private.event_phase(p_event),
    'start_date', p_event.start_date,
    'end_date', p_event.end_date,
    'local_start', to_char(p_event.start_date at time zone private.timezone_of(p_event.config), 'YYYY-MM-DD"T"HH24:MI:SS'),
    'local_end', to_char(p_event.end_date at time zone private.timezone_of(p_event.config), 'YYYY-MM-DD"T"HH24:MI:SS'),
    'is_active', p_event.is_active,
    'is_partner_active', p_event.is_partner_active,
    'is_client_active', p_event.is_client_active,
    'closed_at', p_event.closed_at,
    'created_at', p_event.created_at,
    'updated_at', p_event.updated_at
  );
$$;
comment on function private.describe_event(public.events) is
  'An event as its staff sees it: everything but the PIN''s hash and the access key.';

create function public.list_events(
  p_actor_id uuid,
  p_partner_id uuid,
  p_client_id uuid,
  p_phase text,
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
  select private.describe_event(events)
  from public.events
  where (v_partner_id is null or events.partner_id = v_partner_id)
    and (p_client_id is null or events.client_id = p_client_id)
    and (p_phase is null or private.event_phase(events) = p_phase)
    -- Not "like": what is looked for may contain its wildcards.
    and (p_q is null or strpos(lower(events.event_name), lower(p_q)) > 0 or strpos(events.event_slug, lower(p_q)) > 0)
    and (p_before is null or (events.created_at, events.id) < (p_before, p_before_id))
  order by events.created_at desc, events.id desc
  limit p_limit;
end;
$$;
comment on function public.list_events(uuid, uuid, uuid, text, text, timestamptz, uuid, integer) is
  'A page of a partner''s events, the newest first; a master''s of all, or of the partner named. Pages by keyset: p_before and p_before_id are those of the last event of the page before. FORBIDDEN, NOT_FOUND (a partner that is not theirs). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_events(uuid, uuid, uuid, text, text, timestamptz, uuid, integer) from public, anon, authenticated;
grant execute on function public.list_events(uuid, uuid, uuid, text, text, timestamptz, uuid, integer) to service_role;

create function public.get_event(p_actor_id uuid, p_event_id uuid)
returns jsonb
language sql stable security definer set search_path = ''
as $$
  select private.describe_event(private.staff_event(p_actor_id, p_event_id));
$$;
comment on function public.get_event(uuid, uuid) is
  'An event for its staff. EVENT_NOT_FOUND, also for another partner''s. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_event(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_event(uuid, uuid) to service_role;

create function private.lock_staff_event(p_actor_id uuid, p_event_id uuid)
returns public.events
language plpgsql set search_path = ''
as $$
begin
  -- Asked first, so that no stranger can hold up an event, and again, since it may have changed hands.
  perform private.staff_event(p_actor_id, p_event_id);
  perform from public.events where events.id = p_event_id for no key update;
  return private.staff_event(p_actor_id, p_event_id);
end;
$$;
comment on function private.lock_staff_event(uuid, uuid) is
  'An event of the person''s partner, for a master any, locked; its partner is not, nor may it be after this. EVENT_NOT_FOUND.';

create function private.differing(p_row jsonb, p_other jsonb)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_object_agg(
    fields.key, case when fields.key ~ '(email|phone)$' and fields.value <> 'null' then '"hidden"' else fields.value end
  )
  from jsonb_each(p_row) as fields
  where fields.key <> 'updated_at' and fields.value is distinct from p_other -> fields.key;
$$;
comment on function private.differing(jsonb, jsonb) is
  'The fields of a row that another version of it does not have like this; null when there are none. Addresses of people are named, not shown.';

create function private.log_change(
  p_actor_id uuid, p_action text, p_target text, p_target_id uuid, p_before jsonb, p_after jsonb
)
returns void
language sql set search_path = ''
as $$
  select private.log_action(
    p_actor_id, p_action, p_target, p_target_id, private.differing(p_before, p_after), private.differing(p_after, p_before)
  )
  where p_before - 'updated_at' is distinct from p_after - 'updated_at';
$$;
comment on function private.log_change(uuid, text, text, uuid, jsonb, jsonb) is
  'Notes what staff changed of a row: only the fields that differ, nothing when none does. Before is null for what was created, after for what was deleted.';

-- Who may act for what, for everything that event-admin does. Each function of a route begins with one
-- of these; what is another tenant's is not found, so that nobody learns that it exists.

create function private.refuse_audit_change()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    message = format('The audit log is append-only: %s is refused', tg_op),
    hint = 'Add a row that says what changed';
end;
$$;
comment on function private.refuse_audit_change() is 'Trigger: protects what staff did from everybody, its owner included.';

create trigger audit_log_refuse_removal before delete or truncate on private.audit_log
  for each statement execute function private.refuse_audit_change();

-- The erasure of a person empties what was noted of them, and nothing else.
create trigger audit_log_refuse_change before update on private.audit_log
  for each row
  when (
    new.before is not null or new.after is not null
    or (new.id, new.actor_id, new.action, new.target, new.target_id, new.request_id, new.created_at)
      is distinct from (old.id, old.actor_id, old.action, old.target, old.target_id, old.request_id, old.created_at)
  )
  execute function private.refuse_audit_change();

create index audit_log_target_idx on private.audit_log (target, target_id, id desc);

create function private.log_action(p_actor_id uuid, p_action text, p_target text, p_target_id text, p_before jsonb, p_after jsonb)
returns void
language sql set search_path = ''
as $$
  -- The Data API passes the headers of a request on; the service sends the id of the one it answers.
  insert into private.audit_log (actor_id, action, target, target_id, before, after, request_id)
  values (
    p_actor_id, p_action, p_target, p_target_id, p_before, p_after,
    left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-request-id', 64)
  );
$$;
comment on function private.log_action(uuid, text, text, text, jsonb, jsonb) is
  'Notes what staff did, with the id of the request. Never put a PIN, token, key or e-mail into before and after.';

create or replace function private.log_action(p_actor_id uuid, p_action text, p_target text, p_target_id uuid, p_before jsonb, p_after jsonb)
returns void
language sql set search_path = ''
as $$
  select private.log_action(p_actor_id, p_action, p_target, p_target_id::text, p_before, p_after);
$$;

create function private.is_master_account(p_actor_id uuid)
returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from public.profiles where profiles.id = p_actor_id and profiles.is_master);
$$;
comment on function private.is_master_account(uuid) is
  'Whether a person is a master; private.is_master() asks the same of whoever holds the token of a request.';

create function private.acting_partner(p_actor_id uuid, p_partner_id uuid default null)
returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_own uuid;
begin
  if private.is_master_account(p_actor_id) then
    if p_partner_id is not null and not exists (select from public.partners where partners.id = p_partner_id) then
      perform private.refuse('NOT_FOUND', format('There is no partner %s', p_partner_id));
    end if;
    return p_partner_id;
  end if;

  select partners.id into v_own from public.partners where partners.user_id = p_actor_id and partners.is_active;
  if not found then
    perform private.refuse('FORBIDDEN', 'Only an active partner or a master may do this');
  end if;
  if p_partner_id <> v_own then
    perform private.refuse('NOT_FOUND', format('There is no partner %s', p_partner_id));
  end if;
  return v_own;
end;
$$;
comment on function private.acting_partner(uuid, uuid) is
  'The partner for which a person acts: their own; for a master the one named, or null: the platform itself. FORBIDDEN for who is neither, NOT_FOUND for a partner that is not theirs.';

create function private.staff_event(p_actor_id uuid, p_event_id uuid)
returns public.events
language plpgsql stable set search_path = ''
as $$
declare
  v_event public.events;
begin
  select * into v_event from public.events where events.id = p_event_id;
  if not found or not private.is_staff_of(p_actor_id, v_event.partner_id) then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', p_event_id));
  end if;
  return v_event;
end;
$$;
comment on function private.staff_event(uuid, uuid) is
  'An event of the person''s partner, for a master any. EVENT_NOT_FOUND, also for another partner''s. Takes no lock.';

create function private.host_event(p_actor_id uuid, p_token text, p_event_slug text)
returns public.events
language plpgsql stable set search_path = ''
as $$
declare
  v_event public.events;
  v_hosted uuid[];
begin
  if p_token is not null then
    select events.* into strict v_event
    from public.find_pin_session(p_token) as session
    join public.events on events.id = session.event_id;
    if v_event.event_slug <> p_event_slug then
      perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', p_event_slug));
    end if;
    return v_event;
  end if;

  if p_event_slug is not null then
    select * into v_event from public.events where events.event_slug = p_event_slug;
    if found and private.is_staff_of(p_actor_id, v_event.partner_id) then
      return v_event;
    end if;
  end if;
  select array_agg(events.id) into v_hosted
  from public.clients
  join public.events on events.client_id = clients.id
  where clients.user_id = p_actor_id and (p_event_slug is null or events.event_slug = p_event_slug);
  if v_hosted is null and p_event_slug is null then
    perform private.refuse('FORBIDDEN', 'Only hosts may do this');
  elsif v_hosted is null then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', p_event_slug));
  elsif cardinality(v_hosted) > 1 then
    perform private.refuse(
      'INVALID_INPUT', 'This account hosts several events: name one', jsonb_build_object('field', 'event')
    );
  end if;
  select * into strict v_event from public.events where events.id = v_hosted[1];
  perform private.check_hosts_welcome(v_event);
  return v_event;
end;
$$;
comment on function private.host_event(uuid, text, text) is
  'The event that a host acts for: that of a PIN session, one of the client''s account (the slug chooses, and must when it hosts several), or one that the person is staff of, by its slug. UNAUTHENTICATED (session over), FORBIDDEN (hosts nothing), EVENT_NOT_FOUND (also another''s), EVENT_PAUSED (partner or client deactivated), INVALID_INPUT (several).';

create function private.read_moment(p_text text, p_timezone text, p_is_end boolean)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return case
    when p_text ~ '^\d{4}-\d\d-\d\d$' then (p_text::date + p_is_end::integer)::timestamp at time zone p_timezone
    when p_text ~ '(Z|[+-]\d\d:?\d\d)$' then p_text::timestamptz
    else p_text::timestamp at time zone p_timezone
  end;
end;
$$;
comment on function private.read_moment(text, text, boolean) is
  'What a person means by a moment in a time zone: a date is the midnight that begins the day, as an end the one that ends it; a time without offset is on a clock there; a time with one is itself. Where a midnight does not exist because clocks go forward, the first moment of the day.';

-- How often the QR code of a table was scanned.

create table private.table_scans (
  event_id uuid not null,
  label text not null,
  scans integer not null default 1,
  last_at timestamptz not null default now(),
  constraint table_scans_pkey primary key (event_id, label),
  constraint table_scans_event_id_fkey foreign key (event_id) references public.events (id) on delete cascade,
  constraint table_scans_label_format check (label ~ '^[A-Za-z0-9_-]{1,20}$')
);
alter table private.table_scans enable row level security;
create policy table_scans_select_nobody on private.table_scans for select to anon, authenticated using (false);
comment on table private.table_scans is 'How often guests came by the QR code of a table (?t=12).';

create function public.count_table_scan(p_event_slug text, p_label text)
returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_event_id uuid := (private.find_event(null, p_event_slug)).id;
begin
  update private.table_scans set scans = table_scans.scans + 1, last_at = now()
  where table_scans.event_id = v_event_id and table_scans.label = p_label;
  if not found then
    -- Anybody can make labels up: an event has no more tables than this.
    insert into private.table_scans (event_id, label)
    select v_event_id, p_label
    where (select count(*) from private.table_scans where table_scans.event_id = v_event_id) < 500
    on conflict on constraint table_scans_pkey do update set scans = table_scans.scans + 1, last_at = now();
  end if;
end;
$$;
comment on function public.count_table_scan(text, text) is
  'Counts that a guest came by the QR code of a table; of one event at most 500 labels are kept. EVENT_NOT_FOUND. Definer; service_role only.';
revoke execute on function public.count_table_scan(text, text) from public, anon, authenticated;
grant execute on function public.count_table_scan(text, text) to service_role;

create function public.get_event_key(p_actor_id uuid, p_token text, p_event_slug text)
returns text
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_event public.events := private.find_event(null, p_event_slug);
begin
  if v_event.config ->> 'access' is distinct from 'key' then
    return null;
  end if;
  if p_token is not null then
    perform private.host_event(null, p_token, p_event_slug);
  elsif not private.is_staff_of(p_actor_id, v_event.partner_id) and not exists (
    select from public.clients where clients.id = v_event.client_id and clients.user_id = p_actor_id and clients.is_active
  ) then
    return null;
  end if;
  return v_event.access_key;
end;
$$;
comment on function public.get_event_key(uuid, text, text) is
  'The k of the QR code to print, for the event''s staff and hosts; null for anybody else, and for an event that needs none. EVENT_NOT_FOUND, UNAUTHENTICATED (a session that is over). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_event_key(uuid, text, text) from public, anon, authenticated;
grant execute on function public.get_event_key(uuid, text, text) to service_role;

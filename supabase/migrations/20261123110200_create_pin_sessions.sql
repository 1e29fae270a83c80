-- A host enters with the event's PIN: six to eight digits, which anybody could try out. So what counts is
-- the throttle: it is asked before the hash, guesses of one address or at one event go one after the other, and
-- a failure is written in the transaction that found it.

alter table private.rate_limits
  add column locks integer not null default 0,
  add column locked_until timestamptz;
comment on column private.rate_limits.locks is 'How often it was locked since it was last forgotten.';
comment on column private.rate_limits.locked_until is 'Refused until then, whatever the hits.';

create function private.network_of(p_client_address text)
returns text
language plpgsql immutable set search_path = ''
as $$
begin
  if p_client_address is null then
    return 'unknown';
  end if;
  -- Whoever has one address of IPv6 has the 2^64 of its network.
  return case family(p_client_address::inet)
    when 6 then network(set_masklen(p_client_address::inet, 64))::text
    else host(p_client_address::inet)
  end;
exception
  when invalid_text_representation then
    return left(p_client_address, 100);
end;
$$;
comment on function private.network_of(text) is
  'What an address is throttled as: itself, or its /64 for IPv6. Without one: a bucket that all share.';

create function private.seconds_locked(p_name text)
returns integer
language sql stable set search_path = ''
as $$
  select coalesce(
    (
      select ceil(extract(epoch from rate_limits.locked_until - now()))::integer
      from private.rate_limits
      where rate_limits.name = p_name and rate_limits.locked_until > now()
    ),
    0
  );
$$;
comment on function private.seconds_locked(text) is 'For how many seconds more a throttled thing is locked; 0 when it is not.';

create function private.count_failure(
  p_name text, p_max integer, p_window interval, p_lock interval, p_longest_lock interval
)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_limit private.rate_limits;
begin
  insert into private.rate_limits (name, window_started_at, hits, expires_at)
  values (p_name, now(), 1, now() + p_window)
  on conflict (name) do update set
    window_started_at = case when rate_limits.expires_at <= now() then now() else rate_limits.window_started_at end,
    hits = case when rate_limits.expires_at <= now() then 1 else rate_limits.hits + 1 end,
    locks = case when rate_limits.expires_at <= now() then 0 else rate_limits.locks end,
    expires_at = case when rate_limits.expires_at <= now() then now() + p_window else rate_limits.expires_at end
  returning * into v_limit;
  if v_limit.hits < p_max then
    return;
  end if;

  update private.rate_limits
  set hits = 0,
    locks = v_limit.locks + 1,
    locked_until = now() + least(p_lock * (2 ^ least(v_limit.locks, 20)), p_longest_lock),
    -- The next lock is longer if it comes within the window after this one.
    expires_at = now() + least(p_lock * (2 ^ least(v_limit.locks, 20)), p_longest_lock) + p_window
  where rate_limits.name = p_name;
end;
$$;
comment on function private.count_failure(text, integer, interval, interval, interval) is
  'Counts a failure. p_max of them within p_window lock the thing: first for p_lock, each further time twice as long, up to p_longest_lock.';

create function private.check_pin(p_pin text)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_pin is null or p_pin !~ '^[0-9]{6,8}$' then
    perform private.refuse('INVALID_INPUT', 'A PIN has 6 to 8 digits', jsonb_build_object('field', 'pin'));
  end if;
end;
$$;
comment on function private.check_pin(text) is 'INVALID_INPUT unless it has the form of a PIN.';

create function private.check_hosts_welcome(p_event public.events)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  -- Asked of the tenants themselves: events do not follow them any more once they are closed.
  if exists (select from public.partners where partners.id = p_event.partner_id and not partners.is_active)
    or exists (select from public.clients where clients.id = p_event.client_id and not clients.is_active) then
    perform private.refuse('EVENT_PAUSED', format('Event %s is paused', p_event.event_slug));
  end if;
end;
$$;
comment on function private.check_hosts_welcome(public.events) is
  'EVENT_PAUSED when the event''s partner or client was deactivated: its hosts are shut out at once.';

create function public.open_pin_session(p_event_slug text, p_pin text, p_client_address text default null)
returns table (token text, expires_at timestamptz, error text)
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
  v_address_name text := 'pin:address:' || private.network_of(p_client_address);
  v_event_name text;
  v_seconds integer;
  v_token text := encode(extensions.gen_random_bytes(32), 'hex');
  v_session private.pin_sessions;
begin
  perform private.check_pin(p_pin);
  v_event := private.find_event(null, p_event_slug);
  perform private.check_hosts_welcome(v_event);
  v_event_name := 'pin:event:' || v_event.id;

  -- A hundred guesses at once are a hundred guesses one after the other, and the sixth finds the lock.
  perform pg_advisory_xact_lock(hashtextextended(v_address_name, 0));
  perform pg_advisory_xact_lock(hashtextextended(v_event_name, 0));
  v_seconds := greatest(private.seconds_locked(v_address_name), private.seconds_locked(v_event_name));
  if v_seconds > 0 then
    perform private.refuse(
      'PIN_LOCKED', 'Too many wrong PINs', jsonb_build_object('retry_after', v_seconds),
      'Wait, or enter with an account'
    );
  end if;

  -- An event without a PIN takes as long to refuse as one with another PIN.
  if extensions.crypt(p_pin, coalesce(v_event.client_access_pin, extensions.gen_salt('bf', 10)))
    is distinct from v_event.client_access_pin then
    perform private.count_failure(v_address_name, 5, interval '24 hours', interval '1 minute', interval '24 hours');
    perform private.count_failure(v_event_name, 50, interval '1 hour', interval '15 minutes', interval '15 minutes');
    -- Not raised: that would take back what was just counted.
    return query select null::text, null::timestamptz, 'UNAUTHENTICATED';
    return;
  end if;

  insert into private.pin_sessions (event_id, token_hash, expires_at)
  values (v_event.id, sha256(convert_to(v_token, 'UTF8')), now() + interval '12 hours')
  returning * into v_session;
  return query select v_token, v_session.expires_at, null::text;
end;
$$;
comment on function public.open_pin_session(text, text, text) is
  'A host enters an event with its PIN: a token for 12 hours, stored as a hash only. error is UNAUTHENTICATED for a wrong PIN (a row, not an exception, since the failure must stay counted). Five failures lock an address for a minute, doubling to a day; fifty within an hour lock the event''s PIN for 15 minutes, not its open sessions. Raises INVALID_INPUT, EVENT_NOT_FOUND, EVENT_PAUSED, PIN_LOCKED (retry_after). Definer; service_role only.';
revoke execute on function public.open_pin_session(text, text, text) from public, anon, authenticated;
grant execute on function public.open_pin_session(text, text, text) to service_role;

create function public.find_pin_session(p_token text)
returns table (event_id uuid, event_slug text, expires_at timestamptz)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_session private.pin_sessions;
  v_event public.events;
begin
  select * into v_session
  from private.pin_sessions
  where pin_sessions.token_hash = sha256(convert_to(p_token, 'UTF8'))
    and pin_sessions.expires_at > now()
    and pin_sessions.revoked_at is null;
  if not found then
    perform private.refuse('UNAUTHENTICATED', 'This session is over', p_hint => 'Enter with the PIN again');
  end if;

  select * into strict v_event from public.events where events.id = v_session.event_id;
  perform private.check_hosts_welcome(v_event);
  return query select v_event.id, v_event.event_slug::text, v_session.expires_at;
end;
$$;
comment on function public.find_pin_session(text) is
  'The event that a host''s token opens. UNAUTHENTICATED (unknown, expired or revoked), EVENT_PAUSED (partner or client deactivated). Definer; service_role only.';
revoke execute on function public.find_pin_session(text) from public, anon, authenticated;
grant execute on function public.find_pin_session(text) to service_role;

create function public.close_pin_session(p_token text)
returns void
language sql security definer set search_path = ''
as $$
  update private.pin_sessions
  set revoked_at = now()
  where pin_sessions.token_hash = sha256(convert_to(p_token, 'UTF8')) and pin_sessions.revoked_at is null;
$$;
comment on function public.close_pin_session(text) is
  'Ends a host''s session; an unknown one is over already. Definer; service_role only.';
revoke execute on function public.close_pin_session(text) from public, anon, authenticated;
grant execute on function public.close_pin_session(text) to service_role;

create function public.set_event_pin(p_actor_id uuid, p_event_id uuid, p_pin text)
returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
begin
  if p_pin is not null then
    perform private.check_pin(p_pin);
  end if;
  select * into v_event from public.events where events.id = p_event_id for no key update;
  if not found or not private.is_staff_of(p_actor_id, v_event.partner_id) then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', p_event_id));
  end if;

  update public.events set client_access_pin = extensions.crypt(p_pin, extensions.gen_salt('bf', 10))
  where events.id = p_event_id;
  -- Who entered with the old PIN is out.
  update private.pin_sessions set revoked_at = now()
  where pin_sessions.event_id = p_event_id and pin_sessions.revoked_at is null;
  perform private.log_action(
    p_actor_id, 'set_pin', 'event', p_event_id, null, jsonb_build_object('has_pin', p_pin is not null)
  );
end;
$$;
comment on function public.set_event_pin(uuid, uuid, text) is
  'The partner of an event, or a master, sets its PIN, of which only a bcrypt hash is kept; null takes it away. Every session of the old PIN ends. INVALID_INPUT, EVENT_NOT_FOUND (also when of another partner). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.set_event_pin(uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.set_event_pin(uuid, uuid, text) to service_role;

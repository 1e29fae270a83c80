-- A browser that follows a link sends no headers of ours. So a host gets a ticket for the address: good for five
-- minutes, since addresses end up in histories and logs, and only as long as whoever asked for it is welcome.

create table private.download_tickets (
  token_hash bytea not null,
  event_id uuid not null,
  session_id uuid,
  user_id uuid,
  expires_at timestamptz not null,
  constraint download_tickets_pkey primary key (token_hash),
  constraint download_tickets_event_id_fkey foreign key (event_id) references public.events (id) on delete cascade,
  constraint download_tickets_session_id_fkey foreign key (session_id)
    references private.pin_sessions (id) on delete cascade,
  constraint download_tickets_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint download_tickets_has_one_holder check (num_nonnulls(session_id, user_id) = 1)
);
create index download_tickets_event_id_idx on private.download_tickets (event_id);
create index download_tickets_session_id_idx on private.download_tickets (session_id);
create index download_tickets_user_id_idx on private.download_tickets (user_id);
create index download_tickets_expires_at_idx on private.download_tickets (expires_at);
alter table private.download_tickets enable row level security;
create policy download_tickets_select_nobody on private.download_tickets for select to anon, authenticated using (false);
comment on table private.download_tickets is 'What opens the downloads of an event by its address alone. The ticket itself is stored nowhere.';
comment on column private.download_tickets.session_id is 'The PIN session that asked: the ticket ends with it.';
comment on column private.download_tickets.user_id is 'The account that asked: the ticket opens only what the account may still open.';

create function public.issue_download_ticket(p_actor_id uuid, p_token text, p_event_slug text)
returns table (ticket text, expires_at timestamptz)
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events := private.host_event(p_actor_id, p_token, p_event_slug);
  v_ticket text := encode(extensions.gen_random_bytes(32), 'hex');
  v_expires_at timestamptz := now() + interval '5 minutes';
begin
  delete from private.download_tickets where download_tickets.expires_at <= now();
  insert into private.download_tickets (token_hash, event_id, session_id, user_id, expires_at)
  values (
    sha256(convert_to(v_ticket, 'UTF8')),
    v_event.id,
    (select pin_sessions.id from private.pin_sessions where pin_sessions.token_hash = sha256(convert_to(p_token, 'UTF8'))),
    case when p_token is null then p_actor_id end,
    v_expires_at
  );
  perform private.log_action(p_actor_id, 'issue_ticket', 'event', v_event.id, null, null);
  return query select v_ticket, v_expires_at;
end;
$$;
comment on function public.issue_download_ticket(uuid, text, text) is
  'A ticket for the downloads of a host''s event: 5 minutes, any number of times, while the session or account that asked is welcome. Refuses as private.host_event does. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.issue_download_ticket(uuid, text, text) from public, anon, authenticated;
grant execute on function public.issue_download_ticket(uuid, text, text) to service_role;

create function private.download_event(p_actor_id uuid, p_token text, p_ticket text, p_event_slug text)
returns public.events
language plpgsql stable set search_path = ''
as $$
declare
  v_ticket private.download_tickets;
  v_event public.events;
begin
  if p_ticket is null then
    return private.host_event(p_actor_id, p_token, p_event_slug);
  end if;
  -- What is present must be good, also beside a good ticket.
  if p_token is not null then
    perform public.find_pin_session(p_token);
  end if;

  select * into v_ticket
  from private.download_tickets
  where download_tickets.token_hash = sha256(convert_to(p_ticket, 'UTF8'))
    and download_tickets.expires_at > now()
    and (
      download_tickets.user_id is not null
      or exists (
        select from private.pin_sessions
        where pin_sessions.id = download_tickets.session_id
          and pin_sessions.expires_at > now()
          and pin_sessions.revoked_at is null
      )
    );
  if not found then
    perform private.refuse('UNAUTHENTICATED', 'This ticket is over', p_hint => 'Ask for another one');
  end if;

  select * into strict v_event from public.events where events.id = v_ticket.event_id;
  if p_event_slug <> v_event.event_slug then
    perform private.refuse('EVENT_NOT_FOUND', format('There is no event %s', p_event_slug));
  end if;
  if v_ticket.user_id is not null then
    return private.host_event(v_ticket.user_id, null, v_event.event_slug);
  end if;
  perform private.check_hosts_welcome(v_event);
  return v_event;
end;
$$;
comment on function private.download_event(uuid, text, text, text) is
  'The event whose files somebody may download: that of a ticket, else of a host (private.host_event). UNAUTHENTICATED (ticket or its session over), EVENT_NOT_FOUND (also another''s), EVENT_PAUSED (partner or client deactivated), without a ticket as private.host_event.';

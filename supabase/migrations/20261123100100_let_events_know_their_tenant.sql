-- Whether guests may use an event stands in its own row: an inactive partner or client is copied to its
-- events when it changes, so that the phase needs no other table and the charge of a photo can check
-- it in the one update that it makes.

alter table public.events
  add column is_partner_active boolean not null default true,
  add column is_client_active boolean not null default true;

update public.events
set is_partner_active = coalesce((select partners.is_active from public.partners where partners.id = events.partner_id), true),
  is_client_active = coalesce((select clients.is_active from public.clients where clients.id = events.client_id), true);

comment on column public.events.is_partner_active is 'Copy of the partner''s is_active, true without a partner. Kept by triggers.';
comment on column public.events.is_client_active is 'Copy of the client''s is_active, true without a client. Kept by triggers.';

create function private.copy_tenant_activity()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  -- The share lock waits for a change of the tenant that is under way, and such a change waits for it.
  select partners.is_active into new.is_partner_active
  from public.partners where partners.id = new.partner_id for share;
  select clients.is_active into new.is_client_active
  from public.clients where clients.id = new.client_id for share;
  new.is_partner_active := coalesce(new.is_partner_active, true);
  new.is_client_active := coalesce(new.is_client_active, true);
  return new;
end;
$$;
comment on function private.copy_tenant_activity() is
  'Trigger: an event that gets a partner or client takes over whether they are active.';

create trigger events_copy_tenant_activity
  before insert or update of partner_id, client_id on public.events
  for each row execute function private.copy_tenant_activity();

create function private.spread_tenant_activity()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  -- Open events only: a closed one is over anyway, and whoever holds a partner waits for no closed event
  -- (private.lock_events says why).
  if tg_table_name = 'partners' then
    update public.events set is_partner_active = new.is_active
    where events.partner_id = new.id and events.closed_at is null;
  else
    update public.events set is_client_active = new.is_active
    where events.client_id = new.id and events.closed_at is null;
  end if;
  return null;
end;
$$;
comment on function private.spread_tenant_activity() is
  'Trigger: activating or deactivating a partner or client reaches its open events at once. Definer: whoever changes a tenant need not be able to write its events.';

create trigger partners_spread_activity after update of is_active on public.partners
  for each row execute function private.spread_tenant_activity();
create trigger clients_spread_activity after update of is_active on public.clients
  for each row execute function private.spread_tenant_activity();

create or replace function private.event_phase(p_event public.events)
returns text
-- Not SQL, although it is one expression: 17 plans a SQL function again in every query that calls it
-- (0.15 ms), and cannot inline one whose search_path is pinned.
language plpgsql stable set search_path = ''
as $$
begin
  return case
    when p_event.closed_at is not null or p_event.end_date <= now() then 'ended'
    when not (p_event.is_active and p_event.is_partner_active and p_event.is_client_active) then 'paused'
    when p_event.start_date > now() then 'upcoming'
    when p_event.credits_used >= p_event.credits_allocated then 'sold_out'
    else 'active'
  end;
end;
$$;

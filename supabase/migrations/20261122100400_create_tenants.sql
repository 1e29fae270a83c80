-- Who sells to whom: partners have clients, clients host events.

create table public.partners (
  id uuid not null default gen_random_uuid(),
  name text not null,
  business_name text,
  contact_name text,
  contact_email text,
  contact_phone text,
  user_id uuid,
  credits_total integer not null default 0,
  credits_used integer not null default 0,
  is_active boolean not null default true,
  config jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint partners_pkey primary key (id),
  constraint partners_user_id_fkey foreign key (user_id) references public.profiles (id) on delete set null,
  constraint partners_user_id_key unique (user_id),
  constraint partners_name_not_blank check (btrim(name) <> ''),
  constraint partners_credits_used_within_total check (credits_used between 0 and credits_total),
  constraint partners_config_is_object check (jsonb_typeof(config) = 'object')
);

alter table public.partners enable row level security;
grant select on public.partners to service_role;

create trigger partners_touch_updated_at
  before update of name, business_name, contact_name, contact_email, contact_phone, user_id, is_active, config
  on public.partners
  for each row execute function extensions.moddatetime(updated_at);

comment on table public.partners is 'White-label resellers: they buy credits in bulk and give them to events.';
comment on column public.partners.name is 'Shown to people; business_name is the legal one.';
comment on column public.partners.credits_total is 'Credits ever bought or granted. Only credit functions write it.';
comment on column public.partners.credits_used is 'Credits that events hold or have consumed. Only credit functions write it.';
comment on column public.partners.is_active is 'False while the partner waits for approval or is suspended; its events stop.';
comment on column public.partners.config is 'White label: logo_url, primary_color, radius, style_presets (style ids).';

create table public.clients (
  id uuid not null default gen_random_uuid(),
  partner_id uuid not null,
  user_id uuid,
  name text not null,
  email text,
  contact_person text,
  phone text,
  contracted_styles text[] not null default '{}',
  config jsonb not null default '{}',
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint clients_pkey primary key (id),
  constraint clients_partner_id_fkey foreign key (partner_id) references public.partners (id),
  constraint clients_user_id_fkey foreign key (user_id) references public.profiles (id) on delete set null,
  constraint clients_id_partner_id_key unique (id, partner_id),
  constraint clients_name_not_blank check (btrim(name) <> ''),
  constraint clients_config_is_object check (jsonb_typeof(config) = 'object')
);

create index clients_partner_id_idx on public.clients (partner_id);
create index clients_user_id_idx on public.clients (user_id);

alter table public.clients enable row level security;
grant select on public.clients to service_role;

create trigger clients_touch_updated_at before update on public.clients
  for each row execute function extensions.moddatetime(updated_at);

comment on table public.clients is 'Customers of a partner, hosts of events.';
comment on column public.clients.contracted_styles is 'Style ids the client''s events may offer; empty means all.';

create table public.events (
  id uuid not null default gen_random_uuid(),
  partner_id uuid,
  client_id uuid,
  event_name text not null,
  event_slug text not null,
  client_name text,
  client_email text,
  client_access_pin text,
  credits_allocated integer not null default 0,
  credits_used integer not null default 0,
  selected_styles text[] not null default '{}',
  config jsonb not null default '{}',
  start_date timestamptz,
  end_date timestamptz,
  is_active boolean not null default true,
  closed_at timestamptz,
  access_key text not null default encode(extensions.gen_random_bytes(16), 'hex'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint events_pkey primary key (id),
  constraint events_partner_id_fkey foreign key (partner_id) references public.partners (id),
  -- Both columns together, so that an event cannot name the client of another partner.
  constraint events_client_id_partner_id_fkey foreign key (client_id, partner_id) references public.clients (id, partner_id),
  constraint events_client_needs_partner check (client_id is null or partner_id is not null),
  constraint events_event_slug_key unique (event_slug),
  constraint events_event_slug_format check (
    event_slug ~ '^[a-z0-9](?:[a-z0-9-]{1,62}[a-z0-9])$'
    and event_slug !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  ),
  constraint events_event_name_not_blank check (btrim(event_name) <> ''),
  constraint events_client_access_pin_is_a_hash check (client_access_pin like '$2%'),
  constraint events_credits_used_within_allocated check (credits_used between 0 and credits_allocated),
  constraint events_start_before_end check (start_date < end_date),
  constraint events_config_is_object check (jsonb_typeof(config) = 'object'),
  constraint events_config_gallery_known check (coalesce(config ->> 'gallery', 'during') in ('during', 'open', 'closed')),
  constraint events_config_moderation_known check (coalesce(config ->> 'moderation', 'off') in ('off', 'before')),
  constraint events_config_access_known check (coalesce(config ->> 'access', 'link') in ('link', 'key')),
  constraint events_config_limits_is_object check (jsonb_typeof(coalesce(config -> 'limits', '{}')) = 'object'),
  constraint events_config_limits_are_whole_numbers check (
    not jsonb_path_exists(config, '$.limits.* ? (@.type() != "number" || @ < 0 || @ > 1000000 || @.floor() != @)')
  )
)
-- Half-empty pages keep the charge of every photo a heap-only update.
with (fillfactor = 50);

create index events_partner_id_idx on public.events (partner_id);
create index events_client_id_partner_id_idx on public.events (client_id, partner_id);

alter table public.events enable row level security;
grant select on public.events to service_role;

-- The column lists leave out the credits: a charge must not pay for bookkeeping it does not need.
create trigger events_touch_updated_at
  before update of partner_id, client_id, event_name, event_slug, client_name, client_email, client_access_pin,
    selected_styles, config, start_date, end_date, is_active, closed_at, access_key
  on public.events
  for each row execute function extensions.moddatetime(updated_at);

comment on table public.events is 'A party: a window in time, a set of styles and the credits its guests may use.';
comment on column public.events.event_slug is 'Public name in links and QR codes; never of the form of a UUID.';
comment on column public.events.client_access_pin is 'bcrypt hash of the host''s PIN, never the PIN. Not readable by clients.';
comment on column public.events.access_key is 'The k of the printed QR when config.access is key. Not readable by clients.';
comment on column public.events.credits_allocated is 'Photos paid for. Only credit functions write it.';
comment on column public.events.credits_used is 'Photos charged and not refunded. Only credit functions write it.';
comment on column public.events.selected_styles is 'Style ids on offer; empty means every active style.';
comment on column public.events.config is
  'logo_url, primary_color, welcome_text, show_welcome_screen, timezone, gallery (during/open/closed), moderation (off/before), access (link/key), limits { per_guest, per_address_minute, per_hour }.';
comment on column public.events.start_date is 'First instant at which guests may make photos; null: no bound.';
comment on column public.events.end_date is 'First instant at which they no longer may; null: no bound.';
comment on column public.events.closed_at is 'Closed for good: what was left of the credits went back to the partner.';

create function private.check_tenant_styles()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  case tg_table_name
    when 'events' then
      perform private.check_style_ids(new.selected_styles, 'events.selected_styles');
    when 'clients' then
      perform private.check_style_ids(new.contracted_styles, 'clients.contracted_styles');
    when 'partners' then
      if new.config ? 'style_presets' then
        if jsonb_typeof(new.config -> 'style_presets') <> 'array' then
          raise exception using
            errcode = 'check_violation',
            message = 'partners.config.style_presets must be an array of style ids';
        end if;
        perform private.check_style_ids(
          array(select jsonb_array_elements_text(new.config -> 'style_presets')), 'partners.config.style_presets'
        );
      end if;
  end case;
  return new;
end;
$$;
comment on function private.check_tenant_styles() is 'Trigger: an unknown style id in an array of a partner, client or event is an error.';

create trigger partners_check_styles before insert or update of config on public.partners
  for each row execute function private.check_tenant_styles();
create trigger clients_check_styles before insert or update of contracted_styles on public.clients
  for each row execute function private.check_tenant_styles();
create trigger events_check_styles before insert or update of selected_styles on public.events
  for each row execute function private.check_tenant_styles();

create function private.check_event_timezone()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform now() at time zone coalesce(new.config ->> 'timezone', 'UTC');
  return new;
exception
  when invalid_parameter_value then
    raise exception using
      errcode = 'check_violation',
      message = format('events.config.timezone %L is no time zone', new.config ->> 'timezone'),
      hint = 'Use a name of the IANA database, for example America/Argentina/Buenos_Aires';
end;
$$;
comment on function private.check_event_timezone() is 'Trigger: refuses a time zone that the server does not know.';

create trigger events_check_timezone before insert or update of config on public.events
  for each row execute function private.check_event_timezone();

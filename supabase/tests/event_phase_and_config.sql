-- What an event, a client and a partner may look like, and in which phase an event is.

begin;
create extension if not exists pgtap with schema extensions;
select plan(96);

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap Pack');
insert into public.partners (id, name, is_active)
values
  ('7f000000-0000-4000-8000-000000000001', 'Tap Partner', true),
  ('7f000000-0000-4000-8000-000000000002', 'Tap Sleeping Partner', false);
insert into public.clients (id, partner_id, name, is_active)
values
  ('7f000000-0000-4000-8000-000000000003', '7f000000-0000-4000-8000-000000000001', 'Tap Client', true),
  ('7f000000-0000-4000-8000-000000000004', '7f000000-0000-4000-8000-000000000001', 'Tap Sleeping Client', false);

-- The phase of an event that would be active, but for what is given.
create function pg_temp.phase(p_given jsonb)
returns text
language sql
as $$
  select private.event_phase(jsonb_populate_record(
    null::public.events,
    '{"is_active": true, "is_partner_active": true, "is_client_active": true, "credits_allocated": 5, "credits_used": 4}' || p_given
  ));
$$;

create function pg_temp.from_now(p_offset interval)
returns text
language sql
as $$ select (now() + p_offset)::text; $$;

-- 'done', or the SQLSTATE of the refusal; what was done is undone.
create function pg_temp.try(p_statement text)
returns text
language plpgsql
as $$
begin
  execute p_statement;
  raise exception sqlstate 'TAP00';
exception
  when sqlstate 'TAP00' then
    return 'done';
  when others then
    return sqlstate;
end;
$$;

create function pg_temp.try_event(p_column text, p_value text)
returns text
language sql
as $$
  select pg_temp.try(
    case p_column
      when 'event_slug' then format('insert into public.events (event_name, event_slug) values (%L, %L)', 'Tap', p_value)
      else format('insert into public.events (event_name, event_slug, %I) values (%L, %L, %L)', p_column, 'Tap', 'tap-new', p_value)
    end
  );
$$;

-- Phases, each with everything against it that comes later in the order

select is(pg_temp.phase('{}'), 'active', 'an event that nothing holds back is active');
select is(pg_temp.phase('{"credits_used": 5}'), 'sold_out', 'an event without a credit left is sold out');
select is(
  pg_temp.phase(jsonb_build_object('start_date', pg_temp.from_now('1 second'), 'credits_used', 5)), 'upcoming',
  'an event that has not started is upcoming, sold out or not'
);
select is(
  pg_temp.phase(jsonb_build_object('start_date', pg_temp.from_now('1 second'), 'credits_used', 5, 'is_active', false)), 'paused',
  'a paused event is paused, upcoming or not'
);
select is(pg_temp.phase('{"is_partner_active": false}'), 'paused', 'an inactive partner pauses the event');
select is(pg_temp.phase('{"is_client_active": false}'), 'paused', 'an inactive client pauses the event');
select is(
  pg_temp.phase(jsonb_build_object('end_date', pg_temp.from_now('-1 second'), 'is_active', false, 'credits_used', 5)), 'ended',
  'an event that is over has ended, paused or not'
);
select is(
  pg_temp.phase(jsonb_build_object('closed_at', pg_temp.from_now('-1 second'), 'is_active', false)), 'ended',
  'a closed event has ended, paused or not'
);
select is(
  pg_temp.phase(jsonb_build_object('start_date', pg_temp.from_now('0'), 'end_date', pg_temp.from_now('1 second'))), 'active',
  'the first instant belongs to the event'
);
select is(
  pg_temp.phase(jsonb_build_object('start_date', pg_temp.from_now('-1 hour'), 'end_date', pg_temp.from_now('0'))), 'ended',
  'the end no longer belongs to the event'
);

-- Events know whether their partner and client are active

insert into public.events (id, partner_id, client_id, event_name, event_slug)
select
  ('7f000000-0000-4000-8000-0000000000' || given.number)::uuid,
  case given.partner when 'none' then null when 'asleep' then '7f000000-0000-4000-8000-000000000002' else '7f000000-0000-4000-8000-000000000001' end::uuid,
  case given.client when 'asleep' then '7f000000-0000-4000-8000-000000000004' when 'awake' then '7f000000-0000-4000-8000-000000000003' end::uuid,
  given.slug, given.slug
from (
  values
    ('10', 'none', 'none', 'tap-own'),
    ('11', 'awake', 'none', 'tap-of-partner'),
    ('12', 'awake', 'awake', 'tap-of-client'),
    ('13', 'asleep', 'none', 'tap-of-sleeping-partner'),
    ('14', 'awake', 'asleep', 'tap-of-sleeping-client')
) as given (number, partner, client, slug);
select private.post_movement('grant', 'issued', null, 'event', events.id, 3, 'tap-phase:' || events.event_slug)
from public.events where events.event_slug like 'tap-o%';

create function pg_temp.phase_of(p_slug text)
returns text
language sql
as $$ select private.event_phase(events) from public.events where events.event_slug = p_slug; $$;

select is(pg_temp.phase_of('tap-own'), 'active', 'an event of the master''s own is active');
select is(pg_temp.phase_of('tap-of-partner'), 'active', 'an event of an active partner is active');
select is(pg_temp.phase_of('tap-of-client'), 'active', 'an event of an active client is active');
select is(pg_temp.phase_of('tap-of-sleeping-partner'), 'paused', 'an event made under an inactive partner is paused');
select is(pg_temp.phase_of('tap-of-sleeping-client'), 'paused', 'an event made for an inactive client is paused');

update public.partners set is_active = true where id = '7f000000-0000-4000-8000-000000000002';
select is(pg_temp.phase_of('tap-of-sleeping-partner'), 'active', 'activating a partner wakes its events');
update public.partners set is_active = false where id = '7f000000-0000-4000-8000-000000000001';
select results_eq(
  $$ select event_slug::text, private.event_phase(events) from public.events where event_slug like 'tap-o%' order by 1 $$,
  $$ values
       ('tap-of-client', 'paused'), ('tap-of-partner', 'paused'), ('tap-of-sleeping-client', 'paused'),
       ('tap-of-sleeping-partner', 'active'), ('tap-own', 'active') $$,
  'deactivating a partner pauses all of its events and nobody else''s'
);
update public.partners set is_active = true where id = '7f000000-0000-4000-8000-000000000001';
select is(pg_temp.phase_of('tap-of-client'), 'active', 'activating the partner again wakes them');
select is(pg_temp.phase_of('tap-of-sleeping-client'), 'paused', 'but not the event whose client is still inactive');

update public.clients set is_active = false where id = '7f000000-0000-4000-8000-000000000003';
select is(pg_temp.phase_of('tap-of-client'), 'paused', 'deactivating a client pauses its event');
select is(pg_temp.phase_of('tap-of-partner'), 'active', 'and no other event of the partner');
update public.clients set is_active = true where id = '7f000000-0000-4000-8000-000000000003';
select is(pg_temp.phase_of('tap-of-client'), 'active', 'activating a client wakes its event');

update public.events set client_id = '7f000000-0000-4000-8000-000000000004' where event_slug = 'tap-of-client';
select is(pg_temp.phase_of('tap-of-client'), 'paused', 'an event that gets an inactive client is paused');
update public.events set client_id = null where event_slug = 'tap-of-client';
select is(pg_temp.phase_of('tap-of-client'), 'active', 'an event that loses its inactive client is active');
update public.clients set is_active = true where id = '7f000000-0000-4000-8000-000000000004';
update public.clients set is_active = false where id = '7f000000-0000-4000-8000-000000000004';
select is(pg_temp.phase_of('tap-of-client'), 'active', 'what becomes of a client that it had before does not reach it');
select is(pg_temp.phase_of('tap-of-sleeping-client'), 'paused', 'a client that is deactivated again pauses the event it still has');
insert into public.events (event_name, event_slug, partner_id, is_partner_active)
values ('Tap', 'tap-pretends', '7f000000-0000-4000-8000-000000000002', false);
select is(
  (select is_partner_active from public.events where event_slug = 'tap-pretends'), true,
  'what an event is said to know of its partner does not count'
);

-- Slugs

select is(pg_temp.try_event('event_slug', given.slug), given.outcome, given.name)
from (
  values
    ('tap', 'done', 'a slug of three letters is accepted'),
    ('tap-2026-b', 'done', 'a slug has letters, digits and hyphens'),
    ('1' || repeat('a', 63), 'done', 'a slug of 64 characters is accepted'),
    ('1' || repeat('a', 64), '23514', 'a slug of 65 characters is refused'),
    ('ta', '23514', 'a slug of two letters is refused'),
    ('', '23514', 'an empty slug is refused'),
    ('Tap-Party', '23514', 'a slug with capitals is refused'),
    ('-tap', '23514', 'a slug that begins with a hyphen is refused'),
    ('tap-', '23514', 'a slug that ends with a hyphen is refused'),
    ('tap_party', '23514', 'a slug with an underscore is refused'),
    ('tap party', '23514', 'a slug with a blank is refused'),
    ('tap/party', '23514', 'a slug with a slash is refused'),
    (E'tap\n', '23514', 'a slug that ends with a line break is refused'),
    ('tapé', '23514', 'a slug with an accent is refused'),
    ('7f000000-0000-4000-8000-000000000001', '23514', 'a slug of the form of a UUID is refused'),
    ('7f000000-0000-4000-8000-00000000000g', 'done', 'a slug that is almost a UUID is accepted')
) as given (slug, outcome, name);

insert into public.events (event_name, event_slug) values ('Tap', 'tap-taken');
select is(pg_temp.try_event('event_slug', 'tap-taken'), '23505', 'a slug belongs to one event');

-- Names, dates, tenants, credits

select is(
  pg_temp.try($$insert into public.events (event_name, event_slug) values ('  ', 'tap-new')$$), '23514', 'an event has a name'
);
select is(
  pg_temp.try(format(
    'insert into public.events (event_name, event_slug, start_date, end_date) values (%L, %L, %L, %L)', 'Tap', 'tap-new', given.starts, given.ends
  )),
  given.outcome, given.name
)
from (
  values
    ('2026-01-01', '2026-01-02', 'done', 'an event may end after it starts'),
    ('2026-01-01', '2026-01-01', '23514', 'an event that ends when it starts is refused'),
    ('2026-01-02', '2026-01-01', '23514', 'an event that ends before it starts is refused'),
    (null, '2026-01-01', 'done', 'an event may have no start'),
    ('2026-01-01', null, 'done', 'an event may have no end')
) as given (starts, ends, outcome, name);

select is(
  pg_temp.try(format(
    'insert into public.events (event_name, event_slug, partner_id, client_id) values (%L, %L, %L, %L)', 'Tap', 'tap-new', given.partner_id, given.client_id
  )),
  given.outcome, given.name
)
from (
  values
    ('7f000000-0000-4000-8000-000000000001', '7f000000-0000-4000-8000-000000000003', 'done', 'an event may be for a client of its partner'),
    ('7f000000-0000-4000-8000-000000000002', '7f000000-0000-4000-8000-000000000003', '23503', 'an event cannot be for a client of another partner'),
    (null, '7f000000-0000-4000-8000-000000000003', '23514', 'an event without a partner has no client')
) as given (partner_id, client_id, outcome, name);

select is(
  pg_temp.try($$insert into public.events (event_name, event_slug, credits_allocated, credits_used) values ('Tap', 'tap-new', 5, 6)$$),
  '23514', 'an event cannot have used more than it was given'
);
select is(
  pg_temp.try($$insert into public.events (event_name, event_slug, credits_used) values ('Tap', 'tap-new', -1)$$),
  '23514', 'an event cannot have used less than nothing'
);

-- The PIN and the key

select is(pg_temp.try_event('client_access_pin', '123456'), '23514', 'a PIN in clear is refused');
select is(pg_temp.try_event('client_access_pin', ''), '23514', 'an empty PIN is refused');
select is(
  pg_temp.try_event('client_access_pin', extensions.crypt('123456', extensions.gen_salt('bf', 4))), 'done', 'the bcrypt hash of a PIN is accepted'
);
select matches(
  (select access_key from public.events where event_slug = 'tap-taken'), '^[0-9a-f]{32}$', 'an event is born with a key of 128 bits'
);
insert into public.events (event_name, event_slug) values ('Tap', 'tap-second');
select is(
  (select count(distinct access_key)::integer from public.events where event_slug in ('tap-taken', 'tap-second')), 2,
  'two events have two keys'
);

-- config

select is(pg_temp.try_event('config', given.config), given.outcome, given.name)
from (
  values
    ('[]', '23514', 'a config that is no object is refused'),
    ('{"gallery": "open", "moderation": "before", "access": "key"}', 'done', 'the values of gallery, moderation and access are accepted'),
    ('{"gallery": "during", "moderation": "off", "access": "link"}', 'done', 'the defaults of gallery, moderation and access can be written'),
    ('{"gallery": "closed"}', 'done', 'a gallery may be closed'),
    ('{"gallery": "always"}', '23514', 'an unknown gallery is refused'),
    ('{"gallery": true}', '23514', 'a gallery that is no text is refused'),
    ('{"moderation": "after"}', '23514', 'an unknown moderation is refused'),
    ('{"access": "pin"}', '23514', 'an unknown access is refused'),
    ('{"limits": {"per_guest": 3, "per_address_minute": 20, "per_hour": 500}}', 'done', 'limits that are whole numbers are accepted'),
    ('{"limits": [3]}', '23514', 'limits that are no object are refused'),
    ('{"limits": {"per_guest": "many"}}', '23514', 'a limit that is no number is refused, or every photo of the event would fail'),
    ('{"limits": {"per_hour": 2.5}}', '23514', 'a limit that is no whole number is refused, or every photo of the event would fail'),
    ('{"timezone": "America/Argentina/Buenos_Aires"}', 'done', 'a time zone of the IANA database is accepted'),
    ('{"timezone": "Buenos Aires"}', '23514', 'an unknown time zone is refused')
) as given (config, outcome, name);

select is(
  pg_temp.try($$update public.events set config = '{"timezone": "Mars/Olympus"}' where event_slug = 'tap-taken'$$), '23514',
  'a change to an unknown time zone is refused too'
);

-- Style ids in arrays

select is(pg_temp.try_event('selected_styles', '{tap_a}'), 'done', 'an event may select a style');
select is(pg_temp.try_event('selected_styles', '{}'), 'done', 'an event may select nothing');
select is(pg_temp.try_event('selected_styles', '{tap_a,tap_zzz}'), '23514', 'an event cannot select an unknown style');
select is(pg_temp.try_event('selected_styles', '{Tap Pack}'), '23514', 'an event cannot select a pack');
select is(pg_temp.try_event('selected_styles', '{tap_a,null}'), '23514', 'an event cannot select nothing among styles');
select is(
  pg_temp.try($$update public.events set selected_styles = '{tap_zzz}' where event_slug = 'tap-taken'$$), '23514',
  'an event cannot change to an unknown style'
);
select is(
  pg_temp.try(format(
    'update public.clients set contracted_styles = %L where id = %L', given.styles, '7f000000-0000-4000-8000-000000000003'
  )),
  given.outcome, given.name
)
from (
  values
    ('{tap_a}', 'done', 'a client may have contracted a style'),
    ('{tap_zzz}', '23514', 'a client cannot have contracted an unknown style'),
    ('{tap_a,null}', '23514', 'a client cannot have contracted nothing among styles')
) as given (styles, outcome, name);
select is(
  pg_temp.try(format('update public.partners set config = %L where id = %L', given.config, '7f000000-0000-4000-8000-000000000001')),
  given.outcome, given.name
)
from (
  values
    ('{"style_presets": ["tap_a"]}', 'done', 'a partner may preset a style'),
    ('{"style_presets": ["tap_zzz"]}', '23514', 'a partner cannot preset an unknown style'),
    ('{"style_presets": "tap_a"}', '23514', 'presets that are no array are refused'),
    ('[]', '23514', 'a partner''s config that is no object is refused')
) as given (config, outcome, name);

-- Clients and partners

select is(pg_temp.try($$insert into public.partners (name) values (' ')$$), '23514', 'a partner has a name');
select is(
  pg_temp.try($$insert into public.partners (name, credits_used) values ('Tap', 1)$$), '23514',
  'a partner cannot have used more than it has'
);
select is(
  pg_temp.try($$insert into public.clients (name, partner_id) values (' ', '7f000000-0000-4000-8000-000000000001')$$), '23514',
  'a client has a name'
);
select is(pg_temp.try($$insert into public.clients (name) values ('Tap')$$), '23502', 'a client has a partner');
select is(
  pg_temp.try(format(
    'insert into public.clients (name, partner_id, config) values (%L, %L, %L)', 'Tap', '7f000000-0000-4000-8000-000000000001', '3'
  )),
  '23514', 'a client''s config that is no object is refused'
);

-- Charges do not pay for bookkeeping

update public.events set updated_at = '2020-01-01' where event_slug = 'tap-taken';
select private.allocate_event_credits(events.id, 1, 'tap-touch') from public.events where event_slug = 'tap-taken';
select is(
  (select updated_at from public.events where event_slug = 'tap-taken'), '2020-01-01'::timestamptz,
  'credits that come or go leave updated_at alone'
);
update public.events set event_name = 'Tap Again' where event_slug = 'tap-taken';
select is((select updated_at from public.events where event_slug = 'tap-taken'), now(), 'a change of settings touches updated_at');

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

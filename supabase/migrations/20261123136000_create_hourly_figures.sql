-- What dashboards count, per hour. Each fact stands in the hour of its own timestamp, which never changes: a
-- photo that began at 22:59, failed at 23:14 and came after all at 23:20 is three facts. So what is past is
-- counted once, whatever happens to its photos later. docs/numbers.md says what each figure means.

-- BRIN costs a photo request next to nothing, and photos lie in the table nearly in the order of these instants.
-- "Multi", because a row that is written again years later would otherwise stretch its range over all of them.
create index generations_facts_idx on public.generations using brin (
  created_at pg_catalog.timestamptz_minmax_multi_ops,
  succeeded_at pg_catalog.timestamptz_minmax_multi_ops,
  failed_at pg_catalog.timestamptz_minmax_multi_ops
) with (pages_per_range = 64);
create index credit_movements_created_at_idx on private.credit_movements using brin (created_at) with (pages_per_range = 64);

create function private.no_event()
returns uuid
language sql immutable set search_path = ''
as $$ select '00000000-0000-0000-0000-000000000000'::uuid; $$;
comment on function private.no_event() is
  'Stands in the hourly tables for the event of photos that people with an account paid for themselves.';

create function private.all_events()
returns uuid
language sql immutable set search_path = ''
as $$ select 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid; $$;
comment on function private.all_events() is
  'Stands in hourly tables for everything together, photos without an event included.';

create table private.hourly_photos (
  hour timestamptz not null,
  event_id uuid not null,
  made integer not null,
  succeeded integer not null,
  late integer not null,
  failed integer not null,
  refunded integer not null,
  guests integer not null,
  guest_photos integer not null,
  provider_credits numeric not null,
  constraint hourly_photos_pkey primary key (event_id, hour)
);
create index hourly_photos_hour_idx on private.hourly_photos (hour);
comment on table private.hourly_photos is 'Photos by hour and event: what happened to them in that hour.';
comment on column private.hourly_photos.hour is 'The instant at which the hour begins, a whole hour of UTC.';
comment on column private.hourly_photos.event_id is 'private.no_event() for photos of users.';
comment on column private.hourly_photos.made is 'Photos begun.';
comment on column private.hourly_photos.succeeded is 'Pictures that came, late ones included.';
comment on column private.hourly_photos.late is 'Of succeeded: came after the photo had been given up, for free.';
comment on column private.hourly_photos.failed is 'Photos given up, also those whose picture came later.';
comment on column private.hourly_photos.refunded is 'Of failed: those that gave a charge back.';
comment on column private.hourly_photos.guests is 'Guests who began their first photo of the event.';
comment on column private.hourly_photos.guest_photos is 'Of made: by guests whose device said who it is.';
comment on column private.hourly_photos.provider_credits is 'What the provider charged for tries that ended in the hour, in its own credits.';

-- Many rows of a few bytes: what is summed up stands in the index too, so that the table itself is not read.
create table private.hourly_styles (
  hour timestamptz not null,
  event_id uuid not null,
  style_id text not null,
  made integer not null,
  succeeded integer not null,
  constraint hourly_styles_pkey primary key (event_id, hour, style_id) include (made, succeeded)
);
comment on table private.hourly_styles is 'Photos by hour, event and style; columns as in hourly_photos.';
comment on column private.hourly_styles.event_id is
  'Also private.all_events(): the platform''s figures read one row for each style and not one for each event and style.';

create table private.hourly_latencies (
  hour timestamptz not null,
  event_id uuid not null,
  bucket smallint not null,
  photos integer not null,
  constraint hourly_latencies_pkey primary key (event_id, hour, bucket) include (photos)
);
comment on table private.hourly_latencies is
  'How long guests waited for pictures that came in the hour, in time. Unlike percentiles, these counts can be added up.';
comment on column private.hourly_latencies.event_id is 'As in hourly_styles.';
comment on column private.hourly_latencies.bucket is 'From 1.1 ^ bucket seconds to a tenth more.';

create table private.hourly_credits (
  hour timestamptz not null,
  kind private.credit_movement_kind not null,
  source private.credit_account not null,
  destination private.credit_account not null,
  amount bigint not null,
  constraint hourly_credits_pkey primary key (hour, kind, source, destination)
);
comment on table private.hourly_credits is 'What the ledger moved by hour, kind and kinds of account.';

create table private.roll_up (
  is_singleton boolean not null default true,
  counted_until timestamptz not null default '-infinity',
  constraint roll_up_pkey primary key (is_singleton),
  constraint roll_up_is_one_row check (is_singleton)
);
insert into private.roll_up default values;
comment on table private.roll_up is 'How far the hourly tables reach. Exactly one row.';
comment on column private.roll_up.counted_until is 'What happened before it stands in the tables; what came since is counted as it is asked for.';

alter table private.hourly_photos enable row level security;
alter table private.hourly_styles enable row level security;
alter table private.hourly_latencies enable row level security;
alter table private.hourly_credits enable row level security;
alter table private.roll_up enable row level security;
create policy hourly_photos_select_nobody on private.hourly_photos for select to anon, authenticated using (false);
create policy hourly_styles_select_nobody on private.hourly_styles for select to anon, authenticated using (false);
create policy hourly_latencies_select_nobody on private.hourly_latencies for select to anon, authenticated using (false);
create policy hourly_credits_select_nobody on private.hourly_credits for select to anon, authenticated using (false);
create policy roll_up_select_nobody on private.roll_up for select to anon, authenticated using (false);

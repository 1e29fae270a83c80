-- The export of an event: how its photos are cut into parts that stay what they are, what is exported, and how
-- tickets open it.

begin;
create extension if not exists pgtap with schema extensions;
select plan(39);

insert into auth.users (id, email)
values
  ('6e000000-0000-4000-8000-000000000001', 'owner@tap.example'), ('6e000000-0000-4000-8000-000000000002', 'other@tap.example');
insert into public.partners (id, name, user_id)
values
  ('6e000000-0000-4000-8000-000000000011', 'Tap', '6e000000-0000-4000-8000-000000000001'),
  ('6e000000-0000-4000-8000-000000000012', 'Tap', '6e000000-0000-4000-8000-000000000002');
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.events (id, partner_id, event_name, event_slug, config)
values
  ('6e000000-0000-4000-8000-000000000021', '6e000000-0000-4000-8000-000000000011', 'Tap', 'tap-many', '{"timezone": "Asia/Tokyo"}'),
  ('6e000000-0000-4000-8000-000000000022', '6e000000-0000-4000-8000-000000000011', 'Tap', 'tap-heavy', '{}'),
  ('6e000000-0000-4000-8000-000000000023', '6e000000-0000-4000-8000-000000000012', 'Tap', 'tap-none', '{}'),
  ('6e000000-0000-4000-8000-000000000024', '6e000000-0000-4000-8000-000000000012', 'Tap', 'tap-large', '{}');

-- So many photos of an event, one a second, of so many bytes; null: not noted.
create function pg_temp.add_photos(p_slug text, p_count integer, p_bytes integer)
returns void
language sql
as $$
  with added as (
    insert into public.generations (event_id, style_id, status, result_path, expected_seconds, created_at, started_at, succeeded_at)
    select events.id, 'tap_a', 'succeeded', 'results/' || gen_random_uuid() || '.png', 20,
      -- Made in another order than finished.
      '2030-01-02T20:00:00Z'::timestamptz - number * interval '1 second', now(),
      coalesce(
        (select max(succeeded_at) from public.generations where generations.event_id = events.id), '2030-01-01T00:00:00Z'
      ) + number * interval '1 second'
    from public.events, generate_series(1, p_count) as numbers (number)
    where events.event_slug = p_slug
    returning generations.id
  )
  insert into private.stored_pictures (generation_id, bytes, crc32)
  select added.id, p_bytes, 4294967295 from added where p_bytes is not null;
$$;
create function pg_temp.parts(p_slug text)
returns table (part integer, photos bigint, bytes bigint, first integer, last integer)
language sql stable
as $$
  select listed.part, count(*), sum(listed.bytes), min(listed.number), max(listed.number)
  from public.events cross join lateral private.export_photos(events.id) as listed
  where events.event_slug = p_slug
  group by listed.part;
$$;
create function pg_temp.photo(p_slug text, p_number integer)
returns uuid
language sql stable
as $$
  select listed.generation_id
  from public.events cross join lateral private.export_photos(events.id) as listed
  where events.event_slug = p_slug and listed.number = p_number;
$$;
create function pg_temp.export(p_slug text, p_visibility text default 'visible', p_actor uuid default '6e000000-0000-4000-8000-000000000001')
returns jsonb
language sql
as $$ select public.get_export(p_actor, null, null, p_slug, p_visibility); $$;
create function pg_temp.numbers(p_slug text, p_part integer, p_visibility text default 'visible')
returns integer[]
language sql
as $$
  select array_agg((photo ->> 'number')::integer)
  from jsonb_array_elements(
    public.get_export_part('6e000000-0000-4000-8000-000000000001', null, null, p_slug, p_visibility, p_part) -> 'photos'
  ) as photo;
$$;

-- Parts.

select is_empty($$ select * from pg_temp.parts('tap-many') $$, 'an event without photos has no parts');
select is(pg_temp.export('tap-many') - 'event_slug', '{"photos": 0, "bytes": 0, "parts": []}', 'and its export says so');
select pg_temp.add_photos('tap-many', 450, 1000);
select results_eq(
  $$ select * from pg_temp.parts('tap-many') order by part $$,
  $$ values (1, 200::bigint, 200000::bigint, 1, 200), (2, 200, 200000, 201, 400), (3, 50, 50000, 401, 450) $$,
  'a part has at most 200 photos'
);
select is(
  (select array_agg(generations.created_at order by listed.number) from private.export_photos('6e000000-0000-4000-8000-000000000021') as listed
    join public.generations on generations.id = listed.generation_id where listed.number <= 2),
  '{2030-01-02T19:59:59Z, 2030-01-02T19:59:58Z}', 'in the order in which they were finished'
);
select pg_temp.add_photos('tap-heavy', 3, 100000000);
select results_eq(
  $$ select part, photos, bytes from pg_temp.parts('tap-heavy') order by part $$,
  $$ values (1, 2::bigint, 200000000::bigint), (2, 1, 100000000) $$,
  'and at most 250 MB'
);
select pg_temp.add_photos('tap-heavy', 1, 150000000);
select is((select photos from pg_temp.parts('tap-heavy') where part = 2), 2::bigint, 'of which it takes the last byte');
select pg_temp.add_photos('tap-heavy', 201, null);
select results_eq(
  $$ select part, photos from pg_temp.parts('tap-heavy') where part > 2 order by part $$, $$ values (3, 200::bigint), (4, 1) $$,
  'photos of unknown length are taken for usual ones'
);

create temporary table before as select listed.* from private.export_photos('6e000000-0000-4000-8000-000000000021') as listed;
update public.generations set deleted_at = now() where id = pg_temp.photo('tap-many', 3);
update public.generations set visibility = 'hidden' where id = pg_temp.photo('tap-many', 4);
update public.generations set visibility = 'pending' where id = pg_temp.photo('tap-many', 5);
select pg_temp.add_photos('tap-many', 1, 1000);
select results_eq(
  $$ select * from private.export_photos('6e000000-0000-4000-8000-000000000021') as listed where number <= 450 $$, $$ select * from before $$,
  'what is deleted, hidden or new changes no number and no part'
);
select is((pg_temp.numbers('tap-many', 1))[1:4], '{1,2,6,7}', 'a part has the visible ones');
select is((pg_temp.numbers('tap-many', 1, 'all'))[1:4], '{1,2,4,5}', 'or all but the deleted ones');
select is(cardinality(pg_temp.numbers('tap-many', 3)), 51, 'the new one is in the last part');
select is(
  pg_temp.export('tap-many') - 'event_slug',
  '{"photos": 448, "bytes": 448000, "parts": [{"part": 1, "photos": 197, "bytes": 197000}, {"part": 2, "photos": 200, "bytes": 200000}, {"part": 3, "photos": 51, "bytes": 51000}]}',
  'the list counts what each would have'
);
select is((pg_temp.export('tap-many', 'all') ->> 'photos')::integer, 450, 'also of all');
update public.generations set visibility = 'hidden' where id in (select generation_id from before where part = 2);
select is(
  (select array_agg(part -> 'part') from jsonb_array_elements(pg_temp.export('tap-many') -> 'parts') as part), '{1,3}',
  'a part of which nothing is left is not listed'
);
select is(pg_temp.numbers('tap-many', 2), null, 'and is empty for who asks nevertheless');
select throws_ok($$ select pg_temp.numbers('tap-many', 4) $$, 'PT404', null, 'one that there never was is not found');
select is(
  public.get_export_part('6e000000-0000-4000-8000-000000000001', null, null, 'tap-many', 'all', 1) #> '{photos,2}',
  jsonb_build_object(
    'number', 4, 'bucket', 'generations_private',
    'path', (select result_path from public.generations where id = pg_temp.photo('tap-many', 4)),
    'style_id', 'tap_a', 'created_at', '2030-01-02T19:59:56+00:00'::timestamptz, 'created_local', '2030-01-03T04:59:56',
    'aspect_ratio', '3:4', 'visibility', 'hidden', 'bytes', 1000, 'crc32', 4294967295
  ),
  'of a photo what an archive needs, and not its id'
);
select is(
  public.get_export_part('6e000000-0000-4000-8000-000000000001', null, null, 'tap-heavy', 'visible', 4) #> '{photos,0,crc32}', 'null',
  'nothing where nothing was noted'
);

select pg_temp.add_photos('tap-large', 20000, 1000);
create temporary table timing as select clock_timestamp() as started_at;
select is((select count(*) from pg_temp.parts('tap-large')), 100::bigint, '20,000 photos are 100 parts');
select ok((select clock_timestamp() - started_at < interval '1 second' from timing), 'which takes no second to find');

-- Who.

select throws_ok(
  $$ select pg_temp.export('tap-many', p_actor => '6e000000-0000-4000-8000-000000000002') $$, 'PT404', null, 'another partner finds no event'
);
select throws_ok($$ select pg_temp.numbers('tap-none', 1) $$, 'PT404', null, 'nor its part');

-- Tickets.

insert into private.pin_sessions (event_id, token_hash, expires_at)
values ('6e000000-0000-4000-8000-000000000021', sha256('token'), now() + interval '12 hours');
create temporary table tickets as
  select 'session' as name, issued.* from public.issue_download_ticket(null, 'token', null) as issued
  union all
  select 'account', issued.* from public.issue_download_ticket('6e000000-0000-4000-8000-000000000001', null, 'tap-many') as issued;
create function pg_temp.open(p_name text, p_slug text default null, p_token text default null)
returns text
language sql
as $$ select public.get_export(null, p_token, tickets.ticket, p_slug, 'visible') ->> 'event_slug' from tickets where tickets.name = p_name; $$;

select is((select count(distinct ticket) from tickets where ticket ~ '^[0-9a-f]{64}$'), 2::bigint, 'a ticket cannot be guessed');
select ok((select bool_and(expires_at = now() + interval '5 minutes') from tickets), 'it is for five minutes');
select is_empty(
  $$ select from private.download_tickets, tickets where encode(token_hash, 'hex') = ticket or encode(token_hash, 'escape') = ticket $$, 'and not kept'
);
select is((select count(*) from private.audit_log where action = 'issue_ticket'), 2::bigint, 'each is noted');
select is(pg_temp.open('session') || pg_temp.open('account'), 'tap-manytap-many', 'it opens the export');
select is(pg_temp.open('account', 'tap-many'), 'tap-many', 'of the event that is named');
select throws_ok($$ select pg_temp.open('account', 'tap-heavy') $$, 'PT404', null, 'and of no other, though the account hosts it');
select throws_ok($$ select pg_temp.open('session', null, 'bad') $$, 'PT401', null, 'a bad token beside it is not ignored');
select throws_ok(
  $$ select public.get_export('6e000000-0000-4000-8000-000000000001', null, 'unknown', 'tap-many', 'visible') $$, 'PT401', null,
  'nor is a bad ticket beside a good account'
);
select throws_ok($$ select public.issue_download_ticket('6e000000-0000-4000-8000-000000000002', null, 'tap-many') $$, 'PT404', null, 'nobody gets one for another''s event');

update private.pin_sessions set revoked_at = now();
select throws_ok($$ select pg_temp.open('session') $$, 'PT401', null, 'it ends with the session');
update private.pin_sessions set revoked_at = null;
update public.partners set is_active = false where id = '6e000000-0000-4000-8000-000000000011';
select throws_ok($$ select pg_temp.open('session') $$, 'PT403', null, 'with the partner''s activity');
select throws_ok($$ select pg_temp.open('account') $$, 'PT404', null, 'and with what the account may do');
update public.partners set is_active = true where id = '6e000000-0000-4000-8000-000000000011';
select is(pg_temp.open('account'), 'tap-many', 'not before');
update private.download_tickets set expires_at = now();
select throws_ok($$ select pg_temp.open('account') $$, 'PT401', null, 'after five minutes it is over');
select lives_ok($$ select public.issue_download_ticket('6e000000-0000-4000-8000-000000000001', null, 'tap-many') $$, 'and forgotten with the next');
select is((select count(*) from private.download_tickets), 1::bigint, 'so that they do not pile up');

select * from finish();
rollback;

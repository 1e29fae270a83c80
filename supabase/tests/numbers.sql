-- The figures of dashboards against a plain recount over random photos: late pictures, deleted ones, an erased
-- person, a closed event, the night on which New York's clocks go back. Live, half rolled up and rolled up.

begin;
create extension if not exists pgtap with schema extensions;
select plan(39);

select setseed(0.42);
insert into public.styles_metadata (id, label, category, subcategory)
select 'tap_' || name, upper(name), 'tap', 'Tap' from unnest('{a,b,c}'::text[]) as name;
insert into public.partners (id, name)
values ('7e000000-0000-4000-8000-000000000001', 'Tap One'), ('7e000000-0000-4000-8000-000000000002', 'Tap Two');
insert into public.events (id, partner_id, event_name, event_slug, config)
select format('7e000000-0000-4000-8000-00000000001%s', number)::uuid, partner::uuid, 'Tap ' || number, 'tap-numbers-' || number,
  '{"timezone": "America/New_York"}'
from (
  values
    (1, '7e000000-0000-4000-8000-000000000001'), (2, '7e000000-0000-4000-8000-000000000001'),
    (3, '7e000000-0000-4000-8000-000000000002'), (4, null), (5, '7e000000-0000-4000-8000-000000000002')
) as given (number, partner);
insert into auth.users (id, email, email_confirmed_at)
select format('7e000000-0000-4000-8000-00000000002%s', number)::uuid, format('tap-numbers-%s@tap.example', number), now()
from generate_series(1, 3) as numbers (number);
update public.profiles set role = 'master' where email = 'tap-numbers-3@tap.example';

-- Four days, in the middle of which an hour comes twice. Some photos fail, some of those come after all.
insert into public.generations (
  id, user_id, event_id, guest_id, style_id, status, visibility, result_path, expected_seconds,
  created_at, started_at, succeeded_at, failed_at, refunded_at, error_code, deleted_at
)
select photos.id, case when photos.payer > 4 then format('7e000000-0000-4000-8000-00000000002%s', photos.payer - 4)::uuid end,
  case when photos.payer <= 4 then format('7e000000-0000-4000-8000-00000000001%s', photos.payer)::uuid end,
  case when photos.payer <= 4 and photos.chance < 0.9 then 'guest_of_tap_' || floor(random() * 40) end,
  'tap_' || substr('abc', 1 + floor(random() * 3)::integer, 1),
  photos.status,
  case when photos.status = 'succeeded' then (array['visible', 'visible', 'pending', 'hidden'])[1 + floor(random() * 4)::integer] else 'visible' end,
  'results/tap_' || photos.id, 20, photos.created_at, photos.created_at,
  case when photos.status = 'succeeded' then photos.created_at + photos.waited end,
  photos.failed_at, case when photos.chance < 0.8 then photos.failed_at end,
  case when photos.status = 'failed' then 'GENERATION_TIMED_OUT' end,
  case when photos.chance < 0.1 then photos.created_at + interval '2 days' end
from (
  select gen_random_uuid() as id, 1 + numbers.number % 6 as payer, random() as chance, drawn.created_at,
    case when drawn.fate < 0.8 then 'succeeded' when drawn.fate < 0.95 then 'failed' else 'queued' end as status,
    -- Late ones come up to two hours after they failed.
    case when drawn.fate < 0.1 then interval '15 minutes' + random() * interval '2 hours' else exp(random() * 6) * interval '1 second' end as waited,
    case when drawn.fate < 0.1 or drawn.fate between 0.8 and 0.95 then drawn.created_at + random() * interval '15 minutes' end as failed_at
  from generate_series(1, 3000) as numbers (number)
  cross join lateral (
    select numbers.number as drawn_for, random() as fate, timestamptz '2025-10-31T04:00:00Z' + random() * interval '97 hours' as created_at
  ) as drawn
) as photos;
insert into private.generation_attempts (
  generation_id, attempt, status, account, task_id, token_hash, model, prompt_version, submitted_at, finished_at, cost_credits
)
select id, 1, 'succeeded', 'tap', 'tap-' || id, '\x00', 'tap', 1, created_at, succeeded_at, round((random() * 20)::numeric, 3)
from public.generations where style_id like 'tap\_%' and status = 'succeeded';
update public.events set closed_at = now() where event_slug = 'tap-numbers-2';
delete from auth.users where email = 'tap-numbers-2@tap.example';

-- The recount: straight from the photos, in words as plain as there are.
create function pg_temp.recount(p_from timestamptz, p_until timestamptz, p_event_ids uuid[])
returns jsonb
language sql
as $$
  with photos as (
    select * from public.generations where style_id like 'tap\_%' and (p_event_ids is null or event_id = any (p_event_ids))
  ),
  counts as (
    select
      count(*) filter (where created_at >= p_from and created_at < p_until) as made,
      count(*) filter (where succeeded_at >= p_from and succeeded_at < p_until) as succeeded,
      count(*) filter (where succeeded_at >= p_from and succeeded_at < p_until and failed_at is not null) as late,
      count(*) filter (where succeeded_at >= p_from and succeeded_at < p_until and failed_at is null) as in_time,
      count(*) filter (where failed_at >= p_from and failed_at < p_until) as failed,
      count(*) filter (where refunded_at >= p_from and refunded_at < p_until) as refunded,
      count(*) filter (where created_at >= p_from and created_at < p_until and guest_id is not null) as guest_photos
    from photos
  ),
  guests as (
    select count(*) as guests
    from (select min(created_at) as began_at from photos where guest_id is not null group by event_id, guest_id) as guests
    where began_at >= p_from and began_at < p_until
  )
  select jsonb_build_object(
    'made', made, 'succeeded', succeeded, 'late', late, 'failed', failed, 'refunded', refunded,
    'success_rate', round(in_time::numeric / nullif(in_time + failed, 0), 4),
    'guests', guests, 'photos_per_guest', round(guest_photos::numeric / nullif(guests, 0), 2)
  )
  from counts cross join guests;
$$;
-- Entries of a series that differ from their recount.
create function pg_temp.wrong_entries(p_entries jsonb, p_unit text, p_event_ids uuid[])
returns setof jsonb
language sql
as $$
  select entries.entry
  from jsonb_array_elements(p_entries) as entries (entry)
  cross join lateral (
    select
      case p_unit
        when 'hour' then (entry ->> 'hour')::timestamptz
        else (entry ->> 'day')::timestamp at time zone 'America/New_York'
      end as from_at,
      case p_unit
        when 'hour' then (entry ->> 'hour')::timestamptz + interval '1 hour'
        else ((entry ->> 'day')::date + 1)::timestamp at time zone 'America/New_York'
      end as until_at
  ) as spans
  where not entry @> pg_temp.recount(spans.from_at, spans.until_at, p_event_ids);
$$;
-- Where a percentile of an answer stands to the exact one.
create function pg_temp.latency_ratio(p_latency jsonb, p_part double precision, p_event_ids uuid[])
returns double precision
language sql
as $$
  select (p_latency ->> case p_part when 0.5 then 'p50_seconds' else 'p95_seconds' end)::double precision
    / percentile_disc(p_part) within group (order by extract(epoch from succeeded_at - created_at))
  from public.generations
  where style_id like 'tap\_%' and failed_at is null and succeeded_at is not null and (p_event_ids is null or event_id = any (p_event_ids));
$$;

create function pg_temp.master()
returns uuid
language sql
as $$ select id from public.profiles where email = 'tap-numbers-3@tap.example'; $$;
create function pg_temp.answers()
returns table (name text, answer jsonb)
language sql
as $$
  select event_slug::text, public.get_event_stats(pg_temp.master(), id) from public.events where event_slug like 'tap-numbers-%'
  union all
  select 'partner', public.get_overview(
    pg_temp.master(), '7e000000-0000-4000-8000-000000000001', '2025-10-30', '2025-11-05', null, 'America/New_York'
  )
  union all
  select 'platform', public.get_overview(pg_temp.master(), null, '2025-10-30', '2025-11-05', null, 'America/New_York');
$$;
create temporary table live as select * from pg_temp.answers();
create temporary table payers (name text, ids uuid[]);
insert into payers
select event_slug, array[id] from public.events where event_slug in ('tap-numbers-1', 'tap-numbers-2')
union all
select 'partner', array_agg(id) from public.events where partner_id = '7e000000-0000-4000-8000-000000000001'
union all
select 'platform', null;

select ok(answer -> 'photos' @> pg_temp.recount('-infinity', 'infinity', ids), 'all photos are counted: ' || name)
from live join payers using (name) order by name;
select is_empty(
  format('select pg_temp.wrong_entries(%L, ''day'', %L)', answer -> 'days', ids), 'each day, also the one of 25 hours: ' || name
)
from live join payers using (name) order by name;
select is_empty(
  format('select pg_temp.wrong_entries(%L, ''hour'', %L)', answer -> 'hours', ids), 'each hour, the one that comes twice twice: ' || name
)
from live join payers using (name) where answer ? 'hours' order by name;
select is(
  (select sum((entry ->> 'made')::integer) from live, jsonb_array_elements(answer -> series) as entry where name = 'tap-numbers-1'),
  (select (answer #>> '{photos,made}')::bigint from live where name = 'tap-numbers-1'), format('and no photo is in none of the %s', series)
)
from unnest('{days,hours}'::text[]) as series;
select is(
  (
    select array_agg(entry ->> 'hour' order by entry ->> 'hour')
    from live, jsonb_array_elements(answer -> 'hours') as entry
    where name = 'tap-numbers-1' and entry ->> 'local_hour' = '2025-11-02T01:00'
  ),
  '{2025-11-02T05:00:00+00:00,2025-11-02T06:00:00+00:00}', 'whose instants tell the two apart'
);
select ok(
  pg_temp.latency_ratio(answer -> 'latency', part, ids) between 1 / 1.1 and 1.1, format('percentile %s is within a tenth: %s', part, name)
)
from live join payers using (name) cross join unnest('{0.5,0.95}'::double precision[]) as part order by name, part;

select is(
  (select answer -> 'styles' from live where name = 'tap-numbers-1'),
  (
    select jsonb_agg(to_jsonb(styles) order by styles.succeeded desc)
    from (
      select style_id, upper(right(style_id, 1)) as label, count(*) as made, count(succeeded_at) as succeeded
      from public.generations where event_id = '7e000000-0000-4000-8000-000000000011' group by style_id
    ) as styles
  ),
  'styles are counted'
);
select is(
  (select answer -> 'moderation' from live where name = 'tap-numbers-1'),
  (
    select jsonb_object_agg(kind, photos)
    from (
      select kinds.kind, count(made.id) as photos
      from unnest('{visible,pending,hidden,deleted}'::text[]) as kinds (kind)
      left join public.generations as made
        on made.event_id = '7e000000-0000-4000-8000-000000000011' and made.status = 'succeeded'
        and kinds.kind = case when made.deleted_at is null then made.visibility else 'deleted' end
      group by kinds.kind
    ) as counted
  ),
  'what became of pictures is counted'
);
select is(
  (select (answer #>> '{photos,in_flight}')::bigint from live where name = 'partner'),
  (
    select count(*) from public.generations join public.events on events.id = event_id
    where partner_id = '7e000000-0000-4000-8000-000000000001' and status in ('queued', 'processing')
  ),
  'what is waiting is counted'
);
select is(
  (select (answer #>> '{money,provider_credits}')::numeric from live where name = 'platform'),
  (select sum(cost_credits) from private.generation_attempts where account = 'tap'), 'what the provider charged is summed up'
);
select is(
  (select (answer #>> '{money,provider_credits}')::numeric from live where name = 'tap-numbers-1'),
  (
    select sum(cost_credits) from private.generation_attempts join public.generations on generations.id = generation_id
    where event_id = '7e000000-0000-4000-8000-000000000011'
  ),
  'also of one event'
);
select is(
  (select answer #>> '{platform,users,made}' from live where name = 'platform'),
  (select count(*)::text from public.generations where style_id like 'tap\_%' and event_id is null),
  'photos of users are counted, those of an erased one too'
);
select is(
  (select answer -> 'photos' from live where name = 'tap-numbers-5'),
  '{"made": 0, "succeeded": 0, "late": 0, "failed": 0, "refunded": 0, "success_rate": null, "guests": 0, "photos_per_guest": null, "in_flight": 0}',
  'an event without photos has zeros'
);
select is(
  (select answer -> 'latency' from live where name = 'tap-numbers-5'), '{"p50_seconds": null, "p95_seconds": null}', 'and no latency'
);
select is(
  (select jsonb_agg(top -> 'event_id') from live, jsonb_array_elements(answer -> 'top_events') as top where name = 'partner'),
  (
    select jsonb_agg(event_id order by photos desc)
    from (
      select event_id, count(succeeded_at) as photos from public.generations
      where event_id in ('7e000000-0000-4000-8000-000000000011', '7e000000-0000-4000-8000-000000000012') group by event_id
    ) as counted
  ),
  'a partner''s events, the most successful first'
);

-- Days of a zone that is half an hour off are cut at whole hours of UTC, and lose nothing.
select is(
  (
    select sum((day ->> 'made')::integer)
    from jsonb_array_elements(
      public.get_overview(pg_temp.master(), '7e000000-0000-4000-8000-000000000001', '2025-10-30', '2025-11-06', null, 'Asia/Kolkata') -> 'days'
    ) as day
  ),
  (select (answer #>> '{photos,made}')::bigint from live where name = 'partner'), 'days half an hour off add up'
);

-- Rolled up in parts, the answers stay what they were.

select is(public.roll_up_figures('30 hours 17 minutes'), interval '30 hours 17 minutes', 'a roll-up gets as far as it was told');
select is(
  (select sum(made)::bigint from private.hourly_photos),
  (
    select count(*) from public.generations
    where created_at < date_trunc('minute', (select min(created_at) from public.generations)) + interval '30 hours 17 minutes'
  ),
  'and has counted what lies before'
);
select results_eq('select * from pg_temp.answers()', 'select * from live', 'half rolled up, every answer is the same');
select cmp_ok(public.roll_up_figures('100 years'), '>', interval '100 hours', 'the next one takes the rest');
select is(public.roll_up_figures(), interval '0', 'then there is none left');
select results_eq('select * from pg_temp.answers()', 'select * from live', 'rolled up, every answer is the same');
delete from public.generations where style_id like 'tap\_%' and event_id is null;
select is(
  (select answer -> 'photos' -> 'made' from pg_temp.answers() where name = 'platform'),
  (select answer -> 'photos' -> 'made' from live where name = 'platform'), 'and comes from the roll-up'
);
select private.forget_figures();
select is(
  (select (answer #>> '{photos,made}')::integer from pg_temp.answers() where name = 'platform'),
  (select count(*)::integer from public.generations where style_id like 'tap\_%'), 'forgotten, it is counted again'
);

select * from finish();
rollback;

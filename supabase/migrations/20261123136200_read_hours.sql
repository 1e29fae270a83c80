-- Reading the hourly tables: what stands in them, and what came since, counted at this moment. Null for p_event_ids
-- means everything, photos without an event included.

create function private.read_photos(p_from timestamptz, p_until timestamptz, p_event_ids uuid[])
returns setof private.hourly_photos
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
declare
  v_live_from timestamptz := (select greatest(p_from, roll_up.counted_until) from private.roll_up);
begin
  return query
  select * from private.hourly_photos
  where hourly_photos.hour >= p_from and hourly_photos.hour < p_until
    and (p_event_ids is null or hourly_photos.event_id = any (p_event_ids))
  union all
  select * from private.count_photos(v_live_from, p_until, p_event_ids);
end;
$$;
comment on function private.read_photos(timestamptz, timestamptz, uuid[]) is
  'Rows of hourly_photos for a span of time in whole hours. An hour may come in two parts.';

create function private.sum_styles(p_from timestamptz, p_until timestamptz, p_event_ids uuid[])
returns table (style_id text, made bigint, succeeded bigint)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
declare
  v_live_from timestamptz := (select greatest(p_from, roll_up.counted_until) from private.roll_up);
begin
  return query
  select hours.style_id, sum(hours.made), sum(hours.succeeded)
  from (
    select hourly_styles.style_id, hourly_styles.made, hourly_styles.succeeded
    from private.hourly_styles
    where hourly_styles.event_id = any (coalesce(p_event_ids, array[private.all_events()]))
      and hourly_styles.hour >= p_from and hourly_styles.hour < p_until
    union all
    select live.style_id, live.made, live.succeeded from private.count_styles(v_live_from, p_until, p_event_ids) as live
  ) as hours
  group by hours.style_id;
end;
$$;
comment on function private.sum_styles(timestamptz, timestamptz, uuid[]) is
  'Photos by style for a span of time in whole hours.';

create function private.sum_latencies(p_from timestamptz, p_until timestamptz, p_event_ids uuid[])
returns table (bucket smallint, photos bigint)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
declare
  v_live_from timestamptz := (select greatest(p_from, roll_up.counted_until) from private.roll_up);
begin
  return query
  select hours.bucket, sum(hours.photos)
  from (
    select hourly_latencies.bucket, hourly_latencies.photos
    from private.hourly_latencies
    where hourly_latencies.event_id = any (coalesce(p_event_ids, array[private.all_events()]))
      and hourly_latencies.hour >= p_from and hourly_latencies.hour < p_until
    union all
    select live.bucket, live.photos from private.count_latencies(v_live_from, p_until, p_event_ids) as live
  ) as hours
  group by hours.bucket;
end;
$$;
comment on function private.sum_latencies(timestamptz, timestamptz, uuid[]) is
  'Photos by bucket of hourly_latencies for a span of time in whole hours.';

create function private.read_credits(p_from timestamptz, p_until timestamptz)
returns setof private.hourly_credits
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
declare
  v_live_from timestamptz := (select greatest(p_from, roll_up.counted_until) from private.roll_up);
begin
  return query
  select * from private.hourly_credits where hourly_credits.hour >= p_from and hourly_credits.hour < p_until
  union all
  select * from private.count_credits(v_live_from, p_until);
end;
$$;
comment on function private.read_credits(timestamptz, timestamptz) is
  'Rows of hourly_credits for a span of time in whole hours. An hour may come in two parts.';

-- The figures that are made of them.

create type private.photo_sums as (
  level text,
  day date,
  hour timestamptz,
  event_id uuid,
  partner_id uuid,
  made bigint,
  succeeded bigint,
  late bigint,
  failed bigint,
  refunded bigint,
  success_rate numeric,
  guests bigint,
  photos_per_guest numeric,
  provider_credits numeric
);
comment on type private.photo_sums is
  'Photos of a span of time: all (level all), or of a day, an hour, an event or a partner, which its column names.';

create function private.sum_photos(
  p_from timestamptz, p_until timestamptz, p_event_ids uuid[], p_timezone text, p_hours_from timestamptz
)
returns setof private.photo_sums
language plpgsql stable set search_path = ''
as $$
begin
  return query
  select
    case
      when grouping(photos.day) = 0 then 'day'
      when grouping(photos.shown_hour) = 0 then 'hour'
      when grouping(photos.event_id) = 0 then 'event'
      when grouping(photos.partner_id) = 0 then 'partner'
      else 'all'
    end,
    photos.day, photos.shown_hour, photos.event_id, photos.partner_id,
    coalesce(sum(photos.made), 0), coalesce(sum(photos.succeeded), 0), coalesce(sum(photos.late), 0),
    coalesce(sum(photos.failed), 0), coalesce(sum(photos.refunded), 0),
    round(
      sum(photos.succeeded - photos.late)::numeric / nullif(sum(photos.succeeded - photos.late + photos.failed), 0), 4
    ),
    coalesce(sum(photos.guests), 0),
    round(sum(photos.guest_photos)::numeric / nullif(sum(photos.guests), 0), 2),
    coalesce(sum(photos.provider_credits), 0)
  from (
    select hours.*, events.partner_id, (hours.hour at time zone p_timezone)::date as day,
      case when hours.hour >= p_hours_from then hours.hour end as shown_hour
    from private.read_photos(p_from, p_until, p_event_ids) as hours
    left join public.events on events.id = hours.event_id
  ) as photos
  group by grouping sets ((), (photos.day), (photos.shown_hour), (photos.event_id), (photos.partner_id));
end;
$$;
comment on function private.sum_photos(timestamptz, timestamptz, uuid[], text, timestamptz) is
  'Photos of a span of time in whole hours, summed up at each level: days on a clock of the time zone; hours from p_hours_from on, those before as one row without hour. success_rate: of the photos that ended, how many had their picture in time.';

create function private.describe_sums(p_sums private.photo_sums)
returns jsonb
language sql immutable set search_path = ''
as $$
  select to_jsonb(p_sums) - '{level,day,hour,event_id,partner_id,provider_credits}'::text[];
$$;
comment on function private.describe_sums(private.photo_sums) is 'Sums as dashboards show them.';

create function private.describe_hour(p_sums private.photo_sums, p_timezone text)
returns jsonb
language sql stable set search_path = ''
as $$
  select private.describe_sums(p_sums) || jsonb_build_object(
    'hour', p_sums.hour, 'local_hour', to_char(p_sums.hour at time zone p_timezone, 'YYYY-MM-DD"T"HH24:MI')
  );
$$;
comment on function private.describe_hour(private.photo_sums, text) is
  'Sums of an hour, with the instant at which it begins and what a clock of the time zone shows then.';

create function private.describe_latency(p_from timestamptz, p_until timestamptz, p_event_ids uuid[])
returns jsonb
language sql stable set search_path = ''
as $$
  with buckets as (
    select * from private.sum_latencies(p_from, p_until, p_event_ids)
  ),
  running as (
    select buckets.bucket, buckets.photos, sum(buckets.photos) over (order by buckets.bucket) as up_to,
      sum(buckets.photos) over () as total
    from buckets
  )
  select jsonb_build_object(
    'p50_seconds', min(running.seconds) filter (where running.part = 0.5),
    'p95_seconds', min(running.seconds) filter (where running.part = 0.95)
  )
  from (
    select parts.part,
      -- The photo of that rank lies in this bucket; where in it, is taken from its place among the others.
      round(power(1.1, running.bucket + (ranks.rank - (running.up_to - running.photos) - 0.5) / running.photos), 2) as seconds
    from running
    cross join (values (0.5), (0.95)) as parts (part)
    cross join lateral (select ceil(running.total * parts.part) as rank) as ranks
    where ranks.rank > running.up_to - running.photos and ranks.rank <= running.up_to
  ) as running;
$$;
comment on function private.describe_latency(timestamptz, timestamptz, uuid[]) is
  'How long guests waited for their pictures, in seconds: half of them less than p50_seconds, all but a twentieth less than p95_seconds. Within a tenth of the exact value; null when there were none.';

create function private.describe_styles(p_from timestamptz, p_until timestamptz, p_event_ids uuid[], p_limit integer)
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(styles) order by styles.succeeded desc, styles.made desc, styles.style_id), '[]')
  from (
    select counted.style_id, styles_metadata.label, counted.made, counted.succeeded
    from private.sum_styles(p_from, p_until, p_event_ids) as counted
    join public.styles_metadata on styles_metadata.id = counted.style_id
    order by counted.succeeded desc, counted.made desc, counted.style_id
    limit p_limit
  ) as styles;
$$;
comment on function private.describe_styles(timestamptz, timestamptz, uuid[], integer) is
  'The styles of a span of time, the most successful first.';

create function private.count_in_flight(p_event_ids uuid[])
returns bigint
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
begin
  return (
    select count(*) from public.generations
    where generations.status in ('queued', 'processing')
      and (p_event_ids is null or generations.event_id = any (p_event_ids))
  );
end;
$$;
comment on function private.count_in_flight(uuid[]) is 'Photos that are waiting or being made now.';

create function private.run_out_at(p_left bigint, p_used bigint, p_span interval)
returns timestamptz
language sql stable set search_path = ''
as $$
  -- Ten years from now is never.
  select case when p_used > 0 and p_span * (p_left::double precision / p_used) < interval '10 years'
    then now() + p_span * (p_left::double precision / p_used)
  end;
$$;
comment on function private.run_out_at(bigint, bigint, interval) is
  'When p_left credits end, if they go on as the p_used of the last p_span did; null when that is never.';

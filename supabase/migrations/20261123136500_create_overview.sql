-- The numbers of a partner and of the platform, for a span of days.

create function private.read_days(p_from date, p_to date, p_days integer, p_timezone text)
returns daterange
language plpgsql stable set search_path = ''
as $$
declare
  v_to date;
  v_from date;
begin
  begin
    v_to := coalesce(p_to, (now() at time zone p_timezone)::date);
  exception
    when invalid_parameter_value then
      perform private.refuse(
        'INVALID_INPUT', format('%s is no time zone', p_timezone), jsonb_build_object('field', 'timezone'),
        'Use a name of the IANA database, for example America/Argentina/Buenos_Aires'
      );
  end;
  if p_from is not null and p_days is not null then
    perform private.refuse(
      'INVALID_INPUT', 'Either from or days says where to begin', jsonb_build_object('field', 'days')
    );
  end if;
  v_from := coalesce(p_from, v_to - (coalesce(p_days, 30) - 1));
  if v_to - v_from not between 0 and 365 then
    perform private.refuse(
      'INVALID_INPUT', format('From %s to %s is not 1 to 366 days', v_from, v_to), jsonb_build_object('field', 'from')
    );
  end if;
  return daterange(v_from, v_to, '[]');
end;
$$;
comment on function private.read_days(date, date, integer, text) is
  'The days that an overview is about: to p_to or today, from p_from or p_days (30) of them. INVALID_INPUT.';

create function private.first_hour(p_day date, p_timezone text)
returns timestamptz
language sql stable set search_path = ''
as $$
  -- Where clocks differ from UTC by a part of an hour, a day begins with the first whole hour of UTC in it.
  select date_trunc(
    'hour', private.read_moment(p_day::text, p_timezone, false) + interval '1 hour' - interval '1 microsecond', 'UTC'
  );
$$;
comment on function private.first_hour(date, text) is 'The first hour of the hourly tables that belongs to a day.';

create function private.describe_days(p_sums private.photo_sums[], p_days daterange)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_agg(
    jsonb_build_object(
      'day', days.day::date, 'made', 0, 'succeeded', 0, 'late', 0, 'failed', 0, 'refunded', 0, 'success_rate', null,
      'guests', 0, 'photos_per_guest', null
    ) || coalesce(private.describe_sums(sums), '{}')
    order by days.day
  )
  from generate_series(lower(p_days)::timestamp, upper(p_days) - 1, interval '1 day') as days (day)
  left join unnest(p_sums) as sums on sums.level = 'day' and sums.day = days.day;
$$;
comment on function private.describe_days(private.photo_sums[], daterange) is 'Sums of each day, also of those on which nothing happened.';

create function private.describe_top_events(p_sums private.photo_sums[])
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(top) order by top.succeeded desc, top.event_id), '[]')
  from (
    select events.id as event_id, events.event_name, events.event_slug, private.event_phase(events) as phase,
      sums.made, sums.succeeded, events.credits_allocated, events.credits_used
    from unnest(p_sums) as sums
    join public.events on events.id = sums.event_id
    where sums.level = 'event'
    order by sums.succeeded desc, events.id
    limit 10
  ) as top;
$$;
comment on function private.describe_top_events(private.photo_sums[]) is 'The ten events with the most pictures.';

create function private.describe_tenants(p_partner_id uuid)
returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
begin
  return jsonb_build_object(
    'clients', (
      select jsonb_build_object('total', count(*), 'active', count(*) filter (where clients.is_active))
      from public.clients where p_partner_id is null or clients.partner_id = p_partner_id
    ),
    'events', (
      select jsonb_build_object(
        'total', coalesce(sum(phases.events), 0), 'upcoming', 0, 'active', 0, 'sold_out', 0, 'paused', 0, 'ended', 0
      ) || coalesce(jsonb_object_agg(phases.phase, phases.events), '{}')
      from (
        select private.event_phase(events) as phase, count(*) as events
        from public.events where p_partner_id is null or events.partner_id = p_partner_id
        group by 1
      ) as phases
    )
  );
end;
$$;
comment on function private.describe_tenants(uuid) is 'Clients, and events by phase, of a partner or of all (null).';

create function private.list_revenue(p_from timestamptz, p_until timestamptz, p_partner_id uuid, p_timezone text)
returns table (day date, currency text, amount numeric)
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan
as $$
begin
  return query
  select (movements.created_at at time zone p_timezone)::date, orders.currency::text,
    sum(
      case movements.kind when 'purchase_reversal' then -movements.amount else movements.amount end
        * orders.amount / orders.credits
    )
  from public.payment_orders as orders
  join private.credit_movements as movements on movements.order_id = orders.id
  -- What moves credits of an order writes its row too, so orders that were not touched since have nothing to say.
  where orders.updated_at >= p_from
    and (p_partner_id is null or orders.partner_id = p_partner_id)
    and movements.created_at >= p_from and movements.created_at < p_until
    and movements.kind in ('purchase', 'purchase_reversal', 'purchase_reinstatement')
  group by 1, 2;
end;
$$;
comment on function private.list_revenue(timestamptz, timestamptz, uuid, text) is
  'What was paid for credits a day, without what was taken back that day: of a partner''s orders, or of all (null). In the part of an order that moved its credits.';

create function private.describe_period_money(
  p_days daterange, p_partner_id uuid, p_timezone text, p_provider_credits numeric, p_is_master boolean
)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_revenue jsonb;
  v_amount numeric;
  v_currency text;
begin
  with revenue as materialized (
    select * from private.list_revenue(
      private.read_moment(lower(p_days)::text, p_timezone, false),
      private.read_moment(upper(p_days)::text, p_timezone, false),
      p_partner_id, p_timezone
    )
  )
  select
    (
      select jsonb_agg(to_jsonb(by_currency) order by by_currency.currency)
      from (
        select revenue.currency, round(sum(revenue.amount), 2) as amount,
          jsonb_agg(jsonb_build_object('day', revenue.day, 'amount', round(revenue.amount, 2)) order by revenue.day) as days
        from revenue group by revenue.currency
      ) as by_currency
    ),
    (select sum(revenue.amount) from revenue having count(distinct revenue.currency) = 1),
    (select min(revenue.currency) from revenue having count(distinct revenue.currency) = 1)
  into v_revenue, v_amount, v_currency;
  return private.describe_money(v_amount, v_currency, p_provider_credits, p_is_master) - '{currency}'::text[]
    || jsonb_build_object('revenue', coalesce(v_revenue, '[]'));
end;
$$;
comment on function private.describe_period_money(daterange, uuid, text, numeric, boolean) is
  'What was paid on these days, by currency, and for a master what the provider cost. A margin only where all that was paid is in the currency of the provider''s price.';

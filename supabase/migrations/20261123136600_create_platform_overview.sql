-- What only whole partners and the platform have: wallets, prices, people.

create function private.describe_wallet(p_actor_id uuid, p_partner_id uuid, p_event_ids uuid[])
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_wallet jsonb := public.get_wallet(p_actor_id, p_partner_id);
begin
  return v_wallet || jsonb_build_object(
    'runs_out_at', (
      -- Four weeks: most parties are on weekends.
      select private.run_out_at(
        (v_wallet ->> 'credits_total')::bigint - (v_wallet ->> 'credits_consumed')::bigint,
        sum(hours.made - hours.refunded), interval '28 days'
      )
      from private.read_photos(date_trunc('hour', now(), 'UTC') - interval '28 days', 'infinity', p_event_ids) as hours
    )
  );
end;
$$;
comment on function private.describe_wallet(uuid, uuid, uuid[]) is
  'What a partner has, and when its wallet and events together are empty at the pace of the last four weeks.';

create function private.describe_credits(p_from timestamptz, p_until timestamptz)
returns jsonb
language sql stable set search_path = ''
as $$
  with moved as (
    select * from private.read_credits(p_from, p_until)
  ),
  -- Each movement once for either side: what came in and what went out.
  flows as (
    select moved.kind, moved.source as other, moved.destination as own, moved.amount from moved
    union all
    select moved.kind, moved.destination, moved.source, -moved.amount from moved
  ),
  named as (
    select case when flows.own in ('user', 'user_debt') then 'users' else 'partners' end as who,
      case
        when flows.other = 'spent' then 'consumed'
        when flows.kind in ('purchase', 'purchase_reversal', 'purchase_reinstatement') then 'sold'
        when flows.other = 'issued' then 'granted'
      end as what,
      case when flows.other = 'spent' then -flows.amount else flows.amount end as amount
    from flows
    where flows.own > 'written_off'
  )
  select jsonb_object_agg(
    sides.who,
    (
      select jsonb_build_object(
        'sold', coalesce(sum(named.amount) filter (where named.what = 'sold'), 0),
        'granted', coalesce(sum(named.amount) filter (where named.what = 'granted'), 0),
        'consumed', coalesce(sum(named.amount) filter (where named.what = 'consumed'), 0)
      )
      from named where named.who = sides.who
    )
  )
  from (values ('users'), ('partners')) as sides (who);
$$;
comment on function private.describe_credits(timestamptz, timestamptz) is
  'Credits that were sold, otherwise given and used up, each without what was taken back; those of events are partners''. The two sides count in units of their own.';

create function private.describe_platform(p_sums private.photo_sums[], p_from timestamptz, p_until timestamptz)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'credits', private.describe_credits(p_from, p_until),
    'users', (
      select jsonb_build_object(
        'total', count(*), 'new', count(*) filter (where profiles.created_at >= p_from and profiles.created_at < p_until)
      )
      from public.profiles where profiles.role = 'user'
    ) || (
      select jsonb_build_object('made', coalesce(sum(sums.made), 0), 'succeeded', coalesce(sum(sums.succeeded), 0))
      from unnest(p_sums) as sums
      where sums.level = 'event' and sums.event_id = private.no_event()
    ),
    'partners', (
      select jsonb_build_object('total', count(*), 'active', count(*) filter (where partners.is_active)) from public.partners
    ),
    'top_partners', (
      select coalesce(jsonb_agg(to_jsonb(top) order by top.succeeded desc, top.partner_id), '[]')
      from (
        select partners.id as partner_id, partners.name, sums.made, sums.succeeded,
          partners.credits_total - partners.credits_used as credits_left
        from unnest(p_sums) as sums
        join public.partners on partners.id = sums.partner_id
        where sums.level = 'partner'
        order by sums.succeeded desc, partners.id
        limit 10
      ) as top
    ),
    'open_alerts', (select count(*) from private.alerts where alerts.resolved_at is null),
    'api_keys', (
      select jsonb_build_object(
        'total', count(*),
        'active', count(*) filter (where api_key_pool.is_active),
        'cooling_down', count(*) filter (where api_key_pool.is_active and api_key_pool.cooldown_until > now()),
        'failing', count(*) filter (where api_key_pool.is_active and api_key_pool.failure_count > 0)
      )
      from public.api_key_pool
    )
  );
$$;
comment on function private.describe_platform(private.photo_sums[], timestamptz, timestamptz) is
  'What of an overview only a master sees.';

create function public.get_overview(
  p_actor_id uuid, p_partner_id uuid, p_from date, p_to date, p_days integer, p_timezone text
)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_partner_id uuid := private.acting_partner(p_actor_id, p_partner_id);
  v_days daterange := private.read_days(p_from, p_to, p_days, p_timezone);
  v_from timestamptz := private.first_hour(lower(v_days), p_timezone);
  v_until timestamptz := private.first_hour(upper(v_days), p_timezone);
  v_today timestamptz := private.first_hour((now() at time zone p_timezone)::date, p_timezone);
  v_event_ids uuid[];
  v_sums private.photo_sums[];
  v_all private.photo_sums;
begin
  if v_partner_id is not null then
    v_event_ids := array(select events.id from public.events where events.partner_id = v_partner_id);
  end if;
  v_sums := array(select sums from private.sum_photos(v_from, v_until, v_event_ids, p_timezone, v_today) as sums);
  select * into v_all from unnest(v_sums) as sums where sums.level = 'all';

  return jsonb_build_object(
    'partner_id', v_partner_id,
    'from', lower(v_days),
    'to', upper(v_days) - 1,
    'timezone', p_timezone,
    'counted_at', now(),
    'photos', private.describe_sums(v_all) || jsonb_build_object('in_flight', private.count_in_flight(v_event_ids)),
    'latency', private.describe_latency(v_from, v_until, v_event_ids),
    'days', private.describe_days(v_sums, v_days),
    'hours_today', (
      select coalesce(jsonb_agg(private.describe_hour(sums, p_timezone) order by sums.hour), '[]')
      from unnest(v_sums) as sums where sums.level = 'hour' and sums.hour is not null
    ),
    'top_styles', private.describe_styles(v_from, v_until, v_event_ids, 10),
    'top_events', private.describe_top_events(v_sums),
    'money', private.describe_period_money(
      v_days, v_partner_id, p_timezone, v_all.provider_credits, private.is_master_account(p_actor_id)
    ),
    'wallet', case when v_partner_id is not null then private.describe_wallet(p_actor_id, v_partner_id, v_event_ids) end,
    'platform', case when v_partner_id is null then private.describe_platform(v_sums, v_from, v_until) end
  ) || private.describe_tenants(v_partner_id);
end;
$$;
comment on function public.get_overview(uuid, uuid, date, date, integer, text) is
  'The numbers of one''s own partner for a span of days on a clock of the time zone; for a master those of the partner named, or of the platform. What the provider costs only for a master. FORBIDDEN, NOT_FOUND, INVALID_INPUT (from, days, timezone). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_overview(uuid, uuid, date, date, integer, text) from public, anon, authenticated;
grant execute on function public.get_overview(uuid, uuid, date, date, integer, text) to service_role;

-- Dates of events as a person means them: "from the 20th to the 21st" begins and ends at the midnights of
-- the event's own time zone, also where clocks change.

begin;
create extension if not exists pgtap with schema extensions;
select plan(42);

insert into auth.users (id, email, email_confirmed_at) values ('7f000000-0000-4000-8000-000000000001', 'dates@tap.example', now());
update public.profiles set role = 'master' where id = '7f000000-0000-4000-8000-000000000001';

-- An event as it is created, or the refusal's code and field.
create function pg_temp.create_event(p_body jsonb)
returns jsonb
language plpgsql
as $$
declare
  v_detail text;
begin
  return public.create_event('7f000000-0000-4000-8000-000000000001', null, jsonb_build_object('event_name', 'Tap dates') || p_body);
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return v_detail::jsonb;
end;
$$;

create function pg_temp.moment(p_event jsonb, p_field text)
returns text
language sql
as $$
  select to_char((p_event ->> p_field)::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24:MI"Z"');
$$;

create temporary table days as
  select given.*, pg_temp.create_event(
    jsonb_build_object('start_date', given.first_day, 'end_date', given.last_day)
      || case when given.zone is null then '{}' else jsonb_build_object('config', jsonb_build_object('timezone', given.zone)) end
  ) as event
  from (values
    (null, '2026-11-20', '2026-11-21', '2026-11-20 03:00Z', '2026-11-22 03:00Z', 'Buenos Aires unless told'),
    ('America/Argentina/Buenos_Aires', '2026-11-20', '2026-11-20', '2026-11-20 03:00Z', '2026-11-21 03:00Z', 'one whole day'),
    ('America/New_York', '2026-03-08', '2026-03-08', '2026-03-08 05:00Z', '2026-03-09 04:00Z', 'a day of 23 hours'),
    ('America/New_York', '2026-11-01', '2026-11-01', '2026-11-01 04:00Z', '2026-11-02 05:00Z', 'a day of 25 hours'),
    ('America/New_York', '2026-03-07', '2026-03-08', '2026-03-07 05:00Z', '2026-03-09 04:00Z', 'a weekend that clocks go forward in'),
    ('America/New_York', '2026-10-31', '2026-11-01', '2026-10-31 04:00Z', '2026-11-02 05:00Z', 'a weekend that they go back in'),
    ('America/Santiago', '2026-09-06', '2026-09-06', '2026-09-06 04:00Z', '2026-09-07 03:00Z', 'a day without a midnight'),
    ('America/Santiago', '2026-09-05', '2026-09-05', '2026-09-05 04:00Z', '2026-09-06 04:00Z', 'the day before one'),
    ('America/Santiago', '2026-04-04', '2026-04-04', '2026-04-04 03:00Z', '2026-04-05 04:00Z', 'a day whose last hour comes twice'),
    ('America/Havana', '2026-11-01', '2026-11-01', '2026-11-01 04:00Z', '2026-11-02 05:00Z', 'a day with two midnights'),
    ('America/Havana', '2026-10-31', '2026-10-31', '2026-10-31 04:00Z', '2026-11-01 04:00Z', 'the day before one'),
    ('Africa/Cairo', '2026-04-24', '2026-04-24', '2026-04-23 22:00Z', '2026-04-24 21:00Z', 'a day without a midnight, east'),
    ('UTC', '2028-02-29', '2028-02-29', '2028-02-29 00:00Z', '2028-03-01 00:00Z', 'a leap day')
  ) as given (zone, first_day, last_day, opens, ends, what);

select is(pg_temp.moment(event, 'start_date'), opens, format('%s opens at its first moment: %s %s', what, zone, first_day)) from days;
select is(pg_temp.moment(event, 'end_date'), ends, format('%s ends with its last: %s %s', what, zone, last_day)) from days;
select is(
  (select string_agg(concat_ws(' ', event ->> 'local_start', event ->> 'local_end'), ' ') from days where what = 'a day without a midnight'),
  '2026-09-06T01:00:00 2026-09-07T00:00:00', 'staff reads them as on a clock there'
);

-- What is no whole day.
select is(
  pg_temp.moment(pg_temp.create_event('{"start_date": "2026-11-20T21:00", "config": {"timezone": "America/New_York"}}'), 'start_date'),
  '2026-11-21 02:00Z', 'a time is one on a clock there'
);
select is(
  pg_temp.moment(pg_temp.create_event('{"start_date": "2026-03-08T02:30", "config": {"timezone": "America/New_York"}}'), 'start_date'),
  '2026-03-08 07:30Z', 'one that no clock shows is as long after the change'
);
select is(
  pg_temp.moment(pg_temp.create_event('{"start_date": "2026-11-20T21:00:00+02:00", "config": {"timezone": "America/New_York"}}'), 'start_date'),
  '2026-11-20 19:00Z', 'an instant is itself'
);
select is(pg_temp.create_event('{}') ->> 'end_date', null, 'and an event needs no dates');

-- What no calendar has.
select is(
  pg_temp.create_event(given.body) ->> 'code' || ' ' || (pg_temp.create_event(given.body) ->> 'field'), given.expected,
  format('refused: %s', given.body)
)
from (values
  ('{"start_date": "2026-02-30"}'::jsonb, 'INVALID_INPUT start_date'),
  ('{"end_date": "2026-02-29"}', 'INVALID_INPUT end_date'),
  ('{"end_date": "2026-11-20T25:00"}', 'INVALID_INPUT end_date'),
  ('{"start_date": "2026-11-20T21:00:00+99:00"}', 'INVALID_INPUT start_date'),
  ('{"start_date": "2026-11-21", "end_date": "2026-11-20"}', 'INVALID_INPUT end_date'),
  ('{"start_date": "2026-11-21T10:00", "end_date": "2026-11-21T10:00"}', 'INVALID_INPUT end_date'),
  ('{"start_date": "2026-11-21", "config": {"timezone": "America/Atlantis"}}', 'INVALID_INPUT config.timezone')
) as given (body, expected);

-- Changes.
create temporary table party as
  select pg_temp.create_event('{"start_date": "2026-11-20", "end_date": "2026-11-21", "config": {"timezone": "America/New_York"}}') as event;
create function pg_temp.change(p_changes jsonb)
returns jsonb
language sql
as $$
  select public.update_event('7f000000-0000-4000-8000-000000000001', (party.event ->> 'id')::uuid, p_changes) from pg_temp.party;
$$;
select is(
  pg_temp.moment(pg_temp.change('{"config": {"timezone": "Europe/Madrid"}}'), 'start_date'), '2026-11-20 05:00Z',
  'a new time zone alone moves no date'
);
select is(
  pg_temp.moment(pg_temp.change('{"start_date": "2026-11-20"}'), 'start_date'), '2026-11-19 23:00Z', 'dates are read in the one that the event has'
);
select is(
  pg_temp.moment(pg_temp.change('{"end_date": "2026-11-22", "config": {"timezone": "America/New_York"}}'), 'end_date'), '2026-11-23 05:00Z',
  'or that it gets with them'
);
select is(pg_temp.change('{"end_date": null}') ->> 'end_date', null, 'and can be taken away');

select * from finish();
rollback;

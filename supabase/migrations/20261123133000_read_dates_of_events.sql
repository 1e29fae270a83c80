-- "From the 20th to the 21st", as a person means it in the time zone of the event.

create or replace function private.read_moment(p_text text, p_timezone text, p_is_end boolean)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  v_midnight timestamp;
  v_moment timestamptz;
begin
  if p_text !~ '^\d{4}-\d\d-\d\d$' then
    return case
      when p_text ~ '(Z|[+-]\d\d:?\d\d)$' then p_text::timestamptz
      else p_text::timestamp at time zone p_timezone
    end;
  end if;

  v_midnight := p_text::date + p_is_end::integer;
  v_moment := v_midnight at time zone p_timezone;
  -- PostgreSQL takes the second of two midnights, but the day begins with the first.
  if (v_moment - interval '1 hour') at time zone p_timezone = v_midnight then
    return v_moment - interval '1 hour';
  end if;
  return v_moment;
end;
$$;
comment on function private.read_moment(text, text, boolean) is
  'What a person means by a moment in a time zone: a date is the midnight that begins the day, as an end the one that ends it; a time without offset is on a clock there; a time with one is itself. Where a midnight does not exist because clocks go forward, the first moment of the day; where it comes twice because they go back, the first.';

create function private.timezone_of(p_config jsonb)
returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_timezone text := coalesce(p_config ->> 'timezone', 'America/Argentina/Buenos_Aires');
begin
  perform now() at time zone v_timezone;
  return v_timezone;
exception
  when invalid_parameter_value then
    perform private.refuse(
      'INVALID_INPUT', format('%s is no time zone', v_timezone), jsonb_build_object('field', 'config.timezone'),
      'Use a name of the IANA database, for example America/Argentina/Buenos_Aires'
    );
end;
$$;
comment on function private.timezone_of(jsonb) is
  'The time zone of an event with these settings. INVALID_INPUT when there is no such zone.';

create function private.read_event_date(p_body jsonb, p_field text, p_timezone text)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
begin
  return private.read_moment(p_body ->> p_field, p_timezone, p_field = 'end_date');
exception
  when data_exception then
    perform private.refuse(
      'INVALID_INPUT', format('%s is no date of the calendar', p_body ->> p_field), jsonb_build_object('field', p_field),
      'Use 2026-11-20, 2026-11-20T21:00 or 2026-11-20T21:00:00-03:00'
    );
end;
$$;
comment on function private.read_event_date(jsonb, text, text) is
  'The instant that start_date or end_date of a request means in a time zone; null when it names none. INVALID_INPUT for what no calendar has.';

-- What an event must be like, however it comes to be: created, changed or copied from another.

create function private.merge_config(p_config jsonb, p_changes jsonb)
returns jsonb
language sql immutable set search_path = ''
as $$
  -- Limits are merged one by one as well.
  select jsonb_strip_nulls(
    p_config || coalesce(p_changes, '{}') || case
      when jsonb_typeof(p_changes -> 'limits') = 'object'
        then jsonb_build_object('limits', coalesce(p_config -> 'limits', '{}') || (p_changes -> 'limits'))
      else '{}'
    end
  );
$$;
comment on function private.merge_config(jsonb, jsonb) is
  'Settings after a change: what the change does not name stays, what it says null to goes back to the default.';

create function private.check_given_styles(p_style_ids text[], p_field text)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_message text;
  v_hint text;
begin
  perform private.check_style_ids(p_style_ids, p_field);
exception
  when check_violation then
    get stacked diagnostics v_message = message_text, v_hint = pg_exception_hint;
    perform private.refuse('INVALID_INPUT', v_message, jsonb_build_object('field', p_field), v_hint);
end;
$$;
comment on function private.check_given_styles(text[], text) is 'INVALID_INPUT when a field of a request names a style that does not exist.';

create function private.check_event_draft(p_event public.events, p_body jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  perform private.check_given_styles(p_event.selected_styles, 'selected_styles');
  if p_event.client_id is not null and not exists (
    select from public.clients where clients.id = p_event.client_id and clients.partner_id = p_event.partner_id
  ) then
    perform private.refuse(
      'NOT_FOUND', format('There is no client %s', p_event.client_id), jsonb_build_object('field', 'client_id')
    );
  end if;
  if p_event.end_date <= p_event.start_date then
    perform private.refuse(
      'INVALID_INPUT', format('The event would end (%s) before it starts (%s)', p_event.end_date, p_event.start_date),
      jsonb_build_object('field', case when p_body ? 'end_date' or not p_body ? 'start_date' then 'end_date' else 'start_date' end)
    );
  end if;
end;
$$;
comment on function private.check_event_draft(public.events, jsonb) is
  'What must be true of an event that a request (p_body) makes or changes, each with the field that is to blame. INVALID_INPUT (unknown style; end before start), NOT_FOUND (client_id: no client of its partner).';

create function private.read_slug(p_text text)
returns private.slug
language plpgsql immutable set search_path = ''
as $$
begin
  return p_text::private.slug;
exception
  when check_violation then
    perform private.refuse(
      'INVALID_INPUT', format('%s is no slug', p_text), jsonb_build_object('field', 'event_slug'),
      'Use 3 to 64 of a-z, 0-9 and -, not of the form of a UUID'
    );
end;
$$;
comment on function private.read_slug(text) is 'The public name that a request asks for. INVALID_INPUT.';

create function private.slug_of(p_name text, p_suffix text default null)
returns text
language sql immutable set search_path = ''
as $$
  select case when length(words.slug) < 3 then concat_ws('-', nullif(words.slug, ''), 'event') else words.slug end
    || coalesce('-' || p_suffix, '')
  from (
    -- Letters lose their accents (NFD takes them apart), whatever else is not a-z or 0-9 parts words.
    select btrim(
      left(
        btrim(
          regexp_replace(
            regexp_replace(normalize(replace(lower(p_name), 'ß', 'ss'), nfd), '[\u0300-\u036f]', '', 'g'),
            '[^a-z0-9]+', '-', 'g'
          ),
          '-'
        ),
        50
      ),
      '-'
    )
  ) as words (slug);
$$;
comment on function private.slug_of(text, text) is
  'A public name made of the words of another: "Ñandú & Co." is nandu-co. A suffix tells apart what has the same words.';

create function private.insert_event(p_event public.events)
returns public.events
language plpgsql set search_path = ''
as $$
declare
  v_slug text := coalesce(p_event.event_slug, private.slug_of(p_event.event_name));
  v_event public.events;
begin
  loop
    insert into public.events (
      partner_id, client_id, event_name, event_slug, client_name, client_email, selected_styles, config, start_date, end_date
    )
    values (
      p_event.partner_id, p_event.client_id, p_event.event_name, v_slug, p_event.client_name, p_event.client_email,
      coalesce(p_event.selected_styles, '{}'), p_event.config, p_event.start_date, p_event.end_date
    )
    on conflict on constraint events_event_slug_key do nothing
    returning * into v_event;
    exit when found;

    if p_event.event_slug is not null then
      perform private.refuse(
        'SLUG_TAKEN', format('Another event is called %s', v_slug), jsonb_build_object('field', 'event_slug')
      );
    end if;
    v_slug := private.slug_of(p_event.event_name, encode(extensions.gen_random_bytes(3), 'hex'));
  end loop;
  return v_event;
end;
$$;
comment on function private.insert_event(public.events) is
  'Adds an event with a key of its own, without credits and PIN. Without a slug it gets one of its name. SLUG_TAKEN.';

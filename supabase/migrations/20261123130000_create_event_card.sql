-- The public card of an event: what a guest's page needs before the first photo, and nothing else.

create function private.styles_offered(p_event public.events)
returns setof public.styles_metadata
language sql stable set search_path = '' rows 50
as $$
  select styles_metadata.*
  from public.styles_metadata
  where styles_metadata.is_active
    and (p_event.selected_styles = '{}' or styles_metadata.id = any (p_event.selected_styles))
    and not exists (
      select from public.clients
      where clients.id = p_event.client_id
        and clients.contracted_styles <> '{}'
        and styles_metadata.id <> all (clients.contracted_styles)
    )
    and exists (select from public.identity_prompts where identity_prompts.id = styles_metadata.id);
$$;
comment on function private.styles_offered(public.events) is
  'Styles that guests of an event may choose: active, with a prompt, selected by the event and contracted by its client, where an empty list means all. The same rule for one style, at the speed of a photo request: private.check_style_offered.';

create function private.resolve_branding(p_event public.events)
returns jsonb
language sql stable set search_path = ''
as $$
  -- The event's word over the client's over the partner's; a word of null is none.
  select jsonb_strip_nulls(coalesce(partners.config, '{}')) || jsonb_strip_nulls(coalesce(clients.config, '{}'))
    || jsonb_strip_nulls(p_event.config)
  from (select p_event.client_id, p_event.partner_id) as event
  left join public.clients on clients.id = event.client_id
  left join public.partners on partners.id = event.partner_id;
$$;
comment on function private.resolve_branding(public.events) is
  'The settings of an event over those of its client over those of its partner. Of these callers show what they name.';

create function public.get_event_card(p_event_slug text)
returns table (
  event_name text,
  event_slug text,
  phase text,
  start_date timestamptz,
  end_date timestamptz,
  local_start text,
  local_end text,
  timezone text,
  access text,
  is_gallery_open boolean,
  branding jsonb,
  styles jsonb
)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_event public.events := private.find_event(null, p_event_slug);
  v_branding jsonb := private.resolve_branding(v_event);
  v_timezone text := coalesce(v_event.config ->> 'timezone', 'America/Argentina/Buenos_Aires');
begin
  return query select
    v_event.event_name::text,
    v_event.event_slug::text,
    private.event_phase(v_event),
    v_event.start_date,
    v_event.end_date,
    to_char(v_event.start_date at time zone v_timezone, 'YYYY-MM-DD"T"HH24:MI:SS'),
    to_char(v_event.end_date at time zone v_timezone, 'YYYY-MM-DD"T"HH24:MI:SS'),
    v_timezone,
    coalesce(v_event.config ->> 'access', 'link'),
    private.gallery_open_until(v_event.config, v_event.end_date, v_event.closed_at) > now(),
    jsonb_build_object(
      'logo_url', v_branding -> 'logo_url',
      'primary_color', v_branding -> 'primary_color',
      'radius', v_branding -> 'radius',
      'welcome_text', v_event.config -> 'welcome_text',
      'show_welcome_screen', coalesce(v_event.config -> 'show_welcome_screen', 'false')
    ),
    coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'id', offered.id, 'label', offered.label, 'category', offered.category, 'pack', offered.subcategory,
            'tags', offered.tags, 'image_url', offered.image_url
          )
          order by offered.sort_order, offered.id
        )
        from private.styles_offered(v_event) as offered
      ),
      '[]'
    );
end;
$$;
comment on function public.get_event_card(text) is
  'What anybody may know of an event: name, phase, dates (instants, and as they read on a clock of its time zone), how it is entered, whether its gallery is open, branding and the styles it offers. EVENT_NOT_FOUND. Definer; service_role only.';
revoke execute on function public.get_event_card(text) from public, anon, authenticated;
grant execute on function public.get_event_card(text) to service_role;

create function public.list_gallery(p_event_slug text, p_before timestamptz, p_before_url text, p_limit integer)
returns table (style_id text, aspect_ratio text, image_url text, created_at timestamptz)
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.find_event(null, p_event_slug);
  return query
  select gallery_photos.style_id, gallery_photos.aspect_ratio, gallery_photos.image_url, gallery_photos.created_at
  from private.gallery_photos
  where gallery_photos.event_slug = p_event_slug
    and gallery_photos.open_until > now()
    and (p_before is null or (gallery_photos.created_at, gallery_photos.image_url) < (p_before, p_before_url))
  order by gallery_photos.created_at desc, gallery_photos.image_url desc
  limit p_limit;
end;
$$;
comment on function public.list_gallery(text, timestamptz, text, integer) is
  'A page of an event''s open gallery, newest first; empty when it is closed. Pages by keyset: p_before and p_before_url are those of the last picture of the page before. EVENT_NOT_FOUND. Definer; service_role only.';
revoke execute on function public.list_gallery(text, timestamptz, text, integer) from public, anon, authenticated;
grant execute on function public.list_gallery(text, timestamptz, text, integer) to service_role;

-- The host's side of an event: what they see of it, and what of it is theirs to change.

create function private.styles_contracted(p_event public.events)
returns setof public.styles_metadata
language plpgsql stable set search_path = '' rows 50
as $$
begin
  p_event.selected_styles := '{}';
  return query select * from private.styles_offered(p_event);
end;
$$;
comment on function private.styles_contracted(public.events) is
  'Styles that a host may choose from: those which the event would offer if it selected none.';

create function private.describe_host_event(p_event public.events)
returns jsonb
language sql stable set search_path = ''
as $$
  select private.describe_event(p_event) - '{config,partner_id,client_email,has_pin,is_partner_active,is_client_active,updated_at}'::text[]
    || jsonb_build_object(
      'timezone', private.timezone_of(p_event.config),
      'gallery', coalesce(p_event.config ->> 'gallery', 'during'),
      'is_gallery_open', private.gallery_open_until(p_event.config, p_event.end_date, p_event.closed_at) > now(),
      'moderation', coalesce(p_event.config ->> 'moderation', 'off'),
      'access', coalesce(p_event.config ->> 'access', 'link'),
      'welcome_text', p_event.config -> 'welcome_text',
      'show_welcome_screen', coalesce(p_event.config -> 'show_welcome_screen', 'false'),
      'logo_url', p_event.config -> 'logo_url',
      'primary_color', p_event.config -> 'primary_color',
      'branding', private.resolve_branding(p_event),
      'styles', coalesce(
        (
          select jsonb_agg(
            jsonb_build_object('id', styles.id, 'label', styles.label, 'pack', styles.subcategory, 'image_url', styles.image_url)
            order by styles.sort_order, styles.id
          )
          from private.styles_contracted(p_event) as styles
        ),
        '[]'
      )
    );
$$;
comment on function private.describe_host_event(public.events) is
  'An event as its host sees it: settings flat, with the styles to choose from. No PIN, no key, nothing of the partner.';

create function public.get_host_event(p_actor_id uuid, p_token text, p_event_slug text)
returns jsonb
language sql stable security definer set search_path = ''
as $$
  select private.describe_host_event(private.host_event(p_actor_id, p_token, p_event_slug));
$$;
comment on function public.get_host_event(uuid, text, text) is
  'The event of a host. Refuses as private.host_event does. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_host_event(uuid, text, text) from public, anon, authenticated;
grant execute on function public.get_host_event(uuid, text, text) to service_role;

create function private.check_host_choice(p_event public.events, p_changes jsonb, p_assets_url text)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_style text;
  v_logo text := p_changes #>> '{config,logo_url}';
begin
  select given.id into v_style
  from jsonb_array_elements_text(p_changes -> 'selected_styles') as given (id)
  where not exists (select from private.styles_contracted(p_event) as styles where styles.id = given.id)
  limit 1;
  if found then
    perform private.refuse(
      'INVALID_INPUT', format('%s is none of the styles that this event may offer', v_style),
      jsonb_build_object('field', 'selected_styles')
    );
  end if;

  -- A host shows guests pictures of their own event, not of any address.
  if not starts_with(v_logo, format('%s/events/%s/', p_assets_url, p_event.id)) then
    perform private.refuse(
      'INVALID_INPUT', 'This is not an address that logo-url gave for this event', jsonb_build_object('field', 'logo_url')
    );
  end if;
end;
$$;
comment on function private.check_host_choice(public.events, jsonb, text) is
  'INVALID_INPUT when a host chooses a style that was not contracted or a logo from elsewhere.';

create function public.update_host_event(
  p_actor_id uuid, p_token text, p_event_slug text, p_changes jsonb, p_assets_url text
)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_event_id uuid := (private.host_event(p_actor_id, p_token, p_event_slug)).id;
  v_old public.events;
  v_new public.events;
begin
  select * into strict v_old from public.events where events.id = v_event_id for no key update;
  perform private.check_closed_event_change(v_old, p_changes);
  perform private.check_host_choice(v_old, p_changes, p_assets_url);

  v_new := jsonb_populate_record(v_old, p_changes - 'config');
  update public.events
  set event_name = v_new.event_name,
    selected_styles = v_new.selected_styles,
    config = private.merge_config(v_old.config, p_changes -> 'config')
  where events.id = v_event_id
  returning * into v_new;
  perform private.log_change(
    p_actor_id, 'update_as_host', 'event', v_event_id, private.describe_event(v_old), private.describe_event(v_new)
  );
  return private.describe_host_event(v_new);
end;
$$;
comment on function public.update_host_event(uuid, text, text, jsonb, text) is
  'A host changes the name, the styles or the looks, gallery and moderation (p_changes.config) of their event. p_assets_url is the address of the public bucket that logos lie in. Refuses as private.host_event does; EVENT_ENDED (closed: the styles are final), INVALID_INPUT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated, and that it let no other field pass.';
revoke execute on function public.update_host_event(uuid, text, text, jsonb, text) from public, anon, authenticated;
grant execute on function public.update_host_event(uuid, text, text, jsonb, text) to service_role;

create function public.issue_event_logo(p_actor_id uuid, p_token text, p_event_slug text)
returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events := private.host_event(p_actor_id, p_token, p_event_slug);
begin
  perform private.log_action(p_actor_id, 'issue_logo_upload', 'event', v_event.id, null, null);
  return format('events/%s/logo.png', v_event.id);
end;
$$;
comment on function public.issue_event_logo(uuid, text, text) is
  'Where in event_assets the logo of a host''s event lies, for an address to upload it to. Refuses as private.host_event does. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.issue_event_logo(uuid, text, text) from public, anon, authenticated;
grant execute on function public.issue_event_logo(uuid, text, text) to service_role;

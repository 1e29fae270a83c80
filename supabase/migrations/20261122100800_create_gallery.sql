-- The public gallery reads a table of its own, not generations: that one holds the generation id,
-- which is the guest's key to the photo, in a column that owners must be able to read. A policy that
-- opened its rows to everybody would open that column to every signed-in person too. Here the row is
-- exactly what the public may know, and the policy looks at nothing but the row.

create table private.gallery_photos (
  generation_id uuid not null,
  event_id uuid not null,
  event_slug text not null,
  style_id text not null,
  aspect_ratio text not null,
  image_url text not null,
  created_at timestamptz not null,
  open_until timestamptz not null,
  constraint gallery_photos_pkey primary key (generation_id),
  constraint gallery_photos_generation_id_fkey foreign key (generation_id) references public.generations (id) on delete cascade
);

create index gallery_photos_event_id_created_at_idx on private.gallery_photos (event_id, created_at desc);
create index gallery_photos_event_slug_created_at_idx on private.gallery_photos (event_slug, created_at desc);

alter table private.gallery_photos enable row level security;

grant select (event_id, event_slug, style_id, aspect_ratio, image_url, created_at, open_until)
  on private.gallery_photos to anon, authenticated, service_role;

create policy gallery_photos_select_open on private.gallery_photos
  for select to anon, authenticated
  using (open_until > now());

comment on table private.gallery_photos is 'Succeeded, visible, undeleted photos of events, kept by triggers; what event_gallery shows.';
comment on column private.gallery_photos.open_until is 'The gallery shows the row until then: -infinity when closed, infinity when it stays open.';
comment on policy gallery_photos_select_open on private.gallery_photos is 'Everybody sees photos of galleries that are open now.';

create view public.event_gallery
with (security_invoker = true)
as
  select event_id, event_slug, style_id, aspect_ratio, image_url, created_at
  from private.gallery_photos
  where open_until > now();
comment on view public.event_gallery is 'Pictures of events whose gallery is open now, newest first by created_at. No generation id.';
grant select on public.event_gallery to anon, authenticated, service_role;

create function private.gallery_open_until(p_config jsonb, p_end_date timestamptz, p_closed_at timestamptz)
returns timestamptz
language sql immutable set search_path = ''
as $$
  select case p_config ->> 'gallery'
    when 'closed' then '-infinity'::timestamptz
    when 'open' then 'infinity'::timestamptz
    else least(coalesce(p_end_date, 'infinity'), coalesce(p_closed_at, 'infinity'))
  end;
$$;
comment on function private.gallery_open_until is 'When the gallery of an event with these settings ends; during (the default) means with the event.';

create function private.show_photo_in_gallery()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.image_url is null then
    delete from private.gallery_photos where generation_id = new.id;
  else
    insert into private.gallery_photos (
      generation_id, event_id, event_slug, style_id, aspect_ratio, image_url, created_at, open_until
    )
    select new.id, events.id, events.event_slug, new.style_id, new.aspect_ratio, new.image_url, new.created_at,
      private.gallery_open_until(events.config, events.end_date, events.closed_at)
    from public.events
    where events.id = new.event_id
    -- An event that is being closed at this moment must not miss the photo.
    for share
    on conflict (generation_id) do update set image_url = excluded.image_url;
  end if;
  return null;
end;
$$;
comment on function private.show_photo_in_gallery() is
  'Trigger: a photo enters the gallery when its picture becomes public and leaves it when it no longer is. Definer: nobody may write the gallery.';

create trigger generations_show_in_gallery after update of image_url on public.generations
  for each row when (new.event_id is not null and old.image_url is distinct from new.image_url)
  execute function private.show_photo_in_gallery();

create function private.follow_event_in_gallery()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update private.gallery_photos
  set event_slug = new.event_slug,
    open_until = private.gallery_open_until(new.config, new.end_date, new.closed_at)
  where event_id = new.id;
  return null;
end;
$$;
comment on function private.follow_event_in_gallery() is
  'Trigger: a new slug, end or gallery setting of an event reaches its photos at once. Definer: nobody may write the gallery.';

create trigger events_follow_in_gallery after update of event_slug, config, end_date, closed_at on public.events
  for each row when (
    old.event_slug <> new.event_slug
    or private.gallery_open_until(old.config, old.end_date, old.closed_at)
      <> private.gallery_open_until(new.config, new.end_date, new.closed_at)
  )
  execute function private.follow_event_in_gallery();

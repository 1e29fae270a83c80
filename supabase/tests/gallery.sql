-- event_gallery: what everybody may see of a party, while its gallery is open, and never the key to a photo.

begin;
create extension if not exists pgtap with schema extensions;
select plan(47);

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (event_name, event_slug, config, end_date)
values
  ('Tap', 'tap-unset', '{}', now() + interval '1 hour'),
  ('Tap', 'tap-during', '{"gallery": "during"}', null),
  ('Tap', 'tap-open', '{"gallery": "open"}', now() + interval '1 hour'),
  ('Tap', 'tap-shut', '{"gallery": "closed"}', null),
  ('Tap', 'tap-moderated', '{"moderation": "before"}', null);
select private.post_movement('grant', 'issued', null, 'event', id, 10, 'tap-give:' || event_slug)
from public.events
where event_slug like 'tap-%';
insert into auth.users (id, email) values ('8e000000-0000-4000-8000-000000000001', 'user@tap.example');
select private.post_movement('grant', 'issued', null, 'user', '8e000000-0000-4000-8000-000000000001', 500, 'tap-user');

-- One finished photo per event, and one of a user. The picture is named after the event.
create temporary table photos (name text primary key, id uuid);
create function pg_temp.make_photo(p_name text, p_slug text, p_user_id uuid default null)
returns void
language plpgsql
as $$
declare
  v_attempt_id bigint;
begin
  insert into photos
  select p_name, begun.generation_id
  from public.begin_generation(
    'tap_a', '9:16', 'selfies/' || p_name, p_photo_hash => 'h', p_event_slug => p_slug, p_user_id => p_user_id, p_guest_id => 'tap_guest_1'
  ) as begun;
  insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
  select photos.id, 1, 'tap', 'x', 'tap', 1 from photos where photos.name = p_name
  returning id into v_attempt_id;
  perform public.complete_generation(
    v_attempt_id, 'tap-' || p_name,
    case when p_slug = 'tap-moderated' then 'generations_private' else 'generations' end,
    format('https://tap.example/%s.png', p_name), 9000, 1
  );
end;
$$;

create function pg_temp.id(p_name text)
returns uuid
language sql stable
as $$ select photos.id from photos where photos.name = p_name; $$;

-- What a role's query of one value comes to, or the SQLSTATE of its refusal.
create function pg_temp.as_role(p_role text, p_query text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_answer text;
begin
  perform set_config('role', p_role, true);
  execute p_query into v_answer;
  perform set_config('role', v_me, true);
  return v_answer;
exception
  when others then
    return sqlstate;
end;
$$;

-- The pictures of these tests that somebody without an account sees.
create function pg_temp.seen(p_role text default 'anon')
returns text
language sql
as $$
  select coalesce(pg_temp.as_role(p_role, $q$
    select string_agg(substr(image_url, 21), ' ' order by image_url) from public.event_gallery
    where image_url like 'https://tap.example/%'
  $q$), '');
$$;

select pg_temp.make_photo('unset', 'tap-unset'), pg_temp.make_photo('during', 'tap-during'), pg_temp.make_photo('open', 'tap-open'),
  pg_temp.make_photo('shut', 'tap-shut'), pg_temp.make_photo('moderated', 'tap-moderated'),
  pg_temp.make_photo('own', null, '8e000000-0000-4000-8000-000000000001');

-- Who sees what

select is(
  pg_temp.seen(), 'during.png open.png unset.png',
  'everybody sees the photos of galleries that are open: not of a closed one, not those that wait for approval, not those of users'
);
select is(pg_temp.seen('authenticated'), pg_temp.seen(), 'a signed-in person sees the same');
select is(pg_temp.seen('service_role'), pg_temp.seen(), 'the service sees the same, although policies do not bind it');
select results_eq(
  $$ select event_gallery.event_slug, event_gallery.style_id, event_gallery.aspect_ratio, event_gallery.event_id = events.id, event_gallery.created_at
     from public.event_gallery join public.events using (event_slug) where event_slug = 'tap-open' $$,
  $$ values ('tap-open', 'tap_a', '9:16', true, now()) $$,
  'a photo of the gallery says its event, style, ratio and time'
);

-- The key to a photo is not there

select columns_are(
  'public', 'event_gallery', array['event_id', 'event_slug', 'style_id', 'aspect_ratio', 'image_url', 'created_at'],
  'the gallery has the six columns that clients know'
);
select is(
  (select count(*)::integer from public.event_gallery, photos where strpos(event_gallery::text, photos.id::text) > 0), 0,
  'no row of the gallery contains the id of a photo'
);
select is(
  (select count(*)::integer from public.event_gallery where event_gallery::text like '%tap_guest_1%'), 0, 'no row of the gallery names a guest'
);
select is(
  pg_temp.as_role('anon', 'select count(*) from private.gallery_photos where generation_id is not null'), '42501',
  'behind the gallery the id of a photo cannot be read either'
);
select is(
  pg_temp.as_role('authenticated', 'select count(*) from private.gallery_photos where generation_id is not null'), '42501',
  'behind the gallery a signed-in person cannot read it either'
);
select is(
  pg_temp.as_role('anon', $$select string_agg(event_slug, ' ') from private.gallery_photos where event_slug = 'tap-shut'$$), null,
  'behind the gallery a closed one stays closed'
);
select is(
  pg_temp.as_role('anon', $$select string_agg(event_slug, ' ') from private.gallery_photos where event_slug = 'tap-open'$$), 'tap-open',
  'behind the gallery an open one is as open as in it'
);
select is(pg_temp.as_role('anon', 'select count(id) from public.generations'), '42501', 'somebody without an account cannot read generations');
select is(pg_temp.as_role('anon', 'select count(id) from public.events'), '42501', 'somebody without an account cannot read events');
select is(
  pg_temp.as_role('authenticated', 'select count(id) from public.generations'), '0', 'a signed-in person reads no generation of others'
);
select is(
  pg_temp.as_role('anon', $$insert into public.event_gallery (event_slug) values ('tap-open') returning event_slug$$), '42501',
  'nobody writes into the gallery'
);
select is(
  pg_temp.as_role('service_role', 'delete from private.gallery_photos returning event_slug'), '42501', 'not even the service writes into the gallery'
);

-- Photos come and go

update public.generations set visibility = 'hidden', image_url = null where id = pg_temp.id('open');
select is(pg_temp.seen(), 'during.png unset.png', 'a hidden photo leaves');
update public.generations set visibility = 'visible', image_url = 'https://tap.example/open.png' where id = pg_temp.id('open');
select is(pg_temp.seen(), 'during.png open.png unset.png', 'a photo that is shown again returns');
update public.generations set visibility = 'visible', image_url = 'https://tap.example/moderated.png' where id = pg_temp.id('moderated');
select is(pg_temp.seen(), 'during.png moderated.png open.png unset.png', 'an approved photo enters');
update public.generations set image_url = 'https://tap.example/moved.png' where id = pg_temp.id('moderated');
select is(pg_temp.seen(), 'during.png moved.png open.png unset.png', 'a new address of a picture replaces the old one');
select public.delete_generation(pg_temp.id('moderated'));
select is(pg_temp.seen(), 'during.png open.png unset.png', 'a deleted photo leaves');
delete from public.generations where id = pg_temp.id('moderated');
select is(
  (select count(*)::integer from private.gallery_photos where generation_id = pg_temp.id('moderated')), 0, 'a row that is gone leaves nothing behind'
);

-- Galleries open and close

select ok(pg_temp.seen() ~ 'unset', 'a gallery without a setting is open during the event');
update public.events set end_date = now() where event_slug = 'tap-unset';
select is(pg_temp.seen(), 'during.png open.png', 'without a setting the gallery closes with the end of the event');
update public.events set end_date = now() + interval '1 second' where event_slug = 'tap-unset';
select is(pg_temp.seen(), 'during.png open.png unset.png', 'an event that is prolonged opens its gallery again');
update public.events set end_date = null where event_slug = 'tap-unset';
select is(pg_temp.seen(), 'during.png open.png unset.png', 'an event without an end keeps its gallery open');
update public.events set closed_at = now() where event_slug = 'tap-unset';
select is(pg_temp.seen(), 'during.png open.png', 'without a setting the gallery closes when the event is closed');

update public.events set closed_at = now() where event_slug = 'tap-during';
select is(pg_temp.seen(), 'open.png', 'the gallery of during closes when the event is closed');
update public.events set config = config || '{"gallery": "open"}' where event_slug = 'tap-during';
select is(pg_temp.seen(), 'during.png open.png', 'a gallery set to open shows the photos of an event that is over');
update public.events set end_date = now() - interval '1 day', closed_at = now() where event_slug = 'tap-open';
select is(pg_temp.seen(), 'during.png open.png', 'the gallery of open outlives the event');
update public.events set config = config || '{"gallery": "closed"}' where event_slug = 'tap-open';
select is(pg_temp.seen(), 'during.png', 'a gallery set to closed closes at once');
update public.events set config = '{"gallery": "open"}' where event_slug = 'tap-shut';
select is(pg_temp.seen(), 'during.png shut.png', 'a gallery that was closed from the start shows its photos when it opens');
update public.events set config = '{}', end_date = now() + interval '1 hour', closed_at = now() + interval '2 hours' where event_slug = 'tap-shut';
select is(
  (select open_until from private.gallery_photos where event_slug = 'tap-shut'), now() + interval '1 hour',
  'a gallery closes at the end or the closing of its event, whichever comes first'
);

-- A photo that enters later finds the gallery as it is now

update public.events set config = '{"gallery": "closed"}', end_date = null, closed_at = null where event_slug = 'tap-shut';
select pg_temp.make_photo('later', 'tap-shut');
select is(pg_temp.seen(), 'during.png', 'a new photo does not open a closed gallery');
update public.events set config = '{"gallery": "during"}' where event_slug = 'tap-shut';
select is(pg_temp.seen(), 'during.png later.png shut.png', 'a gallery that opens shows new and old photos');

-- The name of the event follows

create function pg_temp.slugs()
returns text
language sql
as $$
  select pg_temp.as_role('anon', $q$
    select string_agg(event_slug, ' ' order by event_slug) from public.event_gallery where image_url ~ 'tap.example/(later|shut|during)'
  $q$);
$$;
select is(pg_temp.slugs(), 'tap-during tap-shut tap-shut', 'photos carry the slug of their event');
update public.events set event_slug = 'tap-renamed' where event_slug = 'tap-shut';
select is(pg_temp.slugs(), 'tap-during tap-renamed tap-renamed', 'photos carry a new slug of their event at once');
select is(
  (select count(*)::integer from private.gallery_photos where event_slug = 'tap-shut'), 0, 'the old slug finds nothing'
);
select pg_temp.make_photo('last', 'tap-renamed');
select is(pg_temp.seen(), 'during.png last.png later.png shut.png', 'a photo made under the new slug is in the gallery');

-- What does not concern the gallery leaves it alone

create temporary table gallery_before as select ctid as place, gallery_photos.* from private.gallery_photos;
update public.events set event_name = 'Another name', is_active = false, config = config || '{"welcome_text": "hi"}' where event_slug = 'tap-renamed';
select private.post_movement('adjustment', 'issued', null, 'event', id, 1, 'tap-more') from public.events where event_slug = 'tap-renamed';
select results_eq(
  'select ctid, gallery_photos.* from private.gallery_photos order by ctid', 'select * from gallery_before order by place',
  'credits and settings that do not concern the gallery do not rewrite its rows'
);

-- Nothing succeeded, nothing seen

select is(
  (select count(*)::integer from public.generations
   where event_id = (select id from public.events where event_slug = 'tap-moderated') and image_url is not null),
  0, 'nothing of the moderated event is public'
);
insert into photos
select 'unfinished', generation_id from public.begin_generation('tap_a', '1:1', 'selfies/u', p_photo_hash => 'h', p_event_slug => 'tap-moderated');
select is(
  (select count(*)::integer from private.gallery_photos where generation_id = pg_temp.id('unfinished')), 0, 'an unfinished photo is in no gallery'
);
select public.fail_generation(pg_temp.id('unfinished'), 'GENERATION_FAILED');
select is(
  (select count(*)::integer from private.gallery_photos where generation_id = pg_temp.id('unfinished')), 0, 'a failed photo is in no gallery'
);

-- When its time is over a row is closed by the clock alone

update private.gallery_photos set open_until = now() + interval '1 second' where generation_id = pg_temp.id('during');
select ok(pg_temp.seen() ~ 'during', 'a photo is seen before its time is over');
update private.gallery_photos set open_until = now() where generation_id = pg_temp.id('during');
select ok(pg_temp.seen() !~ 'during', 'a photo is not seen any more when its time is over');
select is(
  pg_temp.as_role('anon', format('select count(*) from private.gallery_photos where image_url = %L', 'https://tap.example/during.png')), '0',
  'nor behind the gallery'
);

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

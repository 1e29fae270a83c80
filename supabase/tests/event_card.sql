-- The public card of an event: branding by whose word counts, the styles really on offer, and nothing else.

begin;
create extension if not exists pgtap with schema extensions;
select plan(22);

delete from public.favorites;
update public.styles_metadata set is_active = false;
insert into public.styles_metadata (id, label, category, subcategory, is_active, sort_order)
values
  ('tap_a', 'A', 'tap', 'Tap', true, 3), ('tap_b', 'B', 'tap', 'Tap', true, 2), ('tap_c', 'C', 'tap', 'Tap', true, 1),
  ('tap_unprompted', 'U', 'tap', 'Tap', true, 4), ('tap_retired', 'R', 'tap', 'Tap', false, 5);
insert into public.identity_prompts (id, master_prompt) select id, 'Secret' from public.styles_metadata where id like 'tap\_%' and id <> 'tap_unprompted';
insert into public.partners (id, name, contact_email, config)
values (
  '7d000000-0000-4000-8000-000000000001', 'Tap Partner', 'secret@tap.example',
  '{"logo_url": "partner.png", "primary_color": "#111111", "radius": "8px", "style_presets": ["tap_a"]}'
);
insert into public.clients (id, partner_id, name, email, config, contracted_styles)
values
  ('7d000000-0000-4000-8000-000000000002', '7d000000-0000-4000-8000-000000000001', 'Tap Client', 'secret@tap.example',
    '{"logo_url": "client.png", "primary_color": null}', '{tap_a,tap_b}'),
  ('7d000000-0000-4000-8000-000000000003', '7d000000-0000-4000-8000-000000000001', 'Tap Other', null, '{}', '{}');
insert into public.events (id, partner_id, client_id, event_name, event_slug, client_email, selected_styles, config, start_date, end_date)
values
  ('7d000000-0000-4000-8000-000000000011', '7d000000-0000-4000-8000-000000000001', '7d000000-0000-4000-8000-000000000002', 'Tap Party', 'tap-card',
    'secret@tap.example', '{}', '{"primary_color": "#222222", "welcome_text": "Hi", "timezone": "America/New_York"}',
    '2030-03-09T05:00:00Z', '2030-03-11T04:00:00Z'),
  ('7d000000-0000-4000-8000-000000000012', '7d000000-0000-4000-8000-000000000001', '7d000000-0000-4000-8000-000000000003', 'Tap Open', 'tap-open',
    null, '{tap_c,tap_retired,tap_unprompted}', '{"gallery": "open", "access": "key"}', null, null),
  ('7d000000-0000-4000-8000-000000000013', null, null, 'Tap Own', 'tap-own', null, '{}', '{"gallery": "closed"}', null, null);

create temporary table cards as
  select cards.* from unnest('{tap-card,tap-open,tap-own}'::text[]) as given (slug) cross join lateral public.get_event_card(given.slug) as cards;

select is((select branding ->> 'logo_url' from cards where event_slug = 'tap-card'), 'client.png', 'the client''s logo over the partner''s');
select is((select branding ->> 'primary_color' from cards where event_slug = 'tap-card'), '#222222', 'the event''s colour over both');
select is((select branding ->> 'radius' from cards where event_slug = 'tap-card'), '8px', 'the partner''s where nobody else has a word');
select is((select branding ->> 'primary_color' from cards where event_slug = 'tap-open'), '#111111', 'the partner''s colour for a client without one');
select is((select branding ->> 'welcome_text' from cards where event_slug = 'tap-card'), 'Hi', 'the event''s welcome');
select is((select branding -> 'show_welcome_screen' from cards where event_slug = 'tap-card'), 'false', 'which is not shown unless it says so');
select is((select array_agg(style ->> 'id') from cards, jsonb_array_elements(styles) as style where event_slug = 'tap-card'), '{tap_b,tap_a}', 'what the client contracted, in its order');
select is((select array_agg(style ->> 'id') from cards, jsonb_array_elements(styles) as style where event_slug = 'tap-open'), '{tap_c}', 'what the event selected, is active and has a prompt');
select is((select array_agg(style ->> 'id') from cards, jsonb_array_elements(styles) as style where event_slug = 'tap-own'), '{tap_c,tap_b,tap_a}', 'everything where nobody chose');
select is(
  (select jsonb_agg(distinct keys.key) from cards, jsonb_array_elements(styles) as style, jsonb_object_keys(style) as keys (key)),
  '["category", "id", "image_url", "label", "pack", "tags"]', 'of a style what a guest chooses by'
);
select is((select local_start || ' ' || local_end from cards where event_slug = 'tap-card'), '2030-03-09T00:00:00 2030-03-11T00:00:00', 'dates read as on a clock of the event''s zone, also across a change to summer time');
select is((select timezone from cards where event_slug = 'tap-own'), 'America/Argentina/Buenos_Aires', 'which is Buenos Aires unless it says otherwise');
select is((select array_agg(phase order by event_slug) from cards), '{upcoming,sold_out,sold_out}', 'and its phase');
select is((select array_agg(access order by event_slug) from cards), '{link,key,link}', 'how it is entered');
select is((select array_agg(is_gallery_open order by event_slug) from cards), '{t,t,f}', 'whether there is a gallery to look at');
select is_empty($$ select from cards where cards::text ~ 'secret|Secret|partner_id|7d000000' $$, 'and nothing else');
select throws_ok($$ select public.get_event_card('tap-nowhere') $$, 'PT404', null, 'an event that does not exist has no card');

insert into public.generations (id, event_id, guest_id, style_id, aspect_ratio, credits_charged, photo_path, result_path, expected_seconds)
select format('7d000000-0000-4000-8000-0000000001%s', lpad(number::text, 2, '0'))::uuid, '7d000000-0000-4000-8000-000000000012', 'guest_of_tap', 'tap_c',
  '3:4', 0, 'tap.jpg', 'results/tap_' || number, 20
from generate_series(1, 7) as numbers (number);
insert into private.gallery_photos (generation_id, event_id, event_slug, style_id, aspect_ratio, image_url, created_at, open_until)
select id, event_id, 'tap-open', style_id, aspect_ratio, right(id::text, 1) || '.png', now() - (right(id::text, 1)::integer / 3) * interval '1 minute', 'infinity'
from public.generations where event_id = '7d000000-0000-4000-8000-000000000012';
select is((select string_agg(image_url, ' ') from public.list_gallery('tap-open', null, null, 3)), '2.png 1.png 5.png', 'the newest pictures first');
select is(
  (select string_agg(image_url, ' ') from public.list_gallery('tap-open', now() - interval '1 minute', '5.png', 10)), '4.png 3.png 7.png 6.png', 'and then the others, those of one instant too'
);
select is_empty($$ select * from public.list_gallery('tap-card', null, null, 10) $$, 'of an event only its own');
update public.events set config = config || '{"gallery": "closed"}' where event_slug = 'tap-open';
select is_empty($$ select * from public.list_gallery('tap-open', null, null, 10) $$, 'a gallery that is closed shows nothing');
select throws_ok($$ select * from public.list_gallery('tap-nowhere', null, null, 10) $$, 'PT404', null, 'an event that does not exist has none');

select * from finish();
rollback;

-- Demo data for the local stack: four accounts, a catalogue, prices, an open event, provider keys of
-- the simulator. All passwords are public, so this file refuses to run anywhere else.

do $$
begin
  if to_regclass('local_stack.marker') is null
    -- `supabase start` carries no marker of ours, but it announces its published JWT secret.
    and current_setting('app.settings.jwt_secret', true)
      is distinct from 'super-secret-jwt-token-with-at-least-32-characters-long'
  then
    raise exception using
      message = 'This database is not a local stack: the demo data, with its public passwords, stays out',
      hint = 'Push without --include-seed. Demo data is for "npm start" and "supabase start" only';
  end if;
end;
$$;

-- Accounts: e-mail = <name>@cabina.test, password = cabina-demo. Confirmed, so each has its bonus.
with people (id, name, full_name) as (
  values
    ('00000000-0000-4000-8000-000000000001'::uuid, 'master', 'Mara Master'),
    ('00000000-0000-4000-8000-000000000002'::uuid, 'partner', 'Pablo Partner'),
    ('00000000-0000-4000-8000-000000000003'::uuid, 'client', 'Carla Client'),
    ('00000000-0000-4000-8000-000000000004'::uuid, 'user', 'Ulises User')
),
users as (
  insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    created_at, updated_at,
    -- The hosted auth server cannot read null tokens.
    confirmation_token, recovery_token, email_change, email_change_token_new
  )
  select
    '00000000-0000-0000-0000-000000000000', people.id, 'authenticated', 'authenticated', people.name || '@cabina.test',
    extensions.crypt('cabina-demo', extensions.gen_salt('bf')), now(),
    '{"provider": "email", "providers": ["email"]}', jsonb_build_object('full_name', people.full_name),
    now(), now(), '', '', '', ''
  from people
  returning id, email
)
insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
select gen_random_uuid(), users.id, 'email', users.id::text,
  jsonb_build_object('sub', users.id, 'email', users.email, 'email_verified', true), now(), now(), now()
from users;

update public.profiles set role = 'master' where email = 'master@cabina.test';
update public.profiles set role = 'partner' where email = 'partner@cabina.test';
update public.profiles set role = 'client' where email = 'client@cabina.test';

insert into public.styles_metadata (id, label, category, subcategory, tags, is_premium, sort_order)
values
  ('pb_a', 'Gángster de Birmingham', 'Series', 'Peaky Blinders', '{1920,gorra,humo}', false, 10),
  ('pb_b', 'Dama del Garrison', 'Series', 'Peaky Blinders', '{1920,perlas,bar}', false, 11),
  ('suit_a', 'Socio principal', 'Series', 'Suits', '{traje,oficina}', false, 20),
  ('suit_b', 'Abogado estrella', 'Series', 'Suits', '{traje,manhattan}', false, 21),
  ('jhonw_a', 'Continental', 'Cine', 'John Wick', '{noir,hotel}', false, 30),
  ('jhonw_c', 'Baba Yaga', 'Cine', 'John Wick', '{noir,neon}', false, 31),
  ('f1_a', 'Piloto en la parrilla', 'Deportes', 'Fórmula 1', '{carrera,casco}', false, 40),
  ('f1_b', 'Podio con champaña', 'Deportes', 'Fórmula 1', '{carrera,podio}', false, 41),
  ('magia_a', 'Aprendiz de hechicería', 'Fantasía', 'Magia', '{varita,castillo}', false, 50),
  ('magia_b', 'Gran mago', 'Fantasía', 'Magia', '{baston,tormenta}', false, 51),
  ('urbano_a', 'Grafiti nocturno', 'Moda', 'Urbano', '{neon,calle}', false, 60),
  ('urbano_b', 'Trap de azotea', 'Moda', 'Urbano', '{ciudad,noche}', false, 61),
  ('heroe_a', 'Vigilante de la ciudad', 'Fantasía', 'Superhéroes', '{capa,azotea}', true, 70),
  ('heroe_b', 'Titán de acero', 'Fantasía', 'Superhéroes', '{armadura,vuelo}', true, 71),
  ('bbad_a', 'Químico del desierto', 'Series', 'Breaking Bad', '{desierto,sombrero}', true, 80);

insert into public.identity_prompts (id, master_prompt)
select looks.id,
  'Portrait of the person in the reference photo. Keep the face, age, skin tone, expression and hair recognisably '
  || 'the same person; change clothing, light and surroundings only. One person per person in the photo. ' || looks.look
from (
  values
    ('pb_a', 'Peaky Blinders, 1920s Birmingham gangster: flat cap, tweed three-piece suit, smoky street, sepia light, film grain.'),
    ('pb_b', 'Peaky Blinders, 1920s: pearls, fur collar, the bar of a smoky pub, warm sepia lamps, film grain.'),
    ('suit_a', 'Suits: senior partner of a law firm, bespoke charcoal suit, corner office, cool morning light.'),
    ('suit_b', 'Suits: star lawyer in a navy three-piece suit, Manhattan skyline behind glass, crisp corporate light.'),
    ('jhonw_a', 'John Wick: black suit in the lobby of a grand hotel, low key noir light, golden reflections.'),
    ('jhonw_c', 'John Wick: black suit, rain and neon of a city at night, noir, teal and magenta rim light.'),
    ('f1_a', 'Formula 1 driver on the grid, racing suit with invented sponsors, helmet under the arm, golden hour.'),
    ('f1_b', 'Formula 1 podium: racing suit, champagne spray, confetti, stadium light.'),
    ('magia_a', 'Student of a school of magic: robe, wand with a soft glow, candlelit castle hall.'),
    ('magia_b', 'Great wizard: long grey cloak, staff, storm over mountains, dramatic light.'),
    ('urbano_a', 'Street portrait at night: oversized jacket, graffiti wall, pink and blue neon.'),
    ('urbano_b', 'Trap artist on a rooftop: chains, sunglasses, skyline at blue hour.'),
    ('heroe_a', 'City vigilante superhero: dark cape and suit of invented design, rooftop, moonlight.'),
    ('heroe_b', 'Superhero in a steel armour of invented design, hovering above clouds, lens flare.'),
    ('bbad_a', 'Breaking Bad: chemist in a black hat and glasses, New Mexico desert, harsh yellow light.')
) as looks (id, look);

insert into public.credit_packs (name, audience, credits, price, currency, sort_order)
values
  ('Starter', 'user', 500, 4000, 'ARS', 10),
  ('Standard', 'user', 1100, 8000, 'ARS', 20),
  ('Business', 'user', 1500, 10000, 'ARS', 30),
  ('Partner 5k', 'partner', 5000, 30000, 'ARS', 110),
  ('Partner 10k', 'partner', 10000, 60000, 'ARS', 120),
  ('Partner 20k', 'partner', 20000, 120000, 'ARS', 130);

insert into public.partners (id, name, business_name, contact_name, contact_email, user_id, config)
values (
  '00000000-0000-4000-8000-000000000010', 'Fiestas del Sur', 'Fiestas del Sur S.R.L.', 'Pablo Partner',
  'partner@cabina.test', '00000000-0000-4000-8000-000000000002', '{"primary_color": "#135bec", "radius": "12px"}'
);

insert into public.clients (id, partner_id, user_id, name, email, contact_person)
values (
  '00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000010',
  '00000000-0000-4000-8000-000000000003', 'Familia Gómez', 'client@cabina.test', 'Carla Client'
);

-- Open, without an end; the host's PIN is 246810.
insert into public.events (
  id, partner_id, client_id, event_name, event_slug, client_name, client_email, client_access_pin, config
)
values (
  '00000000-0000-4000-8000-000000000030', '00000000-0000-4000-8000-000000000010',
  '00000000-0000-4000-8000-000000000020', 'Los 15 de Sofía', 'quince-sofia-2024', 'Familia Gómez',
  'client@cabina.test', extensions.crypt('246810', extensions.gen_salt('bf', 10)),
  '{"primary_color": "#7f13ec", "welcome_text": "¡Bienvenidos a los 15 de Sofía!", "show_welcome_screen": true}'
);

select private.grant_credits(
  'partner', '00000000-0000-4000-8000-000000000010', 10000, 'Demo data', 'seed', '00000000-0000-4000-8000-000000000001'
);
select private.allocate_event_credits('00000000-0000-4000-8000-000000000030', 500, 'seed');

-- The simulator opens an account for every key that begins with sim-.
insert into public.api_key_pool (api_key, account_name)
values ('sim-key-1', 'sim-key-1'), ('sim-key-2', 'sim-key-2'), ('sim-key-3', 'sim-key-3'), ('sim-key-4', 'sim-key-4');

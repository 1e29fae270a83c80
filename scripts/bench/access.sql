-- What `npm run bench -- access` fills its cluster with: 1,000 partners, 20,000 events, 1,000,000 photos. One
-- set-based insert a table, without triggers and foreign keys, hence by a superuser; so every row says here
-- what its triggers would have said. Nothing is charged: all balances and the ledger stay at zero.

set session_replication_role = replica;

create schema bench;

create function bench.id(p_kind text, p_number integer)
returns uuid
language sql immutable
as $$ select md5(p_kind || p_number)::uuid; $$;
comment on function bench.id(text, integer) is 'Ids that tables agree on without asking each other, as scattered as random ones.';

insert into public.styles_metadata (id, label, category, subcategory)
select 'bench_' || number, 'Bench', 'Bench', 'Bench' from generate_series(0, 19) as numbers (number);

-- People: owners of partners, clients with an account, users, one master.

create table bench.people as
select bench.id(kinds.kind, number) as id, kinds.kind, number
from (values ('partner', 1000), ('client', 10000), ('user', 910), ('master', 1)) as kinds (kind, amount)
cross join lateral generate_series(1, kinds.amount) as numbers (number)
-- Every other client enters with an account, the others with a PIN.
where kinds.kind <> 'client' or number % 2 = 0;

insert into auth.users (id, email)
select id, kind || number || '@bench.example' from bench.people;

insert into public.profiles (id, email, role, referral_code)
select id, kind || number || '@bench.example', kind, kind || number from bench.people;

-- Tenants: ten clients a partner, two events a client. Ten events are hot.

insert into public.partners (id, name, user_id)
select bench.id('tenant', number), 'Bench', bench.id('partner', number) from generate_series(1, 1000) as numbers (number);

insert into public.clients (id, partner_id, user_id, name)
select bench.id('host', host.number), bench.id('tenant', 1 + host.number % 1000), people.id, 'Bench'
from generate_series(1, 10000) as host (number)
left join bench.people on people.id = bench.id('client', host.number);

insert into public.events (id, partner_id, client_id, event_name, event_slug, config, start_date, created_at)
select bench.id('event', number), clients.partner_id, clients.id, 'Bench', 'bench-' || number, '{"gallery": "open"}',
  start_date, start_date - interval '30 days'
from generate_series(1, 20000) as numbers (number)
join public.clients on clients.id = bench.id('host', 1 + number % 10000)
cross join lateral (select date_trunc('day', now()) - interval '1 day' * (number % 730 + 1)) as parties (start_date);

-- Photos, in the order in which they were taken: those of one party lie between those of others.

insert into public.generations (
  user_id, event_id, guest_id, style_id, aspect_ratio, status, visibility, image_url, error_code, photo_path, result_path,
  expected_seconds, run_at, created_at, started_at, succeeded_at, failed_at
)
select photos.user_id, photos.event_id, photos.guest_id, 'bench_' || photos.number % 20, '3:4',
  case when outcome.is_failed then 'failed' else 'succeeded' end,
  case when outcome.is_hidden then 'hidden' else 'visible' end,
  case when not outcome.is_failed and not outcome.is_hidden then 'https://bench.example/' || photos.path end,
  case when outcome.is_failed then 'GENERATION_FAILED' end,
  'guests/' || photos.path, photos.path, 20, photos.created_at, photos.created_at, photos.created_at,
  case when not outcome.is_failed then photos.created_at + interval '20 seconds' end,
  case when outcome.is_failed then photos.created_at + interval '20 seconds' end
from (
  select null::uuid as user_id, events.id as event_id, format('guest_%s_%s', party.number, photo.number / 3) as guest_id, photo.number,
    format('results/event_%s_%s.png', party.number, photo.number) as path,
    events.start_date + random() * interval '30 hours' as created_at
  from generate_series(1, 20000) as party (number)
  join public.events on events.id = bench.id('event', party.number)
  cross join lateral generate_series(1, case when party.number <= 10 then 5045 else 45 end) as photo (number)
  union all
  select bench.id('user', person.number), null, null, photo.number,
    format('results/user_%s_%s.png', person.number, photo.number),
    now() - random() * interval '730 days'
  from generate_series(1, 910) as person (number)
  cross join lateral generate_series(1, case when person.number <= 10 then 500 else 50 end) as photo (number)
  order by created_at
) as photos
cross join lateral (select photos.number % 20 = 0 as is_failed, photos.number % 33 = 0 as is_hidden) as outcome;

insert into private.gallery_photos (generation_id, event_id, event_slug, style_id, aspect_ratio, image_url, created_at, open_until)
select generations.id, events.id, events.event_slug, generations.style_id, generations.aspect_ratio, generations.image_url,
  generations.created_at, 'infinity'
from public.generations
join public.events on events.id = generations.event_id
where generations.image_url is not null
order by generations.created_at;

-- Who looks at what: the person (null: nobody is signed in), and what a dashboard would filter on.

create view bench.visits as
select 'user' as role, people.number <= 10 as is_hot, people.id as actor_id, people.id as user_id,
  null::uuid as partner_id, null::uuid as event_id, null as event_slug
from bench.people
where people.kind = 'user'
union all
select actors.role, party.number <= 10, actors.id, null, events.partner_id, events.id, events.event_slug
from generate_series(1, 20000) as party (number)
join public.events on events.id = bench.id('event', party.number)
join public.partners on partners.id = events.partner_id
join public.clients on clients.id = events.client_id
cross join lateral (
  values ('partner', partners.user_id), ('host', clients.user_id), ('master', bench.id('master', 1)), ('anon', null)
) as actors (role, id)
where actors.role = 'anon' or actors.id is not null;
grant usage on schema bench to postgres;
grant select on bench.visits to postgres;

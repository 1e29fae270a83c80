-- What `npm run bench -- dashboards` fills its stack with: 90 days with 1,000,000 photos, of 500 events of 30 partners
-- (one of them with 20,000, and it is still running) and of 2,000 users. One set-based insert a table, without triggers
-- and foreign keys, hence by a superuser; so every row says here what its triggers would have said.

set session_replication_role = replica;

create schema bench;

create function bench.id(p_kind text, p_number integer)
returns uuid
language sql immutable
as $$ select overlay(overlay(md5(p_kind || p_number) placing '4' from 13) placing '8' from 17)::uuid; $$;
comment on function bench.id(text, integer) is 'Ids that tables agree on without asking each other, as scattered as random ones.';

insert into public.styles_metadata (id, label, category, subcategory)
select 'bench_' || number, 'Bench', 'Bench', 'Bench' from generate_series(0, 19) as numbers (number);

-- People: owners of partners, hosts, users, one master.

create table bench.people as
select bench.id(kinds.kind, number) as id, kinds.kind, number
from (values ('partner', 30), ('client', 500), ('user', 2000), ('master', 1)) as kinds (kind, amount)
cross join lateral generate_series(1, kinds.amount) as numbers (number);

insert into auth.users (id, email)
select id, kind || number || '@bench.example' from bench.people;

insert into public.profiles (id, email, role, referral_code, created_at)
select id, kind || number || '@bench.example', kind, kind || number, now() - random() * interval '90 days' from bench.people;

insert into public.partners (id, name, user_id)
select bench.id('tenant', number), 'Bench', bench.id('partner', number) from generate_series(1, 30) as numbers (number);

insert into public.clients (id, partner_id, user_id, name)
select bench.id('host', number), bench.id('tenant', 1 + number % 30), bench.id('client', number), 'Bench'
from generate_series(1, 500) as numbers (number);

-- Parties of eight hours. The first one, with most photos, has half an hour to go.

insert into public.events (id, partner_id, client_id, event_name, event_slug, config, start_date, end_date, created_at)
select bench.id('event', number), clients.partner_id, clients.id, 'Bench', 'bench-' || number, '{"gallery": "open", "moderation": "before"}',
  start_date, start_date + interval '8 hours', start_date - interval '30 days'
from generate_series(1, 500) as numbers (number)
join public.clients on clients.id = bench.id('host', number)
cross join lateral (
  select now() - case number when 1 then interval '7 hours 30 minutes' else interval '9 hours' + random() * interval '89 days' end
) as parties (start_date);

-- Photos, in the order in which they were taken: those of one party lie between those of others.

insert into public.generations (
  user_id, event_id, guest_id, style_id, aspect_ratio, status, visibility, image_url, credits_charged, error_code, photo_path,
  result_path, expected_seconds, run_at, created_at, started_at, succeeded_at, failed_at, refunded_at
)
select photos.user_id, photos.event_id, photos.guest_id, 'bench_' || photos.number % 20, '3:4',
  case when outcome.is_failed then 'failed' else 'succeeded' end,
  case when outcome.is_hidden then 'hidden' when photos.number % 40 = 1 then 'pending' else 'visible' end,
  case when not outcome.is_failed and not outcome.is_hidden and photos.number % 40 <> 1 then 'https://bench.example/' || photos.path end,
  case when outcome.is_failed then 0 else photos.cost end,
  case when outcome.is_failed then 'GENERATION_FAILED' end,
  'guests/' || photos.path, photos.path, 20, photos.created_at, photos.created_at, photos.created_at,
  case when not outcome.is_failed then photos.created_at + photos.waited end,
  case when outcome.is_failed then photos.created_at + photos.waited end,
  case when outcome.is_failed then photos.created_at + photos.waited end
from (
  select null::uuid as user_id, events.id as event_id, format('guest_%s_%s', party.number, photo.number / 3) as guest_id, photo.number,
    1 as cost, format('results/event_%s_%s.png', party.number, photo.number) as path,
    events.start_date + random() * interval '7 hours 29 minutes' as created_at, exp(2 + random() * 2) * interval '1 second' as waited
  from generate_series(1, 500) as party (number)
  join public.events on events.id = bench.id('event', party.number)
  cross join lateral generate_series(1, case when party.number = 1 then 20000 else 1563 end) as photo (number)
  union all
  select bench.id('user', person.number), null, null, photo.number, 100, format('results/user_%s_%s.png', person.number, photo.number),
    now() - interval '2 minutes' - random() * interval '90 days', exp(2 + random() * 2) * interval '1 second'
  from generate_series(1, 2000) as person (number)
  cross join lateral generate_series(1, 100) as photo (number)
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

insert into private.generation_attempts (
  generation_id, attempt, status, account, task_id, token_hash, model, prompt_version, claimed_at, submitted_at, finished_at, cost_credits
)
select id, 1, 'succeeded', 'bench', 'bench-' || id, '\x00', 'bench', 1, created_at, created_at, succeeded_at, 4
from public.generations where status = 'succeeded' order by succeeded_at;

-- The ledger: partners buy, events get and use, users are granted and use. What failed was given back.

insert into public.credit_packs (id, name, audience, credits, price) values (bench.id('pack', 1), 'Bench', 'partner', 10000, 50000);
insert into public.payment_orders (id, user_id, partner_id, pack_id, credits, amount, currency, status, created_at, updated_at)
select bench.id('order', number), bench.id('partner', 1 + number % 30), bench.id('tenant', 1 + number % 30), bench.id('pack', 1),
  10000, 50000, 'ARS', 'paid', moments.at, moments.at
from generate_series(1, 300) as numbers (number)
cross join lateral (select numbers.number as drawn_for, now() - random() * interval '90 days' as at) as moments;

insert into private.credit_movements (
  kind, source, source_id, destination, destination_id, amount, idempotency_key, generation_id, order_id, created_at
)
select movements.kind::private.credit_movement_kind, movements.source::private.credit_account, movements.source_id,
  movements.destination::private.credit_account, movements.destination_id, movements.amount, movements.key, movements.generation_id,
  movements.order_id, movements.at
from (
  select 'purchase' as kind, 'issued' as source, null::uuid as source_id, 'partner' as destination, partner_id as destination_id,
    credits as amount, 'bench-purchase:' || id as key, null::uuid as generation_id, id as order_id, created_at as at
  from public.payment_orders where pack_id = bench.id('pack', 1)
  union all
  select 'allocation', 'partner', partner_id, 'event', id, case event_slug when 'bench-1' then 25000 else 2000 end,
    'bench-allocation:' || id, null, null, created_at
  from public.events where event_slug like 'bench-%'
  union all
  select 'grant', 'issued', null, 'user', id, 10500, 'bench-grant:' || id, null, null, now() - interval '90 days'
  from bench.people where kind = 'user'
  union all
  select 'charge', case when event_id is null then 'user' else 'event' end, coalesce(event_id, user_id), 'spent', null,
    case when event_id is null then 100 else 1 end, null, id, null, created_at
  from public.generations where style_id like 'bench_%'
  union all
  select 'refund', 'spent', null, case when event_id is null then 'user' else 'event' end, coalesce(event_id, user_id),
    case when event_id is null then 100 else 1 end, null, id, null, refunded_at
  from public.generations where style_id like 'bench_%' and refunded_at is not null
) as movements
order by movements.at;

update public.events
set credits_allocated = case event_slug when 'bench-1' then 25000 else 2000 end,
  credits_used = (select count(*) from public.generations where event_id = events.id and status = 'succeeded')
where event_slug like 'bench-%';
update public.partners
set credits_total = 100000, credits_used = (select sum(credits_allocated) from public.events where partner_id = partners.id)
where name = 'Bench';
update public.profiles
set credits = 10500 - 100 * (select count(*) from public.generations where user_id = profiles.id and status = 'succeeded')
where id in (select id from bench.people where kind = 'user');

insert into private.table_scans (event_id, label, scans)
select bench.id('event', 1), 'table_' || number, number from generate_series(1, 40) as numbers (number);

insert into private.audit_log (actor_id, action, target, target_id, created_at)
select bench.id('partner', 1 + number % 30), 'update', 'event', bench.id('event', 1 + number % 500)::text,
  now() - (100000 - number) * interval '77 seconds'
from generate_series(1, 100000) as numbers (number);

update private.settings set provider_credit_price = 7.5, provider_credit_currency = 'ARS';
set session_replication_role = origin;
grant usage on schema bench to postgres;
grant select on bench.people to postgres;

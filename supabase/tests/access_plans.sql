-- How the dashboards' first queries are read, through row level security: by the index that is made for them, never
-- by scanning all photos, and with the policy's questions about the caller asked once a query, not once a row.
-- The queries are those of `npm run bench -- access`, which says how long they take among a million photos.

begin;
create extension if not exists pgtap with schema extensions;
select plan(33);

-- 400 parties of 50 photos, 20 of them of one partner and hosted by one client; 43 people with 50 of their own.

insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into auth.users (id, email)
select format('8e000000-0000-4000-8000-%s', lpad(number::text, 12, '0'))::uuid, format('person%s@tap.example', number)
from generate_series(1, 43) as numbers (number);
create temporary table people as
select named.name, users.id
from (values ('user', 1), ('partner', 41), ('host', 42), ('master', 43)) as named (name, number)
join auth.users on users.email = format('person%s@tap.example', named.number);
update public.profiles set role = people.name from people where people.id = profiles.id and people.name in ('partner', 'master');

insert into public.partners (id, name, user_id)
select format('8e200000-0000-4000-8000-%s', lpad(number::text, 12, '0'))::uuid, 'Tap', people.id
from generate_series(1, 20) as numbers (number)
left join people on people.name = 'partner' and number = 1;
insert into public.clients (id, partner_id, user_id, name)
select format('8e300000-0000-4000-8000-%s', right(partners.id::text, 12))::uuid, partners.id, people.id, 'Tap'
from public.partners
left join people on people.name = 'host' and partners.user_id is not null
where partners.name = 'Tap';
insert into public.events (partner_id, client_id, event_name, event_slug, config)
select clients.partner_id, clients.id, 'Tap', format('tap-%s-%s', right(clients.id::text, 2), number), '{"gallery": "open"}'
from public.clients
cross join generate_series(1, 20) as numbers (number)
where clients.name = 'Tap';

insert into public.generations (
  user_id, event_id, style_id, status, image_url, result_path, expected_seconds, created_at, started_at, succeeded_at
)
select payers.user_id, payers.event_id, 'tap_a', 'succeeded', 'https://tap.example/tap.png',
  format('results/%s_%s.png', coalesce(payers.user_id, payers.event_id), number), 20,
  now() - number * interval '1 hour', now(), now()
from generate_series(1, 50) as numbers (number)
cross join (
  select null::uuid as user_id, events.id as event_id from public.events where events.event_name = 'Tap'
  union all
  select users.id, null from auth.users where users.email like 'person%@tap.example'
) as payers;
insert into private.gallery_photos (generation_id, event_id, event_slug, style_id, aspect_ratio, image_url, created_at, open_until)
select generations.id, events.id, events.event_slug, 'tap_a', '3:4', generations.image_url, generations.created_at, 'infinity'
from public.generations
join public.events on events.id = generations.event_id
where events.event_name = 'Tap';
analyze public.generations, private.gallery_photos, public.events, public.clients, public.partners, public.profiles;

-- Who asks what, and the index that has to answer.

create temporary table dashboards as
with queries (name, query, index_name) as (
  values
    (
      'own photos',
      $$ select id, style_id, status, image_url, created_at from public.generations
         where user_id = %L order by created_at desc limit 24 $$,
      'generations_user_id_created_at_idx'
    ),
    (
      'photos of an event',
      $$ select id, style_id, status, image_url, created_at from public.generations
         where event_id = %L order by created_at desc limit 24 $$,
      'generations_event_id_created_at_idx'
    ),
    (
      'photos a day',
      $$ select created_at::date as day, count(*) from public.generations where event_id = %L group by day order by day $$,
      'generations_event_id_created_at_idx'
    ),
    (
      'events with photos',
      $$ select event_name, credits_allocated, credits_used, made.photos
         from public.events
         left join lateral (
           select count(*) as photos from public.generations where generations.event_id = events.id
         ) as made on true
         where partner_id = %L order by created_at desc limit 24 $$,
      'generations_event_id_created_at_idx'
    ),
    (
      'gallery by slug',
      $$ select image_url, created_at from public.event_gallery where event_slug = %L order by created_at desc limit 24 $$,
      'gallery_photos_event_slug_created_at_idx'
    ),
    (
      'gallery by id',
      $$ select image_url, created_at from public.event_gallery where event_id = %L order by created_at desc limit 24 $$,
      'gallery_photos_event_id_created_at_idx'
    )
), askers (person, query_name, subject) as (
  values
    ('user', 'own photos', 'user'),
    ('partner', 'photos of an event', 'event'), ('host', 'photos of an event', 'event'), ('master', 'photos of an event', 'event'),
    ('partner', 'photos a day', 'event'), ('host', 'photos a day', 'event'), ('master', 'photos a day', 'event'),
    ('partner', 'events with photos', 'partner'), ('master', 'events with photos', 'partner'),
    ('anon', 'gallery by slug', 'slug'), ('anon', 'gallery by id', 'event')
)
select format('%s: %s', askers.person, queries.name) as name, people.id as person_id, queries.index_name,
  format(
    queries.query,
    case askers.subject
      when 'user' then people.id::text
      when 'partner' then events.partner_id::text
      when 'event' then events.id::text
      when 'slug' then events.event_slug::text
    end
  ) as query
from askers
join queries on queries.name = askers.query_name
join public.events on events.event_slug = 'tap-01-7'
left join people on people.name = askers.person;

create function pg_temp.plan_of(p_person_id uuid, p_query text)
returns jsonb
language plpgsql
as $$
declare
  v_me text := current_user;
  v_role text := case when p_person_id is null then 'anon' else 'authenticated' end;
  v_plan jsonb;
begin
  perform set_config('request.jwt.claims', json_build_object('sub', p_person_id, 'role', v_role)::text, true);
  perform set_config('role', v_role, true);
  execute 'explain (analyze, timing off, format json) ' || p_query into v_plan;
  perform set_config('role', v_me, true);
  if (v_plan #>> '{0,Plan,Actual Rows}')::numeric = 0 then
    raise exception 'Nothing was found by %', p_query;
  end if;
  return v_plan;
end;
$$;
create temporary table plans as
select dashboards.name, dashboards.index_name, pg_temp.plan_of(dashboards.person_id, dashboards.query) as plan from dashboards;

select is(
  array(select jsonb_path_query(plans.plan, 'strict $.** ? (@."Node Type" == "Seq Scan")."Relation Name"') #>> '{}'),
  '{}',
  plans.name || ': neither photos nor any other table is read from end to end'
)
from plans;
select ok(
  jsonb_path_exists(
    plans.plan, 'strict $.** ? (@."Index Name" == $index)', jsonb_build_object('index', plans.index_name)
  ),
  plans.name || ': read by ' || plans.index_name
)
from plans;
-- A subquery that depends on the row runs again for each; a function that stands in no subquery is called in the filter.
select is(
  array(
    select jsonb_path_query(
      plans.plan,
      'strict $.** ? (@."Parent Relationship" like_regex "^(InitPlan|SubPlan)$" && @."Actual Loops" > 1)."Subplan Name"'
    )
    union all
    select jsonb_path_query(plans.plan, 'strict $.**."Filter" ? (@ like_regex "current_setting|private[.]")')
  ),
  '{}',
  plans.name || ': the caller is looked up once'
)
from plans;

select * from finish();
rollback;

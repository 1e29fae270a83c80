-- begin_generation() for a guest: every refusal by its code, one credit of the event for a photo, and
-- the same request answered once.

begin;
create extension if not exists pgtap with schema extensions;
select plan(89);

update private.settings set is_in_maintenance = false, uploads_per_minute = 1200;

insert into public.styles_metadata (id, label, category, subcategory, credit_cost, is_premium, is_active)
values
  ('tap_a', 'A', 'tap', 'Tap', 100, false, true),
  ('tap_b', 'B', 'tap', 'Tap', 100, false, true),
  ('tap_c', 'C', 'tap', 'Tap', 100, false, true),
  ('tap_gold', 'Gold', 'tap', 'Tap Gold', 250, true, true),
  ('tap_retired', 'Retired', 'tap', 'Tap', 100, false, false),
  ('tap_unprompted', 'Unprompted', 'tap', 'Tap', 100, false, true);
insert into public.identity_prompts (id, master_prompt)
select id, 'Paint ' || label from public.styles_metadata where id like 'tap\_%' and id <> 'tap_unprompted';

insert into public.partners (id, name)
values
  ('8a000000-0000-4000-8000-000000000001', 'Tap Partner'),
  ('8a000000-0000-4000-8000-000000000002', 'Tap Sleeping Partner');
insert into public.clients (id, partner_id, name, is_active, contracted_styles)
values
  ('8a000000-0000-4000-8000-000000000003', '8a000000-0000-4000-8000-000000000001', 'Tap Sleeping Client', false, '{}'),
  ('8a000000-0000-4000-8000-000000000004', '8a000000-0000-4000-8000-000000000001', 'Tap Choosy Client', true, '{tap_a,tap_c}');
insert into public.events (partner_id, client_id, event_name, event_slug, is_active, start_date, end_date, selected_styles, config)
select
  given.partner_id::uuid, given.client_id::uuid, given.slug, given.slug, given.is_active, given.start_date, given.end_date,
  coalesce(given.styles, '{}')::text[], coalesce(given.config, '{}')::jsonb
from (
  values
    ('tap-party', '8a000000-0000-4000-8000-000000000001', null, true, null::timestamptz, null::timestamptz, null, null),
    ('tap-other', null, null, true, now(), now() + interval '1 hour', null, null),
    ('tap-paused', null, null, false, null, null, null, null),
    ('tap-partner-asleep', '8a000000-0000-4000-8000-000000000002', null, true, null, null, null, null),
    ('tap-client-asleep', '8a000000-0000-4000-8000-000000000001', '8a000000-0000-4000-8000-000000000003', true, null, null, null, null),
    ('tap-upcoming', null, null, true, '2999-01-01', null, null, null),
    ('tap-over', null, null, true, null, now(), null, null),
    ('tap-closed', null, null, true, null, null, null, null),
    ('tap-empty', null, null, true, null, null, null, null),
    ('tap-one-credit', null, null, true, null, null, null, null),
    ('tap-select', null, null, true, null, null, '{tap_a,tap_b,tap_retired}', null),
    ('tap-choosy', '8a000000-0000-4000-8000-000000000001', '8a000000-0000-4000-8000-000000000004', true, null, null, '{tap_a,tap_b}', null),
    ('tap-key', null, null, true, null, null, null, '{"access": "key"}'),
    ('tap-two-each', null, null, true, null, null, null, '{"limits": {"per_guest": 2}}'),
    ('tap-two-a-minute', null, null, true, null, null, null, '{"limits": {"per_address_minute": 2}}'),
    ('tap-two-an-hour', null, null, true, null, null, null, '{"limits": {"per_hour": 2}}'),
    ('tap-moderated', null, null, true, null, null, null, '{"moderation": "before"}')
) as given (slug, partner_id, client_id, is_active, start_date, end_date, styles, config);
select private.post_movement(
  'grant', 'issued', null, 'event', id, case event_slug when 'tap-one-credit' then 1 else 50 end, 'tap-give:' || event_slug
)
from public.events
where event_slug like 'tap-%' and event_slug <> 'tap-empty';
update public.events set closed_at = now() where event_slug = 'tap-closed';
update public.events set access_key = 'the-key-of-the-tap-event' where event_slug = 'tap-key';
update public.partners set is_active = false where id = '8a000000-0000-4000-8000-000000000002';

create function pg_temp.event_id(p_slug text)
returns uuid
language sql stable
as $$ select events.id from public.events where events.event_slug = p_slug; $$;

create function pg_temp.used(p_slug text)
returns integer
language sql stable
as $$ select events.credits_used from public.events where events.event_slug = p_slug; $$;

-- A guest's request that succeeds unless something else is given. The photo came as a data URL.
create function pg_temp.begin(
  p_slug text default 'tap-party', p_style text default 'tap_a', p_guest text default null, p_key text default null,
  p_hash text default 'hash-1', p_path text default 'guests/tap/1.jpg', p_ratio text default '3:4',
  p_event_id uuid default null, p_event_key text default null, p_address text default null, p_user_id uuid default null
)
returns public.generation_status
language sql
as $$
  select public.begin_generation(
    p_style, p_ratio, p_path, p_photo_hash => p_hash, p_user_id => p_user_id, p_event_id => p_event_id, p_event_slug => p_slug,
    p_event_key => p_event_key, p_guest_id => p_guest, p_idempotency_key => p_key, p_client_address => p_address
  );
$$;

-- 'done', or the refusal as 'SQLSTATE code {figures}'.
create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
declare
  v_state text;
  v_detail text;
begin
  execute 'select ' || p_call;
  return 'done';
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    if v_state not like 'PT%' then
      return v_state;
    end if;
    return concat_ws(' ', v_state, v_detail::jsonb ->> 'code', nullif(v_detail::jsonb - 'code', '{}')::text);
end;
$$;

create temporary view traces as
  select
    (select count(*) from public.generations) as photos,
    (select count(*) from private.credit_movements) as movements,
    (select sum(credits_used) from public.events) as used,
    (select count(*) from private.rate_limits) as counters;

-- Which event

create temporary table traces_before as select * from traces;

select is(pg_temp.outcome($$pg_temp.begin('tap-nowhere')$$), 'PT404 EVENT_NOT_FOUND', 'an unknown slug is refused');
select is(
  pg_temp.outcome($$pg_temp.begin(null, p_event_id => gen_random_uuid())$$), 'PT404 EVENT_NOT_FOUND', 'an unknown id is refused'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-other', p_event_id => pg_temp.event_id('tap-party'))$$), 'PT404 EVENT_NOT_FOUND',
  'an id and a slug that name two events are refused'
);
select is(pg_temp.outcome($$pg_temp.begin('tap-over')$$), 'PT403 EVENT_ENDED', 'an event that is over is refused');
select is(pg_temp.outcome($$pg_temp.begin('tap-closed')$$), 'PT403 EVENT_ENDED', 'a closed event is refused');
select is(pg_temp.outcome($$pg_temp.begin('tap-paused')$$), 'PT403 EVENT_PAUSED', 'a paused event is refused');
select is(
  pg_temp.outcome($$pg_temp.begin('tap-partner-asleep')$$), 'PT403 EVENT_PAUSED', 'an event of an inactive partner is refused'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-client-asleep')$$), 'PT403 EVENT_PAUSED', 'an event of an inactive client is refused'
);
select matches(
  pg_temp.outcome($$pg_temp.begin('tap-upcoming')$$), '^PT403 EVENT_NOT_STARTED {"starts_at": "2999-01-01T',
  'an event that has not started is refused with its start'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-empty')$$), 'PT402 EVENT_SOLD_OUT {"used": 0, "allocated": 0}',
  'an event without credits is refused with its figures'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-key')$$), 'PT403 FORBIDDEN', 'an event with a key refuses those without it'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-key', p_event_key => 'a-guess')$$), 'PT403 FORBIDDEN', 'an event with a key refuses a wrong one'
);

-- Which style

select is(pg_temp.outcome($$pg_temp.begin(p_style => 'tap_zzz')$$), 'PT404 STYLE_NOT_FOUND', 'an unknown style is refused');
select is(
  pg_temp.outcome($$pg_temp.begin('tap-select', 'tap_retired')$$), 'PT404 STYLE_NOT_FOUND',
  'an inactive style is refused, selected or not'
);
select is(
  pg_temp.outcome($$pg_temp.begin(p_style => 'tap_unprompted')$$), 'PT404 STYLE_NOT_FOUND',
  'a style that nobody can paint yet is refused'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-select', 'tap_c')$$), 'PT403 STYLE_NOT_OFFERED', 'a style that the event did not select is refused'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-choosy', 'tap_b')$$), 'PT403 STYLE_NOT_OFFERED',
  'a style that the event selected and the client did not contract is refused'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-choosy', 'tap_c')$$), 'PT403 STYLE_NOT_OFFERED',
  'a style that the client contracted and the event did not select is refused'
);

-- Which photo

insert into private.photo_uploads (path, event_id, user_id)
values
  ('guests/tap/party.jpg', pg_temp.event_id('tap-party'), null),
  ('guests/tap/other.jpg', pg_temp.event_id('tap-other'), null),
  ('8a000000-0000-4000-8000-0000000000a2/own.jpg', null, '8a000000-0000-4000-8000-0000000000a2');

select is(
  pg_temp.outcome($$pg_temp.begin(p_hash => null, p_path => given.path, p_user_id => given.user_id::uuid)$$
    || format('from (values (%L, %L)) as given (path, user_id)', given.path, given.user_id)),
  'PT400 INVALID_INPUT {"field": "photo_path"}', given.name
)
from (
  values
    ('guests/tap/never.jpg', null, 'a path that nobody issued is refused'),
    ('guests/tap/other.jpg', null, 'a path issued for another event is refused'),
    ('guests/tap/%', null, 'a pattern is no path'),
    ('https://tap.example/me.jpg', null, 'a URL is refused'),
    ('8a000000-0000-4000-8000-0000000000a2/own.jpg', null, 'a guest cannot take the photo of a user'),
    ('8a000000-0000-4000-8000-0000000000a2/own.jpg', '8a000000-0000-4000-8000-0000000000a1', 'a user cannot take the photo of another user'),
    (null, null, 'a photo is needed')
) as given (path, user_id, name);

-- When

update private.settings set is_in_maintenance = true;
select is(pg_temp.outcome('pg_temp.begin()'), 'PT503 MAINTENANCE', 'nothing begins during maintenance');
update private.settings set is_in_maintenance = false;

select results_eq('select * from traces', 'select * from traces_before', 'a refusal leaves no photo, no movement, no charge and no count');

-- One photo

select results_eq(
  $$ select state, image_url, error, refunded, queue_position is not null, eta_seconds > 0, progress, photo_path
     from pg_temp.begin(p_guest => 'tap_guest_1', p_address => '192.0.2.1', p_ratio => '16:9', p_hash => 'h', p_path => 'guests/tap/h.jpg') $$,
  $$ values ('waiting', null::text, null::text, false, true, true, 0.000, 'guests/tap/h.jpg') $$,
  'a photo that begins is waiting, with a place in the queue and an estimate'
);
select results_eq(
  $$ select user_id, guest_id::text, style_id, aspect_ratio::text, status::text, visibility::text, image_url, credits_charged::integer,
       run_at, client_address
     from public.generations where event_id = pg_temp.event_id('tap-party') $$,
  $$ values (null::uuid, 'tap_guest_1', 'tap_a', '16:9', 'queued', 'visible', null::text, 1, now(), '192.0.2.1') $$,
  'a photo that begins is a queued row of its event, due at once'
);
select is(pg_temp.used('tap-party'), 1, 'a photo costs the event 1 credit');
select results_eq(
  $$ select movements.kind::text, movements.source::text, movements.source_id, movements.destination::text, movements.amount::integer
     from private.credit_movements as movements
     join public.generations on generations.id = movements.generation_id
     where generations.event_id = pg_temp.event_id('tap-party') $$,
  $$ values ('charge', 'event', pg_temp.event_id('tap-party'), 'spent', 1) $$,
  'the charge is one movement that names the photo'
);
select matches(
  (select result_path from public.generations where event_id = pg_temp.event_id('tap-party')),
  '^results/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}_[0-9]{19}\.png$',
  'the picture''s path is a random name, 13 digits of time and 6 random ones'
);
select is_empty(
  $$ select from public.generations where event_id = pg_temp.event_id('tap-party')
       and (strpos(result_path, id::text) > 0 or strpos(result_path, guest_id) > 0 or strpos(result_path, event_id::text) > 0) $$,
  'the picture''s path names neither the photo nor the guest nor the event'
);
select is(pg_temp.outcome($$pg_temp.begin(p_style => 'tap_gold')$$), 'done', 'an event offers premium styles without unlocking');
select is(pg_temp.used('tap-party'), 2, 'a premium style costs the event 1 credit too');
select is(
  pg_temp.outcome($$pg_temp.begin(null, p_event_id => pg_temp.event_id('tap-party'))$$), 'done', 'an event can be named by its id'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-key', p_event_key => 'the-key-of-the-tap-event')$$), 'done', 'an event with a key takes those who have it'
);
select is(pg_temp.outcome($$pg_temp.begin('tap-select', 'tap_b')$$), 'done', 'a selected style is offered');
select is(pg_temp.outcome($$pg_temp.begin('tap-choosy', 'tap_a')$$), 'done', 'a style both selected and contracted is offered');
select is(
  pg_temp.outcome($$pg_temp.begin(p_hash => null, p_path => 'guests/tap/party.jpg')$$), 'done', 'a path issued for this event is accepted'
);
select is((pg_temp.begin('tap-moderated')).state, 'waiting', 'a moderated event takes photos');
select is(
  (select visibility from public.generations where event_id = pg_temp.event_id('tap-moderated')), 'pending',
  'a photo of a moderated event waits for the host'
);

insert into auth.users (id, email) values ('8a000000-0000-4000-8000-0000000000a1', 'guest@tap.example');
select private.post_movement('grant', 'issued', null, 'user', '8a000000-0000-4000-8000-0000000000a1', 500, 'tap-user');
select is(
  pg_temp.outcome(
    $$pg_temp.begin('tap-other', p_hash => null, p_path => '8a000000-0000-4000-8000-0000000000a1/me.jpg',
      p_user_id => '8a000000-0000-4000-8000-0000000000a1')$$
  ),
  'done', 'at a party a user may take a photo out of their own folder'
);
select results_eq(
  $$ select events.credits_used, profiles.credits, generations.user_id
     from public.events, public.profiles, public.generations
     where events.event_slug = 'tap-other' and generations.event_id = events.id
       and profiles.id = '8a000000-0000-4000-8000-0000000000a1' $$,
  $$ values (1, 500, null::uuid) $$,
  'the photo of a user at a party is paid by the event'
);

-- The last credit

select is(pg_temp.outcome($$pg_temp.begin('tap-one-credit')$$), 'done', 'the last credit makes a photo');
select is(
  pg_temp.outcome($$pg_temp.begin('tap-one-credit')$$), 'PT402 EVENT_SOLD_OUT {"used": 1, "allocated": 1}',
  'the next photo is refused'
);
select is(pg_temp.used('tap-one-credit'), 1, 'the refused photo is not charged');

-- Limits

select is(pg_temp.outcome($$pg_temp.begin('tap-two-each', p_guest => 'tap_guest_1')$$), 'done', 'the first photo of a guest is taken');
select is(pg_temp.outcome($$pg_temp.begin('tap-two-each', p_guest => 'tap_guest_1')$$), 'done', 'the last photo of a guest is taken');
select is(
  pg_temp.outcome($$pg_temp.begin('tap-two-each', p_guest => 'tap_guest_1')$$),
  'PT429 GUEST_LIMIT_REACHED {"limit": 2, "retry_after": 3600}', 'a guest beyond the limit is refused'
);
select is(pg_temp.used('tap-two-each'), 2, 'a guest beyond the limit costs nothing');
select is(pg_temp.outcome($$pg_temp.begin('tap-two-each', p_guest => 'tap_guest_2')$$), 'done', 'the limit of one guest is not that of another');
select public.delete_generation(id)
from public.generations
where event_id = pg_temp.event_id('tap-two-each') and guest_id = 'tap_guest_1'
limit 1;
select is(
  pg_temp.outcome($$pg_temp.begin('tap-two-each', p_guest => 'tap_guest_1')$$),
  'PT429 GUEST_LIMIT_REACHED {"limit": 2, "retry_after": 3600}', 'deleting a photo does not buy another'
);
select public.fail_generation(id, 'GENERATION_FAILED')
from public.generations
where event_id = pg_temp.event_id('tap-two-each') and guest_id = 'tap_guest_1'
limit 1;
select is(
  pg_temp.outcome($$pg_temp.begin('tap-two-each', p_guest => 'tap_guest_1')$$), 'done', 'a photo that failed does not count for the guest'
);
select is(
  (select count(*)::integer from generate_series(1, 10) where pg_temp.outcome($$pg_temp.begin('tap-other', p_guest => 'tap_guest_1')$$) = 'done'),
  10, 'without a setting a guest has 10 photos'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-other', p_guest => 'tap_guest_1')$$),
  'PT429 GUEST_LIMIT_REACHED {"limit": 10, "retry_after": 3600}', 'without a setting the 11th photo of a guest is refused'
);
select is(
  (select count(*)::integer from generate_series(1, 11) where pg_temp.outcome($$pg_temp.begin('tap-other')$$) = 'done'), 11,
  'a device that does not name itself has no limit of its own'
);

select is(
  array[
    pg_temp.outcome($$pg_temp.begin('tap-two-a-minute', p_address => '192.0.2.7')$$),
    pg_temp.outcome($$pg_temp.begin('tap-two-a-minute', p_address => '192.0.2.7')$$),
    pg_temp.outcome($$pg_temp.begin('tap-two-a-minute', p_address => '192.0.2.7')$$)
  ],
  array['done', 'done', 'PT429 RATE_LIMITED {"retry_after": 60}'], 'an address beyond its limit is refused and told when to return'
);
select is(pg_temp.used('tap-two-a-minute'), 2, 'an address beyond its limit costs nothing');
select is(
  pg_temp.outcome($$pg_temp.begin('tap-two-a-minute', p_address => '192.0.2.8')$$), 'done', 'the limit of one address is not that of another'
);
update private.rate_limits set expires_at = now() where name like 'event:%192.0.2.7';
select is(
  pg_temp.outcome($$pg_temp.begin('tap-two-a-minute', p_address => '192.0.2.7')$$), 'done', 'after its minute an address may go on'
);
select is(
  array[
    pg_temp.outcome($$pg_temp.begin('tap-two-an-hour', p_address => '192.0.2.7')$$),
    pg_temp.outcome($$pg_temp.begin('tap-two-an-hour', p_address => '192.0.2.8')$$),
    pg_temp.outcome($$pg_temp.begin('tap-two-an-hour', p_address => '192.0.2.9')$$)
  ],
  array['done', 'done', 'PT429 RATE_LIMITED {"retry_after": 3600}'], 'an event beyond its limit an hour is refused, whoever asks'
);
select is(
  (select count(*)::integer from generate_series(1, 12) where pg_temp.outcome($$pg_temp.begin(p_address => '192.0.2.7')$$) = 'done'), 12,
  'without a setting an address has no limit'
);

-- The same request again

create temporary table first_answer as
  select * from pg_temp.begin('tap-party', 'tap_a', 'tap_guest_9', 'tap-key-0123456789');
create temporary table used_before as select pg_temp.used('tap-party') as used;

select is(
  (pg_temp.begin('tap-party', 'tap_a', 'tap_guest_9', 'tap-key-0123456789')).generation_id, (select generation_id from first_answer),
  'the same request returns the same photo'
);
select is(
  (pg_temp.begin(null, 'tap_a', 'tap_guest_9', 'tap-key-0123456789', p_event_id => pg_temp.event_id('tap-party'))).generation_id,
  (select generation_id from first_answer),
  'the same request returns the same photo when it names the event by its id'
);
select is(
  (pg_temp.begin('tap-party', 'tap_a', 'tap_guest_9', 'tap-key-0123456789', p_path => 'guests/tap/again.jpg')).generation_id,
  (select generation_id from first_answer),
  'a data URL sent again is the same photo, wherever it was stored this time'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-party', $$ || given.rest || ')'), 'PT409 IDEMPOTENCY_CONFLICT', given.name
)
from (
  values
    ($$'tap_b', 'tap_guest_9', 'tap-key-0123456789'$$, 'the same key for another style is a conflict'),
    ($$'tap_a', 'tap_guest_9', 'tap-key-0123456789', p_ratio => '1:1'$$, 'the same key for another ratio is a conflict'),
    ($$'tap_a', 'tap_guest_9', 'tap-key-0123456789', p_hash => 'hash-2'$$, 'the same key for another photo is a conflict')
) as given (rest, name);
select is(pg_temp.used('tap-party'), (select used from used_before), 'neither the same request nor a conflict is charged');
select isnt(
  (pg_temp.begin('tap-party', 'tap_a', 'tap_guest_8', 'tap-key-0123456789')).generation_id, (select generation_id from first_answer),
  'the same key of another guest is another photo'
);
select isnt(
  (pg_temp.begin('tap-moderated', 'tap_a', 'tap_guest_9', 'tap-key-0123456789')).generation_id, (select generation_id from first_answer),
  'the same key at another event is another photo'
);
select is(pg_temp.used('tap-party'), (select used + 1 from used_before), 'another photo is charged');

-- A key without a guest has no scope: whatever it answers, it may not charge twice.
update used_before set used = pg_temp.used('tap-party');
select pg_temp.outcome($$pg_temp.begin('tap-party', p_key => 'tap-key-without-guest')$$),
  pg_temp.outcome($$pg_temp.begin('tap-party', p_key => 'tap-key-without-guest')$$);
select cmp_ok(
  pg_temp.used('tap-party') - (select used from used_before), '<=', 1,
  'an idempotency key without a guest_id does not charge twice'
);

-- A refusal is not remembered

select is(
  pg_temp.outcome($$pg_temp.begin('tap-empty', 'tap_a', 'tap_guest_9', 'tap-key-of-refusal')$$),
  'PT402 EVENT_SOLD_OUT {"used": 0, "allocated": 0}',
  'a request with a key is refused like any other'
);
select private.allocate_event_credits(pg_temp.event_id('tap-empty'), 1, 'tap-refill');
select is(
  pg_temp.outcome($$pg_temp.begin('tap-empty', 'tap_a', 'tap_guest_9', 'tap-key-of-refusal')$$), 'done',
  'what was refused may be tried again with the same key'
);
select is(pg_temp.used('tap-empty'), 1, 'what was refused first is charged once');

-- The answer outlives the event

update private.settings set is_in_maintenance = true;
select is(
  (pg_temp.begin('tap-party', 'tap_a', 'tap_guest_9', 'tap-key-0123456789')).generation_id, (select generation_id from first_answer),
  'the same request is answered during maintenance'
);
update private.settings set is_in_maintenance = false;
update public.events set closed_at = now() where event_slug = 'tap-party';
select is(
  (pg_temp.begin('tap-party', 'tap_a', 'tap_guest_9', 'tap-key-0123456789')).generation_id, (select generation_id from first_answer),
  'the same request is answered after the event has ended'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap-party', 'tap_a', 'tap_guest_9', 'tap-key-of-latecomer')$$), 'PT403 EVENT_ENDED',
  'a new request is not'
);

-- Addresses to upload to

select is(
  pg_temp.outcome($$public.issue_photo_upload('jpg')$$), 'PT401 UNAUTHENTICATED', 'somebody without account and event gets no upload address'
);
select is(
  pg_temp.outcome($$public.issue_photo_upload('jpg', p_event_slug => 'tap-paused')$$), 'PT403 EVENT_PAUSED',
  'an event that is not open gives no upload address'
);
select is(
  pg_temp.outcome($$public.issue_photo_upload('jpg', p_event_slug => 'tap-key')$$), 'PT403 FORBIDDEN',
  'an event with a key gives no upload address to those without it'
);
create temporary table issued as select public.issue_photo_upload('png', p_event_slug => 'tap-other', p_client_address => '192.0.2.20') as path;
select matches(
  (select path from issued), '^guests/[0-9a-f]{32}/[0-9a-f-]{36}\.png$', 'a guest gets an address that nobody can guess'
);
select is(
  pg_temp.outcome(format('pg_temp.begin(%L, p_hash => null, p_path => %L)', 'tap-other', (select path from issued))), 'done',
  'a photo at an address issued for the event is accepted'
);
select is(
  pg_temp.outcome(format('pg_temp.begin(%L, p_hash => null, p_path => %L)', 'tap-select', (select path from issued))),
  'PT400 INVALID_INPUT {"field": "photo_path"}', 'a photo at an address issued for another event is refused'
);
update private.settings set uploads_per_minute = 1;
select is(
  pg_temp.outcome($$public.issue_photo_upload('jpg', p_event_slug => 'tap-other', p_client_address => '192.0.2.20')$$),
  'PT429 RATE_LIMITED {"retry_after": 60}', 'upload addresses are limited per address and minute'
);

select lives_ok('set constraints all immediate', 'every photo points at its event and style');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

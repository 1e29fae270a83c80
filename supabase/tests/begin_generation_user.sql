-- begin_generation() for a person with an account: every refusal by its code, the style's price for a
-- photo, and the same request answered once.

begin;
create extension if not exists pgtap with schema extensions;
select plan(50);

update private.settings set is_in_maintenance = false;

insert into auth.users (id, email)
values
  ('8b000000-0000-4000-8000-000000000001', 'user@tap.example'),
  ('8b000000-0000-4000-8000-000000000002', 'other@tap.example'),
  ('8b000000-0000-4000-8000-000000000003', 'master@tap.example'),
  ('8b000000-0000-4000-8000-000000000004', 'exact@tap.example');
update public.profiles set role = 'master' where id = '8b000000-0000-4000-8000-000000000003';
select private.post_movement('grant', 'issued', null, 'user', '8b000000-0000-4000-8000-000000000001', 1000, 'tap-user');
select private.post_movement('grant', 'issued', null, 'user', '8b000000-0000-4000-8000-000000000002', 1000, 'tap-other');
select private.post_movement('grant', 'issued', null, 'user', '8b000000-0000-4000-8000-000000000004', 130, 'tap-exact');

insert into public.styles_metadata (id, label, category, subcategory, credit_cost, is_premium, is_active)
values
  ('tap_a', 'A', 'tap', 'Tap', 100, false, true),
  ('tap_b', 'B', 'tap', 'Tap', 130, false, true),
  ('tap_gold', 'Gold', 'tap', 'Tap Gold', 250, true, true),
  ('tap_silver', 'Silver', 'tap', 'Tap Silver', 250, true, true),
  ('tap_retired', 'Retired', 'tap', 'Tap', 100, false, false),
  ('tap_unprompted', 'Unprompted', 'tap', 'Tap', 100, false, true);
insert into public.identity_prompts (id, master_prompt)
select id, 'Paint ' || label from public.styles_metadata where id like 'tap\_%' and id <> 'tap_unprompted';
insert into public.pack_unlocks (user_id, pack, price)
values
  ('8b000000-0000-4000-8000-000000000001', 'Tap Silver', 3000),
  ('8b000000-0000-4000-8000-000000000002', 'Tap Gold', 3000);

-- A person's request that succeeds unless something else is given.
create function pg_temp.begin(
  p_style text default 'tap_a', p_user_id uuid default '8b000000-0000-4000-8000-000000000001', p_key text default null,
  p_path text default null, p_hash text default null, p_ratio text default '3:4'
)
returns public.generation_status
language sql
as $$
  select public.begin_generation(
    p_style, p_ratio, coalesce(p_path, p_user_id || '/me.jpg'), p_photo_hash => p_hash, p_user_id => p_user_id, p_idempotency_key => p_key
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

create function pg_temp.credits(p_number integer)
returns integer
language sql
as $$ select profiles.credits from public.profiles where profiles.id = ('8b000000-0000-4000-8000-00000000000' || p_number)::uuid; $$;

create temporary view traces as
  select
    (select count(*) from public.generations) as photos,
    (select count(*) from private.credit_movements) as movements,
    (select sum(credits) from public.profiles) as credits;

-- Refusals

create temporary table traces_before as select * from traces;

select is(
  pg_temp.outcome($$public.begin_generation('tap_a', '3:4', 'guests/x/y.jpg')$$), 'PT401 UNAUTHENTICATED',
  'a photo that nobody pays for is refused'
);
select is(
  pg_temp.outcome('pg_temp.begin(p_user_id => gen_random_uuid())'), 'PT401 UNAUTHENTICATED', 'an account that is gone is refused'
);
select is(pg_temp.outcome($$pg_temp.begin('tap_zzz')$$), 'PT404 STYLE_NOT_FOUND', 'an unknown style is refused');
select is(pg_temp.outcome($$pg_temp.begin('tap_retired')$$), 'PT404 STYLE_NOT_FOUND', 'an inactive style is refused');
select is(pg_temp.outcome($$pg_temp.begin('tap_unprompted')$$), 'PT404 STYLE_NOT_FOUND', 'a style that nobody can paint yet is refused');
select is(
  pg_temp.outcome($$pg_temp.begin('tap_gold')$$), 'PT403 STYLE_LOCKED', 'a premium style of a pack that the person did not unlock is refused'
);
select is(
  pg_temp.outcome($$pg_temp.begin('tap_gold', '8b000000-0000-4000-8000-000000000004')$$), 'PT403 STYLE_LOCKED',
  'a locked style is told as locked, whatever the balance'
);
select private.post_movement('adjustment', 'user', '8b000000-0000-4000-8000-000000000004', 'issued', null, 1, 'tap-less');
select is(
  pg_temp.outcome($$pg_temp.begin('tap_b', '8b000000-0000-4000-8000-000000000004')$$),
  'PT402 INSUFFICIENT_CREDITS {"needed": 130, "balance": 129}', 'one credit short is refused with both figures'
);
select private.post_movement('grant', 'issued', null, 'user', '8b000000-0000-4000-8000-000000000004', 1, 'tap-more');
update traces_before set movements = movements + 2;

insert into public.events (id, event_name, event_slug) values ('8b000000-0000-4000-8000-0000000000e1', 'Tap', 'tap-user-event');
insert into private.photo_uploads (path, event_id) values ('guests/tap/party.jpg', '8b000000-0000-4000-8000-0000000000e1');
insert into private.photo_uploads (path, user_id)
values ('8b000000-0000-4000-8000-000000000002/theirs.jpg', '8b000000-0000-4000-8000-000000000002');
insert into private.photo_uploads (path) values ('guests/tap/nobody.jpg');
select is(
  pg_temp.outcome(format('pg_temp.begin(p_path => %L)', given.path)), 'PT400 INVALID_INPUT {"field": "photo_path"}', given.name
)
from (
  values
    ('8b000000-0000-4000-8000-000000000002/theirs.jpg', 'the photo of another person is refused'),
    ('guests/tap/party.jpg', 'the photo of a guest is refused'),
    ('guests/tap/nobody.jpg', 'a guest''s photo issued for no event is refused'),
    ('8b000000-0000-4000-8000-0000000000010/me.jpg', 'a folder that only begins like the person''s is refused'),
    ('8b000000-0000-4000-8000-000000000001', 'a folder without a file is refused'),
    ('/8b000000-0000-4000-8000-000000000001/me.jpg', 'a path with a leading slash is refused'),
    ('https://tap.example/8b000000-0000-4000-8000-000000000001/me.jpg', 'a URL is refused'),
    ('', 'an empty path is refused')
) as given (path, name);

update private.settings set is_in_maintenance = true;
select is(pg_temp.outcome('pg_temp.begin()'), 'PT503 MAINTENANCE', 'nothing begins during maintenance');
update private.settings set is_in_maintenance = false;

select results_eq('select * from traces', 'select * from traces_before', 'a refusal leaves no photo, no movement and no charge');

-- One photo

create temporary table first_answer as select * from pg_temp.begin('tap_b', p_key => 'tap-key-0123456789', p_ratio => '9:16');

select results_eq(
  $$ select state, image_url, refunded, progress, photo_path from first_answer $$,
  $$ values ('waiting', null::text, false, 0.000, '8b000000-0000-4000-8000-000000000001/me.jpg') $$,
  'a photo that begins is waiting'
);
select results_eq(
  $$ select user_id, event_id, guest_id::text, style_id, aspect_ratio::text, status::text, visibility::text, credits_charged::integer,
       run_at
     from public.generations where id = (select generation_id from first_answer) $$,
  $$ values ('8b000000-0000-4000-8000-000000000001'::uuid, null::uuid, null::text, 'tap_b', '9:16', 'queued', 'visible', 130, now()) $$,
  'a photo that begins is a queued row of the person, due at once'
);
select is(pg_temp.credits(1), 870, 'a photo costs the style''s price');
select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, amount::integer from private.credit_movements
     where generation_id = (select generation_id from first_answer) $$,
  $$ values ('charge', 'user', '8b000000-0000-4000-8000-000000000001'::uuid, 'spent', 130) $$,
  'the charge is one movement that names the photo'
);
select matches(
  (select result_path from public.generations where id = (select generation_id from first_answer)),
  '^results/8b000000-0000-4000-8000-000000000001_[0-9]{19}\.png$',
  'the picture''s path is the person, 13 digits of time and 6 random ones'
);
select is(
  abs(
    (select substr(split_part(result_path, '_', 2), 1, 13)::bigint from public.generations where id = (select generation_id from first_answer))
    - extract(epoch from clock_timestamp()) * 1000
  ) < 60000,
  true, 'the digits of time are milliseconds'
);
select is(pg_temp.outcome($$pg_temp.begin('tap_silver')$$), 'done', 'a premium style of an unlocked pack is made');
select is(pg_temp.credits(1), 620, 'a premium style costs its price');
select is(
  pg_temp.outcome($$pg_temp.begin('tap_b', '8b000000-0000-4000-8000-000000000004')$$), 'done', 'a balance of exactly the price is enough'
);
select is(pg_temp.credits(4), 0, 'the last credit can be spent');
select is(
  pg_temp.outcome($$pg_temp.begin('tap_b', '8b000000-0000-4000-8000-000000000004')$$),
  'PT402 INSUFFICIENT_CREDITS {"needed": 130, "balance": 0}', 'an empty balance is refused'
);
select is(pg_temp.credits(2), 1000, 'others pay nothing');
select is(
  pg_temp.outcome($$pg_temp.begin(p_hash => 'h', p_path => 'anywhere/the-service-put-it.jpg')$$), 'done',
  'a data URL lies where the service stored it'
);
select is(pg_temp.credits(1), 520, 'a data URL costs what an upload costs');

-- The master

select is(
  pg_temp.outcome($$pg_temp.begin('tap_gold', '8b000000-0000-4000-8000-000000000003')$$), 'done',
  'a master needs neither credits nor unlocked packs'
);
select results_eq(
  $$ select credits_charged::integer, status::text from public.generations where user_id = '8b000000-0000-4000-8000-000000000003' $$,
  $$ values (0, 'queued') $$, 'a master''s photo costs 0'
);
select is_empty(
  $$ select from private.credit_movements where source_id = '8b000000-0000-4000-8000-000000000003' $$,
  'a master''s photo moves no credits'
);

-- The same request again

create temporary table traces_between as select * from traces;

select is(
  (pg_temp.begin('tap_b', p_key => 'tap-key-0123456789', p_ratio => '9:16')).generation_id, (select generation_id from first_answer),
  'the same request returns the same photo'
);
select is(
  pg_temp.outcome($$pg_temp.begin($$ || given.rest || ')'), 'PT409 IDEMPOTENCY_CONFLICT', given.name
)
from (
  values
    ($$'tap_a', p_key => 'tap-key-0123456789', p_ratio => '9:16'$$, 'the same key for another style is a conflict'),
    ($$'tap_b', p_key => 'tap-key-0123456789', p_ratio => '1:1'$$, 'the same key for another ratio is a conflict'),
    (
      $$'tap_b', p_key => 'tap-key-0123456789', p_ratio => '9:16', p_path => '8b000000-0000-4000-8000-000000000001/other.jpg'$$,
      'the same key for another photo is a conflict'
    )
) as given (rest, name);
update public.styles_metadata set is_active = false where id = 'tap_b';
select is(
  (pg_temp.begin('tap_b', p_key => 'tap-key-0123456789', p_ratio => '9:16')).generation_id, (select generation_id from first_answer),
  'the same request is answered when the style is no longer offered'
);
update public.styles_metadata set is_active = true where id = 'tap_b';
select results_eq('select * from traces', 'select * from traces_between', 'neither the same request nor a conflict leaves anything');

select is(
  pg_temp.outcome(
    $$pg_temp.begin('tap_b', '8b000000-0000-4000-8000-000000000002', 'tap-key-0123456789', p_ratio => '9:16')$$
  ),
  'done', 'the same key of another person is another photo'
);
select is(pg_temp.credits(2), 870, 'another photo is charged');

-- A refusal is not remembered

select is(
  pg_temp.outcome($$pg_temp.begin('tap_a', '8b000000-0000-4000-8000-000000000004', 'tap-key-of-refusal')$$),
  'PT402 INSUFFICIENT_CREDITS {"needed": 100, "balance": 0}', 'a request with a key is refused like any other'
);
select private.post_movement('grant', 'issued', null, 'user', '8b000000-0000-4000-8000-000000000004', 100, 'tap-refill');
select is(
  pg_temp.outcome($$pg_temp.begin('tap_a', '8b000000-0000-4000-8000-000000000004', 'tap-key-of-refusal')$$), 'done',
  'what was refused may be tried again with the same key'
);
select is(
  (pg_temp.begin('tap_a', '8b000000-0000-4000-8000-000000000004', 'tap-key-of-refusal')).state, 'waiting',
  'the same request is answered when the balance is used up'
);
select is(pg_temp.credits(4), 0, 'the request is charged once');

-- The person's own folder is the first step of the path, and there is no way back out of it

select is(
  pg_temp.outcome(
    $$pg_temp.begin(p_path => '8b000000-0000-4000-8000-000000000001/../8b000000-0000-4000-8000-000000000002/theirs.jpg')$$
  ),
  'PT400 INVALID_INPUT {"field": "photo_path"}', 'a path that climbs out of the folder is refused'
);

select lives_ok('set constraints all immediate', 'every photo points at its person and style');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

-- Who may see and change which rows through the Data API, cell by cell: the table of docs/security.md with real
-- rows. Each actor runs each statement as the role and with the claims that the API would give them.

begin;
create extension if not exists pgtap with schema extensions;
select * from no_plan();

-- The world. Ids end in the number of their row here; results are shown by name.

create temporary table names (number serial, kind text, name text);
create function pg_temp.id_of(p_name text)
returns uuid
language sql stable strict
as $$
  select format('7a000000-0000-4000-8000-%s', lpad(number::text, 12, '0'))::uuid from names where name = p_name;
$$;
insert into names (kind, name)
select kind, name
from (
  values
    -- Two users, somebody with nothing but an old order, owners of two partners and of a suspended one, hosts of two
    -- clients, of an inactive one and of one whose partner is suspended, a host of two partners' clients, a master.
    ('actor', 'anon outsider ua ub pa pb poff ca cb ci co two master'),
    -- Owns nothing at all; the victim of what others try.
    ('person', 'nobody'),
    ('partner', 'A B Off'),
    ('client', 'Ca Cb Ci Co Ct1 Ct2'),
    ('event', 'ea ea2 eb eci eoff em et1 et2'),
    ('photo', 'g_ua g_ub g_ea g_ea2 g_eb g_eci g_eoff g_em g_et1 g_et2'),
    ('pack', 'user_on user_off partner_on'),
    ('order', 'o_ua o_ub o_A')
) as given (kind, list)
cross join lateral unnest(string_to_array(given.list, ' ')) as name;

insert into auth.users (id, email)
select pg_temp.id_of(name), name || '@tap.example' from names where kind in ('actor', 'person') and name <> 'anon';
update public.profiles set role = 'master' where email = 'master@tap.example';
insert into public.partners (id, name, user_id)
select pg_temp.id_of(name), name, pg_temp.id_of(owner) from (values ('A', 'pa'), ('B', 'pb'), ('Off', 'poff')) as given (name, owner);
insert into public.clients (id, partner_id, user_id, name, is_active)
select pg_temp.id_of(name), pg_temp.id_of(partner), pg_temp.id_of(host), name, name <> 'Ci'
from (
  values
    ('Ca', 'A', 'ca'), ('Cb', 'B', 'cb'), ('Ci', 'A', 'ci'), ('Co', 'Off', 'co'), ('Ct1', 'A', 'two'), ('Ct2', 'B', 'two')
) as given (name, partner, host);
insert into public.events (id, partner_id, client_id, event_name, event_slug, client_email)
select pg_temp.id_of(name), pg_temp.id_of(partner), pg_temp.id_of(client), name, 'tap-' || name, 'host@tap.example'
from (
  values
    ('ea', 'A', 'Ca'), ('ea2', 'A', null), ('eb', 'B', 'Cb'), ('eci', 'A', 'Ci'), ('eoff', 'Off', 'Co'), ('em', null, null),
    ('et1', 'A', 'Ct1'), ('et2', 'B', 'Ct2')
) as given (name, partner, client);
insert into public.styles_metadata (id, label, category, subcategory, is_active)
values ('tap_on', 'On', 'tap', 'Tap', true), ('tap_new', 'New', 'tap', 'Tap', true), ('tap_off', 'Off', 'tap', 'Tap', false);
insert into public.identity_prompts (id, master_prompt) values ('tap_on', 'Secret');
insert into public.api_key_pool (api_key) values ('tap-secret');
insert into public.generations (id, user_id, event_id, guest_id, style_id, aspect_ratio, credits_charged, photo_path, result_path, expected_seconds)
select pg_temp.id_of(name), case when payer like 'u_' then pg_temp.id_of(payer) end, case when payer not like 'u_' then pg_temp.id_of(payer) end,
  case when payer not like 'u_' then 'guest_of_tap' end, 'tap_on', '3:4', 0, 'tap.jpg', 'results/' || name, 20
from names cross join lateral (select substr(name, 3) as payer) as payers
where kind = 'photo';
insert into private.gallery_photos (generation_id, event_id, event_slug, style_id, aspect_ratio, image_url, created_at, open_until)
values
  (pg_temp.id_of('g_ea'), pg_temp.id_of('ea'), 'tap-ea', 'tap_on', '3:4', 'https://tap.example/1', now(), 'infinity'),
  (pg_temp.id_of('g_eb'), pg_temp.id_of('eb'), 'tap-eb', 'tap_on', '3:4', 'https://tap.example/2', now(), '-infinity');
insert into public.favorites (user_id, style_id) values (pg_temp.id_of('ua'), 'tap_on'), (pg_temp.id_of('pb'), 'tap_on');
insert into public.pack_unlocks (user_id, pack, price) values (pg_temp.id_of('ua'), 'tap_gold', 1), (pg_temp.id_of('ub'), 'tap_gold', 1);
delete from public.credit_packs;
insert into public.credit_packs (id, name, audience, credits, price, is_active)
select pg_temp.id_of(name), name, split_part(name, '_', 1), 1, 1, name not like '%off' from names where kind = 'pack';
insert into public.payment_orders (id, user_id, partner_id, pack_id, credits, amount, currency)
select pg_temp.id_of(name), pg_temp.id_of(buyer), pg_temp.id_of(partner), pg_temp.id_of(pack), 1, 1, 'ARS'
from (
  values
    ('o_ua', 'ua', null, 'user_on'), ('o_ub', 'ub', null, 'user_on'),
    -- Bought by who owned the partner before.
    ('o_A', 'outsider', 'A', 'partner_on')
) as given (name, buyer, partner, pack);
insert into public.payment_notifications (mercadopago_id, user_id, order_id, status)
select 'tap_' || id, user_id, id, 'approved' from public.payment_orders where id in (select pg_temp.id_of(name) from names where kind = 'order');
select private.grant_credits((case kind when 'partner' then kind else 'user' end)::private.credit_account, pg_temp.id_of(name), 100, 'tap-' || name)
from names where kind = 'partner' or name in ('ua', 'ub');
select private.allocate_event_credits(pg_temp.id_of(name), 5) from names where kind = 'event';
update public.partners set is_active = false where name = 'Off';

-- How they ask

-- Tests of claims put more of them into tap.claims.
create function pg_temp.become(p_actor text)
returns void
language sql
as $$
  select set_config(
    'request.jwt.claims',
    (
      jsonb_build_object('role', case p_actor when 'anon' then 'anon' else 'authenticated' end, 'sub', pg_temp.id_of(nullif(p_actor, 'anon')))
      || coalesce(nullif(current_setting('tap.claims', true), ''), '{}')::jsonb
    )::text,
    true
  );
  select set_config('role', case p_actor when 'anon' then 'anon' else 'authenticated' end, true);
$$;

-- '-' when refused, else the names of the rows in order; 'seed' stands for rows of the demo data.
create function pg_temp.ask(p_actor text, p_key text, p_from text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_keys text[];
begin
  perform pg_temp.become(p_actor);
  begin
    execute format('select array_agg(distinct (%s)::text) from %s', p_key, p_from) into v_keys;
  exception
    when insufficient_privilege then
      perform set_config('role', v_me, true);
      return '-';
  end;
  perform set_config('role', v_me, true);
  return (
    select coalesce(string_agg(distinct shown.name, ' ' order by shown.name), '')
    from (
      select coalesce(
        (select names.name from names where pg_temp.id_of(names.name)::text = keys.key),
        substring(keys.key from '^tap[-_](.*)$'), substring(keys.key from '^(.*)@tap.example$'), 'seed'
      ) collate "C" as name
      from unnest(v_keys) as keys (key)
    ) as shown
  );
end;
$$;

-- What somebody can write to, as its owner sees it.
create temporary view writable as
  select id as person_id, profiles::text as content from public.profiles
  union all
  select user_id, favorites::text from public.favorites;

-- What came of a statement that writes: '-' when refused, the SQLSTATE of another error, else whose rows are now
-- different. Its own count of rows is not asked: a policy that filters is silent. Nothing stays.
create function pg_temp.write(p_actor text, p_statement text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_before text[] := array(select writable::text from writable);
  v_changed text;
begin
  perform pg_temp.become(p_actor);
  begin
    execute p_statement;
    perform set_config('role', v_me, true);
    select string_agg(distinct names.name, ' ' order by names.name)
    into v_changed
    from names
    where exists (
      select from (
        (select unnest(v_before) as content except select writable::text from writable)
        union all
        (select writable::text from writable except select unnest(v_before))
      ) as differences
      where differences.content like format('(%s,%%', pg_temp.id_of(names.name))
    );
    raise exception using errcode = 'TAP00';
  exception
    when others then
      perform set_config('role', v_me, true);
      return case sqlstate when '42501' then '-' when 'TAP00' then coalesce(v_changed, '') else sqlstate end;
  end;
end;
$$;

-- Reading: object, key, then what each actor sees

create temporary table reads (
  object text, key text, anon text, outsider text, ua text, ub text, pa text, pb text, poff text, ca text, cb text, ci text, co text, two text, master text
);
insert into reads
values
  ('public.profiles', 'email', '-', 'outsider', 'ua', 'ub', 'pa', 'pb', 'poff', 'ca', 'cb', 'ci', 'co', 'two',
    'ca cb ci co master nobody outsider pa pb poff seed two ua ub'),
  ('public.partners', 'id', '-', '', '', '', 'A', 'B', '', '', '', '', '', '', 'A B Off seed'),
  ('public.clients', 'id', '-', '', '', '', 'Ca Ci Ct1', 'Cb Ct2', '', 'Ca', 'Cb', '', '', 'Ct1 Ct2', 'Ca Cb Ci Co Ct1 Ct2 seed'),
  ('public.events', 'id', '-', '', '', '', 'ea ea2 eci et1', 'eb et2', '', 'ea', 'eb', '', '', 'et1 et2',
    'ea ea2 eb eci em eoff et1 et2 seed'),
  ('public.generations', 'id', '-', '', 'g_ua', 'g_ub', 'g_ea g_ea2 g_eci g_et1', 'g_eb g_et2', '', 'g_ea', 'g_eb', '', '', 'g_et1 g_et2',
    'g_ea g_ea2 g_eb g_eci g_em g_eoff g_et1 g_et2 g_ua g_ub'),
  ('public.event_gallery', 'event_slug', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea'),
  ('public.styles_metadata', 'id', 'new on seed', 'new on seed', 'new on seed', 'new on seed', 'new on seed', 'new on seed', 'new on seed',
    'new on seed', 'new on seed', 'new on seed', 'new on seed', 'new on seed', 'new off on seed'),
  ('public.favorites', 'user_id', '-', '', 'ua', '', '', 'pb', '', '', '', '', '', '', ''),
  ('public.pack_unlocks', 'user_id', '-', '', 'ua', 'ub', '', '', '', '', '', '', '', '', ''),
  ('public.credit_packs', 'id', 'user_on', 'user_on', 'user_on', 'user_on', 'partner_on user_on', 'partner_on user_on', 'user_on', 'user_on', 'user_on',
    'user_on', 'user_on', 'user_on', 'partner_on user_off user_on'),
  ('public.payment_orders', 'id', '-', 'o_A', 'o_ua', 'o_ub', 'o_A', '', '', '', '', '', '', '', 'o_A o_ua o_ub'),
  ('public.payment_notifications', 'order_id', '-', 'o_A', 'o_ua', 'o_ub', 'o_A', '', '', '', '', '', '', '', 'o_A o_ua o_ub'),
  -- Not exposed by the API. What statements and the gallery read as the person who asks:
  ('private.credit_movements where source_id is not null', 'source_id', '-', '', '', '', 'A', 'B', '', '', '', '', '', '',
    'A B Off seed'),
  ('private.credit_movements where destination_id is not null', 'destination_id', '-', '', 'ua', 'ub', 'A ea ea2 eci et1', 'B eb et2', '', '', '', '', '',
    '',
    'A B Off ea ea2 eb eci em eoff et1 et2 seed ua ub'),
  ('private.credit_notes', 'note', '-', '', 'ua', 'ub', 'A', 'B', '', '', '', '', '', '', 'A B Off seed ua ub'),
  ('private.gallery_photos', 'event_slug', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea');
-- For nobody, not even one column.
insert into reads
select object, '1', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-'
from unnest(
  '{public.identity_prompts, public.api_key_pool, private.alerts, private.audit_log, private.bonus_claims, private.credit_debts, private.download_tickets, private.file_tasks,
    private.generation_attempts, private.hourly_credits, private.hourly_latencies, private.hourly_photos, private.hourly_styles, private.invitations,
    private.outbox, private.photo_uploads, private.pin_sessions, private.prompt_versions, private.rate_limits, private.roll_up, private.secrets, private.settings, private.stored_pictures,
    private.queue_lanes, private.style_tests, private.sweeper, private.table_scans, private.webhook_inbox}'::text[]
) as object;
-- A statement names the other side of each movement; other people's are empty.
insert into reads
select filled.*
from (
  values
    ('user', 'ua', 'issued', 'ua'), ('user', 'ub', 'issued', 'ub'), ('user', 'ca', '', 'ca'), ('partner', 'A', 'ea ea2 eci et1 issued', 'pa'),
    ('partner', 'B', 'eb et2 issued', 'pb'), ('partner', 'Off', 'eoff issued', null), ('event', 'ea', 'A', 'pa'), ('event', 'ea2', 'A', 'pa'),
    ('event', 'et2', 'B', 'pb'), ('event', 'eoff', 'Off', null), ('event', 'em', 'issued', null)
) as given (account, owner, rows, reader)
cross join lateral (
  select jsonb_object_agg(
    name, case when name = 'anon' then '-' when name in (given.reader, 'master') then given.rows else '' end
  ) || jsonb_build_object(
    'object', format('public.credit_statement(%L, %L)', given.account, pg_temp.id_of(given.owner)),
    'key', $$coalesce(counterpart_id::text, 'tap_' || counterpart)$$
  ) as cells
  from names where kind = 'actor'
) as actors
cross join lateral jsonb_populate_record(null::reads, actors.cells) as filled;

-- With the name of whom an object is asked for in place of the id.
create function pg_temp.named(p_object text)
returns text
language sql
as $$
  select coalesce((select replace(p_object, pg_temp.id_of(name)::text, name) from names where strpos(p_object, pg_temp.id_of(name)::text) > 0), p_object);
$$;
select is(
  pg_temp.ask(cell.key, reads.key, reads.object), cell.value,
  format('%s select %s: %s', cell.key, pg_temp.named(reads.object), case cell.value when '-' then 'refused' when '' then 'no rows' else cell.value end)
)
from reads
cross join lateral jsonb_each_text(to_jsonb(reads) - 'object' - 'key') as cell;

create temporary view our_tables as
  select format('%I.%I', relnamespace::regnamespace, relname) as name
  from pg_class
  where relnamespace in ('public'::regnamespace, 'private'::regnamespace) and relkind in ('r', 'p', 'v', 'm', 'f');
select set_eq(
  'select name from our_tables',
  $$ select split_part(object, ' ', 1) from reads where object not like '%(%' $$,
  'every table and view of public and private is in the matrix, and nothing else'
);

-- Writing: refused everywhere

select is(
  pg_temp.write(names.name, format(statements.pattern, our_tables.name, columns.name)), '-',
  format('%s %s %s: refused', names.name, statements.verb, our_tables.name)
)
from our_tables
cross join lateral (
  select attname as name from pg_attribute where attrelid = our_tables.name::regclass and attnum > 0 and not attisdropped order by attnum limit 1
) as columns
cross join (
  values ('insert', 'insert into %s default values'), ('update', 'update %s set %I = default'), ('delete', 'delete from %s')
) as statements (verb, pattern)
cross join names
where names.kind = 'actor' and (our_tables.name <> 'public.favorites' or statements.verb = 'update');

-- But for favorites and the name in one's profile. What comes of it for who is signed in ('own': they change their
-- row), and for whom something else; anon is refused.
create temporary table writes (statement text, outcome text, but jsonb default '{}');
insert into writes
values
  ($$update public.profiles set full_name = 'Tap'$$, 'own'),
  (format($$update public.profiles set full_name = 'Tap' where id = %L$$, pg_temp.id_of('nobody')), ''),
  ($$update public.profiles set full_name = 'Tap', role = 'master'$$, '-'),
  ($$update public.profiles set role = 'master'$$, '-'),
  ($$update public.profiles set credits = 1000000$$, '-'),
  ($$update public.profiles set email = 'tap@tap.example'$$, '-'),
  (format($$update public.profiles set referred_by = %L$$, pg_temp.id_of('nobody')), '-'),
  ($$insert into public.favorites (style_id) values ('tap_new')$$, 'own'),
  (format($$insert into public.favorites (user_id, style_id) values (%L, 'tap_new')$$, pg_temp.id_of('nobody')), '-'),
  ($$insert into public.favorites (style_id, created_at) values ('tap_new', now())$$, '-'),
  ($$insert into public.favorites (style_id) values ('tap_on') on conflict (user_id, style_id) do update set style_id = 'tap_new'$$, '-'),
  ($$insert into public.favorites (style_id) values ('tap_nowhere')$$, '-');
insert into writes
values
  -- Computed from the role, refused before anybody is asked for rights.
  ($$update public.profiles set is_master = true$$, '428C9', '{"anon": "428C9"}'),
  ($$insert into public.favorites (style_id) values ('tap_off')$$, '-', '{"master": "master"}'),
  ($$delete from public.favorites$$, '', '{"ua": "ua", "pb": "pb"}'),
  (format($$delete from public.favorites where user_id = %L$$, pg_temp.id_of('ua')), '', '{"ua": "ua"}');
select is(
  pg_temp.write(names.name, writes.statement), expected.outcome,
  format(
    '%s %s: %s', names.name, writes.statement,
    case expected.outcome when '-' then 'refused' when '' then 'changes nothing' when '428C9' then 'an error' else 'changes ' || expected.outcome end
  )
)
from writes
cross join names
cross join lateral (
  select case
    when writes.but ? names.name then writes.but ->> names.name
    when names.name = 'anon' then '-'
    when writes.outcome = 'own' then names.name
    else writes.outcome
  end as outcome
) as expected
where names.kind = 'actor';

-- At once: the token stays the same, and what it opens changes with the rows

create function pg_temp.sees(p_actor text)
returns jsonb
language sql
as $$
  select jsonb_object_agg(object, pg_temp.ask(p_actor, key, object)) from reads where object <> 'public.profiles';
$$;
create temporary table before as select name as actor, pg_temp.sees(name) as seen from names where kind in ('actor', 'person');
-- Where what somebody sees now is not what somebody (else) saw before; empty when it is the same everywhere.
create function pg_temp.sees_unlike(p_actor text, p_model text)
returns text
language sql
as $$
  select coalesce(string_agg(format('%s: %s', pg_temp.named(now.key), now.value), ', ' order by now.key), '')
  from jsonb_each_text(pg_temp.sees(p_actor)) as now
  where now.value is distinct from (select seen ->> now.key from before where actor = p_model);
$$;

update public.partners set is_active = false where name = 'A';
select is(pg_temp.sees_unlike(actor, 'nobody'), '', format('their partner suspended, %s sees nothing of it', actor))
from unnest('{pa,ca,ci}'::text[]) as actor;
select is(pg_temp.ask(actor, 'email', 'public.profiles'), actor, format('but %s sees their own profile', actor)) from unnest('{pa,ca}'::text[]) as actor;
select is(pg_temp.ask('two', 'id', 'public.events'), 'et2', 'a host of two partners'' events keeps those of the other');
select is(pg_temp.ask('two', 'id', 'public.generations'), 'g_et2', 'and their photos');
select is(pg_temp.sees_unlike('pb', 'pb'), '', 'another partner sees what it saw');
update public.partners set is_active = true where name = 'A';
select is(pg_temp.sees_unlike(actor, actor), '', format('the partner back, %s sees what they saw', actor)) from unnest('{pa,ca,ci,two}'::text[]) as actor;

update public.clients set is_active = false where name = 'Ca';
select is(pg_temp.sees_unlike('ca', 'nobody'), '', 'a client that is deactivated sees nothing');
select is(pg_temp.ask('ca', 'email', 'public.profiles'), 'ca', 'but their own profile');
select is(pg_temp.sees_unlike(actor, actor), '', format('%s sees what they saw', actor)) from unnest('{pa,two}'::text[]) as actor;
update public.clients set is_active = true where name = 'Ca';
select is(pg_temp.sees_unlike('ca', 'ca'), '', 'the client back, it sees what it saw');

update public.partners set user_id = pg_temp.id_of('nobody') where name = 'A';
select is(pg_temp.sees_unlike('pa', 'nobody'), '', 'who no longer owns a partner sees nothing of it');
select is(pg_temp.sees_unlike('nobody', 'pa'), '', 'who owns it now sees all that');
update public.partners set user_id = pg_temp.id_of('pa') where name = 'A';
update public.clients set user_id = pg_temp.id_of('nobody') where name = 'Ca';
select is(pg_temp.sees_unlike('ca', 'nobody'), '', 'who no longer hosts for a client sees nothing of it');
select is(pg_temp.sees_unlike('nobody', 'ca'), '', 'who does now sees all that');
update public.clients set user_id = pg_temp.id_of('ca') where name = 'Ca';
update public.profiles set role = 'user' where email = 'master@tap.example';
select is(pg_temp.sees_unlike('master', 'nobody'), '', 'who is no longer a master sees nothing of others');
select is(pg_temp.ask('master', 'email', 'public.profiles'), 'master', 'but their own profile');
update public.profiles set role = 'master' where email = 'master@tap.example';

-- Claims say who somebody is, and nothing else. Whatever more a token holds, they see and may do the same.
create function pg_temp.with_claims(p_claims text, p_actor text)
returns text
language plpgsql
as $$
begin
  perform set_config('tap.claims', p_claims, true);
  return (select string_agg(pg_temp.write(p_actor, statement), '|' order by statement) from writes) || pg_temp.ask(p_actor, 'email', 'public.profiles')
    || pg_temp.sees(p_actor)::text;
end;
$$;
select is(pg_temp.with_claims(claims, actor), pg_temp.with_claims('{}', actor), format('claims %s of %s change nothing', claims, actor))
from unnest(array[
  '{"role": "service_role"}', '{"role": "master"}', '{"is_master": true}', '{"user_role": "master"}', '{"email": "master@tap.example"}',
  '{"app_metadata": {"role": "master", "is_master": true}}', '{"user_metadata": {"role": "master", "is_master": true}}'
]) as claims
cross join unnest('{nobody,pa,ca}'::text[]) as actor;
select set_config('tap.claims', '', true);
select is(pg_temp.sees_unlike(null, 'nobody'), '', 'a token that names no person sees nothing');
select is(pg_temp.ask(null, 'email', 'public.profiles'), '', 'and no profile');

-- A token outlives its person by up to an hour.
delete from auth.users where id in (pg_temp.id_of('ua'), pg_temp.id_of('pb'), pg_temp.id_of('cb'), pg_temp.id_of('master'));
select is(pg_temp.sees_unlike(actor, 'nobody'), '', format('the token of %s, who was erased, opens nothing', actor))
from unnest('{ua,pb,cb,master}'::text[]) as actor;
select is(pg_temp.ask('ua', 'email', 'public.profiles'), '', 'it finds no profile');
select is(pg_temp.write('ua', $$update public.profiles set full_name = 'Tap'$$), '', 'and changes none');
select is(pg_temp.write('ua', $$insert into public.favorites (style_id) values ('tap_on')$$), '23503', 'and keeps no favorites');

select * from finish();
rollback;

-- Who may do what through the Data API, cell by cell: the table of docs/security.md with real rows. Each
-- actor runs each statement as the role and with the claims that the API would give them.

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
    -- Two users, somebody with nothing, owners of two partners and of a suspended one, hosts of two clients, of an
    -- inactive one and of one whose partner is suspended, a host of two partners' clients, a master.
    ('actor', 'anon outsider ua ub pa pb poff ca cb ci co two master'),
    ('partner', 'A B Off'),
    ('client', 'Ca Cb Ci Co Ct1 Ct2'),
    ('event', 'ea ea2 eb eci eoff em et1 et2'),
    ('photo', 'g_ua g_ub g_ea g_ea2 g_eb g_eci g_eoff g_em g_et1 g_et2'),
    ('pack', 'user_on user_off partner_on'),
    ('order', 'o_ua o_ub o_A')
) as given (kind, list)
cross join lateral unnest(string_to_array(given.list, ' ')) as name;

insert into auth.users (id, email) select pg_temp.id_of(name), name || '@tap.example' from names where kind = 'actor' and name <> 'anon';
update public.profiles set role = 'master' where email = 'master@tap.example';
insert into public.partners (id, name, user_id)
values
  (pg_temp.id_of('A'), 'A', pg_temp.id_of('pa')), (pg_temp.id_of('B'), 'B', pg_temp.id_of('pb')), (pg_temp.id_of('Off'), 'Off', pg_temp.id_of('poff'));
insert into public.clients (id, partner_id, user_id, name, is_active)
select pg_temp.id_of(name), pg_temp.id_of(partner), pg_temp.id_of(host), name, name <> 'Ci'
from (values ('Ca', 'A', 'ca'), ('Cb', 'B', 'cb'), ('Ci', 'A', 'ci'), ('Co', 'Off', 'co'), ('Ct1', 'A', 'two'), ('Ct2', 'B', 'two')) as given (name, partner, host);
insert into public.events (id, partner_id, client_id, event_name, event_slug, client_email)
select pg_temp.id_of(name), pg_temp.id_of(partner), pg_temp.id_of(client), name, 'tap-' || name, 'host@tap.example'
from (
  values
    ('ea', 'A', 'Ca'), ('ea2', 'A', null), ('eb', 'B', 'Cb'), ('eci', 'A', 'Ci'), ('eoff', 'Off', 'Co'), ('em', null, null), ('et1', 'A', 'Ct1'),
    ('et2', 'B', 'Ct2')
) as given (name, partner, client);
insert into public.styles_metadata (id, label, category, subcategory, is_active)
values ('tap_on', 'On', 'tap', 'Tap', true), ('tap_off', 'Off', 'tap', 'Tap', false);
insert into public.identity_prompts (id, master_prompt) values ('tap_on', 'Secret');
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
values
  (pg_temp.id_of('o_ua'), pg_temp.id_of('ua'), null, pg_temp.id_of('user_on'), 1, 1, 'ARS'),
  (pg_temp.id_of('o_ub'), pg_temp.id_of('ub'), null, pg_temp.id_of('user_on'), 1, 1, 'ARS'),
  -- Bought by who owned the partner before.
  (pg_temp.id_of('o_A'), pg_temp.id_of('outsider'), pg_temp.id_of('A'), pg_temp.id_of('partner_on'), 1, 1, 'ARS');
insert into public.payment_notifications (mercadopago_id, user_id, order_id, status)
select 'tap_' || id, user_id, id, 'approved' from public.payment_orders where id in (select pg_temp.id_of(name) from names where kind = 'order');
select private.grant_credits('user', pg_temp.id_of(name), 10, 'tap') from names where name in ('ua', 'ub');
select private.grant_credits('partner', pg_temp.id_of(name), 100, 'tap') from names where kind = 'partner';
select private.allocate_event_credits(pg_temp.id_of(name), 5) from names where kind = 'event';
update public.partners set is_active = false where name = 'Off';

-- How they ask

create function pg_temp.become(p_actor text)
returns void
language sql
as $$
  select set_config('request.jwt.claims', case p_actor
      when 'anon' then '{"role": "anon"}'
      else jsonb_build_object('role', 'authenticated', 'sub', pg_temp.id_of(p_actor))::text
    end, true);
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

-- What came of a statement that writes: '-' when refused, else the number of rows, and nothing stays.
create function pg_temp.write(p_actor text, p_statement text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_count bigint;
begin
  perform pg_temp.become(p_actor);
  begin
    execute p_statement;
    get diagnostics v_count = row_count;
    raise exception using errcode = 'TAP00', message = v_count::text;
  exception
    when insufficient_privilege then
      perform set_config('role', v_me, true);
      return '-';
    when sqlstate 'TAP00' then
      perform set_config('role', v_me, true);
      return sqlerrm;
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
    'ca cb ci co master outsider pa pb poff seed two ua ub'),
  ('public.partners', 'id', '-', '', '', '', 'A', 'B', '', '', '', '', '', '', 'A B Off seed'),
  ('public.clients', 'id', '-', '', '', '', 'Ca Ci Ct1', 'Cb Ct2', '', 'Ca', 'Cb', '', '', 'Ct1 Ct2', 'Ca Cb Ci Co Ct1 Ct2 seed'),
  ('public.events', 'id', '-', '', '', '', 'ea ea2 eci et1', 'eb et2', '', 'ea', 'eb', '', '', 'et1 et2',
    'ea ea2 eb eci em eoff et1 et2 seed'),
  ('public.generations', 'id', '-', '', 'g_ua', 'g_ub', 'g_ea g_ea2 g_eci g_et1', 'g_eb g_et2', '', 'g_ea', 'g_eb', '', '', 'g_et1 g_et2',
    'g_ea g_ea2 g_eb g_eci g_em g_eoff g_et1 g_et2 g_ua g_ub'),
  ('public.event_gallery', 'event_slug', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea'),
  ('public.styles_metadata', 'id', 'on seed', 'on seed', 'on seed', 'on seed', 'on seed', 'on seed', 'on seed', 'on seed', 'on seed', 'on seed',
    'on seed', 'on seed', 'off on seed'),
  ('public.favorites', 'user_id', '-', '', 'ua', '', '', 'pb', '', '', '', '', '', '', ''),
  ('public.pack_unlocks', 'user_id', '-', '', 'ua', 'ub', '', '', '', '', '', '', '', '', ''),
  ('public.credit_packs', 'id', 'user_on', 'user_on', 'user_on', 'user_on', 'partner_on user_on', 'partner_on user_on', 'user_on', 'user_on', 'user_on',
    'user_on', 'user_on', 'user_on', 'partner_on user_off user_on'),
  ('public.payment_orders', 'id', '-', 'o_A', 'o_ua', 'o_ub', 'o_A', '', '', '', '', '', '', '', 'o_A o_ua o_ub'),
  ('public.payment_notifications', 'order_id', '-', 'o_A', 'o_ua', 'o_ub', 'o_A', '', '', '', '', '', '', '', 'o_A o_ua o_ub'),
  ('public.identity_prompts', 'id', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-'),
  ('public.api_key_pool', 'id', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-', '-'),
  -- Not exposed by the API. What statements and the gallery read as the person who asks:
  ('private.credit_movements where source_id is not null', 'source_id', '-', '', '', '', 'A', 'B', '', '', '', '', '', '',
    'A B Off seed'),
  ('private.credit_movements where destination_id is not null', 'destination_id', '-', '', 'ua', 'ub', 'A ea ea2 eci et1', 'B eb et2', '', '', '', '', '', '',
    'A B Off ea ea2 eb eci em eoff et1 et2 seed ua ub'),
  ('private.gallery_photos', 'event_slug', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea', 'ea');

create temporary table cells as
  select reads.object, reads.key, cell.key as actor, cell.value as expected
  from reads cross join lateral jsonb_each_text(to_jsonb(reads) - 'object' - 'key') as cell;

select is(pg_temp.ask(actor, key, object), expected, format('%s reads %s: %s', actor, object, coalesce(nullif(expected, ''), 'nothing'))) from cells;

-- Of schema private nobody reads anything else; of public no object is without its row above.
create temporary view our_tables as
  select pg_class.oid, pg_class.oid::regclass::text as name, pg_class.relkind, relnamespace::regnamespace::text as schema_name
  from pg_class where relnamespace in ('public'::regnamespace, 'private'::regnamespace) and relkind in ('r', 'p', 'v', 'm');
select set_eq(
  $$ select schema_name || '.' || split_part(name, '.', 1 + (name like '%.%')::integer) from our_tables where schema_name = 'public' $$,
  $$ select object from reads where object like 'public.%' $$, 'every table and view of public is in the matrix'
);
select is(
  (
    select string_agg(our_tables.name || ' by ' || names.name, ', ')
    from our_tables cross join names
    where our_tables.schema_name = 'private' and names.kind = 'actor'
      and our_tables.name not in ('private.credit_movements', 'private.credit_notes', 'private.gallery_photos')
      and pg_temp.ask(names.name, '1', our_tables.name) <> '-'
  ),
  null, 'no other table of private is read by anybody'
);
select is(
  pg_temp.ask(names.name, 'counterpart_id', format('public.credit_statement(%L, %L) where counterpart is not null', lower(given.account), pg_temp.id_of(given.owner))),
  case when names.name = 'anon' then '-' when names.name = any (given.readers) then given.rows else '' end,
  format('%s reads the statement of %s', names.name, given.owner)
)
from names
cross join (
  values
    ('partner', 'A', 'ea ea2 eci et1 seed', '{pa,master}'::text[]), ('event', 'ea', 'A', '{pa,master}'), ('event', 'eoff', 'Off', '{master}'),
    ('user', 'ua', 'seed', '{ua,master}'), ('event', 'et2', 'B', '{pb,master}')
) as given (account, owner, rows, readers)
where names.kind = 'actor';

-- Columns: all of them, open or not, in both directions

create temporary table open_columns (name text, role text, verb text, columns text);
insert into open_columns
values
  ('profiles', 'authenticated', 'select', '*'),
  ('profiles', 'authenticated', 'update', 'full_name'),
  ('partners', 'authenticated', 'select', '*'),
  ('clients', 'authenticated', 'select', '*'),
  ('events', 'authenticated', 'select',
    'client_email client_id client_name closed_at config created_at credits_allocated credits_used end_date event_name event_slug id is_active '
      || 'is_client_active is_partner_active partner_id selected_styles start_date updated_at'),
  ('generations', 'authenticated', 'select',
    'aspect_ratio created_at credits_charged deleted_at error_code event_id failed_at id image_url refunded_at started_at status style_id succeeded_at '
      || 'user_id visibility'),
  ('event_gallery', 'anon', 'select', '*'),
  ('event_gallery', 'authenticated', 'select', '*'),
  ('styles_metadata', 'anon', 'select', '*'),
  ('styles_metadata', 'authenticated', 'select', '*'),
  ('favorites', 'authenticated', 'select', '*'),
  ('favorites', 'authenticated', 'insert', 'style_id user_id'),
  ('pack_unlocks', 'authenticated', 'select', '*'),
  ('credit_packs', 'anon', 'select', '*'),
  ('credit_packs', 'authenticated', 'select', '*'),
  ('payment_orders', 'authenticated', 'select',
    'amount created_at credits currency id init_point pack_id partner_id preference_id status updated_at user_id'),
  ('payment_notifications', 'authenticated', 'select', 'amount created_at credits_added id mercadopago_id order_id status updated_at user_id'),
  ('private.credit_movements', 'authenticated', 'select',
    'amount created_at destination destination_id generation_id id kind order_id source source_id'),
  ('private.credit_notes', 'authenticated', 'select', '*'),
  ('private.gallery_photos', 'anon', 'select', 'aspect_ratio created_at event_id event_slug image_url open_until style_id'),
  ('private.gallery_photos', 'authenticated', 'select', 'aspect_ratio created_at event_id event_slug image_url open_until style_id');

select is(
  found.open, coalesce(case open_columns.columns when '*' then found.all_columns else open_columns.columns end, ''),
  format('columns of %s that %s may %s', our_tables.name, roles.role, verbs.verb)
)
from our_tables
cross join (values ('anon', 'anon'), ('authenticated', 'ua')) as roles (role, actor)
cross join (values ('select'), ('insert'), ('update'), ('references')) as verbs (verb)
cross join lateral (
  select coalesce(string_agg(attname::text, ' ' order by attname::text collate "C"), '') as all_columns,
    coalesce(
      string_agg(attname::text, ' ' order by attname::text collate "C") filter (where has_column_privilege(roles.role, our_tables.oid, attnum, verbs.verb)), ''
    ) as open
  from pg_attribute where attrelid = our_tables.oid and attnum > 0 and not attisdropped
) as found
left join open_columns on open_columns.name = our_tables.name and open_columns.role = roles.role and open_columns.verb = verbs.verb;

-- The same by asking: what is not granted is refused, whatever one owns.
select is(
  (
    select coalesce(string_agg(attname::text, ' ' order by attname::text collate "C"), '')
    from pg_attribute
    where attrelid = our_tables.oid and attnum > 0 and not attisdropped
      and (pg_temp.ask(actors.actor, format('(%I is null)', attname), our_tables.name) = '-')
        = has_column_privilege(case actors.actor when 'anon' then 'anon' else 'authenticated' end, our_tables.oid, attnum, 'select')
  ),
  '', format('%s is refused each hidden column of %s, and no other', actors.actor, our_tables.name)
)
from our_tables cross join (values ('anon'), ('ua'), ('pa'), ('ca'), ('master')) as actors (actor);

-- Writing: nobody anything, but for the two things below

select is(
  (
    select coalesce(string_agg(attname::text, ' '), '')
    from pg_attribute
    where attrelid = our_tables.oid and attnum > 0 and not attisdropped
      and (our_tables.name, attname::text) <> ('profiles', 'full_name')
      and pg_temp.write(names.name, format('update %s set %I = default', our_tables.name, attname)) <> '-'
  )
  || case when our_tables.name <> 'favorites' and pg_temp.write(names.name, format('insert into %s default values', our_tables.name)) <> '-' then ' inserts' else '' end
  || case when our_tables.name <> 'favorites' and pg_temp.write(names.name, format('delete from %s', our_tables.name)) <> '-' then ' deletes' else '' end
  || case when our_tables.relkind <> 'v' and pg_temp.write(names.name, format('truncate %s', our_tables.name)) <> '-' then ' truncates' else '' end,
  '', format('%s writes nothing of %s', names.name, our_tables.name)
)
from our_tables cross join names
where names.kind = 'actor';

select is(pg_temp.write(given.actor, given.statement), given.expected, format('%s: %s', given.actor, given.statement))
from (
  select names.name as actor, statements.statement, case when names.name = 'anon' then '-' else statements.expected end as expected
  from names
  cross join (
    values
      ($$update public.profiles set full_name = 'Tap'$$, '1'),
      (format($$update public.profiles set full_name = 'Tap' where id <> %L$$, '00000000-0000-4000-8000-000000000001'), '1'),
      (format($$update public.profiles set full_name = 'Tap' where id = %L$$, '00000000-0000-4000-8000-000000000004'), '0'),
      ($$insert into public.favorites (style_id) values ('pb_a')$$, '1'),
      (format($$insert into public.favorites (user_id, style_id) values (%L, 'pb_a')$$, '00000000-0000-4000-8000-000000000004'), '-')
  ) as statements (statement, expected)
  where names.kind = 'actor'
) as given;
select is(pg_temp.write(given.actor, given.statement), given.expected, format('%s: %s', given.actor, given.statement))
from (
  values
    ('ua', $$insert into public.favorites (style_id) values ('tap_off')$$, '-'),
    ('ua', $$insert into public.favorites (style_id) values ('tap_nowhere')$$, '-'),
    ('master', $$insert into public.favorites (style_id) values ('tap_off')$$, '1'),
    ('ua', 'delete from public.favorites', '1'),
    ('ub', 'delete from public.favorites', '0'),
    ('master', 'delete from public.favorites', '0')
) as given (actor, statement, expected);

-- At once

create function pg_temp.sees(p_actor text)
returns text
language sql
as $$
  select string_agg(pg_temp.ask(p_actor, 'id', object), '|' order by object)
  from unnest('{public.clients,public.events,public.generations,public.partners}'::text[]) as objects (object);
$$;
select is(pg_temp.sees('pa'), 'Ca Ci Ct1|ea ea2 eci et1|g_ea g_ea2 g_eci g_et1|A', 'a partner sees what is its own');
update public.partners set is_active = false where name = 'A';
select is(pg_temp.sees(actor), seen, format('its partner suspended, %s sees: %s', actor, seen))
from (values ('pa', '|||'), ('ca', '|||'), ('two', 'Ct2|et2|g_et2|'), ('pb', 'Cb Ct2|eb et2|g_eb g_et2|B')) as given (actor, seen);
update public.partners set is_active = true where name = 'A';
select is(pg_temp.sees('ca'), 'Ca|ea|g_ea|', 'and its hosts are back when it is');
update public.clients set is_active = false where name = 'Ca';
select is(pg_temp.sees('ca'), '|||', 'a client that is deactivated sees nothing');
select is(pg_temp.sees('pa'), 'Ca Ci Ct1|ea ea2 eci et1|g_ea g_ea2 g_eci g_et1|A', 'its partner all the same');
update public.partners set user_id = pg_temp.id_of('outsider') where name = 'A';
select is(pg_temp.sees('pa'), '|||', 'who no longer owns a partner sees nothing of it');
select is(pg_temp.sees('outsider'), 'Ca Ci Ct1|ea ea2 eci et1|g_ea g_ea2 g_eci g_et1|A', 'who owns it now does');
update public.profiles set role = 'user' where email = 'master@tap.example';
select is(pg_temp.sees('master'), '|||', 'nor does who was a master');
create temporary table erased as select pg_temp.id_of('ua') as id;
delete from auth.users where id = pg_temp.id_of('ua');
select is(
  pg_temp.ask('ua', 'id', 'public.profiles') || pg_temp.ask('ua', 'id', 'public.generations') || pg_temp.ask('ua', 'id', 'public.events'), '',
  'the token of an erased person opens nothing'
);

-- Claims say who somebody is, and nothing else.
create function pg_temp.ask_with_claims(p_claims jsonb)
returns bigint
language plpgsql
as $$
declare
  v_me text := current_user;
  v_count bigint;
begin
  perform set_config('request.jwt.claims', p_claims::text, true);
  perform set_config('role', 'authenticated', true);
  select (select count(*) from public.profiles) + (select count(*) from public.partners) + (select count(id) from public.events) into v_count;
  perform set_config('role', v_me, true);
  return v_count;
end;
$$;
select is(pg_temp.ask_with_claims(jsonb_build_object('sub', pg_temp.id_of('ub')) || more), 1::bigint, format('claims %s change nothing', more))
from (
  values
    ('{"is_master": true}'::jsonb), ('{"app_metadata": {"role": "master", "is_master": true}}'), ('{"user_metadata": {"role": "master"}}'),
    ('{"role": "service_role"}'), ('{"email": "master@tap.example"}'), ('{"user_role": "master"}')
) as given (more);
select is(pg_temp.ask_with_claims('{"role": "authenticated"}'), 0::bigint, 'a token without a person sees nothing');

select * from finish();
rollback;

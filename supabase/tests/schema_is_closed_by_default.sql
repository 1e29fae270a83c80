-- What holds for every object of the schema, whoever adds it: closed until a grant in this file's
-- lists opens it. A new grant to a client role is a decision, and has to be written down here.

begin;
create extension if not exists pgtap with schema extensions;
select plan(33);

create function pg_temp.outcome_as(p_role text, p_call text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
begin
  perform set_config('role', p_role, true);
  execute p_call;
  perform set_config('role', v_me, true);
  return 'done';
exception
  when others then
    return sqlstate;
end;
$$;

-- Catalogue names sort by another collation than the literals that they are compared with.
create temporary view our_tables as
  select pg_class.oid, pg_namespace.nspname::text collate "default" as schema_name, pg_class.relname::text collate "default" as name,
    pg_class.relkind, pg_class.reloptions
  from pg_class
  join pg_namespace on pg_namespace.oid = pg_class.relnamespace
  where pg_namespace.nspname in ('public', 'private') and pg_class.relkind in ('r', 'p', 'v', 'm');

create temporary view our_columns as
  select our_tables.oid, our_tables.schema_name, our_tables.name as table_name,
    pg_attribute.attname::text collate "default" as name, pg_attribute.attnum
  from our_tables
  join pg_attribute on pg_attribute.attrelid = our_tables.oid
  where pg_attribute.attnum > 0 and not pg_attribute.attisdropped;

create temporary view our_functions as
  select pg_proc.oid, pg_namespace.nspname::text collate "default" as schema_name, pg_proc.proname::text collate "default" as name,
    pg_proc.prosecdef, pg_proc.proconfig,
    coalesce(pg_proc.proacl, acldefault('f', pg_proc.proowner)) as acl
  from pg_proc
  join pg_namespace on pg_namespace.oid = pg_proc.pronamespace
  where pg_namespace.nspname in ('public', 'private')
    and not exists (select from pg_depend where pg_depend.objid = pg_proc.oid and pg_depend.deptype = 'e');

-- Rows

select is_empty(
  $$ select our_tables.schema_name, our_tables.name from our_tables
     join pg_class on pg_class.oid = our_tables.oid
     where our_tables.relkind in ('r', 'p') and not pg_class.relrowsecurity $$,
  'every table of public and private is behind row level security'
);
select is_empty(
  $$ select schema_name, name from our_tables
     where relkind = 'v' and not coalesce(reloptions, '{}') @> '{security_invoker=true}' $$,
  'every view looks with the eyes of the role that asks'
);
select is_empty(
  $$ select schemaname, tablename, policyname from pg_policies
     where (schemaname in ('public', 'private') or (schemaname, tablename) = ('storage', 'objects')) and 'public' = any (roles) $$,
  'every policy names its roles'
);

create temporary view our_policies as
  select * from pg_policies where schemaname in ('public', 'private') or (schemaname, tablename) = ('storage', 'objects');

select is_empty(
  $$ select schemaname, tablename, policyname from our_policies where cmd = 'ALL' or permissive <> 'PERMISSIVE' $$,
  'every policy is for one command'
);
select is_empty(
  $$ select schemaname, tablename, policyname from our_policies
     where cmd <> 'SELECT' and (qual = 'true' or with_check = 'true' or (cmd in ('INSERT', 'UPDATE') and with_check is null)) $$,
  'no policy lets writers write what they like'
);
select is_empty(
  $$ select schemaname, tablename, policyname from our_policies
     -- A helper in a subquery runs once a statement; in the open, once a row.
     where regexp_replace(coalesce(qual, '') || ' ' || coalesce(with_check, ''), 'SELECT (auth|private)\.\w+\(', '', 'g') ~ '(auth|private)\.\w+\(' $$,
  'policies ask who somebody is once a statement'
);

-- Writes

select results_eq(
  $$ select roles.name, our_columns.schema_name || '.' || our_columns.table_name, our_columns.name, verbs.name
     from our_columns
     cross join (values ('anon'), ('authenticated')) as roles (name)
     cross join (values ('INSERT'), ('UPDATE'), ('REFERENCES')) as verbs (name)
     where has_column_privilege(roles.name, our_columns.oid, our_columns.attnum, verbs.name)
     order by 1, 2, 3, 4 $$,
  $$ values
       ('authenticated', 'public.favorites', 'style_id', 'INSERT'),
       ('authenticated', 'public.favorites', 'user_id', 'INSERT'),
       ('authenticated', 'public.profiles', 'full_name', 'UPDATE') $$,
  'clients may write their favorites and full_name of profiles, and no other column'
);
select is_empty(
  $$ select roles.name, our_tables.schema_name, our_tables.name from our_tables
     cross join (values ('anon'), ('authenticated'), ('service_role')) as roles (name)
     where has_table_privilege(roles.name, our_tables.oid, 'TRUNCATE, TRIGGER')
       or (has_table_privilege(roles.name, our_tables.oid, 'DELETE') and (roles.name, our_tables.name) <> ('authenticated', 'favorites')) $$,
  'no role of the API may truncate or put a trigger on any table, or delete from any but favorites'
);
select is_empty(
  $$ select our_columns.schema_name, our_columns.table_name, our_columns.name from our_columns
     where our_columns.name like '%credit%'
       and has_column_privilege('service_role', our_columns.oid, our_columns.attnum, 'INSERT, UPDATE') $$,
  'service_role can write no credits column'
);
select is(
  pg_temp.outcome_as('service_role', 'update public.profiles set credits = credits + 1'), '42501',
  'service_role is refused when it tries to write a balance of a user'
);
select is(
  pg_temp.outcome_as('service_role', 'update public.events set credits_used = 0'), '42501',
  'service_role is refused when it tries to write a balance of an event'
);
select is(
  pg_temp.outcome_as('authenticated', 'update public.profiles set credits = 1000000'), '42501',
  'a signed-in person is refused when they try to write a balance'
);

-- Reads

select results_eq(
  $$ select distinct roles.name, our_columns.table_name
     from our_columns
     cross join (values ('anon'), ('authenticated'), ('service_role')) as roles (name)
     where our_columns.schema_name = 'private'
       and has_column_privilege(roles.name, our_columns.oid, our_columns.attnum, 'SELECT')
     order by 1, 2 $$,
  $$ values
       ('anon', 'gallery_photos'),
       ('authenticated', 'credit_movements'), ('authenticated', 'credit_notes'), ('authenticated', 'gallery_photos'),
       ('service_role', 'gallery_photos') $$,
  'of schema private the API roles read the gallery, and signed-in people their credits, and nothing else'
);
select is_empty(
  $$ select roles.name, hidden.table_name, hidden.column_name
     from (values ('anon'), ('authenticated')) as roles (name)
     cross join (
       values
         ('public.events', 'client_access_pin'), ('public.events', 'access_key'),
         ('public.generations', 'guest_id'), ('public.generations', 'photo_path'), ('public.generations', 'result_path'),
         ('public.generations', 'client_address'), ('public.generations', 'idempotency_key'),
         ('public.generations', 'request_hash'), ('public.generations', 'request_id'),
         ('public.generations', 'expected_seconds'), ('public.generations', 'run_at'),
         ('public.payment_notifications', 'data'),
         ('public.identity_prompts', 'master_prompt'),
         ('public.api_key_pool', 'api_key'),
         ('private.gallery_photos', 'generation_id'),
         ('private.credit_movements', 'staff_id'), ('private.credit_movements', 'idempotency_key'),
         ('private.credit_movements', 'request_hash'), ('private.credit_movements', 'payment_id')
     ) as hidden (table_name, column_name)
     where has_column_privilege(roles.name, hidden.table_name, hidden.column_name, 'SELECT') $$,
  'no client role can select a hidden column'
);
select ok(
  has_column_privilege('authenticated', 'public.generations', 'image_url', 'SELECT'),
  'a signed-in person can select the columns of generations that are not hidden'
);
select is(
  pg_temp.outcome_as('authenticated', 'select id, status, image_url from public.generations'), 'done',
  'a signed-in person who names the open columns of generations is answered'
);
select is(
  pg_temp.outcome_as('authenticated', 'select * from public.generations'), '42501',
  'select=* on generations is refused, because it would take the hidden columns along'
);
select is(
  pg_temp.outcome_as('authenticated', 'select client_access_pin from public.events'), '42501',
  'the hash of a PIN is refused to a signed-in person'
);
select is_empty(
  $$ select our_columns.table_name, our_columns.name from our_columns
     where our_columns.schema_name = 'public'
       and our_columns.table_name not in ('styles_metadata', 'credit_packs', 'event_gallery')
       and has_column_privilege('anon', our_columns.oid, our_columns.attnum, 'SELECT') $$,
  'somebody without an account reads styles, prices and galleries only'
);
select is_empty(
  $$ select pg_class.relname, roles.name from pg_class
     cross join (values ('anon'), ('authenticated'), ('service_role')) as roles (name)
     where pg_class.relkind = 'S' and pg_class.relnamespace in ('public'::regnamespace, 'private'::regnamespace)
       and has_sequence_privilege(roles.name, pg_class.oid, 'USAGE, SELECT, UPDATE') $$,
  'no role of the API may touch a sequence'
);

-- Functions

select is_empty(
  $$ select our_functions.oid::regprocedure from our_functions
     cross join lateral aclexplode(our_functions.acl) as entries
     where entries.grantee = 0 $$,
  'no function is open to PUBLIC'
);
select is_empty(
  $$ select oid::regprocedure from our_functions where has_function_privilege('anon', oid, 'EXECUTE') and name <> 'check_request' $$,
  'somebody without an account can execute no function of public or private but the check of every request'
);
select results_eq(
  $$ select schema_name || '.' || name from our_functions
     where has_function_privilege('authenticated', oid, 'EXECUTE') order by 1 $$,
  $$ values
       ('private.check_request'), ('private.is_master'), ('private.list_movements'), ('private.my_client_ids'), ('private.my_credit_accounts'),
       ('private.my_event_ids'), ('private.my_partner_ids'), ('private.read_balance'), ('private.refuse'),
       ('private.unlock_style_pack'), ('public.credit_statement'), ('public.unlock_style_pack') $$,
  'a signed-in person can execute unlock_style_pack and credit_statement, and what these two and policies need'
);
select is_empty(
  $$ select oid::regprocedure from our_functions
     where schema_name = 'private' and name <> 'check_request' and has_function_privilege('service_role', oid, 'EXECUTE') $$,
  'service_role cannot go round the public functions to the rules of private'
);
select ok(
  has_function_privilege('service_role', 'public.increment_event_credit(uuid, integer)', 'EXECUTE')
    and has_function_privilege('service_role', 'public.credit_audit()', 'EXECUTE'),
  'service_role can execute the functions that operators call by name'
);
select is_empty(
  $$ select oid::regprocedure from our_functions where not coalesce(proconfig, '{}') @> array['search_path=""'] $$,
  'every function has its search_path pinned to nothing'
);
select is(
  (select count(*)::integer from our_functions
   where prosecdef and (schema_name = 'public' or has_function_privilege('authenticated', oid, 'EXECUTE'))
     and obj_description(oid, 'pg_proc') !~ 'Definer'),
  0,
  'every definer function that a role of the API calls says in its comment that and why it is one'
);

-- What comes later is closed too

create table public.tap_later (id bigint generated always as identity);
create function public.tap_later() returns integer language sql set search_path = '' as 'select 1';
create function private.tap_later() returns integer language sql set search_path = '' as 'select 1';

select is_empty(
  $$ select roles.name from (values ('anon'), ('authenticated'), ('service_role')) as roles (name)
     where has_table_privilege(roles.name, 'public.tap_later', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') $$,
  'a table made later is closed to every role of the API'
);
select is_empty(
  $$ select roles.name from (values ('anon'), ('authenticated'), ('service_role')) as roles (name)
     where has_function_privilege(roles.name, 'public.tap_later()', 'EXECUTE')
       or has_function_privilege(roles.name, 'private.tap_later()', 'EXECUTE') $$,
  'a function made later is closed to every role of the API'
);

drop table public.tap_later;
drop function public.tap_later();
drop function private.tap_later();

-- Order

select is_empty(
  $$ select oid::regprocedure from our_functions where obj_description(oid, 'pg_proc') is null $$,
  'every function has a comment'
);
select is_empty(
  $$ select schema_name, name from our_tables where obj_description(oid, 'pg_class') is null $$,
  'every table and view has a comment'
);
select is_empty(
  $$ select keys.conrelid::regclass, keys.conname from pg_constraint as keys
     join our_tables on our_tables.oid = keys.conrelid
     where keys.contype = 'f' and not exists (
       select from pg_index
       where pg_index.indrelid = keys.conrelid
         -- The columns of the key lead the index, in any order.
         and (string_to_array(pg_index.indkey::text, ' ')::smallint[])[1:cardinality(keys.conkey)] @> keys.conkey
         -- A partial index serves if it leaves out nothing but nulls.
         and (pg_index.indpred is null or pg_get_expr(pg_index.indpred, pg_index.indrelid) ~ '^\(\w+ IS NOT NULL\)$')
     ) $$,
  'every foreign key is indexed'
);
select is_empty(
  $$ select conrelid::regclass, conname from pg_constraint
     where contype = 'f' and conrelid in ('public.generations'::regclass, 'private.credit_movements'::regclass)
       and not condeferred $$,
  'the foreign keys of hot inserts are checked at the commit'
);

select * from finish();
rollback;

-- What the hosted platform has prepared before a project's first migration runs. Executed once per
-- cluster, as the superuser supabase_admin, in one transaction with the tables that
-- @supabase/lite defines for auth and storage (bootstrap.ts puts them where the placeholders are).

-- Roles, with the same powers as hosted: postgres is not a superuser.
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password 'postgres';
create role supabase_auth_admin login noinherit createrole password 'postgres';
create role supabase_storage_admin login noinherit createrole password 'postgres';
create role postgres login nosuperuser createdb createrole replication bypassrls password 'postgres';

grant anon, authenticated, service_role to authenticator, supabase_storage_admin;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_signal_backend, pg_read_all_data to postgres;
-- Hosted lets postgres write policies and triggers on storage tables (supautils.policy_grants).
grant supabase_storage_admin to postgres;
grant set on parameter session_replication_role to postgres;

alter role authenticator set statement_timeout = '8s';
alter role supabase_auth_admin set search_path = 'auth';
alter role supabase_storage_admin set search_path = 'storage';
alter role postgres set search_path = "$user", public, extensions;
alter database postgres set search_path = "$user", public, extensions;
grant all on database postgres to postgres;

-- Schemas and extensions.
grant all on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
create schema extensions authorization postgres;
grant usage on schema extensions
  to anon, authenticated, service_role, authenticator, supabase_auth_admin, supabase_storage_admin;
create extension pgcrypto with schema extensions;
create extension "uuid-ossp" with schema extensions;
create extension moddatetime with schema extensions;
create extension pg_stat_statements with schema extensions;
create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;

-- New public tables are not exposed (hosted since 2026-05-30): what stays of the former default
-- grants is truncate, references and trigger. Migrations revoke and grant by name.
alter default privileges for role postgres in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  revoke select, insert, update, delete on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  revoke usage, select on sequences from anon, authenticated, service_role;

-- Auth.
create schema auth authorization supabase_auth_admin;
grant usage on schema auth to anon, authenticated, service_role, postgres;
set local role supabase_auth_admin;
set local search_path = auth;

-- {{auth tables of @supabase/lite}}

-- Columns that hosted has and seeds written for it fill in.
alter table auth.users add column instance_id uuid, add column is_super_admin boolean;

-- lite's versions read only request.jwt.claim.*; hosted's also read the whole claims, which is
-- what tests in SQL set.
create function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;
create function auth.email() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;

alter table auth.users enable row level security;
alter table auth.sessions enable row level security;
alter table auth.refresh_tokens enable row level security;
alter table auth.identities enable row level security;
alter table auth.flow_state enable row level security;
alter table auth.audit_log_entries enable row level security;
grant all on all tables in schema auth to postgres;
reset role;

-- Storage.
create schema storage authorization supabase_storage_admin;
grant usage on schema storage to anon, authenticated, service_role, postgres;
set local role supabase_storage_admin;
set local search_path = storage;

-- {{storage tables of @supabase/lite}}

alter table storage.buckets
  add column type text not null default 'STANDARD',
  add column avif_autodetection boolean default false;

create function storage.update_updated_at_column() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end
$$;
create trigger update_objects_updated_at before update on storage.objects
  for each row execute function storage.update_updated_at_column();

-- A row deleted by SQL would leave its file behind, so hosted refuses that to everybody but the
-- storage service.
create function storage.protect_delete() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('storage.allow_delete_query', true), '') <> 'true' then
    raise insufficient_privilege
      using message = 'Direct deletion from storage tables is not allowed. Use the Storage API instead.';
  end if;
  return null;
end
$$;
create trigger protect_buckets_delete before delete on storage.buckets
  for each statement execute function storage.protect_delete();
create trigger protect_objects_delete before delete on storage.objects
  for each statement execute function storage.protect_delete();

grant all on storage.buckets, storage.objects to anon, authenticated, service_role, postgres;
reset role;
set local search_path = public;

-- The Data API forgets what it knows of the schema when the schema changes.
create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as $$
begin
  if exists (
    select from pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;
create function extensions.pgrst_drop_watch() returns event_trigger language plpgsql as $$
begin
  if exists (select from pg_event_trigger_dropped_objects() as dropped where not dropped.is_temporary) then
    notify pgrst, 'reload schema';
  end if;
end
$$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();

-- Tells the demo seed that this database is a laptop's and not a customer's.
create schema local_stack;
create table local_stack.marker (created_at timestamptz not null default now());
insert into local_stack.marker default values;
grant usage on schema local_stack to postgres;
grant select on local_stack.marker to postgres;

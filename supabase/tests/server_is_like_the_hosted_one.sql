-- That the migrations have run says something only if the role that ran them could do no more than on a
-- hosted project.

begin;
create extension if not exists pgtap with schema extensions;
select plan(8);

select is(current_user::text, 'postgres', 'migrations and tests run as postgres');
select ok(not rolsuper, 'which is no superuser') from pg_roles where rolname = current_user;
select ok(
  not pg_has_role(current_user, nspowner, 'usage') or nspowner::regrole::text = 'supabase_storage_admin',
  format('schema %s is not its own', nspname)
)
from pg_namespace where nspname in ('auth', 'storage')
order by nspname;
select is(relowner::regrole::text, given.owner, format('%s belongs to %s', given.name, given.owner))
from (values ('auth.users', 'supabase_auth_admin'), ('storage.objects', 'supabase_storage_admin')) as given (name, owner)
join pg_class on pg_class.oid = given.name::regclass;
select throws_ok('alter table auth.users add column tap text', '42501', null, 'tables of auth cannot be changed');
select throws_ok('create role tap superuser', '42501', null, 'nor can a superuser be made');

select * from finish();
rollback;

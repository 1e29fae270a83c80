-- How a master finds one account among many, and how a project gets its first master.

begin;
create extension if not exists pgtap with schema extensions;
select plan(16);

create function pg_temp.refusal(p_call text)
returns text
language plpgsql
as $$
declare
  v_detail text;
begin
  execute 'select ' || p_call;
  return 'done';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return coalesce(substring(v_detail from '"code": "(\w+)"'), sqlerrm);
end;
$$;

-- The first master.
update public.profiles set role = 'user' where role = 'master';
insert into auth.users (id, email, email_confirmed_at)
values
  ('7c000000-0000-4000-8000-000000000101', 'First@Tap.example', now()),
  ('7c000000-0000-4000-8000-000000000102', 'second@tap.example', now()),
  ('7c000000-0000-4000-8000-000000000103', 'waiting@tap.example', null);
select is(pg_temp.refusal('public.make_first_master(''stranger@tap.example'')'), 'NOT_FOUND', 'who has no account cannot be the first master');
select is(pg_temp.refusal('public.make_first_master(''waiting@tap.example'')'), 'NOT_FOUND', 'nor who has not confirmed the address');
select is(
  public.make_first_master('first@tap.EXAMPLE'), '7c000000-0000-4000-8000-000000000101', 'who has is, however the address is spelled'
);
select is(
  public.make_first_master('first@tap.example'), '7c000000-0000-4000-8000-000000000101', 'and again, which changes nothing'
);
select is(pg_temp.refusal('public.make_first_master(''second@tap.example'')'), 'CONFLICT', 'there is only one first');
select results_eq(
  $$ select id from public.profiles where is_master $$, $$ values ('7c000000-0000-4000-8000-000000000101'::uuid) $$, 'nobody else is a master'
);
select results_eq(
  $$ select actor_id, target_id, before, after from private.audit_log where action = 'make_first_master' $$,
  $$ values (null::uuid, '7c000000-0000-4000-8000-000000000101', null::jsonb, '{"role": "master"}'::jsonb) $$,
  'it is noted once, as the operator''s doing'
);
select is(
  public.change_role('7c000000-0000-4000-8000-000000000101', '7c000000-0000-4000-8000-000000000102', 'master') ->> 'role', 'master',
  'from then on masters make masters'
);
select is(
  public.change_role('7c000000-0000-4000-8000-000000000101', '7c000000-0000-4000-8000-000000000101', 'user') ->> 'role', 'user',
  'a master who resigns is told so'
);
select is(
  pg_temp.refusal(
    'public.change_role(''7c000000-0000-4000-8000-000000000102'', ''7c000000-0000-4000-8000-000000000102'', ''user'')'
  ),
  'CONFLICT', 'the last one cannot'
);

-- A crowd in which one is looked for. Statistics and index know it, as in life after autovacuum came by.
insert into auth.users (id, email)
select format('7c000000-0000-4000-8000-%s', lpad(number::text, 12, '0'))::uuid, format('%s@crowd.example', md5(number::text))
from generate_series(1001, 3000) as numbers (number);
update public.profiles
set full_name = md5('name' || email), created_at = now() - right(id::text, 4)::integer * interval '1 minute'
where email like '%@crowd.example';
update public.profiles set full_name = 'Zoë 100%_Uno' where id = '7c000000-0000-4000-8000-000000002900';
update public.profiles set role = 'partner' where id = '7c000000-0000-4000-8000-000000002901';
analyze public.profiles;
select gin_clean_pending_list('public.profiles_email_full_name_idx');

create function pg_temp.find(p_role text, p_q text, p_limit integer)
returns text
language sql
as $$
  select string_agg(right(found.profile ->> 'id', 4), ' ')
  from public.list_users('7c000000-0000-4000-8000-000000000102', p_role, p_q, null, null, p_limit) as found (profile);
$$;
create function pg_temp.rows_read_by(p_role text, p_q text, p_limit integer)
returns bigint
language plpgsql
as $$
declare
  v_before bigint;
begin
  select seq_tup_read + idx_tup_fetch into v_before from pg_stat_xact_user_tables where relid = 'public.profiles'::regclass;
  perform pg_temp.find(p_role, p_q, p_limit);
  return (select seq_tup_read + idx_tup_fetch - v_before from pg_stat_xact_user_tables where relid = 'public.profiles'::regclass);
end;
$$;
-- More often than PostgreSQL waits before it makes one plan for all questions.
select count(pg_temp.find(null, null, 2)) from generate_series(1, 8);

select is(pg_temp.find(null, 'zoë 100%_', 50), '2900', 'a part of a name finds, and wildcards are letters');
select is(pg_temp.find(null, 'zoë 100__', 50), null, 'so they find nothing else');
select is(pg_temp.find('partner', '@CROWD', 50), '2901', 'a role and a part of the address, however spelled');
select cmp_ok(pg_temp.rows_read_by(null, 'zoë', 50), '<=', 50::bigint, 'a search reads what it finds, not everybody');
select cmp_ok(pg_temp.rows_read_by('partner', null, 50), '<=', 50::bigint, 'a role reads those who have it');
select cmp_ok(pg_temp.rows_read_by(null, null, 20), '<=', 150::bigint, 'a page reads a page');

select * from finish();
rollback;

-- What a photo request and a status read must not grow with the photos that an event or the queue has had,
-- whatever PostgreSQL knew of the tables when it made its plans.

begin;
create extension if not exists pgtap with schema extensions;
select plan(6);

update private.settings set is_in_maintenance = false;
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug) values ('8e000000-0000-4000-8000-000000000001', 'Tap', 'tap-crowd');
select private.allocate_event_credits('8e000000-0000-4000-8000-000000000001', 5000);

create function pg_temp.rows_read_by(p_statement text)
returns bigint
language plpgsql
as $$
declare
  v_before bigint;
begin
  select seq_tup_read + idx_tup_fetch into v_before from pg_stat_xact_user_tables where relid = 'public.generations'::regclass;
  execute p_statement;
  return (
    select seq_tup_read + idx_tup_fetch - v_before from pg_stat_xact_user_tables where relid = 'public.generations'::regclass
  );
end;
$$;

create function pg_temp.begin_photo(p_guest_id text)
returns text
language sql
as $$
  select format(
    $photo$ select public.begin_generation('tap_a', '3:4', 'tap.jpg', 'tap', p_guest_id => %L, p_idempotency_key => 'tap',
      p_event_id => '8e000000-0000-4000-8000-000000000001') $photo$,
    p_guest_id
  );
$$;

create temporary table first_photo as
select (public.begin_generation(
  'tap_a', '3:4', 'tap.jpg', 'tap', p_guest_id => 'guest_number_first', p_event_id => '8e000000-0000-4000-8000-000000000001'
)).generation_id as id;
create temporary table last_photo (id uuid);
create function pg_temp.read_status(p_table text)
returns text
language sql
as $$
  select format('select private.describe_generation(generations) from public.generations where id = (select id from %I)', p_table);
$$;
-- Plans of this session exist from here on, made when there was nothing to read.
select pg_temp.rows_read_by(pg_temp.read_status('first_photo'));

insert into public.generations (
  event_id, guest_id, style_id, aspect_ratio, credits_charged, photo_path, result_path, expected_seconds, created_at
)
select
  '8e000000-0000-4000-8000-000000000001', 'guest_number_' || number, 'tap_a', '3:4', 0, 'tap.jpg', format('results/tap_%s.png', number),
  20, now() + number * interval '1 microsecond'
from generate_series(1, 3000) as numbers (number);
insert into last_photo select id from public.generations where guest_id = 'guest_number_3000';

select cmp_ok(pg_temp.rows_read_by(pg_temp.begin_photo('guest_number_new')), '<=', 15::bigint, 'a photo by a plan made when tables were empty');
select cmp_ok(pg_temp.rows_read_by(pg_temp.read_status('first_photo')), '<=', 5::bigint, 'a status by such a plan');
discard plans;
select cmp_ok(pg_temp.rows_read_by(pg_temp.begin_photo('guest_number_newer')), '<=', 15::bigint, 'a photo, planned without statistics');
select cmp_ok(pg_temp.rows_read_by(pg_temp.read_status('first_photo')), '<=', 5::bigint, 'a status, planned without statistics');
analyze public.generations;
select cmp_ok(pg_temp.rows_read_by(pg_temp.begin_photo('guest_number_newest')), '<=', 15::bigint, 'a photo, planned with statistics');
select cmp_ok(
  pg_temp.rows_read_by(pg_temp.read_status('last_photo')), '<=', 1010::bigint, 'the status of the last of 3,000 counts to a thousand'
);

select * from finish();
rollback;

-- What a claim reads must not grow with the queue, whatever statistics PostgreSQL had when it made its plans.

begin;
create extension if not exists pgtap with schema extensions;
select plan(4);

delete from public.generations where status = 'queued';
update private.settings set provider_tasks_per_window = 1000, provider_tasks_running = 1000;
insert into public.api_key_pool (api_key) values ('tap-key');
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
insert into public.events (id, event_name, event_slug) values ('8f000000-0000-4000-8000-000000000001', 'Tap', 'tap-crowd');

create function pg_temp.queue(p_from integer, p_until integer)
returns void
language sql
as $$
  insert into public.generations (event_id, style_id, photo_path, result_path, expected_seconds, run_at)
  select '8f000000-0000-4000-8000-000000000001', 'tap_a', 'tap.jpg', format('results/tap_%s.png', number), 20,
    now() - interval '1 minute' + number * interval '1 microsecond'
  from generate_series(p_from, p_until) as numbers (number);
$$;
-- An evening that is over, which a plan must not walk through either.
insert into public.generations (event_id, style_id, status, photo_path, result_path, expected_seconds, started_at, succeeded_at)
select '8f000000-0000-4000-8000-000000000001', 'tap_a', 'succeeded', 'tap.jpg', format('results/tap_made_%s.png', number), 20, now(), now()
from generate_series(1, 10000) as numbers (number);
analyze public.generations;

create function pg_temp.rows_read_by_claim()
returns bigint
language plpgsql
as $$
declare
  v_before bigint;
begin
  select seq_tup_read + idx_tup_fetch into v_before from pg_stat_xact_user_tables where relid = 'public.generations'::regclass;
  perform public.claim_generations();
  return (
    select seq_tup_read + idx_tup_fetch - v_before from pg_stat_xact_user_tables where relid = 'public.generations'::regclass
  );
end;
$$;

select pg_temp.queue(0, 2999);

select cmp_ok(pg_temp.rows_read_by_claim(), '<=', 60::bigint, 'planned by statistics of an hour in which nobody waited');
select cmp_ok(pg_temp.rows_read_by_claim(), '<=', 60::bigint, 'and so again');
discard plans;
analyze public.generations;
select cmp_ok(pg_temp.rows_read_by_claim(), '<=', 60::bigint, 'planned by statistics of a burst');
select is(
  (select string_agg(result_path, ' ' order by run_at) from public.generations where status = 'processing'),
  'results/tap_0.png results/tap_1.png results/tap_2.png', 'and claims took what was first'
);

select * from finish();
rollback;

-- increment_event_credit(): credits leave an event all at once or not at all.

begin;
create extension if not exists pgtap with schema extensions;
select plan(33);

insert into public.partners (id, name)
values
  ('7c000000-0000-4000-8000-000000000001', 'Tap Partner'),
  ('7c000000-0000-4000-8000-000000000002', 'Tap Sleeping Partner');
insert into public.clients (id, partner_id, name, is_active)
values ('7c000000-0000-4000-8000-000000000003', '7c000000-0000-4000-8000-000000000001', 'Tap Sleeping Client', false);
insert into public.events (id, partner_id, client_id, event_name, event_slug, is_active, start_date, end_date)
select
  ('7c000000-0000-4000-8000-0000000000' || given.number)::uuid, given.partner_id::uuid, given.client_id::uuid,
  given.slug, given.slug, given.is_active, given.start_date, given.end_date
from (
  values
    ('10', '7c000000-0000-4000-8000-000000000001', null, 'tap-open', true, null::timestamptz, null::timestamptz),
    ('11', null, null, 'tap-running', true, now() - interval '1 hour', now() + interval '1 hour'),
    ('12', null, null, 'tap-paused', false, null, null),
    ('13', '7c000000-0000-4000-8000-000000000002', null, 'tap-partner-asleep', true, null, null),
    ('14', '7c000000-0000-4000-8000-000000000001', '7c000000-0000-4000-8000-000000000003', 'tap-client-asleep', true, null, null),
    ('15', null, null, 'tap-upcoming', true, now() + interval '1 second', null),
    ('16', null, null, 'tap-over', true, null, now() - interval '1 second'),
    ('17', null, null, 'tap-closed', true, null, null),
    ('18', null, null, 'tap-empty', true, null, null)
) as given (number, partner_id, client_id, slug, is_active, start_date, end_date);

select private.post_movement('grant', 'issued', null, 'event', events.id, 10, 'tap-give:' || events.event_slug)
from public.events
where events.event_slug like 'tap-%' and events.event_slug <> 'tap-empty';
update public.events set closed_at = now() where event_slug = 'tap-closed';
update public.partners set is_active = false where id = '7c000000-0000-4000-8000-000000000002';

create function pg_temp.take(p_slug text, p_amount integer)
returns boolean
language sql
as $$ select public.increment_event_credit(events.id, p_amount) from public.events where events.event_slug = p_slug; $$;

create function pg_temp.used(p_slug text)
returns integer
language sql
as $$ select events.credits_used from public.events where events.event_slug = p_slug; $$;

create function pg_temp.outcome_as(p_role text, p_call text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_state text;
  v_detail text;
begin
  perform set_config('role', p_role, true);
  execute p_call;
  perform set_config('role', v_me, true);
  return 'done';
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    return concat_ws(' ', v_state, case when v_state like 'PT%' then v_detail::jsonb ->> 'code' end);
end;
$$;

-- What it takes

select is(public.increment_event_credit('7c000000-0000-4000-8000-000000000010'), true, 'without an amount it says true');
select is(pg_temp.used('tap-open'), 1, 'without an amount it takes 1');
select is(pg_temp.take('tap-open', 3), true, 'an amount that is there is taken');
select is(pg_temp.used('tap-open'), 4, 'the whole amount is taken');
select is(pg_temp.take('tap-open', 3), true, 'the same amount can be taken again');
select is(
  (select count(*)::integer from private.credit_movements
   where source_id = '7c000000-0000-4000-8000-000000000010' and kind = 'charge' and destination = 'spent'),
  3, 'each call is a movement of its own'
);
select is(pg_temp.take('tap-open', 4), false, 'more than is left is refused');
select is(pg_temp.used('tap-open'), 7, 'of an amount that is not there nothing is taken');
select is(pg_temp.take('tap-open', 3), true, 'all that is left can be taken');
select is(pg_temp.used('tap-open'), 10, 'an event can be used up to its last credit');
select is(pg_temp.take('tap-open', 1), false, 'an event that is used up gives nothing');
select is(pg_temp.take('tap-running', 1), true, 'inside its window an event gives');

insert into public.partners (id, name) values ('7c000000-0000-4000-8000-000000000004', 'Tap Owing Partner');
insert into public.events (id, partner_id, event_name, event_slug)
values ('7c000000-0000-4000-8000-000000000019', '7c000000-0000-4000-8000-000000000004', 'Tap', 'tap-owing');
select private.post_movement('grant', 'issued', null, 'event', '7c000000-0000-4000-8000-000000000019', 1, 'tap-give:tap-owing');
select private.post_movement('purchase_reversal', 'partner_debt', '7c000000-0000-4000-8000-000000000004', 'issued', null, 5, 'tap-debt');
select is(pg_temp.take('tap-owing', 1), true, 'an event of a partner in debt gives what it holds');

-- When it says no

select is(pg_temp.take('tap-paused', 1), false, 'a paused event gives nothing');
select is(pg_temp.take('tap-partner-asleep', 1), false, 'an event of an inactive partner gives nothing');
select is(pg_temp.take('tap-client-asleep', 1), false, 'an event of an inactive client gives nothing');
select is(pg_temp.take('tap-upcoming', 1), false, 'before its window an event gives nothing');
select is(pg_temp.take('tap-over', 1), false, 'after its window an event gives nothing');
select is(pg_temp.take('tap-closed', 1), false, 'a closed event gives nothing');
select is(pg_temp.take('tap-empty', 1), false, 'an event without credits gives nothing');
select is(public.increment_event_credit('7c000000-0000-4000-8000-0000000000ff'), false, 'an unknown event gives nothing');
select is(public.increment_event_credit(null), false, 'no event gives nothing');
select is(
  (select sum(credits_used)::integer from public.events where event_slug like 'tap-%' and event_slug not in ('tap-open', 'tap-running', 'tap-owing')),
  0, 'where it says false nothing was taken'
);

-- What is an error

select is(
  pg_temp.outcome_as('service_role', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', 0)$$),
  'PT400 INVALID_INPUT', 'an amount of 0 is an error'
);
select is(
  pg_temp.outcome_as('service_role', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', -1)$$),
  'PT400 INVALID_INPUT', 'a negative amount is an error: it would mint credits'
);
select is(
  pg_temp.outcome_as('service_role', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', null)$$),
  'PT400 INVALID_INPUT', 'no amount is an error'
);
select is(
  pg_temp.outcome_as('service_role', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', 10000001)$$),
  'PT400 INVALID_INPUT', 'more than 10 million at once is an error'
);
select is(pg_temp.take('tap-running', 10000000), false, '10 million is an amount, although no event has them');

-- Who may call it

select is(
  pg_temp.outcome_as('service_role', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', 2)$$),
  'done', 'service_role may take credits'
);
select is(pg_temp.used('tap-running'), 3, 'what service_role takes is charged, and the errors before it were not');
select is(
  pg_temp.outcome_as('authenticated', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', 1)$$),
  '42501', 'a signed-in person may not take credits'
);
select is(
  pg_temp.outcome_as('anon', $$select public.increment_event_credit('7c000000-0000-4000-8000-000000000011', 1)$$),
  '42501', 'somebody without an account may not take credits'
);

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

-- Credits between a partner and its events: allocate_event_credits(), transfer_event_credits(),
-- close_event() and delete_event(). What an event does not use goes back to whoever paid for it.

begin;
create extension if not exists pgtap with schema extensions;
select plan(78);

-- A partner with three events, another partner with one, and two events of the master's own.
insert into public.partners (id, name)
values ('71000000-0000-4000-8000-000000000001', 'Tap Partner'), ('71000000-0000-4000-8000-000000000002', 'Tap Rival');
insert into public.events (id, partner_id, event_name, event_slug)
select
  ('71000000-0000-4000-8000-0000000000' || given.number)::uuid, ('71000000-0000-4000-8000-00000000000' || given.partner)::uuid,
  given.slug, given.slug
from (
  values
    ('10', 1, 'tap-first'), ('11', 1, 'tap-second'), ('12', 1, 'tap-third'), ('13', 2, 'tap-rival'),
    ('14', null, 'tap-own'), ('15', null, 'tap-own-too')
) as given (number, partner, slug);
insert into public.styles_metadata (id, label, category, subcategory) values ('tap_a', 'A', 'tap', 'Tap');
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');
select private.grant_credits('partner', '71000000-0000-4000-8000-000000000001', 100, 'for the test');
select private.grant_credits('partner', '71000000-0000-4000-8000-000000000002', 100, 'for the test');

create function pg_temp.event_id(p_slug text)
returns uuid
language sql stable
as $$
  select coalesce(
    (select events.id from public.events where events.event_slug = p_slug), '71000000-0000-4000-8000-0000000000ff'
  );
$$;

-- What a partner has and its events used, and what an event holds and used.
create function pg_temp.partner()
returns integer[]
language sql stable
as $$ select array[partners.credits_total, partners.credits_used] from public.partners where partners.id = '71000000-0000-4000-8000-000000000001'; $$;

create function pg_temp.event(p_slug text)
returns integer[]
language sql stable
as $$ select array[events.credits_allocated, events.credits_used] from public.events where events.event_slug = p_slug; $$;

-- The refusal of a call as 'SQLSTATE code {figures}', or 'done'.
create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
declare
  v_state text;
  v_detail text;
begin
  execute p_call;
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

create function pg_temp.allocate(p_slug text, p_amount integer)
returns text
language sql
as $$ select pg_temp.outcome(format('select private.allocate_event_credits(%L, %L)', pg_temp.event_id(p_slug), p_amount)); $$;

create function pg_temp.transfer(p_from text, p_to text, p_amount integer)
returns text
language sql
as $$
  select pg_temp.outcome(format('select private.transfer_event_credits(%L, %L, %L)', pg_temp.event_id(p_from), pg_temp.event_id(p_to), p_amount));
$$;

create function pg_temp.begin_photo(p_slug text)
returns uuid
language sql
as $$ select generation_id from public.begin_generation('tap_a', '3:4', 'selfies/x', p_photo_hash => 'h', p_event_slug => p_slug); $$;

-- The newest movement, as it lies in the ledger.
create temporary view newest as
  select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, staff_id, generation_id
  from private.credit_movements order by id desc limit 1;

-- Allocating

select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, staff_id
     from private.allocate_event_credits(pg_temp.event_id('tap-first'), 40, 'tap-key', '71000000-0000-4000-8000-00000000000a') $$,
  $$ values ('allocation', 'partner', '71000000-0000-4000-8000-000000000001'::uuid, 'event', pg_temp.event_id('tap-first'), 40,
       '71000000-0000-4000-8000-00000000000a'::uuid) $$,
  'an allocation answers with its movement, which keeps who asked'
);
select is(pg_temp.event('tap-first'), '{40,0}', 'an event holds what was allocated to it');
select is(pg_temp.partner(), '{100,40}', 'an allocation comes out of what the partner can allocate');
select is(pg_temp.allocate('tap-second', 60), 'done', 'all that a partner has can be allocated');
select is(
  pg_temp.allocate('tap-second', 1), 'PT402 INSUFFICIENT_CREDITS {"needed": 1, "balance": 0}',
  'more than the partner can allocate is refused with both figures'
);
select is(pg_temp.allocate('tap-own', 12), 'done', 'an event of the master''s own is given freely');
select results_eq(
  'select source, source_id, destination_id, amount from newest', $$ values ('issued', null::uuid, pg_temp.event_id('tap-own'), 12) $$,
  'its credits come from nobody'
);
select is(pg_temp.allocate('tap-nowhere', 1), 'PT404 EVENT_NOT_FOUND', 'an unknown event gets nothing');
select is(pg_temp.allocate('tap-own', given.amount), 'PT400 INVALID_INPUT {"field": "amount"}', 'allocating ' || given.name || ' is refused')
from (
  values (0, 'nothing'), (-1, 'less than nothing'), (null, 'no amount'), (10000001, 'more than 10 million at once')
) as given (amount, name);
select is(
  row(pg_temp.partner(), pg_temp.event('tap-first'), pg_temp.event('tap-second'), pg_temp.event('tap-own'))::text,
  '("{100,100}","{40,0}","{60,0}","{12,0}")', 'refused allocations have changed nothing'
);

-- Transferring

select results_eq(
  $$ select kind::text, source::text, source_id, destination::text, destination_id, amount::integer, staff_id
     from private.transfer_event_credits(
       pg_temp.event_id('tap-second'), pg_temp.event_id('tap-third'), 25, 'tap-key', '71000000-0000-4000-8000-00000000000a') $$,
  $$ values ('transfer', 'event', pg_temp.event_id('tap-second'), 'event', pg_temp.event_id('tap-third'), 25, '71000000-0000-4000-8000-00000000000a'::uuid) $$,
  'a transfer answers with its movement, which keeps who asked'
);
select is(
  array[pg_temp.event('tap-second'), pg_temp.event('tap-third'), pg_temp.partner()], '{{35,0},{25,0},{100,100}}',
  'a transfer moves between the two events and nothing of the partner'
);
select is(pg_temp.transfer('tap-third', 'tap-second', 25), 'done', 'all that an event holds can be transferred, back as well');
select is(public.increment_event_credit(pg_temp.event_id('tap-first'), 30), true, 'an event uses 30 of its 40');
select is(
  pg_temp.transfer('tap-first', 'tap-third', 11), 'PT402 INSUFFICIENT_CREDITS {"needed": 11, "balance": 10}',
  'what an event has used cannot be transferred'
);
select is(pg_temp.transfer('tap-own', 'tap-own-too', 2), 'done', 'credits move between events of the master''s own');
select is(array[pg_temp.event('tap-own'), pg_temp.event('tap-own-too')], '{{10,0},{2,0}}', 'and arrive');
select is(pg_temp.transfer(given.source, given.destination, given.amount), given.outcome, given.name)
from (
  values
    ('tap-second', 'tap-rival', 1, 'PT404 EVENT_NOT_FOUND', 'an event of another partner is not there'),
    ('tap-second', 'tap-own', 1, 'PT404 EVENT_NOT_FOUND', 'a partner''s credits do not move to the master''s own event'),
    ('tap-own', 'tap-second', 1, 'PT404 EVENT_NOT_FOUND', 'the master''s free credits do not move to a partner''s event'),
    ('tap-nowhere', 'tap-second', 1, 'PT404 EVENT_NOT_FOUND', 'an unknown event gives nothing'),
    ('tap-second', 'tap-nowhere', 1, 'PT404 EVENT_NOT_FOUND', 'an unknown event takes nothing'),
    ('tap-second', 'tap-second', 1, 'PT400 INVALID_INPUT {"field": "to_event_id"}', 'an event does not transfer to itself'),
    ('tap-second', 'tap-third', 0, 'PT400 INVALID_INPUT {"field": "amount"}', 'transferring nothing is refused'),
    ('tap-second', 'tap-third', -5, 'PT400 INVALID_INPUT {"field": "amount"}', 'a transfer cannot take'),
    ('tap-second', 'tap-third', null, 'PT400 INVALID_INPUT {"field": "amount"}', 'transferring no amount is refused')
) as given (source, destination, amount, outcome, name);
select is(
  array[
    pg_temp.event('tap-first'), pg_temp.event('tap-second'), pg_temp.event('tap-third'), pg_temp.event('tap-rival'),
    pg_temp.event('tap-own'), pg_temp.partner()
  ],
  '{{40,30},{60,0},{0,0},{0,0},{10,0},{100,100}}', 'refused transfers have changed nothing'
);

-- Closing

select is(
  (select closed_at from private.close_event(pg_temp.event_id('tap-first'), '71000000-0000-4000-8000-00000000000a')), now(),
  'closing answers with the closed event'
);
select results_eq(
  'select kind, source_id, destination, destination_id, amount, staff_id from newest',
  $$ values ('return', pg_temp.event_id('tap-first'), 'partner', '71000000-0000-4000-8000-000000000001'::uuid, 10,
       '71000000-0000-4000-8000-00000000000a'::uuid) $$,
  'what a closed event did not use goes back to the partner, and the movement keeps who closed it'
);
select is(pg_temp.event('tap-first'), '{30,30}', 'a closed event holds what it used, and nothing else');
select is(pg_temp.partner(), '{100,90}', 'the partner can allocate what came back');

create temporary table ledger_before as select max(id) as last_id from private.credit_movements;
select is(
  (select closed_at from private.close_event(pg_temp.event_id('tap-first'))), now(), 'closing again answers the same'
);
select is((select max(id) from private.credit_movements), (select last_id from ledger_before), 'and moves nothing');
select is(private.event_phase(events), 'ended', 'a closed event has ended') from public.events where event_slug = 'tap-first';
select is(
  (select credits_allocated from private.close_event(pg_temp.event_id('tap-own-too'))), 0, 'an event of the master''s own closes with nothing left'
);
select results_eq(
  'select kind, destination, destination_id, amount from newest', $$ values ('return', 'issued', null::uuid, 2) $$,
  'its credits go back to where they came from'
);
select is(
  (select closed_at from private.close_event(pg_temp.event_id('tap-third'))), now(), 'an event without credits is closed'
);
select results_eq(
  'select kind, amount from newest', $$ values ('return', 2) $$, 'and nothing is returned for it'
);
select is(pg_temp.allocate('tap-first', 1), 'PT403 EVENT_ENDED', 'a closed event is allocated nothing');
select is(pg_temp.transfer('tap-second', 'tap-first', 1), 'PT403 EVENT_ENDED', 'nothing is transferred to a closed event');
select is(
  pg_temp.transfer('tap-first', 'tap-second', 1), 'PT402 INSUFFICIENT_CREDITS {"needed": 1, "balance": 0}', 'a closed event has nothing to transfer'
);
select is(public.increment_event_credit(pg_temp.event_id('tap-first'), 1), false, 'a closed event gives no credit');
select is(
  pg_temp.outcome('select private.close_event(pg_temp.event_id(''tap-nowhere''))'), 'PT404 EVENT_NOT_FOUND', 'an unknown event cannot be closed'
);

-- Photos that outlive their event

create temporary table photos as
  select given.name, pg_temp.begin_photo(given.slug) as id
  from (values ('ready', 'tap-second'), ('failing', 'tap-second'), ('own', 'tap-own')) as given (name, slug);
select private.close_event(pg_temp.event_id('tap-second'));
select private.close_event(pg_temp.event_id('tap-own'));
select is(pg_temp.event('tap-second'), '{2,2}', 'photos being made stay charged when the event closes');
select is(pg_temp.partner(), '{100,32}', 'the partner gets back the rest');

select is(
  (select state from public.fail_generation((select id from photos where name = 'failing'), 'GENERATION_FAILED')), 'fail',
  'a photo fails after its event was closed'
);
select results_eq(
  $$ select kind::text, source::text, destination::text, destination_id, amount::integer from private.credit_movements
     where generation_id = (select id from photos where name = 'failing') and kind <> 'charge' order by id $$,
  $$ values
       ('refund', 'spent', 'event', pg_temp.event_id('tap-second'), 1),
       ('return', 'event', 'partner', '71000000-0000-4000-8000-000000000001'::uuid, 1) $$,
  'its refund goes through the closed event to the partner'
);
select is(pg_temp.event('tap-second'), '{1,1}', 'the closed event holds nothing of it');
select is(pg_temp.partner(), '{100,31}', 'the partner can allocate it again');
select public.fail_generation((select id from photos where name = 'failing'), 'GENERATION_FAILED');
select is(pg_temp.partner(), '{100,31}', 'failing again refunds nothing more');
select public.fail_generation((select id from photos where name = 'own'), 'GENERATION_FAILED');
select results_eq(
  'select kind, destination, amount, generation_id from newest', $$ select 'return', 'issued', 1, id from photos where name = 'own' $$,
  'a late refund of the master''s own event goes back to where its credits came from'
);
select is(pg_temp.event('tap-own'), '{0,0}', 'and its event holds nothing of it');

-- A partner in debt

insert into public.events (id, partner_id, event_name, event_slug)
values
  ('71000000-0000-4000-8000-000000000020', '71000000-0000-4000-8000-000000000001', 'Tap', 'tap-running'),
  ('71000000-0000-4000-8000-000000000021', '71000000-0000-4000-8000-000000000001', 'Tap', 'tap-next');
select private.allocate_event_credits(pg_temp.event_id('tap-running'), 69);
select private.post_movement('purchase_reversal', 'partner_debt', '71000000-0000-4000-8000-000000000001', 'issued', null, 50, 'tap-debt');

select is(
  pg_temp.allocate('tap-running', 1), 'PT402 INSUFFICIENT_CREDITS {"debt": 50, "needed": 1, "balance": 0}',
  'a partner in debt allocates nothing, and is told how much it owes'
);
select is(
  pg_temp.transfer('tap-running', 'tap-next', 1), 'PT402 INSUFFICIENT_CREDITS {"debt": 50, "needed": 1, "balance": 0}',
  'nor does it transfer'
);
insert into photos values ('in_debt', pg_temp.begin_photo('tap-running'));
select is(pg_temp.event('tap-running'), '{69,1}', 'its running events go on');
select private.close_event(pg_temp.event_id('tap-running'));
select is(
  array[pg_temp.event('tap-running'), pg_temp.partner()], '{{1,1},{50,32}}', 'what its closed event returns pays the debt, and the rest is its own'
);
select results_eq(
  'select kind, source, destination, amount from newest', $$ values ('debt_payment', 'partner', 'partner_debt', 50) $$,
  'the debt is paid by one movement'
);
select is(pg_temp.allocate('tap-next', 18), 'done', 'without a debt it allocates again');
select private.post_movement('purchase_reversal', 'partner_debt', '71000000-0000-4000-8000-000000000001', 'issued', null, 3, 'tap-debt-too');
select public.fail_generation((select id from photos where name = 'in_debt'), 'GENERATION_FAILED');
select is(private.debt_of('partner', '71000000-0000-4000-8000-000000000001'), 2, 'a late refund pays the debt of the partner');
select is(pg_temp.partner(), '{49,49}', 'and leaves it nothing to allocate');

-- Deleting

select is(
  pg_temp.outcome($$delete from public.events where event_slug = 'tap-next'$$), '23001', 'an event with credits cannot be deleted around its function'
);
select is(
  pg_temp.outcome($$delete from public.partners where id = '71000000-0000-4000-8000-000000000002'$$), '23001',
  'a partner with credits cannot be deleted'
);
select private.adjust_credits('partner', '71000000-0000-4000-8000-000000000002', -100, 'for the test');
delete from public.events where event_slug = 'tap-rival';
select is(
  pg_temp.outcome($$delete from public.partners where id = '71000000-0000-4000-8000-000000000002'$$), 'done',
  'a partner without credits and events can be deleted'
);
select is(
  pg_temp.outcome(format('select private.delete_event(%L)', pg_temp.event_id(given.slug))), given.outcome, given.name
)
from (
  values
    ('tap-first', 'PT409 CONFLICT {"credits_used": 30}', 'an event that used credits is not deleted'),
    ('tap-running', 'PT409 CONFLICT {"credits_used": 0}', 'an event with photos is not deleted, not even when all were refunded'),
    ('tap-nowhere', 'PT404 EVENT_NOT_FOUND', 'an unknown event cannot be deleted')
) as given (slug, outcome, name);

create temporary table doomed as select id from public.events where event_slug = 'tap-next';
select is(
  pg_temp.outcome(format('select private.delete_event(%L, %L)', doomed.id, '71000000-0000-4000-8000-00000000000a')), 'done',
  'an event that was never used is deleted, with the credits it holds'
)
from doomed;
select is_empty('select from public.events join doomed using (id)', 'it is gone');
select results_eq(
  $$ select kind::text, source_id, destination::text, amount::integer, staff_id from private.credit_movements
     where source_id = (select id from doomed) $$,
  $$ select 'return', doomed.id, 'partner', 18, '71000000-0000-4000-8000-00000000000a'::uuid from doomed $$,
  'its credits went back to the partner, and the movement keeps who deleted it'
);
select is(
  array[private.debt_of('partner', '71000000-0000-4000-8000-000000000001'), (pg_temp.partner())[1] - (pg_temp.partner())[2]], '{0,16}',
  'what comes back pays the debt first, and the rest can be allocated'
);

insert into public.events (event_name, event_slug) values ('Tap', 'tap-own-doomed');
select private.allocate_event_credits(pg_temp.event_id('tap-own-doomed'), 7);
select private.delete_event(pg_temp.event_id('tap-own-doomed'));
select results_eq(
  'select kind, destination, amount from newest', $$ values ('return', 'issued', 7) $$,
  'a deleted event of the master''s own returns its credits to where they came from'
);
insert into public.events (event_name, event_slug) values ('Tap', 'tap-empty-doomed');
select is(
  pg_temp.outcome('select private.delete_event(pg_temp.event_id(''tap-empty-doomed''))'), 'done', 'an event without credits is deleted'
);
select is_empty($$ select from public.events where event_slug like '%-doomed' $$, 'both are gone');

select lives_ok('set constraints all immediate', 'every row points at what exists');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

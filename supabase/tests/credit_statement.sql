-- credit_statement(): what moved on an account, with the balance after each movement, page by page and
-- for those alone whose account it is.

begin;
create extension if not exists pgtap with schema extensions;
select plan(67);

-- Two users, the owners of two partners, and a master.
insert into auth.users (id, email)
select ('73000000-0000-4000-8000-00000000000' || given.number)::uuid, given.name || '@tap.example'
from (values (1, 'mine'), (2, 'other'), (3, 'owner'), (4, 'rival'), (5, 'master')) as given (number, name);
update public.profiles set role = 'master' where email = 'master@tap.example';
insert into public.partners (id, name, user_id)
values
  ('73000000-0000-4000-8000-000000000011', 'Tap Partner', '73000000-0000-4000-8000-000000000003'),
  ('73000000-0000-4000-8000-000000000012', 'Tap Rival', '73000000-0000-4000-8000-000000000004');
insert into public.events (id, partner_id, event_name, event_slug)
values
  ('73000000-0000-4000-8000-000000000021', '73000000-0000-4000-8000-000000000011', 'Tap', 'tap-party'),
  ('73000000-0000-4000-8000-000000000022', '73000000-0000-4000-8000-000000000012', 'Tap', 'tap-rival-party'),
  ('73000000-0000-4000-8000-000000000023', null, 'Tap', 'tap-own-party');
insert into public.styles_metadata (id, label, category, subcategory, credit_cost) values ('tap_a', 'A', 'tap', 'Tap', 100);
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');

-- What a query comes to for a person: its first column, or its refusal as 'SQLSTATE code {figures}'.
create function pg_temp.as_person(p_person text, p_query text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_role text := case p_person when 'nobody' then 'anon' else 'authenticated' end;
  v_answer text;
  v_state text;
  v_detail text;
begin
  perform set_config('request.jwt.claims', claims.content::text, true)
  from (
    select jsonb_build_object('sub', users.id, 'role', v_role, 'app_metadata', users.raw_app_meta_data) as content
    from auth.users where users.email = p_person || '@tap.example'
    union all
    select '{"role": "anon"}' where p_person = 'nobody'
  ) as claims;
  perform set_config('role', v_role, true);
  execute p_query into v_answer;
  perform set_config('role', v_me, true);
  return v_answer;
exception
  when others then
    get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
    if v_state not like 'PT%' then
      return v_state;
    end if;
    return concat_ws(' ', v_state, v_detail::jsonb ->> 'code', nullif(v_detail::jsonb - 'code', '{}')::text);
end;
$$;

-- A statement as a person sees it: the columns asked for, a row after the other, in the order it comes.
create function pg_temp.statement(p_person text, p_arguments text, p_columns text default 'kind, amount, balance')
returns text
language sql
as $$
  select pg_temp.as_person(p_person, format(
    $query$ select string_agg(concat_ws(' ', %s), '; ' order by place) from public.credit_statement(%s) with ordinality
      as statement (id, created_at, kind, amount, balance, counterpart, counterpart_id, generation_id, order_id, note, place) $query$,
    p_columns, p_arguments
  ));
$$;

-- A user's own account: in, out, and back

select is(pg_temp.statement('mine', ''), null, 'the statement of an account without movements is empty');
select private.grant_credits('user', '73000000-0000-4000-8000-000000000001', 300, 'a present');
create temporary table photos as
  select generation_id from public.begin_generation(
    'tap_a', '3:4', 'p/x', p_photo_hash => 'h', p_user_id => '73000000-0000-4000-8000-000000000001'
  );
select private.post_movement('unlock', 'user', '73000000-0000-4000-8000-000000000001', 'spent', null, 150, 'tap-unlock', p_note => 'Tap Pack');
select public.fail_generation(generation_id, 'GENERATION_FAILED') from photos;
select private.post_movement(
  'purchase', 'issued', null, 'user', '73000000-0000-4000-8000-000000000001', 500, 'tap-purchase', p_order_id => '73000000-0000-4000-8000-0000000000aa'
);

select is(
  pg_temp.statement('mine', ''), 'purchase 500 650; refund 100 150; unlock -150 50; charge -100 200; grant 300 300',
  'without arguments a person reads their own account, newest first, with the balance after each movement'
);
select is(
  pg_temp.statement('mine', $$'user', '73000000-0000-4000-8000-000000000001'$$), pg_temp.statement('mine', ''), 'which they may also name'
);
select is(
  pg_temp.statement('mine', '', 'kind, counterpart, coalesce(counterpart_id::text, ''-'')'),
  'purchase issued -; refund spent -; unlock spent -; charge spent -; grant issued -', 'each movement says where it came from or went'
);
select is(
  pg_temp.statement('mine', '', 'kind, coalesce(note, ''-'')'), 'purchase -; refund -; unlock Tap Pack; charge -; grant a present',
  'a movement says why, if somebody said it'
);
select is(
  pg_temp.statement('mine', '', 'kind, coalesce(generation_id::text, ''-'')'),
  format('purchase -; refund %1$s; unlock -; charge %1$s; grant -', generation_id), 'a person''s own photos are named'
)
from photos;
select is(
  pg_temp.statement('mine', '', 'kind, coalesce(order_id::text, ''-'')'),
  'purchase 73000000-0000-4000-8000-0000000000aa; refund -; unlock -; charge -; grant -', 'a purchase names its order'
);
select is(pg_temp.statement('mine', $$p_limit => 1$$, 'kind, created_at = now()'), 'purchase t', 'a movement says when it was');

-- Pages

select
  case given.kind
    when 'in' then private.post_movement('grant', 'issued', null, 'user', '73000000-0000-4000-8000-000000000002', 20, 'tap-page-' || place)
    else private.post_movement('unlock', 'user', '73000000-0000-4000-8000-000000000002', 'spent', null, 20, 'tap-page-' || place)
  end
from unnest('{in,in,in,out,in,in,out,out}'::text[]) with ordinality as given (kind, place);

create function pg_temp.pages(p_person text, p_limit integer)
returns text
language plpgsql
as $$
declare
  v_pages text;
  v_page text;
  v_before bigint;
begin
  loop
    v_page := pg_temp.statement(p_person, format('p_before => %L, p_limit => %s', v_before, p_limit));
    exit when v_page is null;
    v_pages := concat_ws('; ', v_pages, v_page);
    v_before := pg_temp.as_person(p_person, format(
      'select min(id) from public.credit_statement(p_before => %L, p_limit => %s)', v_before, p_limit
    ));
  end loop;
  return v_pages;
end;
$$;
select is(
  pg_temp.statement('other', ''),
  'unlock -20 40; unlock -20 60; grant 20 80; grant 20 60; unlock -20 40; grant 20 60; grant 20 40; grant 20 20',
  'movements of equal amounts and one instant come in the order in which they were written'
);
select is(
  pg_temp.pages('other', page_size), pg_temp.statement('other', ''),
  format('pages of %s make the whole statement, each row once with its balance', page_size)
)
from (values (1), (2), (3), (5), (8)) as sizes (page_size);
select is(pg_temp.statement('other', 'p_limit => 3'), 'unlock -20 40; unlock -20 60; grant 20 80', 'a page has no more rows than asked for');
select is(
  pg_temp.statement('other', format('p_before => %s', (select id from private.credit_movements where idempotency_key = 'tap-page-1'))),
  null, 'before the first movement there is nothing'
);
create temporary table middle as select id from private.credit_movements where idempotency_key = 'tap-page-6';
create temporary table older as select pg_temp.statement('other', format('p_before => %s', id)) as page from middle;
select private.grant_credits('user', '73000000-0000-4000-8000-000000000002', 7, 'while somebody reads');
select is(
  pg_temp.statement('other', format('p_before => %s', middle.id)), older.page, 'what arrives while somebody pages does not change the older pages'
)
from middle, older;

-- A debt

select private.post_movement('adjustment', 'user', '73000000-0000-4000-8000-000000000002', 'issued', null, 47, 'tap-empty');
select private.post_movement('purchase_reversal', 'user_debt', '73000000-0000-4000-8000-000000000002', 'issued', null, 30, 'tap-debt');
select private.grant_credits('user', '73000000-0000-4000-8000-000000000002', 50, 'for the debt');
select is(
  pg_temp.statement('other', 'p_limit => 3', 'kind, amount, balance, counterpart'), 'debt_payment -30 20 user_debt; grant 50 50 issued; adjustment -47 0 issued',
  'what a debt takes is a movement out of the account'
);

-- A partner and its event

select private.grant_credits('partner', '73000000-0000-4000-8000-000000000011', 100, 'wholesale');
select private.allocate_event_credits('73000000-0000-4000-8000-000000000021', 60);
select public.increment_event_credit('73000000-0000-4000-8000-000000000021', 5);
insert into photos select generation_id from public.begin_generation('tap_a', '3:4', 'p/x', p_photo_hash => 'h', p_event_slug => 'tap-party');
select private.close_event('73000000-0000-4000-8000-000000000021');

select is(
  pg_temp.statement('owner', $$'partner', '73000000-0000-4000-8000-000000000011'$$, 'kind, amount, balance, counterpart, counterpart_id'),
  'return 54 94 event 73000000-0000-4000-8000-000000000021; allocation -60 40 event 73000000-0000-4000-8000-000000000021; grant 100 100 issued',
  'the owner of a partner reads its account: what it can still allocate after each movement'
);
select is(
  pg_temp.statement('owner', $$'event', '73000000-0000-4000-8000-000000000021'$$, 'kind, amount, balance, counterpart, counterpart_id'),
  'return -54 0 partner 73000000-0000-4000-8000-000000000011; charge -1 54 spent; charge -5 55 spent; '
    || 'allocation 60 60 partner 73000000-0000-4000-8000-000000000011',
  'the same movements from the side of the event'
);
select is(
  pg_temp.as_person(
    'owner', $$select count(*) from public.credit_statement('event', '73000000-0000-4000-8000-000000000021') where generation_id is not null$$
  ),
  '0', 'the photos of guests are not named: their id is the guest''s key'
);
select is(
  pg_temp.statement('owner', $$'partner', '73000000-0000-4000-8000-000000000011', p_limit => 1$$, 'note'), '', 'a movement without a note shows none'
);
select is(
  pg_temp.statement('owner', $$'partner', '73000000-0000-4000-8000-000000000011'$$, 'note'), '; ; wholesale',
  'a grant to a partner shows its note'
);

-- Whose account it is

select is(pg_temp.statement(given.person, format('%L, %L', given.account, given.account_id::uuid)) is not null, given.is_shown, given.name)
from (
  values
    ('mine', 'user', '73000000-0000-4000-8000-000000000001', true, 'a person reads their own account'),
    ('other', 'user', '73000000-0000-4000-8000-000000000001', false, 'nobody reads another person''s account'),
    ('owner', 'user', '73000000-0000-4000-8000-000000000001', false, 'nor does the owner of a partner'),
    ('mine', 'partner', '73000000-0000-4000-8000-000000000011', false, 'a user reads no partner''s account'),
    ('rival', 'partner', '73000000-0000-4000-8000-000000000011', false, 'nor does another partner'),
    ('mine', 'event', '73000000-0000-4000-8000-000000000021', false, 'a user reads no event''s account'),
    ('rival', 'event', '73000000-0000-4000-8000-000000000021', false, 'nor does another partner'),
    ('master', 'user', '73000000-0000-4000-8000-000000000001', true, 'a master reads every user''s account'),
    ('master', 'partner', '73000000-0000-4000-8000-000000000011', true, 'and every partner''s'),
    ('master', 'event', '73000000-0000-4000-8000-000000000021', true, 'and every event''s'),
    ('owner', 'event', '73000000-0000-4000-8000-000000000011', false, 'the id of a partner is no event'),
    ('owner', 'user', '73000000-0000-4000-8000-000000000011', false, 'the id of a partner is no user')
) as given (person, account, account_id, is_shown, name);
select is(
  pg_temp.statement('master', $$'user', '73000000-0000-4000-8000-000000000001'$$), pg_temp.statement('mine', ''),
  'a master reads the same figures as the person'
);
select is(
  pg_temp.as_person('mine', $$select private.read_balance('user', '73000000-0000-4000-8000-000000000002')$$), null,
  'nobody reads another person''s balance'
);

update public.partners set is_active = false where id = '73000000-0000-4000-8000-000000000011';
select is(
  pg_temp.statement('owner', $$'partner', '73000000-0000-4000-8000-000000000011'$$), null,
  'the owner of a suspended partner does not read its account'
);
select is(pg_temp.statement('owner', $$'event', '73000000-0000-4000-8000-000000000021'$$), null, 'nor those of its events');
select private.grant_credits('user', '73000000-0000-4000-8000-000000000003', 1, 'a trifle');
select is(pg_temp.statement('owner', ''), 'grant 1 1', 'their own account they do');
select is(
  pg_temp.statement('master', $$'partner', '73000000-0000-4000-8000-000000000011', p_limit => 1$$), 'return 54 94',
  'a master reads suspended partners too'
);
update public.partners set is_active = true where id = '73000000-0000-4000-8000-000000000011';

update auth.users set raw_app_meta_data = '{"role": "master", "is_master": true}' where email = 'other@tap.example';
select is(
  pg_temp.statement('other', $$'user', '73000000-0000-4000-8000-000000000001'$$), null,
  'who is a master says the profile, nothing that a token carries'
);

-- Who may call it, and how

select is(pg_temp.statement('nobody', $$'user', '73000000-0000-4000-8000-000000000001'$$), '42501', 'somebody without an account may not call it');
select is(pg_temp.statement('mine', given.arguments), 'PT400 INVALID_INPUT ' || given.figures, given.name)
from (
  values
    ($$'spent'$$, '{"field": "p_account"}', 'an account of the system has no statement'),
    ($$'user_debt'$$, '{"field": "p_account"}', 'a debt has no statement of its own'),
    ($$'nothing'$$, '{"field": "p_account"}', 'an unknown kind of account is refused'),
    ('null', '{"field": "p_account"}', 'no kind of account is refused'),
    ('p_limit => 0', '{"field": "p_limit"}', 'a page of nothing is refused'),
    ('p_limit => -1', '{"field": "p_limit"}', 'a page of less than nothing is refused'),
    ('p_limit => 1001', '{"field": "p_limit"}', 'a page of more than 1000 is refused'),
    ('p_limit => null', '{"field": "p_limit"}', 'a page without an end is refused')
) as given (arguments, figures, name);
select is(pg_temp.statement('mine', 'p_limit => 1000'), pg_temp.statement('mine', ''), 'a page of 1000 is answered');
select is(pg_temp.statement('mine', $$'user', null$$), null, 'the account of nobody is empty');

-- The ledger behind it

select is(
  pg_temp.as_person('mine', 'select count(*) from private.credit_movements as m where m.amount > 0 and m.kind is not null'), '5',
  'of the ledger itself a person sees the rows of their own account'
);
select is(
  pg_temp.as_person('mine', 'select string_agg(note, $$, $$ order by movement_id) from private.credit_notes'), 'a present, Tap Pack',
  'and of the notes those beside them'
);
select is(
  pg_temp.as_person('mine', 'select * from private.credit_movements'), '42501',
  'select=* on it is refused, because it would take the hidden columns along'
);
select is(pg_temp.as_person('mine', format('select max(%I::text) from private.credit_movements', hidden)), '42501', 'nobody reads ' || hidden)
from (values ('staff_id'), ('idempotency_key'), ('request_hash'), ('payment_id')) as columns (hidden);
select is(pg_temp.as_person('master', 'select max(staff_id::text) from private.credit_movements'), '42501', 'not even a master');
select is(pg_temp.as_person('mine', 'select max(amount) from private.credit_debts'), '42501', 'debts are read by nobody');
select is(pg_temp.as_person(given.person, given.change), '42501', given.name)
from (
  values
    ('mine', $$insert into private.credit_notes values (1, 'tap')$$, 'nobody writes a note'),
    ('mine', $$update private.credit_notes set note = 'tap'$$, 'nobody changes a note'),
    ('mine', 'delete from private.credit_notes', 'nobody removes a note'),
    ('master', $$insert into private.credit_movements (kind, source, destination, amount) values ('grant', 'issued', 'spent', 1)$$, 'nobody writes a movement')
) as given (person, change, name);

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

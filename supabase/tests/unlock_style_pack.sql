-- unlock_style_pack(): a signed-in person buys a premium pack with their credits, once.

begin;
create extension if not exists pgtap with schema extensions;
select plan(32);

update private.settings set pack_unlock_price = 3000;

insert into auth.users (id, email)
values
  ('7d000000-0000-4000-8000-000000000001', 'rich@tap.example'),
  ('7d000000-0000-4000-8000-000000000002', 'poor@tap.example'),
  ('7d000000-0000-4000-8000-000000000003', 'exact@tap.example');
select private.post_movement('grant', 'issued', null, 'user', '7d000000-0000-4000-8000-000000000001', 7000, 'tap-rich');
select private.post_movement('grant', 'issued', null, 'user', '7d000000-0000-4000-8000-000000000002', 2999, 'tap-poor');
select private.post_movement('grant', 'issued', null, 'user', '7d000000-0000-4000-8000-000000000003', 3000, 'tap-exact');

insert into public.styles_metadata (id, label, category, subcategory, is_premium, is_active)
values
  ('tap_gold_a', 'Gold A', 'tap', 'Tap Gold', true, true),
  ('tap_gold_b', 'Gold B', 'tap', 'Tap Gold', false, true),
  ('tap_silver', 'Silver', 'tap', 'Tap Silver', true, true),
  ('tap_plain', 'Plain', 'tap', 'Tap Plain', false, true),
  ('tap_retired', 'Retired', 'tap', 'Tap Retired', true, false);

-- What a person's call comes to: its first column, or the refusal as 'SQLSTATE code {figures}'.
create function pg_temp.as_person(p_user_id uuid, p_call text, p_role text default 'authenticated')
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
  v_answer text;
  v_state text;
  v_detail text;
begin
  perform set_config('request.jwt.claims', jsonb_strip_nulls(jsonb_build_object('sub', p_user_id, 'role', p_role))::text, true);
  perform set_config('role', p_role, true);
  execute p_call into v_answer;
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

create function pg_temp.credits(p_user_id uuid)
returns integer
language sql
as $$ select profiles.credits from public.profiles where profiles.id = p_user_id; $$;

-- Buying

select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select (public.unlock_style_pack('Tap Gold')).price$$),
  '3000', 'a purchase answers with the price paid'
);
select is(pg_temp.credits('7d000000-0000-4000-8000-000000000001'), 4000, 'a purchase takes the price from the balance');
select results_eq(
  $$ select pack, price from public.pack_unlocks where user_id = '7d000000-0000-4000-8000-000000000001' $$,
  $$ values ('Tap Gold', 3000) $$,
  'a purchase is kept for the buyer'
);
select results_eq(
  $$ select kind::text, source::text, destination::text, amount::integer from private.credit_movements
     where source_id = '7d000000-0000-4000-8000-000000000001' $$,
  $$ values ('unlock', 'user', 'spent', 3000) $$,
  'a purchase is one movement of the ledger'
);
select results_eq(
  $$ select credit_notes.note from private.credit_notes
     join private.credit_movements on credit_movements.id = credit_notes.movement_id
     where credit_movements.source_id = '7d000000-0000-4000-8000-000000000001' $$,
  $$ values ('Tap Gold') $$,
  'which says what was bought'
);

update private.settings set pack_unlock_price = 100;
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select (public.unlock_style_pack('Tap Gold')).price$$),
  '3000', 'asking again answers with the first purchase, whatever the price is now'
);
select is(pg_temp.credits('7d000000-0000-4000-8000-000000000001'), 4000, 'asking again charges nothing');
select is(
  (select count(*)::integer from private.credit_movements where source_id = '7d000000-0000-4000-8000-000000000001'), 1,
  'asking again moves nothing'
);
update private.settings set pack_unlock_price = 3000;

select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select (public.unlock_style_pack('Tap Silver')).pack$$),
  'Tap Silver', 'another pack is another purchase'
);
select is(pg_temp.credits('7d000000-0000-4000-8000-000000000001'), 1000, 'another pack is charged');
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000003', $$select (public.unlock_style_pack('Tap Gold')).pack$$),
  'Tap Gold', 'a balance of exactly the price is enough, and another person buys the same pack'
);
select is(pg_temp.credits('7d000000-0000-4000-8000-000000000003'), 0, 'the last credit can be spent');

-- Refusals

select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000002', $$select public.unlock_style_pack('Tap Gold')$$),
  'PT402 INSUFFICIENT_CREDITS {"needed": 3000, "balance": 2999}',
  'one credit short is refused with both figures'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select public.unlock_style_pack('Tap Nothing')$$),
  'PT404 STYLE_NOT_FOUND', 'an unknown pack is refused'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select public.unlock_style_pack('tap_gold_a')$$),
  'PT404 STYLE_NOT_FOUND', 'the id of a style is no pack'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select public.unlock_style_pack('Tap Plain')$$),
  'PT404 STYLE_NOT_FOUND', 'a pack without premium styles needs no unlocking and is not sold'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000003', $$select public.unlock_style_pack('Tap Retired')$$),
  'PT404 STYLE_NOT_FOUND', 'a pack that is no longer offered is not sold'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select public.unlock_style_pack(null)$$),
  'PT404 STYLE_NOT_FOUND', 'no pack is refused'
);
select is(
  pg_temp.as_person(null, $$select public.unlock_style_pack('Tap Gold')$$),
  'PT401 UNAUTHENTICATED', 'a token without a person is refused'
);
select is(
  pg_temp.as_person(null, $$select public.unlock_style_pack('Tap Gold')$$, 'anon'), '42501',
  'somebody without an account is refused'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', $$select public.unlock_style_pack('Tap Gold')$$, 'service_role'), '42501',
  'the service buys for nobody'
);
select private.post_movement('purchase_reversal', 'user_debt', '7d000000-0000-4000-8000-000000000003', 'issued', null, 70, 'tap-debt');
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000003', $$select public.unlock_style_pack('Tap Silver')$$),
  'PT402 INSUFFICIENT_CREDITS {"debt": 70, "needed": 3000, "balance": 0}',
  'somebody in debt is refused, and told how much they owe'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000003', $$select (public.unlock_style_pack('Tap Gold')).pack$$),
  'Tap Gold', 'what they unlocked before stays theirs'
);
select is(
  array[
    pg_temp.credits('7d000000-0000-4000-8000-000000000001'), pg_temp.credits('7d000000-0000-4000-8000-000000000002'),
    pg_temp.credits('7d000000-0000-4000-8000-000000000003')
  ],
  '{1000,2999,0}', 'a refusal charges nothing'
);
select is(
  (select count(*)::integer from public.pack_unlocks where pack like 'Tap %'), 3,
  'a refusal unlocks nothing'
);

-- Nobody writes an unlock or a balance any other way; everybody sees their own

select is(
  pg_temp.as_person(
    '7d000000-0000-4000-8000-000000000002',
    $$insert into public.pack_unlocks values ('7d000000-0000-4000-8000-000000000002', 'Tap Gold', 1) returning pack$$
  ),
  '42501', 'a person cannot write an unlock'
);
select is(
  pg_temp.as_person(
    '7d000000-0000-4000-8000-000000000002',
    $$update public.profiles set credits = 9999 where id = '7d000000-0000-4000-8000-000000000002' returning id$$
  ),
  '42501', 'a person cannot write a balance'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', 'select string_agg(pack, $$, $$ order by pack) from public.pack_unlocks'),
  'Tap Gold, Tap Silver', 'a person sees what they unlocked and nothing else'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000002', 'select count(*) from public.pack_unlocks'), '0',
  'a person sees no unlock of others'
);
select is(
  pg_temp.as_person('7d000000-0000-4000-8000-000000000001', 'select string_agg(credits::text, $$, $$) from public.profiles'), '1000',
  'a person sees their own balance and nobody else''s'
);
select is(
  pg_temp.as_person(
    '7d000000-0000-4000-8000-000000000001',
    $$with changed as (update public.profiles set full_name = 'Tap' where email like '%@tap.example' returning id)
      select string_agg(id::text, ', ') from changed$$
  ),
  '7d000000-0000-4000-8000-000000000001', 'a person changes their own name and nobody else''s'
);

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

-- A host's PIN: the hash, the throttle before it, sessions that end. design §6: five failures lock an address (a
-- minute, doubling to a day), fifty an hour lock the PIN of an event for 15 minutes, open sessions go on.

begin;
create extension if not exists pgtap with schema extensions;
select plan(55);

insert into auth.users (id, email)
values
  ('75000000-0000-4000-8000-000000000001', 'owner@tap.example'),
  ('75000000-0000-4000-8000-000000000002', 'rival@tap.example'),
  ('75000000-0000-4000-8000-000000000003', 'master@tap.example');
update public.profiles set role = 'master' where email = 'master@tap.example';
insert into public.partners (id, name, user_id)
values
  ('75000000-0000-4000-8000-000000000011', 'Tap Partner', '75000000-0000-4000-8000-000000000001'),
  ('75000000-0000-4000-8000-000000000012', 'Tap Rival', '75000000-0000-4000-8000-000000000002');
insert into public.clients (id, partner_id, name)
values ('75000000-0000-4000-8000-000000000013', '75000000-0000-4000-8000-000000000011', 'Tap Client');
insert into public.events (id, partner_id, client_id, event_name, event_slug)
values
  ('75000000-0000-4000-8000-000000000021', '75000000-0000-4000-8000-000000000011', '75000000-0000-4000-8000-000000000013', 'Tap', 'tap-pin'),
  ('75000000-0000-4000-8000-000000000022', '75000000-0000-4000-8000-000000000011', null, 'Tap', 'tap-without-pin'),
  ('75000000-0000-4000-8000-000000000023', '75000000-0000-4000-8000-000000000012', null, 'Tap', 'tap-rival');

create function pg_temp.outcome(p_call text)
returns text
language plpgsql
as $$
declare
  v_detail text;
  v_result text;
begin
  execute p_call into v_result;
  return v_result;
exception
  when others then
    get stacked diagnostics v_detail = pg_exception_detail;
    return coalesce(v_detail::jsonb ->> 'code', sqlstate) || coalesce(' ' || (v_detail::jsonb ->> 'retry_after'), '');
end;
$$;

create function pg_temp.enter(p_pin text, p_address text default '203.0.113.1', p_slug text default 'tap-pin')
returns text
language sql
as $$
  select pg_temp.outcome(format('select coalesce(error, token) from public.open_pin_session(%L, %L, %L)', p_slug, p_pin, p_address));
$$;

create function pg_temp.set_pin(p_actor integer, p_pin text, p_event integer default 21)
returns text
language sql
as $$
  select pg_temp.outcome(format(
    $call$ select public.set_event_pin('75000000-0000-4000-8000-0000000000%s', '75000000-0000-4000-8000-0000000000%s', %L)::text $call$,
    lpad(p_actor::text, 2, '0'), p_event, p_pin
  ));
$$;

-- Setting it

select is(pg_temp.set_pin(1, '739251'), '', 'the partner sets the PIN of its event');
select is(pg_temp.set_pin(3, '73925148', 23), '', 'a master sets the PIN of any event');
select is(pg_temp.set_pin(2, '111111'), 'EVENT_NOT_FOUND', 'for another partner the event is not there');
select is(pg_temp.set_pin(9, '111111'), 'EVENT_NOT_FOUND', 'nor for somebody who does not exist');
select is(pg_temp.set_pin(1, given.pin), 'INVALID_INPUT', format('%s is no PIN', coalesce(given.pin, 'null')))
from (values ('12345'), ('123456789'), ('12345a'), (''), ('１２３４５６'), (E'123456\n'), ('-123456')) as given (pin);
select matches(client_access_pin, '^\$2[abxy]\$10\$.{53}$', 'what is kept is a bcrypt hash of cost 10')
from public.events where event_slug = 'tap-pin';
create temporary table first_hash as select client_access_pin::text as hash from public.events where event_slug = 'tap-pin';
select pg_temp.set_pin(1, '739251');
select isnt(
  (select client_access_pin::text from public.events where event_slug = 'tap-pin'), (select hash from first_hash),
  'the same PIN again is another hash: each has a salt of its own'
);
select is_empty(
  $$ select from private.audit_log where target = 'event' and (before::text || after::text || action) ~ '739251|\$2' $$,
  'the audit log knows neither PIN nor hash'
);

-- Entering

select matches(pg_temp.enter('739251'), '^[0-9a-f]{64}$', 'the right PIN gives a token of 256 bits');
create temporary table tokens as select pg_temp.enter('739251') as token;
select is(
  (select event_slug from public.find_pin_session((select token from tokens))), 'tap-pin', 'the token opens its event'
);
select ok(
  (select bool_and(expires_at between now() + interval '11 hours' and now() + interval '12 hours') from private.pin_sessions),
  'for twelve hours'
);
select is_empty(
  $$ select from private.pin_sessions, tokens where encode(token_hash, 'hex') = token or encode(token_hash, 'escape') = token $$,
  'of the token only a hash is kept'
);
select is(pg_temp.enter('739252'), 'UNAUTHENTICATED', 'a wrong PIN does not');
select is(pg_temp.enter('739251', p_slug => 'tap-nowhere'), 'EVENT_NOT_FOUND', 'an event that does not exist is not found');
select is(pg_temp.enter('739251', p_slug => 'tap-without-pin'), 'UNAUTHENTICATED', 'an event without a PIN lets nobody in');
select is(pg_temp.enter('12345'), 'INVALID_INPUT', 'what cannot be a PIN is refused');
select is(
  (select hits from private.rate_limits where name = 'pin:address:203.0.113.1'), 2, 'and not counted; wrong PINs are'
);
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', given.token)), 'UNAUTHENTICATED',
  format('%s is no token', coalesce(given.token, 'null'))
)
from (values (''), (null), ('00'), ('739251')) as given (token);

-- The address

select is(
  array_agg(pg_temp.enter('000000') order by number), '{UNAUTHENTICATED,UNAUTHENTICATED,UNAUTHENTICATED,PIN_LOCKED 60,PIN_LOCKED 60}',
  'the fifth wrong PIN of an address locks it for a minute'
)
from generate_series(1, 5) as numbers (number);
select is(pg_temp.enter('739251'), 'PIN_LOCKED 60', 'the right one does not help then');
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'tap-pin', 'who is in stays in'
) from tokens;
select matches(pg_temp.enter('739251', '203.0.113.2'), '^[0-9a-f]{64}$', 'another address enters');
select is(pg_temp.enter('73925148', p_slug => 'tap-rival'), 'PIN_LOCKED 60', 'the lock is for every event');

create function pg_temp.lock_after_next_failures(p_address text)
returns text
language plpgsql
as $$
begin
  update private.rate_limits set locked_until = now() where name = 'pin:address:' || private.network_of(p_address);
  -- Not at the event, so that its own lock stays out of this.
  for number in 1..5 loop
    perform private.count_failure(
      'pin:address:' || private.network_of(p_address), 5, interval '24 hours', interval '1 minute', interval '24 hours'
    );
  end loop;
  return pg_temp.enter('739251', p_address);
end;
$$;
select is(
  (select string_agg(pg_temp.lock_after_next_failures('203.0.113.1'), ', ' order by number) from generate_series(1, 12) as numbers (number)),
  'PIN_LOCKED 120, PIN_LOCKED 240, PIN_LOCKED 480, PIN_LOCKED 960, PIN_LOCKED 1920, PIN_LOCKED 3840, PIN_LOCKED 7680, '
    || 'PIN_LOCKED 15360, PIN_LOCKED 30720, PIN_LOCKED 61440, PIN_LOCKED 86400, PIN_LOCKED 86400',
  'each further five lock it twice as long, up to a day'
);
update private.rate_limits set locked_until = now(), expires_at = now() where name = 'pin:address:203.0.113.1';
select matches(pg_temp.enter('739251'), '^[0-9a-f]{64}$', 'after its time it enters again');
select is(pg_temp.enter('000000'), 'UNAUTHENTICATED', 'and fails again');
select is(
  (select row(hits, locks)::text from private.rate_limits where name = 'pin:address:203.0.113.1'), '(1,0)',
  'a day after the last lock nothing is remembered'
);
select is(
  (select string_agg(pg_temp.enter('000000', '2001:db8:1:2::' || number), ', ' order by number) from generate_series(1, 6) as numbers (number)),
  'UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED, PIN_LOCKED 60',
  'addresses of one /64 are one address'
);
select matches(pg_temp.enter('739251', '2001:db8:1:3::1'), '^[0-9a-f]{64}$', 'the next /64 is another');
select is(private.network_of(given.address), given.network, format('%s is throttled as %s', coalesce(given.address, 'no address'), given.network))
from (values ('203.0.113.9', '203.0.113.9'), ('nonsense', 'nonsense'), (null, 'unknown')) as given (address, network);

-- The event

delete from private.rate_limits;
select is(
  (
    select string_agg(distinct pg_temp.enter('000000', format('198.51.%s.%s', number / 5, number % 5)), ', ')
    from generate_series(1, 50) as numbers (number)
  ),
  'UNAUTHENTICATED', 'fifty wrong PINs from many addresses are answered'
);
select is(pg_temp.enter('739251', '192.0.2.1'), 'PIN_LOCKED 900', 'then nobody enters this event for 15 minutes');
select matches(pg_temp.enter('73925148', '192.0.2.1', 'tap-rival'), '^[0-9a-f]{64}$', 'another event they do');
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'tap-pin', 'open sessions go on'
) from tokens;
update private.rate_limits set locked_until = now() where name like 'pin:event:%';
select matches(pg_temp.enter('739251', '192.0.2.1'), '^[0-9a-f]{64}$', 'after 15 minutes the event opens again');

-- The end of a session

select pg_temp.outcome(format('select public.close_pin_session(%L)::text', token)) from tokens;
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'UNAUTHENTICATED', 'a closed session is over'
) from tokens;
create temporary table later_tokens as select pg_temp.enter('739251', '192.0.2.2') as token;
update public.clients set is_active = false where id = '75000000-0000-4000-8000-000000000013';
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'EVENT_PAUSED',
  'a host of a deactivated client is out at once'
) from later_tokens;
select is(pg_temp.enter('739251', '192.0.2.2'), 'EVENT_PAUSED', 'and does not enter');
update public.clients set is_active = true where id = '75000000-0000-4000-8000-000000000013';
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'tap-pin', 'reactivated, they are back'
) from later_tokens;
select pg_temp.set_pin(1, '424242');
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'UNAUTHENTICATED',
  'a new PIN ends the sessions of the old one'
) from later_tokens;
select is(pg_temp.enter('739251', null), 'UNAUTHENTICATED', 'without an address a wrong PIN is counted too');
select is(
  (select string_agg(left(pg_temp.enter(pin, '192.0.2.3'), 15), ', ' order by pin desc) from (values ('739251'), ('424242')) as pins (pin)) ~ '^UNAUTHENTICATED, [0-9a-f]{15}$',
  true, 'the old one no longer enters, the new one does'
);
create temporary table last_tokens as select pg_temp.enter('424242', '192.0.2.4') as token;
update private.pin_sessions set created_at = now() - interval '13 hours', expires_at = now() - interval '1 hour';
select is(
  pg_temp.outcome(format('select event_slug from public.find_pin_session(%L)', token)), 'UNAUTHENTICATED', 'an expired session is over'
) from last_tokens;
select pg_temp.set_pin(1, null);
select is(pg_temp.enter('424242', '192.0.2.5'), 'UNAUTHENTICATED', 'without a PIN nobody enters');

select * from finish();
rollback;

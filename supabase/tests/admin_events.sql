-- Events as staff makes, changes, copies, closes and deletes them: who may, what is refused, what is noted.

begin;
create extension if not exists pgtap with schema extensions;
select plan(88);

insert into auth.users (id, email, email_confirmed_at)
select format('7a000000-0000-4000-8000-00000000010%s', given.n)::uuid, given.name || '@staff.tap.example', now()
from (values ('master', 1), ('owner', 2), ('suspended', 3), ('rival', 4), ('user', 5)) as given (name, n);
create function pg_temp.person(p_name text)
returns uuid
language sql
as $$ select id from public.profiles where email = p_name || '@staff.tap.example'; $$;
update public.profiles set role = 'master' where id = pg_temp.person('master');

insert into public.partners (id, name, user_id, is_active)
values
  ('7a000000-0000-4000-8000-000000000001', 'Tap One', pg_temp.person('owner'), true),
  ('7a000000-0000-4000-8000-000000000002', 'Tap Rival', pg_temp.person('rival'), true),
  ('7a000000-0000-4000-8000-000000000003', 'Tap Suspended', pg_temp.person('suspended'), false);
insert into public.events (partner_id, event_name, event_slug)
values
  ('7a000000-0000-4000-8000-000000000001', 'Tap', 'tap-own'),
  ('7a000000-0000-4000-8000-000000000001', 'Tap', 'tap-second'),
  ('7a000000-0000-4000-8000-000000000002', 'Tap', 'tap-rivals'),
  ('7a000000-0000-4000-8000-000000000003', 'Tap', 'tap-suspended'),
  (null, 'Tap', 'tap-platforms');
create function pg_temp.event(p_slug text)
returns uuid
language sql
as $$ select id from public.events where event_slug = p_slug; $$;
select private.grant_credits('partner', '7a000000-0000-4000-8000-000000000001', 100, 'tap');

-- What a call comes to for a person ($1): a value as text, or a refusal as its code and field.
create function pg_temp.outcome(p_who text, p_call text)
returns text
language plpgsql
as $$
declare
  v_value text;
  v_detail text;
begin
  execute 'select ' || p_call into v_value using pg_temp.person(p_who);
  return coalesce(v_value, 'null');
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return coalesce(
    nullif(concat_ws(' ', substring(v_detail from '"code": "(\w+)"'), substring(v_detail from '"field": "([\w.]+)"')), ''), sqlerrm
  );
end;
$$;

-- Who may: each function for each kind of person and event.
select is(
  pg_temp.outcome(given.who, replace(calls.call, 'EVENT', format('pg_temp.event(%L)', given.slug))), given.expected,
  format('%s of %s for %s', split_part(calls.call, '(', 1), given.slug, given.who)
)
from (values
  ('public.get_event($1, EVENT) is not null'),
  ('public.update_event($1, EVENT, ''{"client_name": "Tap"}'') is not null'),
  ('public.duplicate_event($1, EVENT, ''{}'') is not null'),
  ('public.allocate_credits($1, EVENT, 1) is not null'),
  ('exists (select from public.rotate_event_key($1, EVENT))'),
  ('public.close_event($1, EVENT) is not null')
) as calls (call)
cross join (values
  ('owner', 'tap-second', 'true'), ('master', 'tap-second', 'true'), ('master', 'tap-platforms', 'true'),
  ('owner', 'tap-rivals', 'EVENT_NOT_FOUND'), ('owner', 'tap-platforms', 'EVENT_NOT_FOUND'),
  ('suspended', 'tap-suspended', 'EVENT_NOT_FOUND'), ('user', 'tap-own', 'EVENT_NOT_FOUND')
) as given (who, slug, expected)
-- Once closed an event takes no credits: closing comes last.
order by calls.call like '%close_event%';
select is(
  pg_temp.outcome(given.who, format('public.transfer_credits($1, pg_temp.event(%L), pg_temp.event(%L), 1)', given.source, given.target)),
  'EVENT_NOT_FOUND', format('credits from %s to %s for %s', given.source, given.target, given.who)
)
from (values
  ('owner', 'tap-rivals', 'tap-own'), ('owner', 'tap-own', 'tap-rivals'), ('master', 'tap-own', 'tap-rivals'),
  ('user', 'tap-own', 'tap-second')
) as given (who, source, target);
select is(
  pg_temp.outcome(given.who, format('public.delete_event($1, pg_temp.event(%L))', given.slug)), 'EVENT_NOT_FOUND',
  format('delete_event of %s for %s', given.slug, given.who)
)
from (values ('owner', 'tap-rivals'), ('owner', 'tap-platforms'), ('suspended', 'tap-suspended'), ('user', 'tap-own')) as given (who, slug);
select is(pg_temp.outcome(given.who, given.call), given.expected, format('%s for %s', given.call, given.who))
from (values
  ('user', 'public.create_event($1, null, ''{"event_name": "Tap"}'')', 'FORBIDDEN'),
  ('suspended', 'public.create_event($1, null, ''{"event_name": "Tap"}'')', 'FORBIDDEN'),
  ('owner', 'public.create_event($1, ''7a000000-0000-4000-8000-000000000002'', ''{"event_name": "Tap"}'')', 'NOT_FOUND'),
  ('user', 'count(*) from public.list_events($1, null, null, null, null, null, null, 50)', 'FORBIDDEN'),
  ('rival', 'string_agg(event ->> ''event_slug'', '' '') from public.list_events($1, null, null, null, null, null, null, 50) as event', 'tap-rivals'),
  ('master', 'string_agg(event ->> ''event_slug'', '' '') from public.list_events($1, ''7a000000-0000-4000-8000-000000000002'', null, null, null, null, null, 50) as event', 'tap-rivals')
) as given (who, call, expected);

-- Names and slugs.
select is(private.slug_of(given.name), given.slug, format('the slug of %s', given.name))
from (values
  ('Ñandú & Co.', 'nandu-co'), ('  Boda — Ana/Eva  ', 'boda-ana-eva'), ('Straße İstanbul', 'strasse-istanbul'),
  ('日本', 'event'), ('XV', 'xv-event'), (repeat('a', 80), repeat('a', 50)), (repeat('a', 49) || ' b', repeat('a', 49))
) as given (name, slug);
select is(
  pg_temp.outcome('owner', 'public.create_event($1, null, ''{"event_name": "Tap Own"}'') ->> ''event_slug'' ~ ''^tap-own-[0-9a-f]{6}$'''), 'true',
  'a name whose slug is taken gets one with a suffix'
);
select is(
  pg_temp.outcome('owner', 'public.create_event($1, null, ''{"event_name": "Tap", "event_slug": "tap-rivals"}'')'), 'SLUG_TAKEN event_slug',
  'a slug that is taken is refused, whosever it is'
);
select is(
  pg_temp.outcome('owner', 'public.create_event($1, null, ''{"event_name": "Tap", "event_slug": "7a000000-0000-4000-8000-000000000001"}'')'),
  'INVALID_INPUT event_slug', 'no slug looks like an id'
);

-- Settings.
select is(private.merge_config(given.config, given.changes), given.expected, format('%s and %s', given.config, given.changes))
from (values
  ('{"a": 1, "b": 2}'::jsonb, '{"b": 3, "c": 4}'::jsonb, '{"a": 1, "b": 3, "c": 4}'::jsonb),
  ('{"a": 1, "b": 2}', '{"b": null}', '{"a": 1}'),
  ('{"limits": {"per_guest": 1, "per_hour": 2}}', '{"limits": {"per_hour": null}}', '{"limits": {"per_guest": 1}}'),
  ('{"limits": {"per_guest": 1}}', '{"limits": null}', '{}'),
  ('{"a": 1}', null, '{"a": 1}')
) as given (config, changes, expected);

-- What is shown and what is noted.
select is_empty(
  $$ select from public.events
     where private.describe_event(events)::text ~ (access_key || '|client_access_pin') $$,
  'staff is shown neither the key nor the hash of the PIN'
);
select public.update_event(pg_temp.person('owner'), pg_temp.event('tap-own'), '{"client_email": "secret@tap.example", "event_name": "Renamed"}');
select is(
  (select before || after from private.audit_log where target_id = pg_temp.event('tap-own')::text order by id desc limit 1),
  '{"event_name": "Renamed", "client_email": "hidden"}', 'a change is noted field by field, addresses without what they are'
);
select public.update_event(pg_temp.person('owner'), pg_temp.event('tap-own'), '{"event_name": "Renamed"}');
select is(
  (select count(*)::integer from private.audit_log where target_id = pg_temp.event('tap-own')::text and action = 'update'), 1,
  'what changes nothing is not noted'
);

-- The end of an event.
select is(
  pg_temp.outcome('owner', 'public.update_event($1, pg_temp.event(''tap-second''), ' || quote_literal(given.changes) || ') is not null'), given.expected,
  format('of a closed event: %s', given.changes)
)
from (values
  ('{"event_name": "After", "client_name": null, "client_email": null}', 'true'),
  ('{"config": {"gallery": "open", "moderation": "before", "primary_color": "#000000"}}', 'true'),
  ('{"start_date": null}', 'EVENT_ENDED start_date'),
  ('{"is_active": false}', 'EVENT_ENDED is_active'),
  ('{"client_id": null}', 'EVENT_ENDED client_id'),
  ('{"config": {"gallery": "open", "limits": {}}}', 'EVENT_ENDED config.limits')
) as given (changes, expected);
select is(
  pg_temp.outcome('owner', 'public.close_event($1, pg_temp.event(''tap-second'')) ->> ''returned_credits'''), '2',
  'whoever closes it again learns what the closing gave back'
);
select is((select credits_used from public.partners where name = 'Tap One'), 0, 'which came back once');
select is(
  pg_temp.outcome('owner', 'public.allocate_credits($1, pg_temp.event(''tap-second''), 1)'), 'EVENT_ENDED', 'it takes no credits any more'
);
select is(
  pg_temp.outcome('master', 'public.delete_event($1, pg_temp.event(''tap-second'')) is not null'), 'true', 'what nobody used is deleted, closed or not'
);
select is(
  (select count(*)::integer from private.file_tasks where action = 'remove' and path ~ '^events/.*/logo.png$'), 1, 'with its logo'
);

-- Who and what was noted of the credits.
select public.allocate_credits(pg_temp.person('owner'), pg_temp.event('tap-own'), 5, 'tap-allocation-1');
select is(
  (select array[actor_id::text, action, after ->> 'amount'] from private.audit_log where target_id = pg_temp.event('tap-own')::text order by id desc limit 1),
  array[pg_temp.person('owner')::text, 'allocate_credits', '5'], 'who moved credits is noted'
);
select is(
  pg_temp.outcome('owner', 'public.delete_event($1, pg_temp.event(''tap-own''))'), '', 'an event with unused credits can be deleted'
);
select is((select credits_used from public.partners where name = 'Tap One'), 0, 'and gives them back');

select * from finish();
rollback;

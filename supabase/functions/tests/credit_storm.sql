-- What each connection of credit_storm_test.ts runs: a loop of random movements of credits on few
-- accounts, in a schema of the test's own. Every movement commits together with its line in storm.log,
-- so that the log is what callers were told, also when a connection is killed in between.
-- Lists are only ever appended to: the storm must not queue anywhere but at the ledger itself.

create schema storm;

-- How often each movement is drawn; upto turns a random number into one of them.
create table storm.operations as
select name, weight, sum(weight) over (order by name) as upto
from (
  values
    ('begin_user', 140), ('begin_guest', 210), ('dispatch', 120), ('complete', 95), ('fail', 100),
    ('grant', 60), ('adjust', 70), ('allocate', 60), ('transfer', 30),
    ('order', 20), ('purchase', 40), ('reverse', 20), ('increment', 20), ('unlock', 10),
    ('close', 3), ('sign_up', 5), ('erase', 2), ('activity', 2)
) as drawn (name, weight);

create table storm.partners (slot integer primary key, id uuid not null);
-- The newest row of a slot is the one in use; earlier ones were erased or closed.
create table storm.people (
  number bigint generated always as identity primary key, slot integer not null, id uuid not null unique, email text not null
);
create table storm.events (number bigint generated always as identity primary key, slot integer not null, id uuid not null unique);
create table storm.orders (number bigint generated always as identity primary key, id uuid not null unique);
create table storm.photos (number bigint generated always as identity primary key, id uuid not null unique);
create unique index on storm.people (slot, number);
create unique index on storm.events (slot, number);

create table storm.log (
  connection integer not null,
  pid integer not null default pg_backend_pid(),
  operation text not null,
  -- ok, nothing (there was nothing to do), the code of a refusal, or an SQLSTATE nobody foresaw
  outcome text not null,
  key text not null,
  -- the id of what was made; of an error, where it arose
  result text
);
create index on storm.log (connection);

create sequence storm.draws;

create function storm.pick(p_key text, p_count integer) returns integer
language sql immutable as $$ select 1 + abs(hashtext(p_key)::bigint)::integer % p_count; $$;
comment on function storm.pick is 'One of 1 to p_count, the same for the same key: a shared key makes the same request.';

-- PL/pgSQL even where a query would do, since a SQL function is planned again at every call.

create function storm.person(p_key text) returns uuid
language plpgsql stable as $$
begin
  return (select id from storm.people where slot = storm.pick(p_key, 8) order by number desc limit 1);
end;
$$;

create function storm.event(p_key text) returns uuid
language plpgsql stable as $$
begin
  return (select id from storm.events where slot = storm.pick(p_key, 8) order by number desc limit 1);
end;
$$;

create function storm.holder(p_key text, out account private.credit_account, out id uuid)
language plpgsql stable as $$
begin
  if storm.pick(p_key || 'account', 3) = 1 then
    account := 'partner';
    id := (select partners.id from storm.partners where slot = storm.pick(p_key, 2));
  else
    account := 'user';
    id := storm.person(p_key);
  end if;
end;
$$;

create function storm.photo(p_youngest integer, p_oldest integer) returns uuid
language plpgsql as $$
begin
  return (
    select id from storm.photos
    where number >= (
      select last_value - p_youngest - floor(random() * (p_oldest - p_youngest))::bigint from storm.photos_number_seq
    )
    order by number limit 1
  );
end;
$$;
comment on function storm.photo is 'A recent photo, counted from the newest: few enough that several connections finish the same one.';

create function storm.order_number(p_recent integer) returns bigint
language plpgsql as $$
begin
  return (
    select number from storm.orders
    where number >= (select last_value - floor(random() * p_recent)::bigint from storm.orders_number_seq)
    order by number limit 1
  );
end;
$$;

create function storm.payment(p_order_number bigint, p_part integer default 1) returns text
language sql stable as $$ select format('%s-%s-%s', current_setting('application_name'), p_order_number, p_part); $$;

create function storm.sign_up() returns uuid
language plpgsql as $$
declare
  -- Where somebody was erased, before anywhere else.
  v_slot integer := coalesce(
    (
      select slot from generate_series(1, 8) as slots (slot)
      where not exists (
        select from public.profiles
        where profiles.id = (select people.id from storm.people where people.slot = slots.slot order by number desc limit 1)
      )
      limit 1
    ),
    1 + floor(random() * 8)
  );
  v_email text := format('%s-%s-%s@example.test', current_setting('application_name'), v_slot, floor(random() * 30));
  v_friend uuid := storm.person(random()::text);
  v_id uuid;
begin
  -- One of few addresses, so that erased people come back, with the code of a friend.
  insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
  select gen_random_uuid(), v_email, now(),
    jsonb_build_object('referral_code', (select referral_code from public.profiles where id = v_friend))
  on conflict do nothing
  returning id into v_id;
  if v_id is not null then
    insert into storm.people (slot, id, email) values (v_slot, v_id, v_email);
  end if;
  return v_id;
end;
$$;

create function storm.open_event(p_slot integer) returns uuid
language plpgsql as $$
declare
  v_slug text := format('%s-%s', current_setting('application_name'), substr(gen_random_uuid()::text, 1, 8));
  v_id uuid;
begin
  -- Three events for each partner, and two of the master's own.
  insert into public.events (event_name, event_slug, partner_id)
  values (v_slug, v_slug, (select id from storm.partners where slot = 1 + (p_slot - 1) / 3))
  returning id into v_id;
  insert into storm.events (slot, id) values (p_slot, v_id);
  return v_id;
end;
$$;

create function storm.begin_photo(p_user_id uuid, p_event_id uuid, p_key text) returns uuid
language plpgsql as $$
declare
  v_id uuid;
begin
  -- Without a photo nothing dispatches it: the stack's sweeper is at work during the storm.
  v_id := (public.begin_generation(
    'pb_a', case when random() < 0.9 then '3:4' else '1:1' end, null, 'hash', p_user_id, p_event_id,
    p_guest_id => case when p_event_id is not null then p_key end,
    p_idempotency_key => p_key
  )).generation_id;
  insert into storm.photos (id) values (v_id) on conflict (id) do nothing;
  return v_id;
end;
$$;

create function storm.dispatch(p_photo uuid) returns bigint
language plpgsql as $$
declare
  v_attempt_id bigint;
begin
  -- As claim_generation does it, which would wait for keys and rate windows of real accounts.
  perform from public.generations where id = p_photo and status = 'queued' for no key update skip locked;
  if found then
    insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
    values (p_photo, 1, 'storm', '', 'storm', 1)
    returning id into v_attempt_id;
    update public.generations set status = 'processing', started_at = now() where id = p_photo;
  end if;
  return v_attempt_id;
end;
$$;

create function storm.complete(p_photo uuid) returns uuid
language plpgsql as $$
declare
  v_attempt_id bigint := (select id from private.generation_attempts where generation_id = p_photo);
begin
  if v_attempt_id is null then
    return null;
  end if;
  return (public.complete_generation(
    v_attempt_id, 'storm:' || v_attempt_id, 'generations', 'https://example.test/storm.png', null, null
  )).generation_id;
end;
$$;

create function storm.reverse(p_number bigint) returns text
language plpgsql as $$
declare
  v_credits integer := (select credits from public.payment_orders where id = (select id from storm.orders where number = p_number));
begin
  return private.reverse_purchase(
    storm.payment(p_number),
    (array[0, v_credits, floor(random() * (v_credits + 1))::integer])[1 + floor(random() * 3)::integer]
  );
end;
$$;

create function storm.perform(p_operation text, p_key text) returns text
language plpgsql as $$
declare
  v_holder record := storm.holder(p_key);
  v_anybody uuid := storm.person(random()::text);
  -- One request in ten differs from the others that share its key.
  v_amount integer := storm.pick(p_key || 'amount', 900) + (random() < 0.1)::integer;
  v_number bigint;
  v_id uuid;
begin
  case p_operation
    when 'begin_user' then
      return storm.begin_photo(storm.person(p_key), null, p_key);
    when 'begin_guest' then
      return storm.begin_photo(null, storm.event(p_key), p_key);
    when 'dispatch' then
      return storm.dispatch(storm.photo(0, 50));
    when 'complete' then
      return storm.complete(storm.photo(50, 300));
    when 'fail' then
      return (
        select (public.fail_generation(photo, 'GENERATION_FAILED')).generation_id
        from storm.photo(50, 300) as photo where photo is not null
      );
    when 'grant' then
      return (private.grant_credits(v_holder.account, v_holder.id, v_amount, 'Storm', p_key)).id;
    when 'adjust' then
      v_amount := v_amount * case when storm.pick(p_key || 'sign', 3) = 1 then 1 else -1 end;
      return (private.adjust_credits(v_holder.account, v_holder.id, v_amount, 'Storm', p_key)).id;
    when 'allocate' then
      return (private.allocate_event_credits(storm.event(p_key), v_amount, p_key)).id;
    when 'transfer' then
      return (private.transfer_event_credits(storm.event(p_key), storm.event(p_key || 'to'), v_amount / 10, p_key)).id;
    when 'order' then
      insert into public.payment_orders (user_id, partner_id, pack_id, credits, amount, currency)
      select v_anybody, (select id from storm.partners where slot = storm.pick(p_key, 12)),
        packs.id, 1 + floor(random() * 4000), 100, 'ARS'
      from (select id from public.credit_packs limit 1) as packs
      returning id into v_id;
      insert into storm.orders (id) values (v_id);
      return v_id;
    when 'purchase' then
      v_number := storm.order_number(5);
      return (private.purchase_credits(
        (select id from storm.orders where number = v_number),
        -- Some orders are paid twice, and some payments are claimed for the wrong order.
        storm.payment(v_number - (random() < 0.02)::integer, 1 + (random() < 0.1)::integer)
      )).id;
    when 'reverse' then
      return storm.reverse(storm.order_number(50));
    when 'increment' then
      v_amount := storm.pick(p_key || 'amount', 5);
      return case when public.increment_event_credit(storm.event(p_key), v_amount) then v_amount end;
    when 'unlock' then
      perform set_config('request.jwt.claims', jsonb_build_object('sub', v_anybody)::text, true);
      return (public.unlock_style_pack('Superhéroes')).pack;
    when 'close' then
      v_id := (private.close_event(storm.event(p_key))).id;
      return storm.open_event((select slot from storm.events where id = v_id));
    when 'sign_up' then
      return storm.sign_up();
    when 'erase' then
      delete from auth.users where id = v_anybody returning id into v_id;
      return v_id;
    when 'activity' then
      update public.partners set is_active = random() < 0.8
      where id = (select id from storm.partners where slot = storm.pick(p_key, 2))
      returning id into v_id;
      return v_id;
  end case;
end;
$$;

create procedure storm.step(p_connection integer)
language plpgsql as $$
declare
  v_draw integer := floor(random() * (select sum(weight) from storm.operations));
  v_operation record;
  v_key text;
  v_result text;
  v_outcome text;
  v_detail text;
  v_context text;
begin
  select name, weight into v_operation
  from storm.operations where upto > v_draw order by upto limit 1;
  -- Of 200 draws that follow one another, about four of one operation share a key.
  v_key := format(
    '%s-%s-%s-%s', current_setting('application_name'), v_operation.name, nextval('storm.draws') / 200,
    floor(random() * v_operation.weight / 20)
  );
  begin
    v_result := storm.perform(v_operation.name, v_key);
    v_outcome := case when v_result is null then 'nothing' else 'ok' end;
  exception
    when others then
      get stacked diagnostics v_detail = pg_exception_detail, v_context = pg_exception_context;
      if sqlstate like 'PT%' then
        v_outcome := v_detail::jsonb ->> 'code';
      else
        v_outcome := format('%s %s', sqlstate, sqlerrm);
        v_result := format(E'%s\n%s', v_detail, v_context);
      end if;
  end;
  insert into storm.log (connection, operation, outcome, key, result)
  values (p_connection, v_operation.name, v_outcome, v_key, v_result);
end;
$$;

create procedure storm.run(p_connection integer, p_steps integer)
language plpgsql as $$
declare
  -- A connection that was killed goes on where it was.
  v_done integer := (select count(*) from storm.log where connection = p_connection);
begin
  perform setseed(((p_connection * 7919 + v_done) % 10007) / 10007.0);
  while v_done < p_steps loop
    call storm.step(p_connection);
    commit;
    v_done := v_done + 1;
  end loop;
end;
$$;

create procedure storm.prepare()
language plpgsql as $$
begin
  for v_slot in 1 .. 2 loop
    with made as (
      insert into public.partners (name) values (format('%s %s', current_setting('application_name'), v_slot)) returning id
    )
    insert into storm.partners (slot, id) select v_slot, id from made;
  end loop;
  for v_slot in 1 .. 8 loop
    perform storm.open_event(v_slot);
  end loop;
  for v_slot in 1 .. 8 loop
    perform storm.sign_up();
  end loop;
end;
$$;

create procedure storm.settle()
language plpgsql as $$
declare
  v_photo record;
begin
  -- Nothing stays in the queue for whoever comes after. One commit each: a thousand updates of an
  -- event's row in one transaction would each walk through all the versions before.
  for v_photo in
    select photos.id
    from storm.photos join public.generations on generations.id = photos.id
    where generations.status in ('queued', 'processing')
  loop
    perform public.fail_generation(v_photo.id, 'GENERATION_TIMED_OUT');
    commit;
  end loop;
  -- The pictures were never stored, so there is nothing to remove.
  delete from private.file_tasks
  using public.generations join storm.photos on photos.id = generations.id
  where file_tasks.path = generations.result_path;
end;
$$;

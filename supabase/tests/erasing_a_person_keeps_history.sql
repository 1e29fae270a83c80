-- Deleting an account: the person goes, whoever deletes them and whatever is still running; what
-- stays are tombstones and a ledger that adds up.

begin;
create extension if not exists pgtap with schema extensions;
select plan(44);

insert into auth.users (id, email)
values
  ('7e000000-0000-4000-8000-000000000001', 'leaving@tap.example'),
  ('7e000000-0000-4000-8000-000000000002', 'staying@tap.example'),
  ('7e000000-0000-4000-8000-000000000003', 'penniless@tap.example'),
  ('7e000000-0000-4000-8000-000000000007', 'owing@tap.example');
select private.grant_credits('user', '7e000000-0000-4000-8000-000000000001', 1000, 'Leaving is a friend');
select private.grant_credits('user', '7e000000-0000-4000-8000-000000000002', 1000, 'Staying is a friend');
update public.profiles set referred_by = '7e000000-0000-4000-8000-000000000001'
where id = '7e000000-0000-4000-8000-000000000002';

insert into public.styles_metadata (id, label, category, subcategory, credit_cost) values ('tap_a', 'A', 'tap', 'Tap', 100);
insert into public.identity_prompts (id, master_prompt) values ('tap_a', 'Paint A');

-- Six photos of the leaving person, named by their idempotency keys, and one of the staying person.
create function pg_temp.begin_photo(p_user_id uuid, p_name text)
returns uuid
language sql
as $$
  select generation_id from public.begin_generation(
    'tap_a', '3:4', p_user_id || '/' || p_name || '.jpg', p_user_id => p_user_id, p_idempotency_key => 'tap-erase-' || p_name,
    p_client_address => '192.0.2.1'
  );
$$;

create temporary table photos as
  select names.name, pg_temp.begin_photo('7e000000-0000-4000-8000-000000000001', names.name) as id
  from (values ('done'), ('queued'), ('running'), ('finishing'), ('failed'), ('deleted')) as names (name);
insert into photos values ('other', pg_temp.begin_photo('7e000000-0000-4000-8000-000000000002', 'other'));
alter table photos add column result_path text;
update photos set result_path = generations.result_path from public.generations where generations.id = photos.id;

create function pg_temp.photo(p_name text)
returns uuid
language sql stable
as $$ select photos.id from photos where photos.name = p_name; $$;

insert into private.generation_attempts (generation_id, attempt, account, token_hash, model, prompt_version)
select id, 1, 'tap', 'x', 'tap', 1 from photos where name in ('done', 'running', 'finishing', 'deleted');
create function pg_temp.attempt(p_name text)
returns bigint
language sql stable
as $$ select generation_attempts.id from private.generation_attempts where generation_attempts.generation_id = pg_temp.photo(p_name); $$;

update public.generations set status = 'processing', started_at = now()
where id in (pg_temp.photo('done'), pg_temp.photo('running'), pg_temp.photo('finishing'), pg_temp.photo('deleted'));
select public.complete_generation(pg_temp.attempt('done'), 'tap-done', 'generations', 'https://tap.example/done.png', 9000, 1);
select public.complete_generation(pg_temp.attempt('deleted'), 'tap-deleted', 'generations', 'https://tap.example/deleted.png', 9000, 1);
select public.fail_generation(pg_temp.photo('failed'), 'GENERATION_FAILED');
update public.generations set deleted_at = '2020-01-01', image_url = null where id = pg_temp.photo('deleted');

insert into private.outbox (generation_id, channel, recipient)
values (pg_temp.photo('done'), 'email', 'leaving@tap.example'), (pg_temp.photo('other'), 'email', 'staying@tap.example');
insert into public.credit_packs (id, name, audience, credits, price) values ('7e000000-0000-4000-8000-000000000008', 'Tap', 'user', 500, 10);
insert into public.payment_orders (id, user_id, pack_id, credits, amount, currency, status, init_point, idempotency_key, request_hash)
select orders.id::uuid, orders.user_id::uuid, '7e000000-0000-4000-8000-000000000008', 500, 10, 'ARS', 'paid', 'https://tap.example/pay', 'tap-order', 'x'
from (
  values
    ('7e000000-0000-4000-8000-000000000011', '7e000000-0000-4000-8000-000000000001'),
    ('7e000000-0000-4000-8000-000000000012', '7e000000-0000-4000-8000-000000000002')
) as orders (id, user_id);
insert into private.audit_log (actor_id, action, target, target_id, before, after)
values
  (null, 'change_role', 'profiles', '7e000000-0000-4000-8000-000000000001', '{"email": "leaving@tap.example"}', '{"role": "client"}'),
  (null, 'change_role', 'profiles', '7e000000-0000-4000-8000-000000000002', '{"email": "staying@tap.example"}', '{"role": "client"}');
insert into public.payment_notifications (mercadopago_id, user_id, status, amount, data)
values
  ('tap-1', '7e000000-0000-4000-8000-000000000001', 'approved', 10, '{"payment": {"payer": {"email": "leaving@tap.example"}}}'),
  ('tap-2', '7e000000-0000-4000-8000-000000000002', 'approved', 10, '{"payment": {"payer": {"email": "staying@tap.example"}}}');
insert into public.favorites (user_id, style_id) values ('7e000000-0000-4000-8000-000000000001', 'tap_a');
insert into public.pack_unlocks (user_id, pack, price) values ('7e000000-0000-4000-8000-000000000001', 'Tap', 1);
insert into public.partners (id, name, user_id)
values ('7e000000-0000-4000-8000-000000000004', 'Tap Partner', '7e000000-0000-4000-8000-000000000001');
insert into public.clients (id, partner_id, name, user_id)
values ('7e000000-0000-4000-8000-000000000005', '7e000000-0000-4000-8000-000000000004', 'Tap Client', '7e000000-0000-4000-8000-000000000001');
insert into storage.objects (bucket_id, name)
values
  ('user_photos', '7e000000-0000-4000-8000-000000000001/never-used.jpg'),
  ('user_photos', '7e000000-0000-4000-8000-000000000002/other.jpg');
set constraints all immediate;

delete from private.file_tasks;

-- The deletion

select lives_ok(
  $$ delete from auth.users where id = '7e000000-0000-4000-8000-000000000001' $$,
  'an account with finished and unfinished photos can be deleted'
);
set constraints all deferred;

select is_empty(
  $$ select from public.profiles where id = '7e000000-0000-4000-8000-000000000001' $$, 'the profile goes with the account'
);
select is(
  (select count(*)::integer from public.generations where id in (select id from photos where name <> 'other')), 6,
  'every photo leaves a row'
);
select is_empty(
  $$ select id from public.generations
     where id in (select id from photos where name <> 'other')
       and (user_id is not null or deleted_at is null or image_url is not null or photo_path is not null
         or client_address is not null or idempotency_key is not null or request_hash is not null) $$,
  'the rows that stay are deleted and hold nothing personal'
);
select is(
  (select deleted_at from public.generations where id = pg_temp.photo('deleted')), '2020-01-01'::timestamptz,
  'a photo that was deleted before keeps its date'
);
select results_eq(
  $$ select photos.name, generations.status::text from photos join public.generations using (id) order by photos.name $$,
  $$ values ('deleted', 'succeeded'), ('done', 'succeeded'), ('failed', 'failed'), ('finishing', 'processing'),
            ('other', 'queued'), ('queued', 'queued'), ('running', 'processing') $$,
  'no photo changes its status'
);
select is_empty(
  $$ select from public.favorites where user_id = '7e000000-0000-4000-8000-000000000001'
     union all select from public.pack_unlocks where user_id = '7e000000-0000-4000-8000-000000000001' $$,
  'favourites and unlocked packs go'
);
select is(
  (select user_id from public.partners where id = '7e000000-0000-4000-8000-000000000004'), null,
  'a partner outlives the account of its person'
);
select is(
  (select user_id from public.clients where id = '7e000000-0000-4000-8000-000000000005'), null,
  'a client outlives the account of its person'
);
select is(
  (select referred_by from public.profiles where id = '7e000000-0000-4000-8000-000000000002'), null,
  'those whom the person referred stay'
);

-- Messages, payments, files

select results_eq(
  $$ select recipient from private.outbox where recipient like '%@tap.example' $$, $$ values ('staying@tap.example') $$,
  'messages to the person are not sent, others are'
);
select results_eq(
  $$ select mercadopago_id, amount, data = '{}' from public.payment_notifications where mercadopago_id like 'tap-%' order by 1 $$,
  $$ values ('tap-1', 10.00, true), ('tap-2', 10.00, false) $$,
  'payments stay without what the gateway said about the person'
);
select results_eq(
  $$ select id, user_id, credits, amount, status, init_point, idempotency_key, request_hash is null from public.payment_orders
     where pack_id = '7e000000-0000-4000-8000-000000000008' order by id $$,
  $$ values
       ('7e000000-0000-4000-8000-000000000011'::uuid, '7e000000-0000-4000-8000-000000000001'::uuid, 500, 10.00, 'paid', null, null, true),
       ('7e000000-0000-4000-8000-000000000012', '7e000000-0000-4000-8000-000000000002', 500, 10.00, 'paid', 'https://tap.example/pay',
        'tap-order', false) $$,
  'orders stay with their figures and a bare id, without what the person''s browser wrote'
);
select results_eq(
  $$ select action, before, after from private.audit_log where target_id like '7e000000-%' order by target_id $$,
  $$ values ('change_role', null::jsonb, null::jsonb), ('change_role', '{"email": "staying@tap.example"}', '{"role": "client"}') $$,
  'what staff did stays, without what they saw and wrote of the person'
);
select results_eq(
  $$ select bucket, path from private.file_tasks
     where action = 'remove' and bucket = 'user_photos' order by path $$,
  $$ values ('user_photos', '7e000000-0000-4000-8000-000000000001/never-used.jpg') $$,
  'the person''s selfies in storage are queued for removal, nobody else''s'
);
select results_eq(
  $$ select photos.name, file_tasks.bucket from private.file_tasks join photos on photos.result_path = file_tasks.path
     where file_tasks.action = 'remove' and photos.name in ('done', 'deleted', 'other') order by 1, 2 $$,
  $$ values ('done', 'generations'), ('done', 'generations_private') $$,
  'the person''s pictures are queued for removal wherever they lie, nobody else''s'
);

-- The ledger

select results_eq(
  $$ select kind::text, destination::text, amount::integer from private.credit_movements
     where source_id = '7e000000-0000-4000-8000-000000000001' and kind <> 'charge' $$,
  $$ values ('erasure', 'written_off', 500) $$,
  'what was left of the balance is written off'
);
select is(
  (select count(*)::integer from private.credit_movements
   where '7e000000-0000-4000-8000-000000000001' in (source_id, destination_id)),
  9, 'every movement stays: a grant, six charges, a refund and the erasure'
);
select results_eq(
  $$ select credit_notes.note from private.credit_notes
     join private.credit_movements on credit_movements.id = credit_notes.movement_id
     where credit_movements.destination_id::text like '7e000000-%' $$,
  $$ values ('Staying is a friend') $$,
  'what staff wrote beside the person''s movements goes, nothing else'
);
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

delete from auth.users where id = '7e000000-0000-4000-8000-000000000003';
select is_empty(
  $$ select from private.credit_movements where source_id = '7e000000-0000-4000-8000-000000000003' $$,
  'a person without credits leaves nothing to write off'
);

select private.post_movement('purchase_reversal', 'user_debt', '7e000000-0000-4000-8000-000000000007', 'issued', null, 70, 'tap-owing');
select lives_ok(
  $$ delete from auth.users where id = '7e000000-0000-4000-8000-000000000007' $$, 'a person in debt can be erased'
);
select results_eq(
  $$ select kind::text, source::text, source_id, amount::integer from private.credit_movements
     where destination_id = '7e000000-0000-4000-8000-000000000007' $$,
  $$ values ('erasure', 'written_off', null::uuid, 70) $$,
  'what they owed is written off'
);
select is_empty(
  $$ select from private.credit_debts where account_id = '7e000000-0000-4000-8000-000000000007' $$, 'and no debt of theirs is left'
);

-- What was running ends, and refunds nobody

create temporary table ledger_before as select max(id) as last_id from private.credit_movements;

select is(
  (select state from public.fail_generation(pg_temp.photo('running'), 'GENERATION_FAILED', pg_temp.attempt('running'), 'tap')),
  'fail', 'a running photo of an erased person can fail'
);
select is(
  (select credits_charged::integer from public.generations where id = pg_temp.photo('running')), 0,
  'a failed photo of an erased person is charged to nobody'
);
select is(
  (select state from public.fail_generation(pg_temp.photo('queued'), 'PROVIDER_UNAVAILABLE')), 'fail',
  'a queued photo of an erased person can expire'
);

delete from private.file_tasks;
select is(
  (select state from public.complete_generation(
    pg_temp.attempt('finishing'), 'tap-finishing', 'generations', 'https://tap.example/finishing.png', 9000, 1
  )),
  'success', 'a running photo of an erased person can be finished'
);
select is(
  (select image_url from public.generations where id = pg_temp.photo('finishing')), null,
  'a picture that comes after the erasure is not published'
);
select results_eq(
  $$ select action, bucket, path from private.file_tasks $$,
  $$ select 'remove', 'generations', result_path from photos where name = 'finishing' $$,
  'the file of a picture that comes after the erasure is removed, and nothing else is'
);
select results_eq(
  $$ select photos.name, movements.kind::text, movements.source::text, movements.destination::text, movements.destination_id, movements.amount::integer
     from private.credit_movements as movements
     left join photos on photos.id = movements.generation_id
     where movements.id > (select last_id from ledger_before) order by movements.id $$,
  $$ values
       ('running', 'refund', 'spent', 'written_off', null::uuid, 100),
       ('queued', 'refund', 'spent', 'written_off', null::uuid, 100) $$,
  'what comes back for photos of an erased person is written off: nobody is refunded'
);
select is_empty('select * from public.credit_audit()', 'every balance still agrees with the ledger');
select lives_ok('set constraints all immediate', 'no row points at the person that is gone');

-- A finished photo of an erased person stays out of reach

select throws_ok(
  format('select public.get_generation(%L, %L)', pg_temp.photo('done'), '7e000000-0000-4000-8000-000000000001'), 'PT404', null,
  'a photo of an erased person is not found any more'
);
select throws_ok(
  format('select public.get_generation(%L)', pg_temp.photo('done')), 'PT404', null,
  'a photo of an erased person does not turn into one of a guest'
);

-- Nothing of this touched the staying person

select results_eq(
  $$ select email, credits from public.profiles where id = '7e000000-0000-4000-8000-000000000002' $$,
  $$ values ('staying@tap.example', 900) $$,
  'others keep their profile and balance'
);
select is(
  (select user_id from public.generations where id = pg_temp.photo('other')), '7e000000-0000-4000-8000-000000000002'::uuid,
  'others keep their photos'
);

-- Events outlive the account of whoever made a photo there, and pay for it

insert into public.events (id, event_name, event_slug) values ('7e000000-0000-4000-8000-000000000006', 'Tap', 'tap-erase');
select private.allocate_event_credits('7e000000-0000-4000-8000-000000000006', 5);
insert into photos
select 'at-the-party', generation_id, null
from public.begin_generation(
  'tap_a', '3:4', '7e000000-0000-4000-8000-000000000002/party.jpg',
  p_user_id => '7e000000-0000-4000-8000-000000000002', p_event_slug => 'tap-erase'
);
select lives_ok(
  $$ delete from auth.users where id = '7e000000-0000-4000-8000-000000000002' $$, 'a second person can be erased'
);
select results_eq(
  $$ select event_id, deleted_at, status::text from public.generations where id = pg_temp.photo('at-the-party') $$,
  $$ values ('7e000000-0000-4000-8000-000000000006'::uuid, null::timestamptz, 'queued') $$,
  'a photo that an event paid for stays the event''s'
);
select is(
  (select credits_used from public.events where id = '7e000000-0000-4000-8000-000000000006'), 1,
  'what an event paid for stays charged'
);
select is(
  (select state from public.fail_generation(pg_temp.photo('at-the-party'), 'GENERATION_FAILED')), 'fail',
  'it can fail like any other'
);
select is(
  (select credits_used from public.events where id = '7e000000-0000-4000-8000-000000000006'), 0,
  'and then the event is refunded'
);
select lives_ok('set constraints all immediate', 'no row points at the second person');
select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger at the end');

select * from finish();
rollback;

-- From auth.users to profile to bonus: what the triggers make of a new, confirmed or changed account.

begin;
create extension if not exists pgtap with schema extensions;
select plan(39);

update private.settings set signup_bonus = 70;

create function pg_temp.sign_up(p_id uuid, p_email text, p_is_confirmed boolean default false, p_metadata jsonb default '{}')
returns void
language sql
as $$
  insert into auth.users (id, email, raw_user_meta_data, email_confirmed_at)
  values (p_id, p_email, p_metadata, case when p_is_confirmed then now() end);
$$;

create function pg_temp.confirm(p_id uuid)
returns void
language sql
as $$ update auth.users set email_confirmed_at = now() where id = p_id; $$;

create function pg_temp.credits(p_id uuid)
returns integer
language sql
as $$ select profiles.credits from public.profiles where profiles.id = p_id; $$;

create function pg_temp.name_made_of(p_id uuid, p_metadata jsonb)
returns text
language sql
as $$
  select pg_temp.sign_up(p_id, p_id || '@tap.example', false, p_metadata);
  select profiles.full_name from public.profiles where profiles.id = p_id;
$$;

-- The profile

select pg_temp.sign_up(
  '7a000000-0000-4000-8000-000000000001', 'ada@tap.example', false,
  '{"full_name": "  Ada Lovelace ", "role": "master", "credits": 999, "is_master": true}'
);

select results_eq(
  $$ select email, full_name, referred_by from public.profiles where id = '7a000000-0000-4000-8000-000000000001' $$,
  $$ values ('ada@tap.example', 'Ada Lovelace', null::uuid) $$,
  'a new account has a profile with its address and the trimmed name of the metadata'
);
select results_eq(
  $$ select role, is_master, credits, total_generations from public.profiles where id = '7a000000-0000-4000-8000-000000000001' $$,
  $$ values ('user', false, 0, 0) $$,
  'metadata chooses neither role nor credits'
);
select matches(
  (select referral_code from public.profiles where id = '7a000000-0000-4000-8000-000000000001'),
  '^[a-hjkmnp-z2-9]{8}$',
  'a referral code is eight letters and digits that cannot be mistaken for one another'
);
select is(pg_temp.name_made_of('7a000000-0000-4000-8000-000000000002', '{"full_name": "   "}'), null, 'a blank name is no name');
select is(pg_temp.name_made_of('7a000000-0000-4000-8000-000000000003', null), null, 'an account without metadata has a profile without a name');
select is(
  length(pg_temp.name_made_of('7a000000-0000-4000-8000-000000000004', jsonb_build_object('full_name', repeat('x', 300)))), 200,
  'a name that is too long is cut, so that it cannot stop a sign-up'
);
select is(pg_temp.name_made_of('7a000000-0000-4000-8000-000000000005', '["full_name"]'), null, 'metadata of another form cannot stop a sign-up');
select isnt(
  (select referral_code from public.profiles where id = '7a000000-0000-4000-8000-000000000001'),
  (select referral_code from public.profiles where id = '7a000000-0000-4000-8000-000000000002'),
  'two people have different referral codes'
);

update public.profiles set role = 'master' where id = '7a000000-0000-4000-8000-000000000005';
select ok(
  (select is_master from public.profiles where id = '7a000000-0000-4000-8000-000000000005'),
  'is_master is true exactly when the role is master'
);
select throws_ok(
  $$ update public.profiles set is_master = true where id = '7a000000-0000-4000-8000-000000000001' $$, '428C9', null,
  'is_master cannot be written on its own'
);

-- Referrals

update public.profiles set referral_code = 'tapcode2' where id = '7a000000-0000-4000-8000-000000000001';

select pg_temp.sign_up('7a000000-0000-4000-8000-000000000011', 'bob@tap.example', false, '{"referral_code": "tapcode2"}');
select is(
  (select referred_by from public.profiles where id = '7a000000-0000-4000-8000-000000000011'),
  '7a000000-0000-4000-8000-000000000001'::uuid,
  'a known referral code names the referrer'
);
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000012', 'cy@tap.example', false, '{"referral_code": " TapCode2 "}');
select is(
  (select referred_by from public.profiles where id = '7a000000-0000-4000-8000-000000000012'),
  '7a000000-0000-4000-8000-000000000001'::uuid,
  'a referral code counts whatever its case and the blanks around it'
);
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000013', 'di@tap.example', false, '{"referral_code": "nobody99"}');
select is(
  (select referred_by from public.profiles where id = '7a000000-0000-4000-8000-000000000013'), null,
  'an unknown referral code is ignored'
);
select ok(
  exists (select from public.profiles where id = '7a000000-0000-4000-8000-000000000013'),
  'an unknown referral code does not stop the sign-up'
);
select is(
  pg_temp.credits('7a000000-0000-4000-8000-000000000001'), 0,
  'a sign-up alone rewards no referrer'
);

-- The bonus

select is(pg_temp.credits('7a000000-0000-4000-8000-000000000011'), 0, 'an address that is not confirmed brings no bonus');

select pg_temp.confirm('7a000000-0000-4000-8000-000000000011');
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000011'), 70, 'the confirmation brings the bonus of the settings');
select results_eq(
  $$ select kind::text, source::text, destination::text, amount::integer from private.credit_movements
     where destination_id = '7a000000-0000-4000-8000-000000000011' $$,
  $$ values ('signup_bonus', 'issued', 'user', 70) $$,
  'the bonus is one movement of the ledger'
);

update auth.users set email_confirmed_at = null where id = '7a000000-0000-4000-8000-000000000011';
select pg_temp.confirm('7a000000-0000-4000-8000-000000000011');
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000011'), 70, 'a second confirmation brings nothing');

select pg_temp.sign_up('7a000000-0000-4000-8000-000000000021', 'eve@tap.example', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000021'), 70, 'an account that is born confirmed has its bonus at once');

select pg_temp.sign_up('7a000000-0000-4000-8000-000000000022', 'eve+party@tap.example', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000022'), 0, 'a +tag makes no other mailbox');
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000023', 'EVE+x@Tap.Example', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000023'), 0, 'capitals make no other mailbox');

select pg_temp.sign_up('7a000000-0000-4000-8000-000000000024', 'tap.probe.nine@gmail.com', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000024'), 70, 'a Gmail address brings the bonus once');
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000025', 'tapprobe.nine@gmail.com', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000025'), 0, 'dots make no other mailbox at Gmail');
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000026', 'TapProbeNine+1@googlemail.com', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000026'), 0, 'googlemail.com is gmail.com');

select pg_temp.sign_up('7a000000-0000-4000-8000-000000000027', 'fay.ray@tap.example', true);
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000028', 'fayray@tap.example', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000028'), 70, 'dots make another mailbox everywhere else');
select pg_temp.sign_up('7a000000-0000-4000-8000-000000000029', 'eve@tap2.example', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000029'), 70, 'the same name at another domain is another mailbox');

delete from auth.users where id = '7a000000-0000-4000-8000-000000000021';
select pg_temp.sign_up('7a000000-0000-4000-8000-00000000002a', 'eve@tap.example', true);
select is(
  pg_temp.credits('7a000000-0000-4000-8000-00000000002a'), 0,
  'deleting the account and signing up again brings no second bonus'
);
select is(
  (select count(*)::integer from private.bonus_claims where email_hash = sha256('eve@tap.example')), 0,
  'a claim is not the plain hash of an address, which a list of addresses would reveal'
);
select is(
  (select count(*)::integer from private.bonus_claims, private.secrets
   where secrets.name = 'bonus_pepper' and email_hash = extensions.hmac('eve@tap.example'::bytea, secrets.value, 'sha256')),
  1,
  'a claim is the keyed hash of the mailbox'
);

update private.settings set signup_bonus = 0;
select pg_temp.sign_up('7a000000-0000-4000-8000-00000000002b', 'gus@tap.example', true);
select is(pg_temp.credits('7a000000-0000-4000-8000-00000000002b'), 0, 'a bonus of 0 gives nothing and stops nobody');
select is_empty(
  $$ select from private.credit_movements where destination_id = '7a000000-0000-4000-8000-00000000002b' $$,
  'a bonus of 0 leaves no movement'
);
update private.settings set signup_bonus = 70;

select pg_temp.sign_up('7a000000-0000-4000-8000-00000000002c', null, true);
select is(pg_temp.credits('7a000000-0000-4000-8000-00000000002c'), 0, 'an account without an address has a profile and no bonus');

-- A new address

update auth.users set email = 'bob@elsewhere.example', email_confirmed_at = now() + interval '1 second' where id = '7a000000-0000-4000-8000-000000000011';
select is(
  (select email from public.profiles where id = '7a000000-0000-4000-8000-000000000011'), 'bob@elsewhere.example',
  'a changed address reaches the profile'
);
select is(pg_temp.credits('7a000000-0000-4000-8000-000000000011'), 70, 'a changed address brings no second bonus');
select is(
  (select email from public.profiles where id = '7a000000-0000-4000-8000-000000000012'), 'cy@tap.example',
  'a changed address leaves other profiles alone'
);

-- The names that the normalisation gives, where the bonus alone does not show them

select is(private.normalise_email(' A.B+c@GoogleMail.com '), 'ab@gmail.com', 'a Gmail address is reduced to its mailbox');
select is(private.normalise_email('A.B+c@Tap.Example'), 'a.b@tap.example', 'another address keeps its dots');

select is_empty('select * from public.credit_audit()', 'every balance agrees with the ledger');

select * from finish();
rollback;

-- From account to profile to bonus, in triggers on auth.users: no client and no edge function is
-- asked, so nothing can be forgotten. Auth's own role fires them, hence security definer.

create table private.secrets (
  name text not null,
  value bytea not null,
  constraint secrets_pkey primary key (name)
);

alter table private.secrets enable row level security;
insert into private.secrets (name, value) values ('bonus_pepper', extensions.gen_random_bytes(32));
comment on table private.secrets is 'Random values that this database makes for itself and that never leave it.';

create table private.bonus_claims (
  email_hash bytea not null,
  claimed_at timestamptz not null default now(),
  constraint bonus_claims_pkey primary key (email_hash)
);

alter table private.bonus_claims enable row level security;
comment on table private.bonus_claims is
  'Addresses that had their sign-up bonus, as keyed hashes: remembered beyond the deletion of the account without keeping the address.';

create function private.normalise_email(p_email text)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when parts.domain in ('gmail.com', 'googlemail.com') then replace(parts.mailbox, '.', '') || '@gmail.com'
    else parts.mailbox || '@' || parts.domain
  end
  from (
    select
      split_part(split_part(lower(btrim(p_email)), '@', 1), '+', 1) as mailbox,
      split_part(lower(btrim(p_email)), '@', 2) as domain
  ) as parts;
$$;
comment on function private.normalise_email(text) is
  'The mailbox behind an address: case, +tags and (for Gmail) dots do not make another person.';

create function private.new_referral_code()
returns text
language sql volatile set search_path = ''
as $$
  -- 8 of 32 letters and digits that cannot be mistaken for one another: 2^40 codes.
  select string_agg(substr('abcdefghjkmnpqrstuvwxyz23456789x', 1 + get_byte(bytes.value, place.position) % 32, 1), '')
  from (select extensions.gen_random_bytes(8) as value) as bytes
  cross join generate_series(0, 7) as place (position);
$$;
comment on function private.new_referral_code() is 'A random referral code; the caller tries again when it is taken.';

create function private.create_profile()
returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_referrer_id uuid;
begin
  select profiles.id into v_referrer_id
  from public.profiles
  where profiles.referral_code = lower(btrim(new.raw_user_meta_data ->> 'referral_code'));

  loop
    begin
      insert into public.profiles (id, email, full_name, referral_code, referred_by)
      values (
        new.id,
        new.email,
        nullif(left(btrim(new.raw_user_meta_data ->> 'full_name'), 200), ''),
        private.new_referral_code(),
        v_referrer_id
      );
      return null;
    exception
      when unique_violation then
        -- Only a referral code that is taken is worth another try.
        if exists (select from public.profiles where profiles.id = new.id) then
          raise;
        end if;
    end;
  end loop;
end;
$$;
comment on function private.create_profile() is
  'Trigger: gives a new account its profile. Metadata comes from the person who signs up: an unknown referral code is ignored, never an error. Definer: fired by auth''s role.';

create function private.grant_signup_bonus()
returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_bonus integer := (select settings.signup_bonus from private.settings);
begin
  insert into private.bonus_claims (email_hash)
  select extensions.hmac(convert_to(private.normalise_email(new.email), 'UTF8'), secrets.value, 'sha256')
  from private.secrets
  where secrets.name = 'bonus_pepper'
  on conflict do nothing;

  -- Once per mailbox, and once per account whatever mailbox it moves to.
  if found and v_bonus > 0 and not exists (
    select from private.credit_movements where credit_movements.idempotency_key = 'signup_bonus:' || new.id
  ) then
    perform private.post_movement(
      'signup_bonus', 'issued', null, 'user', new.id, v_bonus, 'signup_bonus:' || new.id
    );
  end if;
  return null;
end;
$$;
comment on function private.grant_signup_bonus() is
  'Trigger: a confirmed address brings the bonus, once per mailbox for ever. Definer: fired by auth''s role.';

create function private.follow_email()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update public.profiles set email = new.email where profiles.id = new.id;
  return null;
end;
$$;
comment on function private.follow_email() is 'Trigger: a changed address reaches the profile. Definer: fired by auth''s role.';

-- PostgreSQL fires triggers in the order of their names: the profile first, then what needs it.
create trigger cabina_10_create_profile after insert on auth.users
  for each row execute function private.create_profile();
create trigger cabina_20_grant_signup_bonus_to_confirmed after insert on auth.users
  for each row when (new.email_confirmed_at is not null and new.email is not null)
  execute function private.grant_signup_bonus();
create trigger cabina_20_grant_signup_bonus_on_confirmation after update of email_confirmed_at on auth.users
  for each row when (old.email_confirmed_at is null and new.email_confirmed_at is not null and new.email is not null)
  execute function private.grant_signup_bonus();
create trigger cabina_30_follow_email after update of email on auth.users
  for each row when (old.email is distinct from new.email)
  execute function private.follow_email();

create function private.erase_person()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  -- Their pictures and selfies go; the rows stay as tombstones without anything personal.
  perform private.plan_file_removal(objects.bucket_id, objects.name)
  from storage.objects
  where objects.bucket_id = 'user_photos' and objects.name like old.id::text || '/%';

  perform private.plan_file_removal(buckets.id, generations.result_path)
  from public.generations
  cross join (values ('generations'), ('generations_private')) as buckets (id)
  where generations.user_id = old.id and generations.deleted_at is null;

  delete from private.outbox using public.generations
  where outbox.generation_id = generations.id and generations.user_id = old.id;

  update public.generations
  set deleted_at = coalesce(deleted_at, now()),
    image_url = null,
    user_id = null,
    photo_path = null,
    client_address = null,
    idempotency_key = null,
    request_hash = null
  where user_id = old.id;

  update public.payment_notifications set data = '{}' where user_id = old.id;

  -- Not post_movement: the balance goes with the row, and a row being deleted cannot be updated.
  if old.credits > 0 then
    insert into private.credit_movements (kind, source, source_id, destination, amount, idempotency_key)
    values ('erasure', 'user', old.id, 'written_off', old.credits, 'erasure:' || old.id);
  end if;
  return old;
end;
$$;
comment on function private.erase_person() is
  'Trigger: erases a person whose account is deleted, whoever deletes it. Files are queued for removal, photos become tombstones, what is left of the balance is written off; the history of credits stays. Definer: fired by auth''s role.';

create trigger profiles_erase_person before delete on public.profiles
  for each row execute function private.erase_person();

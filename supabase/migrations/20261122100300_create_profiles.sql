create table public.profiles (
  id uuid not null,
  email text,
  full_name text,
  credits integer not null default 0,
  total_generations integer not null default 0,
  role text not null default 'user',
  is_master boolean not null generated always as (role = 'master') stored,
  referral_code text not null,
  referred_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint profiles_pkey primary key (id),
  constraint profiles_id_fkey foreign key (id) references auth.users (id) on delete cascade,
  constraint profiles_referred_by_fkey foreign key (referred_by) references public.profiles (id) on delete set null,
  constraint profiles_referral_code_key unique (referral_code),
  constraint profiles_credits_nonnegative check (credits >= 0),
  constraint profiles_total_generations_nonnegative check (total_generations >= 0),
  constraint profiles_role_known check (role in ('user', 'client', 'partner', 'master')),
  constraint profiles_full_name_length check (length(full_name) <= 200),
  constraint profiles_not_referred_by_oneself check (referred_by <> id)
)
-- Balances change far more often than anything else: room on the page keeps those updates heap-only.
with (fillfactor = 80);

create index profiles_referred_by_idx on public.profiles (referred_by);

alter table public.profiles enable row level security;

create trigger profiles_touch_updated_at before update of email, full_name, role, referred_by on public.profiles
  for each row execute function extensions.moddatetime(updated_at);

grant select on public.profiles to authenticated, service_role;
grant update (full_name) on public.profiles to authenticated;

create policy profiles_select_own on public.profiles
  for select to authenticated
  using (id = (select auth.uid()));

create policy profiles_update_own on public.profiles
  for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));

comment on table public.profiles is 'One row per account, made when the account is made.';
comment on column public.profiles.credits is 'Balance of model A. A cache of the ledger: only credit functions write it.';
comment on column public.profiles.is_master is 'True exactly when role is master.';
comment on column public.profiles.referral_code is 'What this person gives to friends; they pass it as referral_code when they sign up.';
comment on policy profiles_select_own on public.profiles is 'A person reads their own profile.';
comment on policy profiles_update_own on public.profiles is 'A person edits their own profile; the column grant leaves only full_name.';

-- A generation is one photo to make, from request to picture or refund. Its row is the queue entry,
-- the receipt and the history; each try at the provider is a row of private.generation_attempts.

create table public.generations (
  id uuid not null default gen_random_uuid(),
  user_id uuid,
  event_id uuid,
  guest_id text,
  style_id text not null,
  aspect_ratio text not null default '3:4',
  status text not null default 'queued',
  visibility text not null default 'visible',
  image_url text,
  credits_charged integer not null default 0,
  error_code text,
  photo_path text,
  result_path text not null,
  idempotency_key text,
  request_hash bytea,
  client_address text,
  request_id text,
  expected_seconds real not null,
  run_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  succeeded_at timestamptz,
  failed_at timestamptz,
  refunded_at timestamptz,
  deleted_at timestamptz,
  constraint generations_pkey primary key (id),
  -- An immediate foreign key would lock the event's row at the insert and hold it until the commit:
  -- every guest of a party would queue behind it. Deferred, the charge is the first to touch it.
  constraint generations_event_id_fkey foreign key (event_id) references public.events (id)
    deferrable initially deferred,
  constraint generations_user_id_fkey foreign key (user_id) references public.profiles (id) on delete set null
    deferrable initially deferred,
  constraint generations_style_id_fkey foreign key (style_id) references public.styles_metadata (id)
    deferrable initially deferred,
  constraint generations_result_path_key unique (result_path),
  constraint generations_has_one_payer check (
    num_nonnulls(user_id, event_id) = 1
    -- An erased person leaves a tombstone.
    or (num_nonnulls(user_id, event_id) = 0 and deleted_at is not null)
  ),
  constraint generations_guest_id_format check (guest_id ~ '^[A-Za-z0-9_-]{8,64}$'),
  constraint generations_aspect_ratio_known check (aspect_ratio in ('1:1', '4:3', '3:4', '16:9', '9:16', '4:5')),
  constraint generations_status_known check (status in ('queued', 'processing', 'succeeded', 'failed')),
  constraint generations_visibility_known check (visibility in ('visible', 'pending', 'hidden')),
  constraint generations_credits_charged_nonnegative check (credits_charged >= 0),
  constraint generations_error_code_known check (
    error_code in ('GENERATION_FAILED', 'GENERATION_REFUSED', 'GENERATION_TIMED_OUT', 'PROVIDER_UNAVAILABLE')
  ),
  constraint generations_idempotency_key_has_hash check ((idempotency_key is null) = (request_hash is null)),
  constraint generations_expected_seconds_positive check (expected_seconds > 0),
  constraint generations_status_matches_timestamps check (
    case status
      when 'queued' then succeeded_at is null and failed_at is null
      when 'processing' then started_at is not null and succeeded_at is null and failed_at is null
      when 'succeeded' then succeeded_at is not null
      when 'failed' then failed_at is not null and succeeded_at is null
    end
  ),
  constraint generations_error_code_matches_status check ((error_code is not null) = (status = 'failed')),
  constraint generations_failed_is_not_charged check (status <> 'failed' or credits_charged = 0),
  constraint generations_refunded_is_not_charged check (refunded_at is null or credits_charged = 0),
  constraint generations_image_url_is_public check (
    image_url is null or (status = 'succeeded' and visibility = 'visible' and deleted_at is null)
  )
);

create unique index generations_user_id_idempotency_key_idx
  on public.generations (user_id, idempotency_key) where user_id is not null and idempotency_key is not null;
create unique index generations_event_id_guest_id_idempotency_key_idx
  on public.generations (event_id, guest_id, idempotency_key) where event_id is not null and idempotency_key is not null;
create index generations_user_id_created_at_idx on public.generations (user_id, created_at desc) where user_id is not null;
create index generations_event_id_created_at_idx on public.generations (event_id, created_at desc) where event_id is not null;
create index generations_event_id_guest_id_idx on public.generations (event_id, guest_id) where guest_id is not null;
create index generations_style_id_idx on public.generations (style_id);
-- The predicates of the claim, the expiry and the clean-up of selfies.
create index generations_queued_idx on public.generations (run_at, created_at) where status = 'queued';
create index generations_unfinished_idx on public.generations (created_at) where status in ('queued', 'processing');
create index generations_unfinished_photo_path_idx on public.generations (photo_path) where status in ('queued', 'processing');

alter table public.generations enable row level security;

grant select (
  id, user_id, event_id, style_id, aspect_ratio, status, visibility, image_url, credits_charged, error_code,
  created_at, started_at, succeeded_at, failed_at, refunded_at, deleted_at
) on public.generations to authenticated;
grant select on public.generations to service_role;

create policy generations_select_own on public.generations
  for select to authenticated
  using (user_id = (select auth.uid()));

comment on table public.generations is 'Photos to make, being made and made. Written by service functions only.';
comment on column public.generations.id is 'A guest''s key to the photo: never part of a public path, view or gallery row.';
comment on column public.generations.user_id is 'Model A: who pays. Exactly one of user_id and event_id is set.';
comment on column public.generations.event_id is 'Model B: which event pays.';
comment on column public.generations.guest_id is 'What the guest''s device calls itself. Not readable by clients.';
comment on column public.generations.image_url is 'Public address of the picture; null while it is not public.';
comment on column public.generations.credits_charged is 'Above 0 exactly while unfinished or when it succeeded in time; a master''s own photos cost 0.';
comment on column public.generations.photo_path is 'The selfie in bucket user_photos.';
comment on column public.generations.result_path is 'Where the picture goes, fixed at the beginning so that two finishers write one object.';
comment on column public.generations.expected_seconds is 'Estimate made at the beginning; the scale of progress, which therefore never runs backwards.';
comment on column public.generations.run_at is 'Not dispatched before this instant.';
comment on policy generations_select_own on public.generations is 'A person reads the photos they paid for.';

create table public.api_key_pool (
  id uuid not null default gen_random_uuid(),
  api_key text not null,
  account_name text,
  is_active boolean not null default true,
  usage_count bigint not null default 0,
  last_used_at timestamptz,
  cooldown_until timestamptz,
  failure_count integer not null default 0,
  last_error text,
  last_error_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint api_key_pool_pkey primary key (id),
  constraint api_key_pool_api_key_key unique (api_key),
  constraint api_key_pool_api_key_not_blank check (btrim(api_key) <> ''),
  constraint api_key_pool_usage_count_nonnegative check (usage_count >= 0),
  constraint api_key_pool_failure_count_nonnegative check (failure_count >= 0)
);

alter table public.api_key_pool enable row level security;

create trigger api_key_pool_touch_updated_at before update of api_key, account_name, is_active on public.api_key_pool
  for each row execute function extensions.moddatetime(updated_at);

create policy api_key_pool_select_nobody on public.api_key_pool
  for select to anon, authenticated
  using (false);

comment on table public.api_key_pool is 'Keys of the AI provider. Write-only for people; the service gets one per claim.';
comment on column public.api_key_pool.account_name is
  'The provider limits accounts, not keys: keys of one account share its rate window and its cap of running tasks. Null: the key stands alone.';
comment on column public.api_key_pool.usage_count is 'Tasks the provider accepted with this key.';
comment on column public.api_key_pool.cooldown_until is 'Not used before this instant, after the provider asked for patience.';
comment on column public.api_key_pool.failure_count is 'Refusals in a row; a success sets it to 0.';
comment on policy api_key_pool_select_nobody on public.api_key_pool is 'Closed on purpose: secrets.';

create table private.generation_attempts (
  id bigint generated always as identity,
  generation_id uuid not null,
  attempt integer not null,
  status text not null default 'claimed',
  api_key_id uuid,
  account text not null,
  task_id text,
  token_hash bytea not null,
  model text not null,
  prompt_version integer not null,
  claimed_at timestamptz not null default now(),
  submitted_at timestamptz,
  finished_at timestamptz,
  next_check_at timestamptz,
  latency_ms integer,
  cost_credits numeric(10, 3),
  error_code text,
  error_detail text,
  constraint generation_attempts_pkey primary key (id),
  constraint generation_attempts_generation_id_fkey foreign key (generation_id)
    references public.generations (id) on delete cascade,
  constraint generation_attempts_api_key_id_fkey foreign key (api_key_id)
    references public.api_key_pool (id) on delete set null,
  constraint generation_attempts_generation_id_attempt_key unique (generation_id, attempt),
  constraint generation_attempts_task_id_key unique (task_id),
  constraint generation_attempts_status_known check (status in ('claimed', 'submitted', 'succeeded', 'failed', 'abandoned')),
  constraint generation_attempts_submitted_has_task check (
    status not in ('submitted', 'succeeded') or (task_id is not null and submitted_at is not null)
  ),
  constraint generation_attempts_finished_matches_status check (
    (finished_at is not null) = (status in ('succeeded', 'failed', 'abandoned'))
  )
);

create index generation_attempts_api_key_id_idx on private.generation_attempts (api_key_id);
create index generation_attempts_account_claimed_at_idx on private.generation_attempts (account, claimed_at);
create index generation_attempts_running_idx on private.generation_attempts (account) where status in ('claimed', 'submitted');
create index generation_attempts_next_check_at_idx on private.generation_attempts (next_check_at) where status in ('claimed', 'submitted');
create index generation_attempts_finished_at_idx on private.generation_attempts (finished_at desc) where status = 'succeeded';

alter table private.generation_attempts enable row level security;

comment on table private.generation_attempts is
  'Each try at the provider. Any attempt may complete its generation; only the newest may fail it.';
comment on column private.generation_attempts.status is
  'claimed: about to be sent, or sent with its answer lost. submitted: the provider has a task. abandoned: no longer waited for.';
comment on column private.generation_attempts.token_hash is 'sha-256 of the token in the callback address.';
comment on column private.generation_attempts.next_check_at is 'When recordInfo is to be asked again; claims of the check move it on.';
comment on column private.generation_attempts.latency_ms is 'From submission to the provider''s completion.';
comment on column private.generation_attempts.cost_credits is 'What the provider charged, in its own credits; may be fractional.';

create table private.photo_uploads (
  path text not null,
  event_id uuid,
  user_id uuid,
  created_at timestamptz not null default now(),
  constraint photo_uploads_pkey primary key (path),
  constraint photo_uploads_event_id_fkey foreign key (event_id) references public.events (id) on delete cascade
);

create index photo_uploads_event_id_idx on private.photo_uploads (event_id);
create index photo_uploads_created_at_idx on private.photo_uploads (created_at);

alter table private.photo_uploads enable row level security;

comment on table private.photo_uploads is 'Upload addresses handed out: a guest''s photo counts only in the event it was issued for. Kept for a day.';

create table public.favorites (
  user_id uuid not null,
  style_id text not null,
  created_at timestamptz not null default now(),
  constraint favorites_pkey primary key (user_id, style_id),
  constraint favorites_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint favorites_style_id_fkey foreign key (style_id) references public.styles_metadata (id) on delete cascade
);

create index favorites_style_id_idx on public.favorites (style_id);

alter table public.favorites enable row level security;
comment on table public.favorites is 'Styles a user likes.';

create table public.pack_unlocks (
  user_id uuid not null,
  pack text not null,
  price integer not null,
  created_at timestamptz not null default now(),
  constraint pack_unlocks_pkey primary key (user_id, pack),
  constraint pack_unlocks_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint pack_unlocks_price_positive check (price > 0)
);

alter table public.pack_unlocks enable row level security;
grant select on public.pack_unlocks to authenticated, service_role;

create policy pack_unlocks_select_own on public.pack_unlocks
  for select to authenticated
  using (user_id = (select auth.uid()));

comment on table public.pack_unlocks is 'Premium packs that a user bought. Written by unlock_style_pack only.';
comment on policy pack_unlocks_select_own on public.pack_unlocks is 'A person sees what they unlocked.';

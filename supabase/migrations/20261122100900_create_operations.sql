-- What keeps the house in order: throttles, sessions of hosts, files to move or remove, messages to
-- send, the record of what staff did, alerts for a person, the sweeper's pulse.

create table private.rate_limits (
  name text not null,
  window_started_at timestamptz not null,
  hits integer not null,
  expires_at timestamptz not null,
  constraint rate_limits_pkey primary key (name)
);

create index rate_limits_expires_at_idx on private.rate_limits (expires_at);
alter table private.rate_limits enable row level security;
comment on table private.rate_limits is 'Fixed-window counters, one row a throttled thing. Rows are dropped once their window is over.';

create function private.hit_rate_limit(p_name text, p_max integer, p_window interval)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_limit private.rate_limits;
begin
  insert into private.rate_limits (name, window_started_at, hits, expires_at)
  values (p_name, now(), 1, now() + p_window)
  on conflict (name) do update set
    window_started_at = case when rate_limits.expires_at <= now() then now() else rate_limits.window_started_at end,
    hits = case when rate_limits.expires_at <= now() then 1 else rate_limits.hits + 1 end,
    expires_at = case when rate_limits.expires_at <= now() then now() + p_window else rate_limits.expires_at end
  returning * into v_limit;

  if v_limit.hits > p_max then
    perform private.refuse(
      'RATE_LIMITED',
      format('More than %s requests in %s', p_max, p_window),
      jsonb_build_object('retry_after', ceil(extract(epoch from v_limit.expires_at - now())))
    );
  end if;
end;
$$;
comment on function private.hit_rate_limit(text, integer, interval) is
  'Counts one use of a throttled thing; refuses with RATE_LIMITED and the seconds to wait (retry_after) above the limit.';

create table private.pin_sessions (
  id uuid not null default gen_random_uuid(),
  event_id uuid not null,
  token_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  constraint pin_sessions_pkey primary key (id),
  constraint pin_sessions_event_id_fkey foreign key (event_id) references public.events (id) on delete cascade,
  constraint pin_sessions_token_hash_key unique (token_hash),
  constraint pin_sessions_expire_after_creation check (expires_at > created_at)
);

create index pin_sessions_event_id_idx on private.pin_sessions (event_id);
create index pin_sessions_expires_at_idx on private.pin_sessions (expires_at);
alter table private.pin_sessions enable row level security;
comment on table private.pin_sessions is 'Hosts who entered with the event''s PIN. The token itself is stored nowhere.';

create table private.file_tasks (
  id bigint generated always as identity,
  action text not null,
  bucket text not null,
  path text not null,
  to_bucket text,
  run_at timestamptz not null default now(),
  tries integer not null default 0,
  created_at timestamptz not null default now(),
  constraint file_tasks_pkey primary key (id),
  constraint file_tasks_bucket_path_key unique (bucket, path),
  constraint file_tasks_action_known check (action in ('remove', 'move')),
  constraint file_tasks_move_has_target check ((action = 'move') = (to_bucket is not null))
);

create index file_tasks_run_at_idx on private.file_tasks (run_at);
alter table private.file_tasks enable row level security;
comment on table private.file_tasks is
  'Files that storage must remove or move. A row stays, and is tried again, until storage confirms.';
comment on constraint file_tasks_bucket_path_key on private.file_tasks is 'One file, one task: a later decision replaces the earlier one.';

create function private.plan_file_removal(p_bucket text, p_path text)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_run_at timestamptz;
begin
  -- Somebody may be moving the file at this moment: what arrives by that move must be removed too, so
  -- the removal waits until the move's lease is over.
  select greatest(now(), max(file_tasks.run_at)) into v_run_at
  from private.file_tasks
  where file_tasks.path = p_path and file_tasks.action = 'move' and file_tasks.tries > 0;

  -- A new row with a new id: whoever works on the earlier task cannot confirm this one.
  delete from private.file_tasks where file_tasks.bucket = p_bucket and file_tasks.path = p_path;
  insert into private.file_tasks (action, bucket, path, run_at)
  values ('remove', p_bucket, p_path, v_run_at)
  on conflict (bucket, path) do nothing;
end;
$$;
comment on function private.plan_file_removal(text, text) is
  'Has a file removed; whatever was planned for it before is forgotten.';

create table private.outbox (
  id bigint generated always as identity,
  generation_id uuid not null,
  channel text not null,
  recipient text not null,
  run_at timestamptz not null default now(),
  tries integer not null default 0,
  sent_at timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  constraint outbox_pkey primary key (id),
  constraint outbox_generation_id_fkey foreign key (generation_id) references public.generations (id) on delete cascade,
  constraint outbox_generation_id_channel_key unique (generation_id, channel),
  constraint outbox_channel_known check (channel in ('email', 'whatsapp', 'push'))
);

create index outbox_unsent_idx on private.outbox (run_at) where sent_at is null;
alter table private.outbox enable row level security;
comment on table private.outbox is 'Messages that tell somebody about their picture, once per generation and channel.';

create table private.audit_log (
  id bigint generated always as identity,
  actor_id uuid,
  action text not null,
  target text not null,
  target_id text,
  before jsonb,
  after jsonb,
  request_id text,
  created_at timestamptz not null default now(),
  constraint audit_log_pkey primary key (id)
);

create index audit_log_created_at_idx on private.audit_log (created_at desc);
alter table private.audit_log enable row level security;
comment on table private.audit_log is 'What staff did: who, what, before and after. Bare uuids: a person can be erased, history stays.';

create table private.alerts (
  id bigint generated always as identity,
  kind text not null,
  subject text not null,
  message text not null,
  created_at timestamptz not null default now(),
  resolved_at timestamptz,
  constraint alerts_pkey primary key (id)
);

-- An alert that is already open is not raised again.
create unique index alerts_open_kind_subject_idx on private.alerts (kind, subject) where resolved_at is null;
alter table private.alerts enable row level security;
comment on table private.alerts is 'What a person must look at. One open row per kind and subject.';

create function private.raise_alert(p_kind text, p_subject text, p_message text)
returns void
language sql set search_path = ''
as $$
  insert into private.alerts (kind, subject, message)
  values (p_kind, p_subject, p_message)
  on conflict (kind, subject) where resolved_at is null do update set message = excluded.message;
$$;
comment on function private.raise_alert(text, text, text) is 'Opens an alert, or refreshes the open one of the same kind and subject.';

create table private.sweeper (
  is_singleton boolean not null default true,
  last_sweep_at timestamptz,
  constraint sweeper_pkey primary key (is_singleton),
  constraint sweeper_is_one_row check (is_singleton)
);

alter table private.sweeper enable row level security;
insert into private.sweeper default values;
comment on table private.sweeper is 'The sweeper''s pulse: health looks at it. Exactly one row.';

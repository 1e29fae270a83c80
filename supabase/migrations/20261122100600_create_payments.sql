-- What can be bought, what was ordered, what the gateway said about it.

create table public.credit_packs (
  id uuid not null default gen_random_uuid(),
  name text not null,
  audience text not null,
  credits integer not null,
  price numeric(12, 2) not null,
  currency text not null default 'ARS',
  is_active boolean not null default true,
  sort_order integer not null default 999,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint credit_packs_pkey primary key (id),
  constraint credit_packs_name_not_blank check (btrim(name) <> ''),
  constraint credit_packs_audience_known check (audience in ('user', 'partner')),
  constraint credit_packs_credits_within_bounds check (credits between 1 and 10000000),
  constraint credit_packs_price_positive check (price > 0),
  constraint credit_packs_currency_is_iso check (currency ~ '^[A-Z]{3}$')
);

alter table public.credit_packs enable row level security;
grant select on public.credit_packs to anon, authenticated, service_role;

create trigger credit_packs_touch_updated_at before update on public.credit_packs
  for each row execute function extensions.moddatetime(updated_at);

create policy credit_packs_select_offered_to_users on public.credit_packs
  for select to anon, authenticated
  using (is_active and audience = 'user');

comment on table public.credit_packs is 'Server-side prices. An order freezes the credits and price of its pack.';
comment on column public.credit_packs.audience is 'user: model A balances; partner: wholesale.';
comment on policy credit_packs_select_offered_to_users on public.credit_packs is 'Everybody sees what users can buy now.';

create table public.payment_orders (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  partner_id uuid,
  pack_id uuid not null,
  credits integer not null,
  amount numeric(12, 2) not null,
  currency text not null,
  status text not null default 'pending',
  preference_id text,
  init_point text,
  idempotency_key text,
  request_hash bytea,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint payment_orders_pkey primary key (id),
  constraint payment_orders_pack_id_fkey foreign key (pack_id) references public.credit_packs (id),
  constraint payment_orders_credits_positive check (credits > 0),
  constraint payment_orders_amount_positive check (amount > 0),
  constraint payment_orders_status_known check (status in ('pending', 'paid', 'refunded', 'cancelled')),
  constraint payment_orders_idempotency_key_has_hash check ((idempotency_key is null) = (request_hash is null))
);

create unique index payment_orders_user_id_idempotency_key_idx
  on public.payment_orders (user_id, idempotency_key) where idempotency_key is not null;
create index payment_orders_user_id_created_at_idx on public.payment_orders (user_id, created_at desc);
create index payment_orders_partner_id_idx on public.payment_orders (partner_id) where partner_id is not null;
create index payment_orders_pack_id_idx on public.payment_orders (pack_id);
create index payment_orders_pending_idx on public.payment_orders (created_at) where status = 'pending';

alter table public.payment_orders enable row level security;
grant select on public.payment_orders to service_role;

create trigger payment_orders_touch_updated_at before update on public.payment_orders
  for each row execute function extensions.moddatetime(updated_at);

comment on table public.payment_orders is 'What somebody set out to buy, with credits and price frozen. Written by the service only.';
comment on column public.payment_orders.user_id is 'Bare uuid of the buyer: a person can be erased, the order stays.';
comment on column public.payment_orders.partner_id is 'Set when a partner pack credits a partner instead of the buyer.';

create table public.payment_notifications (
  id bigint generated always as identity,
  mercadopago_id text not null,
  user_id uuid,
  order_id uuid,
  credits_added integer not null default 0,
  amount numeric(12, 2),
  status text not null,
  data jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint payment_notifications_pkey primary key (id),
  constraint payment_notifications_mercadopago_id_key unique (mercadopago_id),
  constraint payment_notifications_data_is_object check (jsonb_typeof(data) = 'object')
);

create index payment_notifications_user_id_idx on public.payment_notifications (user_id);
create index payment_notifications_order_id_idx on public.payment_notifications (order_id);

alter table public.payment_notifications enable row level security;
grant select on public.payment_notifications to service_role;

create trigger payment_notifications_touch_updated_at before update on public.payment_notifications
  for each row execute function extensions.moddatetime(updated_at);

comment on table public.payment_notifications is 'One row per payment of the gateway, with its newest state.';
comment on column public.payment_notifications.data is '{ notification, payment }: the last notification in full and the payment as fetched. Not readable by clients.';

create table private.webhook_inbox (
  id bigint generated always as identity,
  is_verified boolean not null,
  topic text,
  resource_id text,
  headers jsonb not null default '{}',
  body jsonb,
  received_at timestamptz not null default now(),
  processed_at timestamptz,
  error text,
  constraint webhook_inbox_pkey primary key (id)
);

create index webhook_inbox_received_at_idx on private.webhook_inbox (received_at);

alter table private.webhook_inbox enable row level security;

comment on table private.webhook_inbox is 'Everything the payment gateway sent, before anything is done with it. Kept for 30 days.';

-- The truth about credits: an append-only journal of movements between two accounts. The numbers on
-- profiles, partners and events are caches that change in the transaction that writes the movement.
-- credit_audit() compares the two.

create type private.credit_account as enum (
  'issued',      -- system: where credits come from (bonus, purchase, grant) and where reversals return
  'spent',       -- system: credits that became photos or unlocked packs
  'written_off', -- system: what an erased person left behind
  'user',
  'partner',
  'event'
);
comment on type private.credit_account is
  'Kinds of account. System accounts have no id and no balance row: nothing waits for them.';

create type private.credit_movement_kind as enum (
  'signup_bonus', 'referral_reward', 'purchase', 'purchase_reversal', 'grant', 'adjustment',
  'allocation', 'return', 'transfer', 'charge', 'refund', 'unlock', 'erasure'
);

create table private.credit_movements (
  id bigint generated always as identity,
  kind private.credit_movement_kind not null,
  source private.credit_account not null,
  source_id uuid,
  destination private.credit_account not null,
  destination_id uuid,
  amount integer not null,
  idempotency_key text not null,
  generation_id uuid,
  order_id uuid,
  staff_id uuid,
  reason text,
  created_at timestamptz not null default now(),
  constraint credit_movements_pkey primary key (id),
  constraint credit_movements_idempotency_key_key unique (idempotency_key),
  constraint credit_movements_amount_within_bounds check (amount between 1 and 1000000000),
  constraint credit_movements_source_id_matches_kind
    check ((source in ('user', 'partner', 'event')) = (source_id is not null)),
  constraint credit_movements_destination_id_matches_kind
    check ((destination in ('user', 'partner', 'event')) = (destination_id is not null)),
  constraint credit_movements_accounts_differ check ((source, source_id) is distinct from (destination, destination_id))
);

create index credit_movements_source_idx
  on private.credit_movements (source_id, id) where source_id is not null;
create index credit_movements_destination_idx
  on private.credit_movements (destination_id, id) where destination_id is not null;

alter table private.credit_movements enable row level security;

comment on table private.credit_movements is
  'Append-only double entry: each row takes amount from one account and gives it to another.';
comment on column private.credit_movements.source_id is 'Bare uuid of the user, partner or event: a person can be erased, history stays.';
comment on column private.credit_movements.idempotency_key is 'Names what the movement is for; a second one for the same thing cannot be written.';

create function private.refuse_ledger_change()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    message = format('The credit ledger is append-only: %s is refused', tg_op),
    hint = 'Write a movement that corrects the earlier one';
end;
$$;
comment on function private.refuse_ledger_change() is 'Trigger: protects the journal from everybody, its owner included.';

create trigger credit_movements_refuse_change before update or delete or truncate on private.credit_movements
  for each statement execute function private.refuse_ledger_change();

create function private.post_movement(
  p_kind private.credit_movement_kind,
  p_source private.credit_account,
  p_source_id uuid,
  p_destination private.credit_account,
  p_destination_id uuid,
  p_amount integer,
  p_idempotency_key text,
  p_generation_id uuid default null,
  p_order_id uuid default null,
  p_staff_id uuid default null,
  p_reason text default null
)
returns void
language plpgsql set search_path = ''
as $$
begin
  insert into private.credit_movements (
    kind, source, source_id, destination, destination_id, amount, idempotency_key,
    generation_id, order_id, staff_id, reason
  )
  values (
    p_kind, p_source, p_source_id, p_destination, p_destination_id, p_amount, p_idempotency_key,
    p_generation_id, p_order_id, p_staff_id, p_reason
  );

  -- Events before partners before users, everywhere: one order of locks, no deadlock.
  if 'event' in (p_source, p_destination) then
    update public.events
    set
      credits_allocated = credits_allocated + case
        when 'spent' in (p_source, p_destination) then 0
        when events.id = p_destination_id then p_amount
        else -p_amount
      end,
      credits_used = credits_used + case
        when p_destination = 'spent' then p_amount
        when p_source = 'spent' then -p_amount
        else 0
      end
    where id in (p_source_id, p_destination_id);
  end if;

  if 'partner' in (p_source, p_destination) then
    update public.partners
    set
      credits_total = credits_total + case
        when p_destination = 'partner' and p_source <> 'event' then p_amount
        when p_source = 'partner' and p_destination <> 'event' then -p_amount
        else 0
      end,
      credits_used = credits_used + case
        when p_source = 'partner' and p_destination = 'event' then p_amount
        when p_source = 'event' and p_destination = 'partner' then -p_amount
        else 0
      end
    where id in (p_source_id, p_destination_id);
  end if;

  if 'user' in (p_source, p_destination) then
    update public.profiles
    set credits = credits + case when p_destination = 'user' then p_amount else -p_amount end
    where id in (p_source_id, p_destination_id);
  end if;
end;
$$;
comment on function private.post_movement is
  'Writes one movement and the balances it changes. Decides nothing: the caller has checked and locked. The check constraints of the balances are the last wall.';

create function public.credit_audit()
returns table (account text, account_id uuid, balance_name text, balance bigint, ledger bigint)
language sql stable security definer set search_path = ''
as $$
  with entries as (
    select source as account, source_id as account_id, destination as counterpart, -amount::bigint as amount
    from private.credit_movements
    where source_id is not null
    union all
    select destination, destination_id, source, amount
    from private.credit_movements
    where destination_id is not null
  ),
  sums as (
    select
      entries.account,
      entries.account_id,
      sum(entries.amount) as total,
      sum(entries.amount) filter (where entries.counterpart = 'event') as with_events,
      sum(entries.amount) filter (where entries.counterpart = 'spent') as with_spent
    from entries
    group by entries.account, entries.account_id
  ),
  compared as (
    select 'user' as account, coalesce(profiles.id, sums.account_id) as account_id, 'credits' as balance_name,
      coalesce(profiles.credits, 0)::bigint as balance, coalesce(sums.total, 0) as ledger
    from public.profiles
    full join (select * from sums where sums.account = 'user') as sums on sums.account_id = profiles.id
    union all
    select 'partner', coalesce(partners.id, sums.account_id), figures.name, coalesce(figures.balance, 0), coalesce(figures.ledger, 0)
    from public.partners
    full join (select * from sums where sums.account = 'partner') as sums on sums.account_id = partners.id
    cross join lateral (
      values
        ('credits_total', partners.credits_total::bigint, sums.total - coalesce(sums.with_events, 0)),
        ('credits_used', partners.credits_used::bigint, -coalesce(sums.with_events, 0))
    ) as figures (name, balance, ledger)
    union all
    select 'event', coalesce(events.id, sums.account_id), figures.name, coalesce(figures.balance, 0), coalesce(figures.ledger, 0)
    from public.events
    full join (select * from sums where sums.account = 'event') as sums on sums.account_id = events.id
    cross join lateral (
      values
        ('credits_allocated', events.credits_allocated::bigint, sums.total - coalesce(sums.with_spent, 0)),
        ('credits_used', events.credits_used::bigint, -coalesce(sums.with_spent, 0))
    ) as figures (name, balance, ledger)
  )
  select compared.account, compared.account_id, compared.balance_name, compared.balance, compared.ledger::bigint
  from compared
  where compared.balance <> compared.ledger
  order by compared.account, compared.account_id, compared.balance_name;
$$;
comment on function public.credit_audit() is
  'Recomputes every balance from the ledger and returns those that differ. Always empty. Definer: the ledger is readable by nobody; service_role only.';
revoke execute on function public.credit_audit() from public, anon, authenticated;
grant execute on function public.credit_audit() to service_role;

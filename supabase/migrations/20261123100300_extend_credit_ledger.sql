-- The ledger learns debts, the hash of the request behind a key, and to be quick: a charge is known by
-- its generation, which is shorter than a key of text and answers "was this photo paid?" as well.

-- What staff wrote beside a movement lies in a table of its own: it may name a person and is erased
-- with them, and the ledger itself can never change.
create table private.credit_notes (
  movement_id bigint not null,
  note text not null,
  constraint credit_notes_pkey primary key (movement_id),
  constraint credit_notes_movement_id_fkey foreign key (movement_id) references private.credit_movements (id),
  constraint credit_notes_note_length check (length(note) <= 500)
);

alter table private.credit_notes enable row level security;
comment on table private.credit_notes is
  'The reason of a movement in words, for those that have one; shown in the statement of the account. Erased with the person.';

insert into private.credit_notes (movement_id, note)
select credit_movements.id, left(credit_movements.reason, 500)
from private.credit_movements
where credit_movements.reason is not null;

alter table private.credit_movements
  drop column reason, -- moved to credit_notes just above
  drop constraint credit_movements_idempotency_key_key,
  drop constraint credit_movements_amount_within_bounds,
  drop constraint credit_movements_source_id_matches_kind,
  drop constraint credit_movements_destination_id_matches_kind,
  drop constraint credit_movements_accounts_differ,
  alter column idempotency_key drop not null,
  alter column amount type private.credit_amount,
  add column request_hash bytea,
  add column payment_id text,
  -- The system's accounts are the first three of the enum.
  add constraint credit_movements_owned_accounts_have_ids check (
    (source > 'written_off') = (source_id is not null)
    and (destination > 'written_off') = (destination_id is not null)
  ),
  add constraint credit_movements_accounts_differ check (source <> destination or source_id is distinct from destination_id),
  add constraint credit_movements_happens_once check (num_nonnulls(idempotency_key, generation_id) > 0);

create unique index credit_movements_idempotency_key_idx
  on private.credit_movements (idempotency_key) where idempotency_key is not null;
-- Not partial, although some rows have no generation: the predicate would cost every charge more than
-- their entries cost.
create unique index credit_movements_generation_id_kind_idx
  on private.credit_movements (generation_id, kind);
drop index private.credit_movements_source_idx;
create index credit_movements_source_idx on private.credit_movements (source_id, id);
create index credit_movements_order_id_idx
  on private.credit_movements (order_id) where order_id is not null;

comment on column private.credit_movements.idempotency_key is
  'Names what the movement is for; a second one for the same thing cannot be written. Null when generation and kind say it.';
comment on column private.credit_movements.request_hash is
  'sha-256 of the request that used the key: the same key with another request is a conflict.';
comment on column private.credit_movements.payment_id is 'The gateway''s payment behind a purchase and its reversals.';
comment on column private.credit_movements.staff_id is 'Bare uuid of the person who moved the credits, null when the system did.';

create table private.credit_debts (
  account private.credit_account not null,
  account_id uuid not null,
  amount private.credit_count not null,
  constraint credit_debts_pkey primary key (account, account_id),
  constraint credit_debts_account_is_a_debt check (account in ('user_debt', 'partner_debt'))
);

alter table private.credit_debts enable row level security;
comment on table private.credit_debts is
  'What users and partners owe after a purchase was reversed whose credits were spent: the balances of the debt accounts. Guarded by the lock of the row of who owes.';

create function private.debt_account(p_account private.credit_account)
returns private.credit_account
language sql immutable set search_path = ''
as $$
  select case p_account when 'user' then 'user_debt' when 'partner' then 'partner_debt' end::private.credit_account;
$$;
comment on function private.debt_account(private.credit_account) is 'The account of what a user or partner owes.';

create function private.debt_of(p_account private.credit_account, p_account_id uuid)
returns integer
language sql stable set search_path = ''
as $$
  select coalesce(
    (
      select credit_debts.amount from private.credit_debts
      where credit_debts.account = private.debt_account(p_account) and credit_debts.account_id = p_account_id
    ),
    0
  );
$$;
comment on function private.debt_of(private.credit_account, uuid) is 'Credits that a user or partner owes.';

create function private.lock_balance(p_account private.credit_account, p_account_id uuid)
returns integer
language plpgsql set search_path = ''
as $$
declare
  v_balance integer;
begin
  case p_account
    when 'user' then
      select profiles.credits into v_balance
      from public.profiles where profiles.id = p_account_id for no key update;
    when 'partner' then
      select partners.credits_total - partners.credits_used into v_balance
      from public.partners where partners.id = p_account_id for no key update;
  end case;
  return v_balance;
end;
$$;
comment on function private.lock_balance(private.credit_account, uuid) is
  'Credits that a user or partner has to give, with the row locked until the end of the transaction; null when there is no such row.';

-- post_movement changes its result, so it is made again.
drop function private.post_movement;

create function private.post_movement(
  p_kind private.credit_movement_kind,
  p_source private.credit_account,
  p_source_id uuid,
  p_destination private.credit_account,
  p_destination_id uuid,
  p_amount integer,
  p_idempotency_key text default null,
  p_generation_id uuid default null,
  p_order_id uuid default null,
  p_payment_id text default null,
  p_staff_id uuid default null,
  p_request_hash bytea default null,
  p_note text default null
)
returns private.credit_movements
language plpgsql set search_path = ''
as $$
declare
  v_movement private.credit_movements;
  v_balance integer;
  v_debt_payment integer := 0;
begin
  insert into private.credit_movements (
    kind, source, source_id, destination, destination_id, amount, idempotency_key,
    generation_id, order_id, payment_id, staff_id, request_hash
  )
  values (
    p_kind, p_source, p_source_id, p_destination, p_destination_id, p_amount, p_idempotency_key,
    p_generation_id, p_order_id, p_payment_id, p_staff_id, p_request_hash
  )
  returning * into v_movement;

  if p_note is not null then
    insert into private.credit_notes (movement_id, note) values (v_movement.id, p_note);
  end if;

  -- What arrives pays a debt first. Both movements are one update of the balance: a row that is updated
  -- twice in a transaction has its foreign keys checked again, and that locks who referred the person.
  if p_destination in ('user', 'partner') then
    v_balance := private.lock_balance(p_destination, p_destination_id);
    v_debt_payment := least(private.debt_of(p_destination, p_destination_id), v_balance + p_amount);
    if v_debt_payment > 0 then
      insert into private.credit_movements (
        kind, source, source_id, destination, destination_id, amount, idempotency_key
      )
      values (
        'debt_payment', p_destination, p_destination_id, private.debt_account(p_destination), p_destination_id,
        v_debt_payment, 'debt_payment:' || v_movement.id
      );
      perform private.change_debt(private.debt_account(p_destination), p_destination_id, -v_debt_payment);
    end if;
  end if;

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
      credits_total = credits_total - v_debt_payment + case
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
    set credits = credits - v_debt_payment + case when p_destination = 'user' then p_amount else -p_amount end
    where id in (p_source_id, p_destination_id);
  end if;

  if p_source in ('user_debt', 'partner_debt') then
    perform private.change_debt(p_source, p_source_id, p_amount);
  elsif p_destination in ('user_debt', 'partner_debt') then
    perform private.change_debt(p_destination, p_destination_id, -p_amount);
  end if;
  return v_movement;
end;
$$;
comment on function private.post_movement is
  'Writes one movement and the balances it changes; what arrives at a user or partner in debt pays the debt first, as a movement of its own. Decides nothing else: the caller has checked and locked. The checks of the balances are the last wall. Returns the movement.';

create function private.change_debt(p_account private.credit_account, p_account_id uuid, p_change integer)
returns void
language plpgsql set search_path = ''
as $$
begin
  update private.credit_debts
  set amount = credit_debts.amount + p_change
  where credit_debts.account = p_account and credit_debts.account_id = p_account_id;
  if not found then
    insert into private.credit_debts (account, account_id, amount) values (p_account, p_account_id, p_change);
  end if;
end;
$$;
comment on function private.change_debt(private.credit_account, uuid, integer) is
  'Adds to a debt or takes from it. Who owes is locked by the caller, so that no two of these meet.';

create function private.refuse_balance_deletion()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    message = format('%s %s still holds credits', tg_table_name, old.id),
    hint = 'Return its credits with a movement, or deactivate it';
end;
$$;
comment on function private.refuse_balance_deletion() is
  'Trigger: a row with credits cannot be deleted, or they would be in no balance any more.';

create trigger events_refuse_deletion_with_credits before delete on public.events
  for each row when (old.credits_allocated > 0) execute function private.refuse_balance_deletion();
create trigger partners_refuse_deletion_with_credits before delete on public.partners
  for each row when (old.credits_total > 0) execute function private.refuse_balance_deletion();

create or replace function public.credit_audit()
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
  -- One pass over the ledger, summed before anything is joined.
  sums as materialized (
    select
      entries.account,
      entries.account_id,
      sum(entries.amount) as total,
      coalesce(sum(entries.amount) filter (where entries.counterpart = 'event'), 0) as with_events,
      coalesce(sum(entries.amount) filter (where entries.counterpart = 'spent'), 0) as with_spent
    from entries
    group by entries.account, entries.account_id
  ),
  by_ledger as (
    select sums.account::text, sums.account_id, figures.balance_name, figures.amount
    from sums
    cross join lateral (
      values
        ('user', 'credits', sums.total),
        ('partner', 'credits_total', sums.total - sums.with_events),
        ('partner', 'credits_used', -sums.with_events),
        ('event', 'credits_allocated', sums.total - sums.with_spent),
        ('event', 'credits_used', -sums.with_spent),
        ('user_debt', 'amount', -sums.total),
        ('partner_debt', 'amount', -sums.total)
    ) as figures (account, balance_name, amount)
    where figures.account = sums.account::text
  ),
  by_balance as (
    select 'user' as account, profiles.id as account_id, 'credits' as balance_name, profiles.credits as amount
    from public.profiles
    union all
    select 'partner', partners.id, figures.balance_name, figures.amount
    from public.partners
    cross join lateral (
      values ('credits_total', partners.credits_total), ('credits_used', partners.credits_used)
    ) as figures (balance_name, amount)
    union all
    select 'event', events.id, figures.balance_name, figures.amount
    from public.events
    cross join lateral (
      values ('credits_allocated', events.credits_allocated), ('credits_used', events.credits_used)
    ) as figures (balance_name, amount)
    union all
    select credit_debts.account::text, credit_debts.account_id, 'amount', credit_debts.amount
    from private.credit_debts
  )
  select account, account_id, balance_name,
    coalesce(by_balance.amount, 0)::bigint, coalesce(by_ledger.amount, 0)::bigint
  from by_balance
  full join by_ledger using (account, account_id, balance_name)
  where coalesce(by_balance.amount, 0) <> coalesce(by_ledger.amount, 0)
  order by account, account_id, balance_name;
$$;
comment on function public.credit_audit() is
  'Recomputes every balance, debts included, from the ledger and returns those that differ. Always empty. account: user, partner, event, user_debt, partner_debt. Reads the whole ledger: for schedules and tests, not for requests. Definer: the ledger is readable by its owners only; service_role only.';

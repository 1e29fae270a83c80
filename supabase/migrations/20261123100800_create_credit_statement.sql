-- Who owns an account reads its movements, through row level security on the ledger itself.

create function private.my_credit_accounts()
returns setof uuid
language sql stable security definer set search_path = ''
as $$
  select auth.uid() where auth.uid() is not null
  union all
  select partners.id from public.partners
  where partners.user_id = auth.uid() and partners.is_active
  union all
  select events.id from public.events
  join public.partners on partners.id = events.partner_id
  where partners.user_id = auth.uid() and partners.is_active;
$$;
comment on function private.my_credit_accounts() is
  'Ids whose credits the caller owns: their own, their partner''s and its events''; none of a suspended partner. Definer: partners and events need not be readable by the caller; trusts nothing but auth.uid().';
grant execute on function private.my_credit_accounts() to authenticated;

create function private.is_master()
returns boolean
language sql stable security definer set search_path = ''
as $$
  select coalesce((select profiles.is_master from public.profiles where profiles.id = auth.uid()), false);
$$;
comment on function private.is_master() is
  'Whether the caller is the platform''s owner, by the profile and not by the token. Definer: policies of profiles must not call themselves; trusts nothing but auth.uid().';
grant execute on function private.is_master() to authenticated;

grant select (
  id, kind, source, source_id, destination, destination_id, amount, generation_id, order_id, created_at
) on private.credit_movements to authenticated;

create policy credit_movements_select_own on private.credit_movements
  for select to authenticated
  using (
    source_id in (select private.my_credit_accounts())
    or destination_id in (select private.my_credit_accounts())
    or (select private.is_master())
  );
comment on policy credit_movements_select_own on private.credit_movements is
  'A person reads the movements of their own account, of their partner and its events; a master all. Only credit_statement reaches them: the schema is not exposed.';

grant select on private.credit_notes to authenticated;

create policy credit_notes_select_own on private.credit_notes
  for select to authenticated
  using (exists (select from private.credit_movements where credit_movements.id = credit_notes.movement_id));
comment on policy credit_notes_select_own on private.credit_notes is 'Whoever reads a movement reads its reason.';

create function private.read_balance(p_account private.credit_account, p_account_id uuid)
returns integer
language sql stable security definer set search_path = ''
as $$
  select case p_account
    when 'user' then (select profiles.credits from public.profiles where profiles.id = p_account_id)
    when 'partner' then (
      select partners.credits_total - partners.credits_used from public.partners where partners.id = p_account_id
    )
    when 'event' then (
      select events.credits_allocated - events.credits_used from public.events where events.id = p_account_id
    )
  end
  where p_account_id in (select private.my_credit_accounts()) or private.is_master();
$$;
comment on function private.read_balance(private.credit_account, uuid) is
  'What the caller''s own user, partner or event account holds; null when it is not theirs. Definer: balances need not be readable by the caller; trusts nothing but auth.uid().';
grant execute on function private.read_balance(private.credit_account, uuid) to authenticated;

create function public.credit_statement(
  p_account text default 'user',
  p_account_id uuid default auth.uid(),
  p_before bigint default null,
  p_limit integer default 50
)
returns table (
  id bigint,
  created_at timestamptz,
  kind text,
  amount integer,
  balance bigint,
  counterpart text,
  counterpart_id uuid,
  generation_id uuid,
  order_id uuid,
  note text
)
language plpgsql stable set search_path = ''
as $$
declare
  v_account private.credit_account;
  v_balance bigint;
begin
  if p_account is null or p_account not in ('user', 'partner', 'event') then
    perform private.refuse(
      'INVALID_INPUT', format('p_account is %s: user, partner or event is needed', coalesce(p_account, 'null')),
      jsonb_build_object('field', 'p_account')
    );
  end if;
  if p_limit is null or p_limit not between 1 and 1000 then
    perform private.refuse(
      'INVALID_INPUT', format('p_limit is %s: 1 to 1000 is needed', coalesce(p_limit::text, 'null')),
      jsonb_build_object('field', 'p_limit')
    );
  end if;
  v_account := p_account::private.credit_account;

  -- The balance stands in the account's row; what a page lies below it is the sum of what came later.
  v_balance := private.read_balance(v_account, p_account_id);
  if p_before is not null then
    v_balance := v_balance
      - coalesce((
        select sum(credit_movements.amount) from private.credit_movements
        where credit_movements.destination_id = p_account_id and credit_movements.destination = v_account
          and credit_movements.id >= p_before
      ), 0)
      + coalesce((
        select sum(credit_movements.amount) from private.credit_movements
        where credit_movements.source_id = p_account_id and credit_movements.source = v_account
          and credit_movements.id >= p_before
      ), 0);
  end if;

  return query
    with entries as (
      -- Both sides of the account, each bounded by the page, so that each is one short walk of an index.
      (
        select movements.id, movements.created_at, movements.kind, movements.amount::integer as amount,
          movements.source as counterpart, movements.source_id as counterpart_id,
          movements.generation_id, movements.order_id
        from private.credit_movements as movements
        where movements.destination_id = p_account_id and movements.destination = v_account
          and movements.id < coalesce(p_before, 9223372036854775807)
        order by movements.id desc
        limit p_limit
      )
      union all
      (
        select movements.id, movements.created_at, movements.kind, -movements.amount,
          movements.destination, movements.destination_id, movements.generation_id, movements.order_id
        from private.credit_movements as movements
        where movements.source_id = p_account_id and movements.source = v_account
          and movements.id < coalesce(p_before, 9223372036854775807)
        order by movements.id desc
        limit p_limit
      )
    )
    select
      entries.id, entries.created_at, entries.kind::text, entries.amount,
      v_balance - coalesce(
        sum(entries.amount) over (order by entries.id desc rows between unbounded preceding and 1 preceding), 0
      ),
      entries.counterpart::text, entries.counterpart_id,
      -- The id of a guest's photo is the guest's key to it: only a person's own photos are named.
      case when v_account = 'user' then entries.generation_id end,
      entries.order_id, credit_notes.note
    from entries
    left join private.credit_notes on credit_notes.movement_id = entries.id
    order by entries.id desc
    limit p_limit;
end;
$$;
comment on function public.credit_statement(text, uuid, bigint, integer) is
  'Movements of an account with the balance after each, newest first: amount is positive for what came in and negative for what went out, in credits. p_account: user (default: one''s own), partner or event, with its id. Pages by keyset: p_before is the last id of the page before, p_limit 1 to 1000. Row level security shows an account to its owner only; of any other it is empty. INVALID_INPUT.';
revoke execute on function public.credit_statement(text, uuid, bigint, integer) from public, anon;
grant execute on function public.credit_statement(text, uuid, bigint, integer) to authenticated;
-- It refuses as its caller.
grant execute on function private.refuse(text, text, jsonb, text) to authenticated;

-- A partner's wallet for staff. credit_statement reads the account of whoever holds the token of the
-- request; both now read movements with one query.

create function private.list_movements(
  p_account private.credit_account, p_account_id uuid, p_balance bigint, p_before bigint, p_limit integer
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
  v_balance bigint := p_balance;
begin
  -- What a page lies below the balance of today is the sum of what came later.
  if p_before is not null then
    v_balance := v_balance
      - coalesce((
        select sum(credit_movements.amount) from private.credit_movements
        where credit_movements.destination_id = p_account_id and credit_movements.destination = p_account
          and credit_movements.id >= p_before
      ), 0)
      + coalesce((
        select sum(credit_movements.amount) from private.credit_movements
        where credit_movements.source_id = p_account_id and credit_movements.source = p_account
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
        where movements.destination_id = p_account_id and movements.destination = p_account
          and movements.id < coalesce(p_before, 9223372036854775807)
        order by movements.id desc
        limit p_limit
      )
      union all
      (
        select movements.id, movements.created_at, movements.kind, -movements.amount,
          movements.destination, movements.destination_id, movements.generation_id, movements.order_id
        from private.credit_movements as movements
        where movements.source_id = p_account_id and movements.source = p_account
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
      case when p_account = 'user' then entries.generation_id end,
      entries.order_id, credit_notes.note
    from entries
    left join private.credit_notes on credit_notes.movement_id = entries.id
    order by entries.id desc
    limit p_limit;
end;
$$;
comment on function private.list_movements(private.credit_account, uuid, bigint, bigint, integer) is
  'A page of the movements of an account that holds p_balance, newest first, with the balance after each. Not definer: whoever asks sees what row level security shows them.';
grant execute on function private.list_movements(private.credit_account, uuid, bigint, bigint, integer) to authenticated;

create or replace function public.credit_statement(
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
  return query
  select * from private.list_movements(
    p_account::private.credit_account, p_account_id, private.read_balance(p_account::private.credit_account, p_account_id),
    p_before, p_limit
  );
end;
$$;

create function public.get_wallet(p_actor_id uuid, p_partner_id uuid)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_partner_id uuid := private.chosen_partner(p_actor_id, p_partner_id);
begin
  return (
    select jsonb_build_object(
      'partner_id', partners.id,
      'credits_total', partners.credits_total,
      'credits_used', partners.credits_used,
      'credits_left', partners.credits_total - partners.credits_used,
      'credits_consumed', (
        select coalesce(sum(events.credits_used), 0) from public.events where events.partner_id = v_partner_id
      ),
      'debt', private.debt_of('partner', v_partner_id)
    )
    from public.partners where partners.id = v_partner_id
  );
end;
$$;
comment on function public.get_wallet(uuid, uuid) is
  'What one''s own partner has; a master names one. credits_used is what events hold or consumed, credits_consumed what they consumed alone. FORBIDDEN, NOT_FOUND, INVALID_INPUT (partner_id). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_wallet(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_wallet(uuid, uuid) to service_role;

create function public.list_wallet_movements(p_actor_id uuid, p_partner_id uuid, p_before bigint, p_limit integer)
returns table (
  id bigint,
  created_at timestamptz,
  kind text,
  amount integer,
  balance bigint,
  counterpart text,
  event_id uuid,
  event_name text,
  order_id uuid,
  note text
)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_partner_id uuid := private.chosen_partner(p_actor_id, p_partner_id);
  v_balance bigint;
begin
  select partners.credits_total - partners.credits_used into strict v_balance
  from public.partners where partners.id = v_partner_id;
  return query
  select movements.id, movements.created_at, movements.kind, movements.amount, movements.balance, movements.counterpart,
    case when movements.counterpart = 'event' then movements.counterpart_id end, events.event_name::text,
    movements.order_id, movements.note
  from private.list_movements('partner', v_partner_id, v_balance, p_before, p_limit) as movements
  left join public.events on movements.counterpart = 'event' and events.id = movements.counterpart_id
  order by movements.id desc;
end;
$$;
comment on function public.list_wallet_movements(uuid, uuid, bigint, integer) is
  'A page of the movements of one''s own partner, the newest first, with the balance after each; a master names the partner. event_name is null once the event is deleted. Pages by keyset: p_before is the last id of the page before. FORBIDDEN, NOT_FOUND, INVALID_INPUT (partner_id). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_wallet_movements(uuid, uuid, bigint, integer) from public, anon, authenticated;
grant execute on function public.list_wallet_movements(uuid, uuid, bigint, integer) to service_role;

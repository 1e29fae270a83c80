-- Credits of events, as staff moves them, and the keys that let people in.

create function private.log_movement(
  p_actor_id uuid, p_action text, p_target text, p_target_id uuid, p_movement private.credit_movements
)
returns void
language sql set search_path = ''
as $$
  select private.log_action(
    p_actor_id, p_action, p_target, p_target_id, null,
    jsonb_build_object('movement_id', p_movement.id, 'amount', p_movement.amount)
  )
  -- A repeated request finds the movement of an earlier transaction: it did nothing.
  where p_movement.created_at = now();
$$;
comment on function private.log_movement(uuid, text, text, uuid, private.credit_movements) is
  'Notes that staff moved credits, once however often the request came.';

create function private.describe_movement(p_movement private.credit_movements)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_movement.id, 'kind', p_movement.kind, 'amount', p_movement.amount, 'created_at', p_movement.created_at
  );
$$;
comment on function private.describe_movement(private.credit_movements) is 'A movement of credits as whoever asked for it sees it.';

create function public.allocate_credits(p_actor_id uuid, p_event_id uuid, p_amount integer, p_idempotency_key text default null)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_movement private.credit_movements;
begin
  perform private.staff_event(p_actor_id, p_event_id);
  v_movement := private.allocate_event_credits(p_event_id, p_amount, p_idempotency_key, p_actor_id);
  perform private.log_movement(p_actor_id, 'allocate_credits', 'event', p_event_id, v_movement);
  return jsonb_build_object(
    'event', public.get_event(p_actor_id, p_event_id), 'movement', private.describe_movement(v_movement)
  );
end;
$$;
comment on function public.allocate_credits(uuid, uuid, integer, text) is
  'Moves credits of a partner to one of its events, of the platform to its own: the event and the movement, the first one when the request is repeated. EVENT_NOT_FOUND, EVENT_ENDED (closed), INVALID_INPUT (amount), INSUFFICIENT_CREDITS, IDEMPOTENCY_CONFLICT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.allocate_credits(uuid, uuid, integer, text) from public, anon, authenticated;
grant execute on function public.allocate_credits(uuid, uuid, integer, text) to service_role;

create function public.transfer_credits(
  p_actor_id uuid, p_event_id uuid, p_to_event_id uuid, p_amount integer, p_idempotency_key text default null
)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_movement private.credit_movements;
begin
  perform private.staff_event(p_actor_id, p_event_id);
  perform private.staff_event(p_actor_id, p_to_event_id);
  v_movement := private.transfer_event_credits(p_event_id, p_to_event_id, p_amount, p_idempotency_key, p_actor_id);
  perform private.log_movement(p_actor_id, 'transfer_credits', 'event', p_event_id, v_movement);
  return jsonb_build_object(
    'event', public.get_event(p_actor_id, p_event_id), 'to_event', public.get_event(p_actor_id, p_to_event_id),
    'movement', private.describe_movement(v_movement)
  );
end;
$$;
comment on function public.transfer_credits(uuid, uuid, uuid, integer, text) is
  'Moves unused credits between two events of one partner, or of the platform: both events and the movement, the first one when the request is repeated. EVENT_NOT_FOUND (either), EVENT_ENDED (the receiver is closed), INVALID_INPUT (amount, to_event_id), INSUFFICIENT_CREDITS, IDEMPOTENCY_CONFLICT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.transfer_credits(uuid, uuid, uuid, integer, text) from public, anon, authenticated;
grant execute on function public.transfer_credits(uuid, uuid, uuid, integer, text) to service_role;

create function public.close_event(p_actor_id uuid, p_event_id uuid)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
  v_returned integer;
begin
  perform private.staff_event(p_actor_id, p_event_id);
  -- Two who close at once: the second one waits here, and finds it closed.
  perform private.lock_events(p_event_id);
  v_event := private.staff_event(p_actor_id, p_event_id);
  if v_event.closed_at is null then
    v_event := private.close_event(p_event_id, p_actor_id);
    perform private.log_action(
      p_actor_id, 'close', 'event', p_event_id, null, jsonb_build_object('closed_at', v_event.closed_at)
    );
  end if;
  select credit_movements.amount into v_returned
  from private.credit_movements where credit_movements.idempotency_key = 'return:' || p_event_id;
  return jsonb_build_object(
    'event', public.get_event(p_actor_id, p_event_id), 'returned_credits', coalesce(v_returned, 0)
  );
end;
$$;
comment on function public.close_event(uuid, uuid) is
  'Closes an event for good: the event, and the credits that closing it gave back to its partner. Closing again changes nothing and answers the same. EVENT_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.close_event(uuid, uuid) from public, anon, authenticated;
grant execute on function public.close_event(uuid, uuid) to service_role;

create function public.rotate_event_key(p_actor_id uuid, p_event_id uuid)
returns table (access_key text, event_slug text)
language plpgsql security definer set search_path = ''
as $$
begin
  perform private.lock_staff_event(p_actor_id, p_event_id);
  perform private.log_action(p_actor_id, 'rotate_key', 'event', p_event_id, null, null);
  return query
  update public.events set access_key = encode(extensions.gen_random_bytes(16), 'hex')
  where events.id = p_event_id
  returning events.access_key, events.event_slug::text;
end;
$$;
comment on function public.rotate_event_key(uuid, uuid) is
  'Gives an event a new access key; whoever has the old one is refused where config.access is key. EVENT_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.rotate_event_key(uuid, uuid) from public, anon, authenticated;
grant execute on function public.rotate_event_key(uuid, uuid) to service_role;

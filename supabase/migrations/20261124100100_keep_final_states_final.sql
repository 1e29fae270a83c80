-- The arrows of the state machine (docs/generations.md). Functions make every move under the row's lock and look
-- where it stands first; this is what stops a move that somebody writes tomorrow.

create function private.refuse_state_change()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'check_violation',
    message = format('%s %s cannot go from %s to %s', tg_table_name, old.id, old.status, new.status);
end;
$$;
comment on function private.refuse_state_change() is 'Refuses a change of status that the state machine does not have.';

create trigger generations_keep_final_state before update of status on public.generations
  for each row
  when (
    old.status in ('succeeded', 'failed') and new.status <> old.status
    -- A picture that comes late is delivered all the same.
    and not (old.status = 'failed' and new.status = 'succeeded')
  )
  execute function private.refuse_state_change();

create trigger generation_attempts_keep_final_state before update of status on private.generation_attempts
  for each row
  when (
    new.status <> old.status
    and (
      old.status = 'succeeded'
      -- Any attempt may complete, one that was given up too.
      or (old.status in ('failed', 'abandoned') and new.status <> 'succeeded')
      or new.status = 'claimed'
    )
  )
  execute function private.refuse_state_change();

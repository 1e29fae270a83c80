-- A try that was given up can bring a picture all the same, and who copies it may die. Nobody looked at such a try
-- again, and until its lease ended, a minute and a half later, the picture of the try that had replaced it waited. Now a
-- try whose picture is found is open again, so that it is looked at until its picture is there or has failed.

drop trigger generation_attempts_keep_final_state on private.generation_attempts;
create trigger generation_attempts_keep_final_state before update of status on private.generation_attempts
  for each row
  when (
    new.status <> old.status
    and (
      old.status = 'succeeded'
      -- Any attempt may bring a picture, one that was given up too.
      or (old.status in ('failed', 'abandoned') and new.status not in ('submitted', 'succeeded'))
      or new.status = 'claimed'
    )
  )
  execute function private.refuse_state_change();

drop function public.get_result_target(bigint);

create function public.get_result_target(p_attempt_id bigint, p_task_id text)
returns table (bucket text, path text, is_wanted boolean)
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations := private.lock_generation(private.find_attempt_generation(p_attempt_id));
begin
  if v_generation.status = 'succeeded' or exists (
    select from private.generation_attempts
    where generation_attempts.generation_id = v_generation.id
      and generation_attempts.id <> p_attempt_id
      and generation_attempts.copying_until > now()
  ) then
    return;
  end if;
  update private.generation_attempts
  set copying_until = now() + interval '90 seconds',
    status = 'submitted',
    task_id = p_task_id,
    submitted_at = coalesce(generation_attempts.submitted_at, generation_attempts.claimed_at),
    finished_at = null,
    -- Time to copy, or the next look would copy as well.
    next_check_at = greatest(generation_attempts.next_check_at, now() + interval '10 seconds')
  where generation_attempts.id = p_attempt_id;
  return query select
    case v_generation.visibility when 'visible' then 'generations' else 'generations_private' end,
    v_generation.result_path,
    v_generation.deleted_at is null;
end;
$$;
comment on function public.get_result_target(bigint, text) is
  'Where the picture of an attempt goes, which the provider has as this task; no row when its generation has one, or is just getting that of another attempt: then the next look will tell. An attempt that was over is open again, and looked at until its picture is there or has failed. Not wanted: the photo was deleted while it was made, and nothing needs to be stored. Definer; service_role only.';
revoke execute on function public.get_result_target(bigint, text) from public, anon, authenticated;
grant execute on function public.get_result_target(bigint, text) to service_role;

-- Tasks that were submitted together were looked at together, and too early: a burst of questions that the provider
-- refused, and no answer in it.

create or replace function private.next_check_at(p_account text, p_submitted_at timestamptz)
returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_running integer;
begin
  select count(*) into v_running
  from private.generation_attempts
  where generation_attempts.account = p_account and generation_attempts.status in ('claimed', 'submitted');
  return now() + greatest(
    case
      -- Before half of the usual time there is nothing to see.
      when p_submitted_at >= now()
        then greatest(interval '3 seconds', (select make_interval(secs => sweeper.expected_seconds / 2) from private.sweeper))
      when p_submitted_at > now() - interval '30 seconds' then interval '3 seconds'
      when p_submitted_at > now() - interval '2 minutes' then interval '7 seconds'
      else interval '20 seconds'
    end,
    -- The provider answers ten questions a second; callbacks are what usually tells, so half of that will do.
    v_running * interval '200 milliseconds'
    -- What was submitted together is not asked about together.
  ) * (0.75 + random() / 2);
end;
$$;

-- Tables of schema private have no grants to the roles of the API. That they are closed on purpose is said
-- by a policy too, so that a grant made by mistake opens nothing.

do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'alerts', 'audit_log', 'bonus_claims', 'credit_debts', 'file_tasks', 'generation_attempts', 'invitations', 'outbox',
    'photo_uploads', 'pin_sessions', 'rate_limits', 'secrets', 'settings', 'sweeper', 'webhook_inbox'
  ] loop
    execute format(
      'create policy %I on private.%I for select to anon, authenticated using (false)', v_table || '_select_nobody', v_table
    );
  end loop;
end;
$$;

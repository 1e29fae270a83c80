-- Who may name which column through the Data API: each column of each table and view stands here once. A new
-- one fails until somebody has decided who reads it. What rows they then get says access_matrix_rows.sql.

begin;
create extension if not exists pgtap with schema extensions;
select * from no_plan();

-- Readers of each column. Signed-in people are one role, so there is no fourth kind.
create temporary table readers (object text primary key, everybody text, signed_in text, nobody text);
insert into readers
values
  (
    'public.profiles', '',
    'created_at credits email full_name id is_master referral_code referred_by role total_generations updated_at',
    ''
  ),
  (
    'public.partners', '',
    'business_name config contact_email contact_name contact_phone created_at credits_total credits_used id is_active name updated_at user_id',
    ''
  ),
  (
    'public.clients', '',
    'config contact_person contracted_styles created_at email id is_active name partner_id phone updated_at user_id',
    ''
  ),
  (
    'public.events', '',
    'client_email client_id client_name closed_at config created_at credits_allocated credits_used end_date event_name event_slug id is_active '
      || 'is_client_active is_partner_active partner_id selected_styles start_date updated_at',
    'access_key client_access_pin'
  ),
  (
    'public.generations', '',
    'aspect_ratio created_at credits_charged deleted_at error_code event_id failed_at id image_url refunded_at started_at status style_id '
      || 'succeeded_at user_id visibility',
    'client_address expected_seconds guest_id idempotency_key lane_id photo_path request_hash request_id result_path run_at turn'
  ),
  ('public.event_gallery', 'aspect_ratio created_at event_id event_slug image_url style_id', '', ''),
  (
    'public.styles_metadata',
    'category created_at credit_cost id image_url is_active is_premium label sort_order subcategory tags updated_at usage_count',
    '', ''
  ),
  ('public.favorites', '', 'created_at style_id user_id', ''),
  ('public.pack_unlocks', '', 'created_at pack price user_id', ''),
  ('public.credit_packs', 'audience created_at credits currency id is_active name price sort_order updated_at', '', ''),
  (
    'public.payment_orders', '',
    'amount created_at credits currency expires_at id init_point pack_id partner_id preference_id status title updated_at user_id',
    'checked_at collector_id idempotency_key preference_key redirect_url request_hash'
  ),
  (
    'public.payment_notifications', '',
    'amount created_at credits_added id mercadopago_id order_id status updated_at user_id',
    'data decided_at gateway_updated_at'
  ),
  ('public.identity_prompts', '', '', 'created_at id master_prompt updated_at version'),
  (
    'public.api_key_pool', '', '',
    'account_name api_key cooldown_until created_at failure_count id is_active last_error last_error_at last_used_at suspended_at updated_at usage_count'
  ),
  -- The API does not expose this schema: what is open in it is read by credit_statement() and event_gallery,
  -- with the rights of the person who asks.
  (
    'private.credit_movements', '',
    'amount created_at destination destination_id generation_id id kind order_id source source_id',
    'idempotency_key payment_id request_hash staff_id'
  ),
  ('private.credit_notes', '', 'movement_id note', ''),
  ('private.gallery_photos', 'aspect_ratio created_at event_id event_slug image_url open_until style_id', '', 'generation_id'),
  ('private.alerts', '', '', 'created_at id kind message resolved_at subject'),
  ('private.audit_log', '', '', 'action actor_id after before created_at id request_id target target_id'),
  ('private.bonus_claims', '', '', 'claimed_at email_hash'),
  ('private.credit_debts', '', '', 'account account_id amount'),
  ('private.download_tickets', '', '', 'event_id expires_at session_id token_hash user_id'),
  ('private.file_tasks', '', '', 'action bucket created_at id path run_at to_bucket tries'),
  (
    'private.generation_attempts', '', '',
    'account api_key_id attempt claimed_at copying_until cost_credits error_code error_detail finished_at generation_id id latency_ms model next_check_at '
      || 'prompt_version sent_by status submitted_at task_id token_hash'
  ),
  ('private.hourly_credits', '', '', 'amount destination hour kind source'),
  ('private.hourly_latencies', '', '', 'bucket event_id hour photos'),
  (
    'private.hourly_photos', '', '',
    'event_id failed guest_photos guests hour late made provider_credits refunded succeeded'
  ),
  ('private.hourly_styles', '', '', 'event_id hour made style_id succeeded'),
  (
    'private.invitations', '', '',
    'accepted_at accepted_by client_id created_at email expires_at id invited_by partner_id revoked_at token_hash'
  ),
  ('private.outbox', '', '', 'channel created_at generation_id given_up_at id language last_error recipient run_at sent_at tries'),
  ('private.photo_uploads', '', '', 'created_at event_id path user_id'),
  ('private.pin_sessions', '', '', 'created_at event_id expires_at id revoked_at token_hash'),
  ('private.prompt_versions', '', '', 'created_at master_prompt style_id version'),
  ('private.queue_lanes', '', '', 'lane_id last_claimed_at turn waiting'),
  ('private.rate_limits', '', '', 'expires_at hits locked_until locks name window_started_at'),
  ('private.roll_up', '', '', 'counted_until is_singleton'),
  ('private.secrets', '', '', 'name value'),
  (
    'private.settings', '', '',
    'cooldown_seconds delivery_seconds dispatch_seconds is_in_maintenance is_singleton lost_answer_seconds pack_unlock_price provider_credit_currency provider_credit_price provider_model provider_output_format '
      || 'provider_resolution provider_tasks_per_window provider_tasks_running provider_window_seconds referral_reward retry_seconds signup_bonus updated_at '
      || 'uploads_per_minute'
  ),
  ('private.stored_pictures', '', '', 'bytes crc32 generation_id'),
  ('private.style_tests', '', '', 'generation_id master_prompt'),
  ('private.sweeper', '', '', 'dispatch_opens_at dispatch_rate expected_seconds is_singleton last_sweep_at queue_length waiting_lanes'),
  ('private.table_scans', '', '', 'event_id label last_at scans'),
  ('private.webhook_inbox', '', '', 'body error headers id is_verified processed_at received_at resource_id topic');

-- Everything else that a role may do to a table, as 'verb column' or 'verb' for whole rows.
create temporary table writers (object text, role text, rights text, primary key (object, role));
insert into writers
values
  ('public.profiles', 'authenticated', 'UPDATE full_name'),
  ('public.favorites', 'authenticated', 'DELETE, INSERT style_id, INSERT user_id');

-- The catalogue. Its names sort by another collation than the literals above.
create temporary view our_tables as
  select pg_class.oid, format('%I.%I', pg_namespace.nspname, pg_class.relname) as object
  from pg_class
  join pg_namespace on pg_namespace.oid = pg_class.relnamespace
  where pg_namespace.nspname in ('public', 'private') and pg_class.relkind in ('r', 'p', 'v', 'm', 'f');
create temporary view our_columns as
  select our_tables.oid, our_tables.object, pg_attribute.attnum, pg_attribute.attname::text collate "C" as name
  from our_tables
  join pg_attribute on pg_attribute.attrelid = our_tables.oid
  where pg_attribute.attnum > 0 and not pg_attribute.attisdropped;
create temporary view roles as
  select name from (values ('anon'), ('authenticated')) as given (name);

select set_eq('select object from our_tables', 'select object from readers', 'every table and view is in the matrix, and nothing else');

select is(
  (
    select coalesce(string_agg(our_columns.name, ' ' order by our_columns.name), '')
    from our_columns
    where our_columns.object = readers.object
      and kinds.kind = case
        when has_column_privilege('anon', our_columns.oid, our_columns.attnum, 'SELECT') then 'everybody'
        when has_column_privilege('authenticated', our_columns.oid, our_columns.attnum, 'SELECT') then 'signed_in'
        else 'nobody'
      end
  ),
  to_jsonb(readers) ->> kinds.kind,
  format('columns of %s that %s may read', readers.object, kinds.kind)
)
from readers
cross join (values ('everybody'), ('signed_in'), ('nobody')) as kinds (kind);

select is(
  (
    select coalesce(string_agg(rights.name, ', ' order by rights.name collate "C"), '')
    from (
      select verb || ' ' || our_columns.name
      from our_columns
      cross join unnest('{INSERT,UPDATE,REFERENCES}'::text[]) as verb
      where our_columns.oid = our_tables.oid and has_column_privilege(roles.name, our_columns.oid, our_columns.attnum, verb)
      union all
      select verb from unnest('{DELETE,TRUNCATE,TRIGGER,MAINTAIN}'::text[]) as verb where has_table_privilege(roles.name, our_tables.oid, verb)
    ) as rights (name)
  ),
  coalesce((select writers.rights from writers where writers.object = our_tables.object and writers.role = roles.name), ''),
  format('what %s may write of %s', roles.name, our_tables.object)
)
from our_tables
cross join roles;

-- The same by trying

-- 'refused', 'done', or the SQLSTATE of another error; nothing stays. Signed in as a master, who may most.
create function pg_temp.try(p_role text, p_statement text)
returns text
language plpgsql
as $$
declare
  v_me text := current_user;
begin
  perform set_config(
    'request.jwt.claims',
    (
      select jsonb_build_object('role', p_role, 'sub', profiles.id)
      from public.profiles
      where profiles.is_master and p_role = 'authenticated'
      limit 1
    )::text,
    true
  );
  perform set_config('role', p_role, true);
  begin
    execute p_statement;
    raise exception using errcode = 'TAP00';
  exception
    when others then
      perform set_config('role', v_me, true);
      return case sqlstate when 'TAP00' then 'done' when '42501' then 'refused' else sqlstate end;
  end;
end;
$$;

select is(
  pg_temp.try(roles.name, format('select %I from %s', columns.name, readers.object)),
  case when columns.kind = 'everybody' or (columns.kind, roles.name) = ('signed_in', 'authenticated') then 'done' else 'refused' end,
  format('%s select %s of %s', roles.name, columns.name, readers.object)
)
from readers
cross join lateral (
  values ('everybody', readers.everybody), ('signed_in', readers.signed_in), ('nobody', readers.nobody)
) as given (kind, list)
cross join lateral (select given.kind, name from unnest(string_to_array(nullif(given.list, ''), ' ')) as name) as columns
cross join roles;

-- Who asks for all columns is refused: they do not silently get those that are open.
select is(
  pg_temp.try(roles.name, format('select * from public.%I', object)), 'refused', format('%s select * from %s', roles.name, object)
)
from unnest('{events,generations,payment_orders,payment_notifications}'::text[]) as object
cross join roles;

select is(
  pg_temp.try(roles.name, statements.statement), 'refused', format('%s: %s', roles.name, statements.statement)
)
from our_columns
cross join roles
cross join lateral (
  values
    ('INSERT', format('insert into %s (%I) values (default)', our_columns.object, our_columns.name)),
    ('UPDATE', format('update %s set %I = default', our_columns.object, our_columns.name))
) as statements (verb, statement)
where not exists (
  select from writers
  where writers.object = our_columns.object and writers.role = roles.name
    and format('%s %s', statements.verb, our_columns.name) = any (string_to_array(writers.rights, ', '))
);

select * from finish();
rollback;

-- Who may see and change what through the Data API. Every table is closed until a grant and a policy
-- here open it; docs/security.md has the whole table, supabase/tests/access_matrix_*.sql a test for each of its cells.
-- Policies ask the helpers below for the caller's own ids, in a subquery, so that they run once a
-- statement and not once a row. Signed-in people are one role: columns are granted for all of them or for none.
-- The helpers are PL/pgSQL, which keeps their plans for the session: as SQL they were planned again in every
-- query, one inside the other (0.35 ms of the 0.6 that row level security added to a page of photos).

create or replace function private.is_master()
returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return coalesce((select profiles.is_master from public.profiles where profiles.id = (select auth.uid())), false);
end;
$$;

create function private.my_partner_ids()
returns setof uuid
language plpgsql stable security definer set search_path = '' rows 1
as $$
begin
  return query
  select partners.id
  from public.partners
  where partners.user_id = (select auth.uid()) and partners.is_active;
end;
$$;
comment on function private.my_partner_ids() is
  'The partner that the caller owns; none while it waits for approval or is suspended. Definer: the policy of partners must not call itself; trusts nothing but auth.uid().';
grant execute on function private.my_partner_ids() to authenticated;

create function private.my_client_ids()
returns setof uuid
language plpgsql stable security definer set search_path = '' rows 2
as $$
begin
  return query
  select clients.id
  from public.clients
  join public.partners on partners.id = clients.partner_id
  where clients.user_id = (select auth.uid()) and clients.is_active and partners.is_active;
end;
$$;
comment on function private.my_client_ids() is
  'Clients in whose name the caller hosts events; none that is inactive or whose partner is. Definer: a client cannot read partners; trusts nothing but auth.uid().';
grant execute on function private.my_client_ids() to authenticated;

create function private.my_event_ids()
returns setof uuid
language plpgsql stable security definer set search_path = '' rows 20
as $$
begin
  return query
  select events.id from public.events where events.partner_id in (select private.my_partner_ids())
  union
  select events.id from public.events where events.client_id in (select private.my_client_ids());
end;
$$;
comment on function private.my_event_ids() is
  'Events of the caller''s partner, and those that the caller hosts. Definer: saves a policy inside a policy; trusts nothing but auth.uid().';
grant execute on function private.my_event_ids() to authenticated;

create or replace function private.my_credit_accounts()
returns setof uuid
language plpgsql stable security definer set search_path = ''
as $$
begin
  return query
  select profiles.id from public.profiles where profiles.id = (select auth.uid())
  union all
  select private.my_partner_ids()
  union all
  select events.id from public.events where events.partner_id in (select private.my_partner_ids());
end;
$$;

-- People

drop policy profiles_select_own on public.profiles;
create policy profiles_select_own on public.profiles
  for select to authenticated
  using (id = (select auth.uid()) or (select private.is_master()));
comment on policy profiles_select_own on public.profiles is 'One''s own profile; a master all.';
comment on policy profiles_update_own on public.profiles is 'One''s own profile, of which full_name alone is granted. Nobody changes their own role, flags or balance.';

-- Tenants

grant select on public.partners to authenticated;
create policy partners_select_own on public.partners
  for select to authenticated
  using (id in (select private.my_partner_ids()) or (select private.is_master()));
comment on policy partners_select_own on public.partners is 'A partner itself; a master all.';

grant select on public.clients to authenticated;
create policy clients_select_own on public.clients
  for select to authenticated
  using (
    partner_id in (select private.my_partner_ids())
    or id in (select private.my_client_ids())
    or (select private.is_master())
  );
comment on policy clients_select_own on public.clients is 'A partner its clients, a client itself; a master all.';

grant select (
  id, partner_id, client_id, event_name, event_slug, client_name, client_email, credits_allocated, credits_used,
  selected_styles, config, start_date, end_date, is_active, is_partner_active, is_client_active, closed_at, created_at, updated_at
) on public.events to authenticated;
create policy events_select_own on public.events
  for select to authenticated
  using (
    partner_id in (select private.my_partner_ids())
    or client_id in (select private.my_client_ids())
    or (select private.is_master())
  );
comment on policy events_select_own on public.events is
  'A partner its events, a client those it hosts; a master all. The hash of the PIN and the access key are granted to nobody.';

-- Photos

drop policy generations_select_own on public.generations;
create policy generations_select_own on public.generations
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or event_id in (select private.my_event_ids())
    or (select private.is_master())
  );
comment on policy generations_select_own on public.generations is
  'A user their own photos, partner and client those of their events; a master all. What tells about guests or the provider is granted to nobody.';

-- The policy asks each photo whose it is. With user_id in the index, photos of an event are counted without
-- a look at the table (5,000 of them: 1.6 ms instead of 3.6).
drop index public.generations_event_id_created_at_idx;
create index generations_event_id_created_at_idx on public.generations (event_id, created_at desc) include (user_id);

-- The catalogue

drop policy styles_metadata_select_active on public.styles_metadata;
create policy styles_metadata_select_active_anon on public.styles_metadata
  for select to anon
  using (is_active);
create policy styles_metadata_select_active on public.styles_metadata
  for select to authenticated
  using (is_active or (select private.is_master()));
comment on policy styles_metadata_select_active_anon on public.styles_metadata is 'Styles on offer, for everybody.';
comment on policy styles_metadata_select_active on public.styles_metadata is 'Styles on offer; a master all.';

drop policy credit_packs_select_offered_to_users on public.credit_packs;
create policy credit_packs_select_offered_anon on public.credit_packs
  for select to anon
  using (is_active and audience = 'user');
create policy credit_packs_select_offered on public.credit_packs
  for select to authenticated
  using (
    (is_active and (audience = 'user' or exists (select private.my_partner_ids())))
    or (select private.is_master())
  );
comment on policy credit_packs_select_offered_anon on public.credit_packs is 'Prices for users, for everybody.';
comment on policy credit_packs_select_offered on public.credit_packs is 'Prices for users; partners also theirs; a master all.';

alter table public.favorites alter column user_id set default auth.uid();
grant select, delete, insert (user_id, style_id) on public.favorites to authenticated;
grant select on public.favorites to service_role;
create policy favorites_select_own on public.favorites
  for select to authenticated
  using (user_id = (select auth.uid()));
create policy favorites_insert_own on public.favorites
  for insert to authenticated
  with check (
    user_id = (select auth.uid())
    -- Of styles that the person can see.
    and exists (select from public.styles_metadata where styles_metadata.id = favorites.style_id)
  );
create policy favorites_delete_own on public.favorites
  for delete to authenticated
  using (user_id = (select auth.uid()));
comment on policy favorites_select_own on public.favorites is 'One''s own.';
comment on policy favorites_insert_own on public.favorites is 'One''s own, of styles on offer.';
comment on policy favorites_delete_own on public.favorites is 'One''s own.';

-- Payments. They outlive the person, and the token of somebody who was erased is valid for a while: the profile
-- says whether there still is somebody.

grant select (
  id, user_id, partner_id, pack_id, credits, amount, currency, status, preference_id, init_point, created_at, updated_at
) on public.payment_orders to authenticated;
create policy payment_orders_select_own on public.payment_orders
  for select to authenticated
  using (
    user_id = (select profiles.id from public.profiles where profiles.id = (select auth.uid()))
    or partner_id in (select private.my_partner_ids())
    or (select private.is_master())
  );
comment on policy payment_orders_select_own on public.payment_orders is 'What one ordered, and what one''s partner did; a master all.';

grant select (
  id, mercadopago_id, user_id, order_id, credits_added, amount, status, created_at, updated_at
) on public.payment_notifications to authenticated;
create policy payment_notifications_select_own on public.payment_notifications
  for select to authenticated
  using (
    user_id = (select profiles.id from public.profiles where profiles.id = (select auth.uid()))
    or order_id in (
      select payment_orders.id from public.payment_orders
      where payment_orders.partner_id in (select private.my_partner_ids())
    )
    or (select private.is_master())
  );
comment on policy payment_notifications_select_own on public.payment_notifications is
  'Payments of one''s own orders and of one''s partner''s; a master all. What the gateway wrote (data) is granted to nobody.';

-- Selfies: a file lies directly in its owner's folder, and its path says so without detours.

drop policy user_photos_insert_own on storage.objects;
create policy user_photos_insert_own on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'user_photos'
    and storage.foldername(name) = array[(select auth.uid())::text]
    and storage.filename(name) not in ('', '.', '..')
    -- The token of somebody who was erased is valid for up to an hour more.
    and exists (select from public.profiles where profiles.id = (select auth.uid()))
  );

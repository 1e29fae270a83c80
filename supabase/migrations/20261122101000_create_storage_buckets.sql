-- The four buckets. Everything is written by the service or through signed upload addresses, except a
-- user's own selfies.

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values
  ('user_photos', 'user_photos', false, 10 * 1024 * 1024, array['image/jpeg', 'image/png', 'image/webp']),
  ('generations', 'generations', true, 50 * 1024 * 1024, array['image/jpeg', 'image/png', 'image/webp']),
  ('generations_private', 'generations_private', false, 50 * 1024 * 1024, array['image/jpeg', 'image/png', 'image/webp']),
  ('event_assets', 'event_assets', true, 2 * 1024 * 1024, array['image/jpeg', 'image/png', 'image/webp'])
on conflict (id) do update set
  public = excluded.public,
  file_size_limit = excluded.file_size_limit,
  allowed_mime_types = excluded.allowed_mime_types;

create policy user_photos_select_own on storage.objects
  for select to authenticated
  using (bucket_id = 'user_photos' and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy user_photos_insert_own on storage.objects
  for insert to authenticated
  with check (bucket_id = 'user_photos' and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy user_photos_delete_own on storage.objects
  for delete to authenticated
  using (bucket_id = 'user_photos' and (storage.foldername(name))[1] = (select auth.uid())::text);

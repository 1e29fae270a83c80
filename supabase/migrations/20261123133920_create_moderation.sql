-- The host decides which photos are shown. The row says so first, at once on every screen; the file follows.

create function private.host_photo(p_event public.events, p_generation_id uuid)
returns public.generations
language plpgsql set search_path = ''
as $$
declare
  v_photo public.generations;
begin
  select * into v_photo
  from public.generations
  where generations.id = p_generation_id and generations.event_id = p_event.id and generations.deleted_at is null
  for no key update;
  if not found then
    perform private.refuse('GENERATION_NOT_FOUND', format('There is no photo %s', p_generation_id));
  end if;
  return v_photo;
end;
$$;
comment on function private.host_photo(public.events, uuid) is
  'A photo of an event, locked. GENERATION_NOT_FOUND, also for another event''s and for a deleted one.';

create function private.move_file(p_path text, p_bucket text, p_to_bucket text)
returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_free_at timestamptz;
  v_task_id bigint;
begin
  -- Somebody may be moving the file the other way at this moment, and could arrive last: then this
  -- move waits until that one's lease is over, and the sweeper makes it.
  select max(file_tasks.run_at) into v_free_at
  from private.file_tasks
  where file_tasks.path = p_path and file_tasks.tries > 0 and file_tasks.run_at > now();
  delete from private.file_tasks where file_tasks.path = p_path;

  insert into private.file_tasks (action, bucket, path, to_bucket, run_at, tries)
  values (
    'move', p_bucket, p_path, p_to_bucket,
    coalesce(v_free_at, now() + interval '30 seconds'), case when v_free_at is null then 1 else 0 end
  )
  returning file_tasks.id into v_task_id;
  return case when v_free_at is null then v_task_id end;
end;
$$;
comment on function private.move_file(text, text, text) is
  'Plans that a file moves to another bucket, in place of whatever was planned for it. Returns the task, leased to the caller for 30 seconds; null when somebody else is at the file and the sweeper will move it.';

create function private.describe_photo(p_photo public.generations)
returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_photo.id,
    'style_id', p_photo.style_id,
    'aspect_ratio', p_photo.aspect_ratio,
    'status', p_photo.status,
    'visibility', p_photo.visibility,
    'error_code', p_photo.error_code,
    'image_url', p_photo.image_url,
    'result_path', p_photo.result_path,
    'created_at', p_photo.created_at,
    'succeeded_at', p_photo.succeeded_at
  );
$$;
comment on function private.describe_photo(public.generations) is
  'A photo for its host. image_url is its public address; a picture without one lies at result_path in generations_private.';

create function public.list_host_photos(
  p_actor_id uuid,
  p_token text,
  p_event_slug text,
  p_filters jsonb,
  p_before timestamptz,
  p_before_id uuid,
  p_limit integer
)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_event public.events := private.host_event(p_actor_id, p_token, p_event_slug);
begin
  return query
  select private.describe_photo(generations)
  from public.generations
  where generations.event_id = v_event.id
    and generations.deleted_at is null
    and generations.visibility = coalesce(p_filters ->> 'visibility', generations.visibility)
    and generations.status = coalesce(p_filters ->> 'status', generations.status)
    and generations.style_id = coalesce(p_filters ->> 'style_id', generations.style_id)
    and generations.created_at >= coalesce((p_filters ->> 'from')::timestamptz, '-infinity')
    and generations.created_at < coalesce((p_filters ->> 'to')::timestamptz, 'infinity')
    and (p_before is null or (generations.created_at, generations.id) < (p_before, p_before_id))
  order by generations.created_at desc, generations.id desc
  limit p_limit;
end;
$$;
comment on function public.list_host_photos(uuid, text, text, jsonb, timestamptz, uuid, integer) is
  'A page of the photos of a host''s event, the newest first, without deleted ones. p_filters: visibility, status, style_id, from and to (of created_at, to excluded). Pages by keyset: p_before and p_before_id are those of the last photo of the page before. Refuses as private.host_event does. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_host_photos(uuid, text, text, jsonb, timestamptz, uuid, integer) from public, anon, authenticated;
grant execute on function public.list_host_photos(uuid, text, text, jsonb, timestamptz, uuid, integer) to service_role;

create function public.set_photo_visibility(
  p_actor_id uuid, p_token text, p_event_slug text, p_generation_id uuid, p_visibility text
)
returns table (photo jsonb, task_id bigint, bucket text, to_bucket text)
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events := private.host_event(p_actor_id, p_token, p_event_slug);
  v_photo public.generations := private.host_photo(v_event, p_generation_id);
  v_before text := v_photo.visibility;
begin
  bucket := case when v_before = 'visible' then 'generations' else 'generations_private' end;
  to_bucket := case when p_visibility = 'visible' then 'generations' else 'generations_private' end;
  if v_before <> p_visibility then
    update public.generations
    set visibility = p_visibility,
      -- Hidden at once; shown when the file has arrived (finish_file_tasks).
      image_url = case when p_visibility = 'visible' then generations.image_url end
    where generations.id = p_generation_id
    returning * into v_photo;
    if v_photo.status = 'succeeded' and bucket <> to_bucket then
      task_id := private.move_file(v_photo.result_path, bucket, to_bucket);
    end if;
    perform private.log_action(
      p_actor_id, 'moderate', 'photo', p_generation_id,
      jsonb_build_object('visibility', v_before), jsonb_build_object('visibility', p_visibility)
    );
  end if;
  photo := private.describe_photo(v_photo);
  return next;
end;
$$;
comment on function public.set_photo_visibility(uuid, text, text, uuid, text) is
  'A host shows or hides a photo of their event, also one that is still being made. With task_id the caller moves the file from bucket to to_bucket and confirms it to finish_file_tasks; the sweeper does when it dies. Refuses as private.host_event does; GENERATION_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.set_photo_visibility(uuid, text, text, uuid, text) from public, anon, authenticated;
grant execute on function public.set_photo_visibility(uuid, text, text, uuid, text) to service_role;

create function public.delete_host_photo(p_actor_id uuid, p_token text, p_event_slug text, p_generation_id uuid)
returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events := private.host_event(p_actor_id, p_token, p_event_slug);
  v_photo public.generations := private.host_photo(v_event, p_generation_id);
begin
  perform public.delete_generation(p_generation_id);
  perform private.log_action(p_actor_id, 'delete', 'photo', p_generation_id, null, null);
  return case when v_photo.status = 'succeeded' then v_photo.result_path end;
end;
$$;
comment on function public.delete_host_photo(uuid, text, text, uuid) is
  'A host deletes a photo of their event: as delete_generation, whose removal of the file is planned already; nothing is refunded. Returns the path of the file in generations or generations_private, for the caller to remove it at once. Refuses as private.host_event does; GENERATION_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.delete_host_photo(uuid, text, text, uuid) from public, anon, authenticated;
grant execute on function public.delete_host_photo(uuid, text, text, uuid) to service_role;

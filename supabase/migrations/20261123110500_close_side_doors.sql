-- What attacks on the API found (supabase/functions/tests/*_attacks_test.ts).

-- `Prefer: count=planned` and `estimated` answer with what the planner guesses, and it guesses from statistics
-- of all rows: how many photos a rival's event has had, to within a few. PostgREST calls this before each request.
create function private.check_request()
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if current_setting('request.headers', true)::json ->> 'prefer' ~* 'count *= *(planned|estimated)' then
    perform private.refuse(
      'INVALID_INPUT', 'Rows are counted exactly or not at all', jsonb_build_object('field', 'prefer'), 'Use count=exact'
    );
  end if;
end;
$$;
comment on function private.check_request() is
  'PostgREST''s db-pre-request: INVALID_INPUT for counts that the planner would guess from rows of everybody.';
grant execute on function private.check_request() to anon, authenticated, service_role;

do $$
begin
  alter role authenticator set pgrst.db_pre_request = 'private.check_request';
exception
  when insufficient_privilege then
    raise notice 'The Data API is configured elsewhere: set its db-pre-request to private.check_request';
end;
$$;

-- An address for a selfie is for people who exist: a token outlives its person by up to an hour.
create or replace function public.issue_photo_upload(
  p_extension text,
  p_user_id uuid default null,
  p_event_slug text default null,
  p_event_key text default null,
  p_client_address text default null
)
returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_event public.events;
  v_path text;
begin
  if p_event_slug is not null then
    v_event := private.open_event(null, p_event_slug, p_event_key);
    v_path := format('guests/%s/%s.%s', encode(extensions.gen_random_bytes(16), 'hex'), gen_random_uuid(), p_extension);
  elsif p_user_id is not null then
    if not exists (select from public.profiles where profiles.id = p_user_id) then
      perform private.refuse('UNAUTHENTICATED', 'This account no longer exists');
    end if;
    v_path := format('%s/%s.%s', p_user_id, gen_random_uuid(), p_extension);
  else
    perform private.refuse('UNAUTHENTICATED', 'Sign in, or name the event', p_hint => 'Send a user''s token or event_slug');
  end if;

  perform private.hit_rate_limit(
    'upload:' || coalesce(p_client_address, 'unknown'),
    (select settings.uploads_per_minute from private.settings),
    interval '1 minute'
  );
  insert into private.photo_uploads (path, event_id, user_id) values (v_path, v_event.id, p_user_id);
  return v_path;
end;
$$;

-- The checks of the rows that every photo writes. PostgreSQL reads a table's check constraints anew in
-- every statement that writes to it (measured: the 28 of generations, credit_movements and events took
-- more than half of the time of a whole photo request, 5 to 10 µs each). A domain's check is kept
-- parsed for the session and runs only when its own column is given a value, so each format moves
-- into a domain; what compares two columns of a photo moves into one trigger.

create domain private.nonblank_text as text
  constraint nonblank_text_not_blank check (btrim(value) <> '');
comment on domain private.nonblank_text is 'Text with something to read in it.';

create domain private.slug as text
  constraint slug_format check (value ~ '^[a-z0-9](?:[a-z0-9-]{1,62}[a-z0-9])$')
  constraint slug_is_no_uuid check (value !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$');
comment on domain private.slug is 'Public name in links; never of the form of a UUID, so that a route can tell the two apart.';

create domain private.bcrypt_hash as text
  constraint bcrypt_hash_is_a_hash check (value like '$2%');
comment on domain private.bcrypt_hash is 'Hash made by crypt() with a bf salt; anything else, a plain PIN above all, is refused.';

create domain private.guest_id as text
  constraint guest_id_format check (value ~ '^[A-Za-z0-9_-]{8,64}$');
comment on domain private.guest_id is 'What a guest''s device calls itself.';

create domain private.aspect_ratio as text
  constraint aspect_ratio_known check (value in ('1:1', '4:3', '3:4', '16:9', '9:16', '4:5'));
comment on domain private.aspect_ratio is 'Width to height of a picture.';

create domain private.generation_state as text
  constraint generation_state_known check (value in ('queued', 'processing', 'succeeded', 'failed'));
comment on domain private.generation_state is 'Where a photo stands.';

create domain private.photo_visibility as text
  constraint photo_visibility_known check (value in ('visible', 'pending', 'hidden'));
comment on domain private.photo_visibility is 'pending: waits for the host''s approval; hidden: refused by the host.';

create domain private.generation_error as text
  constraint generation_error_known check (
    value in ('GENERATION_FAILED', 'GENERATION_REFUSED', 'GENERATION_TIMED_OUT', 'PROVIDER_UNAVAILABLE')
  );
comment on domain private.generation_error is 'Why a photo was not made, as a guest is told.';

create domain private.credit_count as integer
  constraint credit_count_nonnegative check (value >= 0);
comment on domain private.credit_count is 'A number of credits somebody has, owes or paid.';

create domain private.credit_amount as integer
  constraint credit_amount_within_bounds check (value between 1 and 1000000000);
comment on domain private.credit_amount is 'A number of credits that moves.';

create domain private.positive_real as real
  constraint positive_real_is_positive check (value > 0);
comment on domain private.positive_real is 'A measure that others are divided by.';

create function private.refuse_row(p_table text, p_constraint text)
returns void
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'check_violation',
    schema = 'public',
    table = p_table,
    constraint = p_constraint,
    message = format('new row for relation "%s" violates check constraint "%s"', p_table, p_constraint);
end;
$$;
comment on function private.refuse_row(text, text) is 'Raises what a check constraint of this name would raise.';

-- Events. A column that a trigger names cannot change its type: those triggers are made again.

drop trigger events_touch_updated_at on public.events;
drop trigger events_follow_in_gallery on public.events;

alter table public.events
  drop constraint events_event_slug_format,
  drop constraint events_event_name_not_blank,
  drop constraint events_client_access_pin_is_a_hash,
  drop constraint events_config_is_object,
  drop constraint events_config_gallery_known,
  drop constraint events_config_moderation_known,
  drop constraint events_config_access_known,
  drop constraint events_config_limits_is_object,
  drop constraint events_config_limits_are_whole_numbers,
  alter column event_slug type private.slug,
  alter column event_name type private.nonblank_text,
  alter column client_access_pin type private.bcrypt_hash;

create trigger events_touch_updated_at
  before update of partner_id, client_id, event_name, event_slug, client_name, client_email, client_access_pin,
    selected_styles, config, start_date, end_date, is_active, closed_at, access_key
  on public.events
  for each row execute function extensions.moddatetime(updated_at);
create trigger events_follow_in_gallery after update of event_slug, config, end_date, closed_at on public.events
  for each row when (
    old.event_slug <> new.event_slug
    or private.gallery_open_until(old.config, old.end_date, old.closed_at)
      <> private.gallery_open_until(new.config, new.end_date, new.closed_at)
  )
  execute function private.follow_event_in_gallery();

-- Not a domain: drivers would no longer see that the column is jsonb, and send it objects as text.
create function private.check_event_config()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_broken text := case
    when jsonb_typeof(new.config) <> 'object' then 'is_object'
    when coalesce(new.config ->> 'gallery', 'during') not in ('during', 'open', 'closed') then 'gallery_known'
    when coalesce(new.config ->> 'moderation', 'off') not in ('off', 'before') then 'moderation_known'
    when coalesce(new.config ->> 'access', 'link') not in ('link', 'key') then 'access_known'
    when jsonb_typeof(coalesce(new.config -> 'limits', '{}')) <> 'object' then 'limits_is_object'
    when jsonb_path_exists(
      new.config, '$.limits.* ? (@.type() != "number" || @ < 0 || @ > 1000000 || @.floor() != @)'
    ) then 'limits_are_whole_numbers'
  end;
begin
  if v_broken is not null then
    perform private.refuse_row('events', 'events_config_' || v_broken);
  end if;
  return new;
end;
$$;
comment on function private.check_event_config() is
  'Trigger: what may stand in the config of an event, by name: events_config_is_object, _gallery_known, _moderation_known, _access_known, _limits_is_object, _limits_are_whole_numbers.';

create trigger events_check_config before insert or update of config on public.events
  for each row execute function private.check_event_config();

-- Generations

alter table public.generations
  drop constraint generations_has_one_payer,
  drop constraint generations_guest_id_format,
  drop constraint generations_aspect_ratio_known,
  drop constraint generations_status_known,
  drop constraint generations_visibility_known,
  drop constraint generations_credits_charged_nonnegative,
  drop constraint generations_error_code_known,
  drop constraint generations_idempotency_key_has_hash,
  drop constraint generations_expected_seconds_positive,
  drop constraint generations_status_matches_timestamps,
  drop constraint generations_error_code_matches_status,
  drop constraint generations_failed_is_not_charged,
  drop constraint generations_refunded_is_not_charged,
  drop constraint generations_image_url_is_public,
  alter column guest_id type private.guest_id,
  alter column aspect_ratio type private.aspect_ratio,
  alter column status type private.generation_state,
  alter column visibility type private.photo_visibility,
  alter column credits_charged type private.credit_count,
  alter column error_code type private.generation_error,
  alter column expected_seconds type private.positive_real;

create function private.check_generation()
returns trigger
language plpgsql set search_path = ''
as $$
declare
  v_broken text := case
    -- An erased person leaves a tombstone.
    when num_nonnulls(new.user_id, new.event_id) <> 1
      and not (num_nonnulls(new.user_id, new.event_id) = 0 and new.deleted_at is not null)
      then 'generations_has_one_payer'
    when (new.idempotency_key is null) <> (new.request_hash is null) then 'generations_idempotency_key_has_hash'
    when not case new.status
      when 'queued' then new.succeeded_at is null and new.failed_at is null
      when 'processing' then new.started_at is not null and new.succeeded_at is null and new.failed_at is null
      when 'succeeded' then new.succeeded_at is not null
      when 'failed' then new.failed_at is not null and new.succeeded_at is null
    end then 'generations_status_matches_timestamps'
    when (new.error_code is not null) <> (new.status = 'failed') then 'generations_error_code_matches_status'
    when new.credits_charged > 0 and new.status = 'failed' then 'generations_failed_is_not_charged'
    when new.credits_charged > 0 and new.refunded_at is not null then 'generations_refunded_is_not_charged'
    when new.image_url is not null
      and (new.status <> 'succeeded' or new.visibility <> 'visible' or new.deleted_at is not null)
      then 'generations_image_url_is_public'
  end;
begin
  if v_broken is not null then
    perform private.refuse_row('generations', v_broken);
  end if;
  return new;
end;
$$;
comment on function private.check_generation() is
  'Trigger: what must be true between the columns of a photo, by name: has_one_payer, idempotency_key_has_hash, status_matches_timestamps, error_code_matches_status, failed_is_not_charged, refunded_is_not_charged, image_url_is_public. A trigger and not check constraints, because those cost seven times as much at every insert.';

create trigger generations_check before insert or update on public.generations
  for each row execute function private.check_generation();

-- The same function, whose result now has to be told that the ratio is a text.
create or replace function public.claim_generation()
returns table (
  attempt_id bigint,
  generation_id uuid,
  attempt integer,
  callback_token text,
  api_key text,
  photo_path text,
  prompt text,
  aspect_ratio text,
  model text,
  resolution text,
  output_format text
)
language plpgsql security definer set search_path = ''
as $$
declare
  v_settings private.settings;
  v_generation public.generations;
  v_prompt public.identity_prompts;
  v_key public.api_key_pool;
  v_account text;
  v_token text := encode(extensions.gen_random_bytes(24), 'hex');
  v_attempt_id bigint;
  v_attempt integer;
begin
  -- One claim at a time: the rate window and the cap of an account are counts, and two claims that
  -- count at once would both find room. A claim takes about a millisecond.
  perform pg_advisory_xact_lock(hashtext('cabina.claim_generation'));

  select * into strict v_settings from private.settings;

  -- The join keeps a style whose prompt was taken away from blocking the queue.
  select generations.* into v_generation
  from public.generations
  join public.identity_prompts on identity_prompts.id = generations.style_id
  where generations.status = 'queued'
    and generations.photo_path is not null
    and generations.run_at <= now()
    and generations.created_at > now() - interval '12 minutes'
  order by generations.run_at, generations.created_at, generations.id
  limit 1
  for no key update of generations skip locked;
  if not found then
    return;
  end if;

  select * into v_key
  from public.api_key_pool
  where api_key_pool.is_active
    and coalesce(api_key_pool.cooldown_until, '-infinity') <= now()
    and v_settings.provider_tasks_per_window > (
      select count(*) from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
        and generation_attempts.claimed_at > now() - interval '10 seconds'
    )
    and v_settings.provider_tasks_running > (
      select count(*) from private.generation_attempts
      where generation_attempts.account = coalesce(api_key_pool.account_name, api_key_pool.id::text)
        and generation_attempts.status in ('claimed', 'submitted')
    )
  order by api_key_pool.last_used_at nulls first, api_key_pool.id
  limit 1
  for no key update;
  if not found then
    return;
  end if;

  select * into strict v_prompt from public.identity_prompts where identity_prompts.id = v_generation.style_id;
  v_account := coalesce(v_key.account_name, v_key.id::text);

  select 1 + coalesce(max(generation_attempts.attempt), 0) into v_attempt
  from private.generation_attempts
  where generation_attempts.generation_id = v_generation.id;

  insert into private.generation_attempts (
    generation_id, attempt, api_key_id, account, token_hash, model, prompt_version
  )
  values (
    v_generation.id, v_attempt, v_key.id, v_account, sha256(convert_to(v_token, 'UTF8')),
    v_settings.provider_model, v_prompt.version
  )
  returning generation_attempts.id into v_attempt_id;

  update public.generations
  set status = 'processing', started_at = coalesce(generations.started_at, now())
  where generations.id = v_generation.id;
  update public.api_key_pool set last_used_at = clock_timestamp() where api_key_pool.id = v_key.id;

  return query select
    v_attempt_id, v_generation.id, v_attempt, v_token, v_key.api_key, v_generation.photo_path,
    v_prompt.master_prompt, v_generation.aspect_ratio::text, v_settings.provider_model,
    v_settings.provider_resolution, v_settings.provider_output_format;
end;
$$;

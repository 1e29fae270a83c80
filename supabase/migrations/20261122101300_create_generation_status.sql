-- What the outside is told about a generation: one shape for begin, check, finish and failure.

create type public.generation_status as (
  generation_id uuid,
  state text,
  image_url text,
  image_bucket text,
  image_path text,
  error text,
  refunded boolean,
  queue_position integer,
  eta_seconds integer,
  progress numeric,
  is_check_due boolean,
  photo_path text
);
comment on type public.generation_status is
  'state: waiting, processing, success or fail. image_bucket and image_path: where the picture lies while it has no public image_url. queue_position: 1 is next, null unless waiting. progress: 0 to 1. is_check_due: the provider should be asked about it now.';

create function private.expected_provider_seconds()
returns real
language sql stable set search_path = ''
as $$
  -- The median of the newest successes; before there are any, a guess from the provider's samples.
  select coalesce(percentile_cont(0.5) within group (order by recent.latency_ms) / 1000, 20)::real
  from (
    select generation_attempts.latency_ms
    from private.generation_attempts
    where generation_attempts.status = 'succeeded'
    order by generation_attempts.finished_at desc
    limit 50
  ) as recent;
$$;
comment on function private.expected_provider_seconds() is 'How long the provider takes for a picture these days, in seconds.';

create function private.dispatch_rate()
returns real
language sql stable set search_path = ''
as $$
  select greatest(count(distinct coalesce(api_key_pool.account_name, api_key_pool.id::text)), 1)
    * (select settings.provider_tasks_per_window from private.settings) / 10.0
  from public.api_key_pool
  where api_key_pool.is_active;
$$;
comment on function private.dispatch_rate() is 'Tasks per second that the accounts of the pool take together.';

create function private.describe_generation(p_generation public.generations)
returns public.generation_status
language plpgsql stable set search_path = ''
as $$
declare
  v_status public.generation_status;
  v_age double precision := extract(epoch from now() - p_generation.created_at);
begin
  v_status.generation_id := p_generation.id;
  v_status.state := case p_generation.status
    when 'queued' then 'waiting' when 'processing' then 'processing' when 'succeeded' then 'success' else 'fail'
  end;
  v_status.error := p_generation.error_code;
  v_status.refunded := p_generation.refunded_at is not null;
  v_status.photo_path := p_generation.photo_path;
  v_status.is_check_due := false;

  if p_generation.status = 'succeeded' then
    v_status.image_url := p_generation.image_url;
    -- Until a planned move is done, the file is where it was.
    v_status.image_bucket := coalesce(
      (
        select file_tasks.bucket from private.file_tasks
        where file_tasks.bucket in ('generations', 'generations_private')
          and file_tasks.path = p_generation.result_path
          and file_tasks.action = 'move'
      ),
      case p_generation.visibility when 'visible' then 'generations' else 'generations_private' end
    );
    v_status.image_path := p_generation.result_path;
  end if;

  if p_generation.status in ('succeeded', 'failed') then
    v_status.progress := 1;
    return v_status;
  end if;

  -- A function of age alone, on a scale fixed at the beginning: it cannot run backwards, not even
  -- when a try fails and the photo goes back to the queue.
  v_status.progress := round((0.95 * (1 - exp(-2 * v_age / p_generation.expected_seconds)))::numeric, 3);

  if p_generation.status = 'queued' then
    -- Counted to a thousand: a status must not cost more the longer the queue is.
    select 1 + count(*) into v_status.queue_position
    from (
      select
      from public.generations
      where generations.status = 'queued'
        and (generations.run_at, generations.created_at, generations.id)
          < (p_generation.run_at, p_generation.created_at, p_generation.id)
      limit 1000
    ) as ahead;
    v_status.eta_seconds := ceil(private.expected_provider_seconds() + v_status.queue_position / private.dispatch_rate());
  else
    select exists (
      select from private.generation_attempts
      where generation_attempts.generation_id = p_generation.id
        and generation_attempts.status = 'submitted'
        and generation_attempts.next_check_at <= now()
    ) into v_status.is_check_due;
    v_status.eta_seconds := greatest(
      ceil(private.expected_provider_seconds() - extract(epoch from now() - p_generation.started_at)), 1
    );
  end if;
  return v_status;
end;
$$;
comment on function private.describe_generation(public.generations) is 'The status of a generation as the outside is told it.';

create function public.get_generation(p_generation_id uuid, p_user_id uuid default null)
returns public.generation_status
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  select * into v_generation
  from public.generations
  where generations.id = p_generation_id and generations.deleted_at is null;

  if not found or v_generation.user_id <> p_user_id then
    perform private.refuse('GENERATION_NOT_FOUND', format('There is no generation %s', p_generation_id));
  elsif v_generation.event_id is null and p_user_id is null then
    perform private.refuse('UNAUTHENTICATED', 'This photo belongs to an account: sign in to see it');
  end if;
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.get_generation(uuid, uuid) is
  'The status of a generation. A user''s is for that user (p_user_id, verified by the caller), a guest''s for whoever holds its id. GENERATION_NOT_FOUND, UNAUTHENTICATED. Definer: rows are closed to the service''s callers; service_role only.';
revoke execute on function public.get_generation(uuid, uuid) from public, anon, authenticated;
grant execute on function public.get_generation(uuid, uuid) to service_role;

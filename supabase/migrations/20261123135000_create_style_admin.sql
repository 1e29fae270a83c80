-- The catalogue of styles and their prompts, as a master keeps them.

create table private.prompt_versions (
  style_id text not null,
  version integer not null,
  master_prompt text not null,
  created_at timestamptz not null default now(),
  constraint prompt_versions_pkey primary key (style_id, version)
);
alter table private.prompt_versions enable row level security;
create policy prompt_versions_select_nobody on private.prompt_versions for select to anon, authenticated using (false);
comment on table private.prompt_versions is
  'Every prompt that a style ever had: what a version, which each attempt at the provider records, has said. Who wrote it is in the audit log.';

create function private.count_prompt_version()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.version := greatest(new.version, old.version + 1);
  return new;
end;
$$;
comment on function private.count_prompt_version() is 'Trigger: another text is another version, whoever writes it.';

create trigger identity_prompts_count_version before update on public.identity_prompts
  for each row when (new.master_prompt <> old.master_prompt) execute function private.count_prompt_version();

create function private.keep_prompt_version()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into private.prompt_versions (style_id, version, master_prompt)
  values (new.id, new.version, new.master_prompt)
  on conflict on constraint prompt_versions_pkey do update set master_prompt = excluded.master_prompt;
  return null;
end;
$$;
comment on function private.keep_prompt_version() is 'Trigger: every version of a prompt is kept.';

create trigger identity_prompts_keep_version after insert or update on public.identity_prompts
  for each row execute function private.keep_prompt_version();

insert into private.prompt_versions (style_id, version, master_prompt, created_at)
select identity_prompts.id, identity_prompts.version, identity_prompts.master_prompt, identity_prompts.updated_at
from public.identity_prompts;

create function private.describe_style(p_style public.styles_metadata)
returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(p_style) || jsonb_build_object(
    'prompt_version', (select identity_prompts.version from public.identity_prompts where identity_prompts.id = p_style.id)
  );
$$;
comment on function private.describe_style(public.styles_metadata) is
  'A style as a master sees it; without a prompt_version it has no prompt, and nobody is offered it.';

create function public.list_styles(p_actor_id uuid)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.check_master(p_actor_id);
  return query select private.describe_style(styles_metadata) from public.styles_metadata
  order by styles_metadata.sort_order, styles_metadata.id;
end;
$$;
comment on function public.list_styles(uuid) is
  'All styles, active or not, in order; there are some hundred. FORBIDDEN. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.list_styles(uuid) from public, anon, authenticated;
grant execute on function public.list_styles(uuid) to service_role;

create function private.master_style(p_actor_id uuid, p_style_id text)
returns public.styles_metadata
language plpgsql set search_path = ''
as $$
declare
  v_style public.styles_metadata;
begin
  perform private.check_master(p_actor_id);
  select * into v_style from public.styles_metadata where styles_metadata.id = p_style_id for no key update;
  if not found then
    perform private.refuse('STYLE_NOT_FOUND', format('There is no style %s', p_style_id));
  end if;
  return v_style;
end;
$$;
comment on function private.master_style(uuid, text) is 'A style, for a master, locked. FORBIDDEN, STYLE_NOT_FOUND.';

create function public.create_style(p_actor_id uuid, p_body jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_style public.styles_metadata;
  v_constraint text;
begin
  perform private.check_master(p_actor_id);
  begin
    -- What is not given takes the column's default.
    execute format(
      'insert into public.styles_metadata (%1$s) select %1$s from jsonb_populate_record(null::public.styles_metadata, $1) returning *',
      (select string_agg(quote_ident(given.field), ', ') from jsonb_object_keys(p_body) as given (field))
    )
    into v_style using p_body;
  exception
    when unique_violation then
      perform private.refuse('CONFLICT', format('There is a style %s already', p_body ->> 'id'), jsonb_build_object('field', 'id'));
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform private.refuse_values('styles_metadata', v_constraint, p_body);
  end;
  perform private.log_action(p_actor_id, 'create', 'style', v_style.id, null, to_jsonb(v_style));
  return private.describe_style(v_style);
end;
$$;
comment on function public.create_style(uuid, jsonb) is
  'A master adds a style; it is offered once it is active and has a prompt. FORBIDDEN, INVALID_INPUT, CONFLICT (the id is taken). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated, and that it let only columns of a style pass.';
revoke execute on function public.create_style(uuid, jsonb) from public, anon, authenticated;
grant execute on function public.create_style(uuid, jsonb) to service_role;

create function public.update_style(p_actor_id uuid, p_style_id text, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.styles_metadata := private.master_style(p_actor_id, p_style_id);
  v_new public.styles_metadata := jsonb_populate_record(v_old, p_changes);
  v_constraint text;
begin
  begin
    update public.styles_metadata
    set label = v_new.label, category = v_new.category, subcategory = v_new.subcategory, tags = v_new.tags,
      image_url = v_new.image_url, is_premium = v_new.is_premium, is_active = v_new.is_active,
      credit_cost = v_new.credit_cost, sort_order = v_new.sort_order
    where styles_metadata.id = p_style_id
    returning * into v_new;
  exception
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform private.refuse_values('styles_metadata', v_constraint, p_changes);
  end;
  if v_new is distinct from v_old then
    perform private.log_action(
      p_actor_id, 'update', 'style', p_style_id,
      private.differing(to_jsonb(v_old), to_jsonb(v_new)), private.differing(to_jsonb(v_new), to_jsonb(v_old))
    );
  end if;
  return private.describe_style(v_new);
end;
$$;
comment on function public.update_style(uuid, text, jsonb) is
  'A master changes what p_changes names of a style; it holds from the next photo on. FORBIDDEN, STYLE_NOT_FOUND, INVALID_INPUT. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.update_style(uuid, text, jsonb) from public, anon, authenticated;
grant execute on function public.update_style(uuid, text, jsonb) to service_role;

create function public.get_prompt(p_actor_id uuid, p_style_id text)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  perform private.master_style(p_actor_id, p_style_id);
  return jsonb_build_object(
    'prompt', (
      select jsonb_build_object('master_prompt', prompts.master_prompt, 'version', prompts.version, 'updated_at', prompts.updated_at)
      from public.identity_prompts as prompts
      where prompts.id = p_style_id
    ),
    'versions', coalesce(
      (
        select jsonb_agg(to_jsonb(versions) - 'style_id' order by versions.version desc)
        from private.prompt_versions as versions
        where versions.style_id = p_style_id
      ),
      '[]'
    )
  );
end;
$$;
comment on function public.get_prompt(uuid, text) is
  'The prompt of a style, null when it has none, and all that it ever had, the latest first. FORBIDDEN, STYLE_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.get_prompt(uuid, text) from public, anon, authenticated;
grant execute on function public.get_prompt(uuid, text) to service_role;

create function public.set_prompt(p_actor_id uuid, p_style_id text, p_master_prompt text)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_before integer;
  v_after integer;
begin
  -- Whoever writes at the same time waits here: no version is lost.
  perform private.master_style(p_actor_id, p_style_id);
  select identity_prompts.version into v_before from public.identity_prompts where identity_prompts.id = p_style_id;
  insert into public.identity_prompts (id, master_prompt)
  values (p_style_id, p_master_prompt)
  on conflict (id) do update set master_prompt = excluded.master_prompt
  where identity_prompts.master_prompt <> excluded.master_prompt
  returning identity_prompts.version into v_after;

  if found then
    -- The text itself is the product's secret.
    perform private.log_action(
      p_actor_id, 'set_prompt', 'style', p_style_id,
      jsonb_build_object('version', v_before), jsonb_build_object('version', v_after)
    );
  end if;
  return public.get_prompt(p_actor_id, p_style_id);
end;
$$;
comment on function public.set_prompt(uuid, text, text) is
  'A master gives a style a prompt: a new version, for the next attempt at the provider; the same text changes nothing. Answers as get_prompt. FORBIDDEN, STYLE_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.set_prompt(uuid, text, text) from public, anon, authenticated;
grant execute on function public.set_prompt(uuid, text, text) to service_role;

create function public.begin_style_test(p_actor_id uuid, p_style_id text, p_photo_path text, p_aspect_ratio text)
returns public.generation_status
language plpgsql security definer set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  perform private.check_master(p_actor_id);
  perform private.hit_rate_limit('style-test:' || p_actor_id, 10, interval '1 minute');
  if not exists (select from public.identity_prompts where identity_prompts.id = p_style_id) then
    perform private.refuse('STYLE_NOT_FOUND', format('There is no style %s with a prompt', p_style_id));
  end if;
  perform private.check_photo_path(p_photo_path, p_actor_id, null);

  -- A photo of the master's own, as begin_generation makes them for masters, but of any style.
  insert into public.generations (
    user_id, style_id, aspect_ratio, credits_charged, photo_path, result_path, expected_seconds
  )
  values (
    p_actor_id, p_style_id, p_aspect_ratio, 0, p_photo_path,
    format(
      'results/%s_%s%s.png', p_actor_id, floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
      lpad(floor(random() * 1000000)::text, 6, '0')
    ),
    private.expected_provider_seconds()
  )
  returning * into v_generation;
  perform private.log_action(p_actor_id, 'test', 'style', p_style_id, null, null);
  return private.describe_generation(v_generation);
end;
$$;
comment on function public.begin_style_test(uuid, text, text, text) is
  'A master tries a style, also one that is not active yet: a real photo in the queue that costs nobody credits, to be followed like any other of the master''s. FORBIDDEN, RATE_LIMITED (ten a minute), STYLE_NOT_FOUND (also without prompt), INVALID_INPUT (photo_path). Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';
revoke execute on function public.begin_style_test(uuid, text, text, text) from public, anon, authenticated;
grant execute on function public.begin_style_test(uuid, text, text, text) to service_role;

-- What a version of a prompt said never changes: attempts at the provider name it for ever. Two ways were
-- open: a prompt that was removed began again at version 1, over the text of the first; and rows of the
-- history could be rewritten.

drop trigger identity_prompts_count_version on public.identity_prompts;

create or replace function private.count_prompt_version()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' and new.master_prompt = old.master_prompt then
    new.version := old.version;
  else
    new.version := greatest(
      new.version,
      1 + (select coalesce(max(versions.version), 0) from private.prompt_versions as versions where versions.style_id = new.id)
    );
  end if;
  return new;
end;
$$;
comment on function private.count_prompt_version() is
  'Trigger: another text is another version, above all that the style ever had, whoever writes it; the same text stays what it is.';

create trigger identity_prompts_count_version before insert or update on public.identity_prompts
  for each row execute function private.count_prompt_version();

create or replace function private.keep_prompt_version()
returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into private.prompt_versions (style_id, version, master_prompt)
  values (new.id, new.version, new.master_prompt)
  -- It is there when the text was left alone.
  on conflict on constraint prompt_versions_pkey do nothing;
  return null;
end;
$$;

create function private.refuse_prompt_history_change()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    message = format('The history of prompts is append-only: %s is refused', tg_op),
    hint = 'Change identity_prompts: that makes another version';
end;
$$;
comment on function private.refuse_prompt_history_change() is 'Trigger: protects what prompts have said from everybody, their owner included.';

create trigger prompt_versions_refuse_change before update or delete or truncate on private.prompt_versions
  for each statement execute function private.refuse_prompt_history_change();

create or replace function public.get_prompt(p_actor_id uuid, p_style_id text)
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
        select jsonb_agg(
          to_jsonb(versions) - 'style_id' || jsonb_build_object('written_by', (
            select audit_log.actor_id
            from private.audit_log
            where audit_log.target = 'style' and audit_log.target_id = p_style_id
              and audit_log.action = 'set_prompt' and audit_log.after ->> 'version' = versions.version::text
          ))
          order by versions.version desc
        )
        from private.prompt_versions as versions
        where versions.style_id = p_style_id
      ),
      '[]'
    )
  );
end;
$$;
comment on function public.get_prompt(uuid, text) is
  'The prompt of a style, null when it has none, and all that it ever had, the latest first; written_by is null where no master wrote it by this API. FORBIDDEN, STYLE_NOT_FOUND. Definer; service_role only: it trusts that p_actor_id is whom the service authenticated.';

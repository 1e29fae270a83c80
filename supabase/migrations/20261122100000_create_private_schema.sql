-- Everything starts closed. New hosted projects expose nothing by default; older ones (and
-- `supabase start`) still carry default grants to the API roles. Taking them back here makes every
-- environment the same: whatever a role may do is written beside the object it may do it to.

create schema private;
comment on schema private is
  'Rules, helpers and internals. Not exposed by the API; clients reach it only through policies and thin public functions.';
-- Policies call helpers of this schema as the role that asks, and `event_gallery` reads one table of it.
grant usage on schema private to anon, authenticated, service_role;

create extension if not exists pgcrypto with schema extensions;
create extension if not exists moddatetime with schema extensions;

-- Only the form without `in schema` removes the built-in grant of execute to PUBLIC.
alter default privileges revoke execute on functions from public;

alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;

create function private.refuse(p_code text, p_message text, p_extra jsonb default '{}', p_hint text default null)
returns void
language plpgsql set search_path = ''
as $$
begin
  raise exception using
    -- PostgREST turns PTnnn into the HTTP status nnn.
    errcode = case
      when p_code in ('INVALID_INPUT') then 'PT400'
      when p_code in ('UNAUTHENTICATED') then 'PT401'
      when p_code in ('INSUFFICIENT_CREDITS', 'EVENT_SOLD_OUT') then 'PT402'
      when p_code in ('FORBIDDEN', 'EVENT_NOT_STARTED', 'EVENT_ENDED', 'EVENT_PAUSED', 'STYLE_NOT_OFFERED', 'STYLE_LOCKED')
        then 'PT403'
      when p_code in ('EVENT_NOT_FOUND', 'STYLE_NOT_FOUND', 'GENERATION_NOT_FOUND') then 'PT404'
      when p_code in ('IDEMPOTENCY_CONFLICT') then 'PT409'
      when p_code in ('RATE_LIMITED', 'GUEST_LIMIT_REACHED') then 'PT429'
      when p_code in ('MAINTENANCE') then 'PT503'
      else 'PT500'
    end,
    message = p_message,
    detail = jsonb_build_object('code', p_code) || p_extra,
    hint = coalesce(p_hint, '');
end;
$$;
comment on function private.refuse(text, text, jsonb, text) is
  'Raises a refusal: stable code and figures as JSON in the detail, a sentence as message, the way out as hint. Edge functions render it as their error envelope.';

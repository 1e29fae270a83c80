-- Messages that tell somebody about their picture. A contact is kept with the photo until the message is sent or
-- given up, and no longer. A message becomes due by the end of its photo, so that no sweep has to look at photos
-- that are not ready.

alter table private.outbox
  alter column recipient drop not null,
  alter column run_at set default 'infinity',
  add column language text not null default 'es',
  add column given_up_at timestamptz,
  add constraint outbox_language_known check (language in ('es', 'en', 'pt')),
  add constraint outbox_contact_is_removed check ((recipient is null) = (sent_at is not null or given_up_at is not null));
drop index private.outbox_unsent_idx;
create index outbox_unsent_idx on private.outbox (run_at) where recipient is not null;
create index outbox_created_at_idx on private.outbox (created_at) where recipient is not null;
comment on column private.outbox.recipient is 'An e-mail address or a phone number; removed once the message is sent or given up.';
comment on column private.outbox.run_at is
  'Not sent before this instant; each try moves it on. Infinity until the photo has come to an end that can be told.';
comment on column private.outbox.given_up_at is 'The contact was refused, or it was too late, or the photo was deleted.';

create function private.tell_outbox()
returns trigger
language plpgsql set search_path = ''
as $$
begin
  update private.outbox
  set run_at = now(),
    recipient = case when new.deleted_at is null then outbox.recipient end,
    given_up_at = case when new.deleted_at is not null then now() end
  where outbox.generation_id = new.id
    and outbox.recipient is not null
    and (outbox.run_at = 'infinity' or new.deleted_at is not null);
  return null;
end;
$$;
comment on function private.tell_outbox() is
  'Trigger: the messages about a photo are due when it fails or its picture becomes public, and given up, with their contacts, when it is deleted.';

create trigger generations_tell_outbox after update of status, image_url, deleted_at on public.generations
  for each row when (
    (old.status <> 'failed' and new.status = 'failed')
    or (old.image_url is null and new.image_url is not null)
    or (old.deleted_at is null and new.deleted_at is not null)
  )
  execute function private.tell_outbox();

create function public.leave_contact(p_generation_id uuid, p_channel text, p_recipient text, p_language text)
returns void
language sql security definer set search_path = ''
as $$
  with photo as materialized (
    select generations.id, generations.status, generations.image_url
    from public.generations
    where generations.id = p_generation_id and generations.deleted_at is null
    -- A photo that ends at this moment is waited for: its end would not see this message, nor this its end.
    for share
  )
  insert into private.outbox (generation_id, channel, recipient, language, run_at)
  select photo.id, p_channel, p_recipient, p_language,
    case when photo.status = 'failed' or photo.image_url is not null then now() else 'infinity' end
  from photo
  on conflict on constraint outbox_generation_id_channel_key do nothing;
$$;
comment on function public.leave_contact(uuid, text, text, text) is
  'Who waits for a photo wants a message when it is there: email or whatsapp, once per photo and channel; a repeated request changes nothing. Definer; service_role only.';
revoke execute on function public.leave_contact(uuid, text, text, text) from public, anon, authenticated;
grant execute on function public.leave_contact(uuid, text, text, text) to service_role;

create function private.give_up_messages(p_limit integer)
returns void
language sql set search_path = ''
as $$
  with late as materialized (
    select outbox.id from private.outbox
    where outbox.recipient is not null and outbox.created_at <= now() - interval '3 days'
    order by outbox.created_at
    limit p_limit
    for no key update skip locked
  ),
  failed as materialized (
    select outbox.id from private.outbox
    -- Once its lease is over: until then whoever makes the tenth try may say that it was sent.
    where outbox.recipient is not null and outbox.run_at <= now() and outbox.tries >= 10
    order by outbox.run_at
    limit p_limit
    for no key update skip locked
  )
  update private.outbox
  set recipient = null, given_up_at = now()
  from (select late.id from late union select failed.id from failed) as over (id)
  where outbox.id = over.id;
$$;
comment on function private.give_up_messages(integer) is
  'Removes contacts that no message will reach any more: after three days, or when ten tries came to nothing.';

create function public.claim_messages(p_limit integer, p_channels text[] default '{email, whatsapp}')
returns table (message_id bigint, message_key text, channel text, recipient text, language text, image_url text)
-- The indexes have the order that the limits need: so that they are used, whatever statistics say.
language plpgsql security definer set search_path = '' set enable_sort = off
as $$
begin
  perform private.give_up_messages(p_limit);
  return query
  with due as materialized (
    select outbox.id, generations.image_url
    from private.outbox
    join public.generations on generations.id = outbox.generation_id
    where outbox.recipient is not null
      and outbox.run_at <= now()
      and outbox.tries < 10
      and outbox.channel = any (p_channels)
      -- Its picture may have been hidden again since.
      and (generations.status = 'failed' or generations.image_url is not null)
    order by outbox.run_at
    limit p_limit
    for no key update of outbox skip locked
  )
  update private.outbox
  -- The lease doubles with every try: a minute, two … an hour.
  set run_at = now() + least(interval '1 minute' * 2 ^ outbox.tries, interval '1 hour'),
    tries = outbox.tries + 1
  from due
  where outbox.id = due.id
  returning outbox.id,
    -- Unique also among projects that share an account at the provider, and no way back to the guest's id.
    encode(sha256(convert_to(outbox.generation_id || outbox.channel, 'utf8')), 'hex'),
    outbox.channel, outbox.recipient, outbox.language, due.image_url;
end;
$$;
comment on function public.claim_messages(integer, text[]) is
  'Messages to send now by these channels, leased to the caller: of pictures that may be seen, and of photos that failed (image_url null). They come again, ten times at most, until finish_messages; message_key is the same each time. Definer: hands out contacts; service_role only.';
revoke execute on function public.claim_messages(integer, text[]) from public, anon, authenticated;
grant execute on function public.claim_messages(integer, text[]) to service_role;

create function public.finish_messages(p_results jsonb)
returns integer
language plpgsql security definer set search_path = ''
as $$
declare
  v_sent integer;
begin
  update private.outbox
  set sent_at = case result.outcome when 'sent' then now() end,
    given_up_at = case result.outcome when 'refused' then now() end,
    recipient = case when result.outcome in ('sent', 'refused') then null else outbox.recipient end,
    last_error = left(result.detail, 500)
  from jsonb_to_recordset(p_results) as result (message_id bigint, outcome text, detail text)
  where outbox.id = result.message_id and outbox.recipient is not null;

  perform private.raise_alert('message_channel_refused', result.channel, format('The provider of %s refuses us: %s', result.channel, result.detail))
  from jsonb_to_recordset(p_results) as result (channel text, outcome text, detail text)
  where result.outcome = 'misconfigured';
  update private.alerts set resolved_at = now()
  where alerts.kind = 'message_channel_refused'
    and alerts.resolved_at is null
    and alerts.subject in (
      select result.channel from jsonb_to_recordset(p_results) as result (channel text, outcome text) where result.outcome = 'sent'
    );

  select count(*) into v_sent
  from jsonb_to_recordset(p_results) as result (outcome text)
  where result.outcome = 'sent';
  return v_sent;
end;
$$;
comment on function public.finish_messages(jsonb) is
  'What became of messages: [{message_id, channel, outcome, detail}]. sent and refused remove the contact; retry and misconfigured leave the message for its next try, misconfigured with an alert for the operator, which the next success of the channel resolves. Returns how many were sent. Definer; service_role only.';
revoke execute on function public.finish_messages(jsonb) from public, anon, authenticated;
grant execute on function public.finish_messages(jsonb) to service_role;

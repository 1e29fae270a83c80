-- Messages that tell somebody about their picture. A contact is kept with the photo until the message is sent or
-- given up, and no longer.

alter table private.outbox
  alter column recipient drop not null,
  add column language text not null default 'es',
  add column given_up_at timestamptz,
  add constraint outbox_language_known check (language in ('es', 'en', 'pt')),
  add constraint outbox_contact_is_removed check ((recipient is null) = (sent_at is not null or given_up_at is not null));
drop index private.outbox_unsent_idx;
create index outbox_unsent_idx on private.outbox (run_at) where recipient is not null;
comment on column private.outbox.recipient is 'An e-mail address or a phone number; removed once the message is sent or given up.';
comment on column private.outbox.run_at is 'Not sent before this instant; each try moves it on.';
comment on column private.outbox.given_up_at is 'The contact was refused, or it was too late, or the photo was deleted.';

create function public.leave_contact(p_generation_id uuid, p_channel text, p_recipient text, p_language text)
returns void
language sql security definer set search_path = ''
as $$
  insert into private.outbox (generation_id, channel, recipient, language)
  values (p_generation_id, p_channel, p_recipient, p_language)
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
  update private.outbox
  set recipient = null, given_up_at = now()
  where outbox.id in (
    select late.id
    from private.outbox as late
    join public.generations on generations.id = late.generation_id
    where late.recipient is not null
      and (late.created_at <= now() - interval '3 days' or late.tries >= 10 or generations.deleted_at is not null)
    limit p_limit
    for no key update of late skip locked
  );
$$;
comment on function private.give_up_messages(integer) is
  'Removes contacts that no message will reach any more: after three days or ten tries, or when the photo was deleted.';

create function public.claim_messages(p_limit integer)
returns table (message_id bigint, channel text, recipient text, language text, image_url text)
language plpgsql security definer set search_path = ''
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
      and generations.deleted_at is null
      -- A picture that waits for the host's approval is told of once it may be seen.
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
  returning outbox.id, outbox.channel, outbox.recipient, outbox.language, due.image_url;
end;
$$;
comment on function public.claim_messages(integer) is
  'Messages to send now, leased to the caller: of pictures that may be seen, and of photos that failed (image_url null). They come again until finish_messages. Definer: hands out contacts; service_role only.';
revoke execute on function public.claim_messages(integer) from public, anon, authenticated;
grant execute on function public.claim_messages(integer) to service_role;

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

-- One typed row instead of key-value pairs: an unknown key or a negative bonus cannot be stored.

create table private.settings (
  is_singleton boolean not null default true,
  signup_bonus integer not null default 500,
  referral_reward integer not null default 100,
  pack_unlock_price integer not null default 3000,
  is_in_maintenance boolean not null default false,
  provider_model text not null default 'nano-banana-2',
  provider_resolution text not null default '1K',
  provider_output_format text not null default 'png',
  provider_tasks_per_window integer not null default 20,
  provider_tasks_running integer not null default 100,
  uploads_per_minute integer not null default 1200,
  updated_at timestamptz not null default now(),
  constraint settings_pkey primary key (is_singleton),
  constraint settings_is_one_row check (is_singleton),
  constraint settings_signup_bonus_within_bounds check (signup_bonus between 0 and 1000000),
  constraint settings_referral_reward_within_bounds check (referral_reward between 0 and 1000000),
  constraint settings_pack_unlock_price_within_bounds check (pack_unlock_price between 1 and 1000000),
  constraint settings_provider_resolution_known check (provider_resolution in ('1K', '2K', '4K')),
  constraint settings_provider_output_format_known check (provider_output_format in ('png', 'jpg')),
  constraint settings_provider_tasks_per_window_positive check (provider_tasks_per_window > 0),
  constraint settings_provider_tasks_running_positive check (provider_tasks_running > 0),
  constraint settings_uploads_per_minute_positive check (uploads_per_minute > 0)
);

alter table private.settings enable row level security;

create trigger settings_touch_updated_at before update on private.settings
  for each row execute function extensions.moddatetime(updated_at);

insert into private.settings default values;

comment on table private.settings is 'What the platform''s owner may change while it runs. Exactly one row.';
comment on column private.settings.signup_bonus is 'Credits for a person''s first confirmed e-mail address.';
comment on column private.settings.referral_reward is 'Credits for the referrer at the referred person''s first purchase.';
comment on column private.settings.pack_unlock_price is 'Credits that unlock_style_pack takes for one premium pack.';
comment on column private.settings.is_in_maintenance is 'The kill switch: no new generation begins; running ones go on.';
comment on column private.settings.provider_model is 'Model id that createTask gets; a wrong one is refused by the provider with 422.';
comment on column private.settings.provider_tasks_per_window is
  'New tasks that one account of the provider takes in 10 seconds; it drops the rest.';
comment on column private.settings.provider_tasks_running is 'Tasks that one account may have running.';
comment on column private.settings.uploads_per_minute is
  'Upload addresses handed out per client address and minute. Generous: a whole party shares one public address.';

-- How long a photo may take and how fast the provider takes new ones stood in functions, here and there. Now
-- each has one name: a changed rule of the provider is one update, and a test can play an evening in a minute.

alter table private.settings
  add column provider_window_seconds numeric(8, 3) not null default 10,
  add column dispatch_seconds numeric(8, 3) not null default 720,
  add column delivery_seconds numeric(8, 3) not null default 900,
  add column lost_answer_seconds numeric(8, 3) not null default 120,
  add column retry_seconds numeric(8, 3) not null default 2,
  add column cooldown_seconds numeric(8, 3) not null default 10,
  add constraint settings_provider_window_seconds_positive check (provider_window_seconds > 0),
  add constraint settings_delivery_follows_dispatch check (dispatch_seconds > 0 and delivery_seconds > dispatch_seconds),
  add constraint settings_lost_answer_seconds_positive check (lost_answer_seconds > 0),
  add constraint settings_retry_seconds_positive check (retry_seconds > 0),
  add constraint settings_cooldown_seconds_positive check (cooldown_seconds > 0);

comment on column private.settings.provider_tasks_per_window is
  'New tasks that one account of the provider takes in provider_window_seconds; it drops the rest.';
comment on column private.settings.provider_window_seconds is 'The time in which the provider counts new tasks.';
comment on column private.settings.dispatch_seconds is 'A photo that has waited this long is not dispatched any more.';
comment on column private.settings.delivery_seconds is 'A photo that is not there after this time is given up and refunded.';
comment on column private.settings.lost_answer_seconds is
  'A task whose creation was not answered gets this long for its callback, before another is made.';
comment on column private.settings.retry_seconds is 'Wait before the second try of a photo; it doubles with each further one.';
comment on column private.settings.cooldown_seconds is 'First rest of an account that asked for patience; it doubles with each further refusal.';

-- Who is next. Each event is a lane, and all people who pay for themselves are one together. The lane that was
-- served least recently is next, so a burst of 500 guests delays another event by one photo in two. Within a
-- lane guests take turns: the second photo of one comes after the first of everybody who waits by then.

create table private.queue_lanes (
  lane_id uuid not null,
  last_claimed_at timestamptz not null,
  turn integer not null,
  waiting integer not null default 0,
  constraint queue_lanes_pkey primary key (lane_id)
);
alter table private.queue_lanes enable row level security;
create policy queue_lanes_select_nobody on private.queue_lanes for select to anon, authenticated using (false);
comment on table private.queue_lanes is 'Lanes of the queue that have been served. A lane that is not here has not been served lately.';
comment on column private.queue_lanes.lane_id is 'An event, or private.no_event() for the photos of users.';
comment on column private.queue_lanes.last_claimed_at is 'The lane that waits since the earliest is served next.';
comment on column private.queue_lanes.turn is 'The turn that is being served: a new photo of a guest who has none waiting joins it.';
comment on column private.queue_lanes.waiting is 'Photos that waited at the last sweep.';

alter table public.generations
  add column lane_id uuid not null generated always as (coalesce(event_id, '00000000-0000-0000-0000-000000000000')) stored,
  add column turn integer not null default 0;
comment on column public.generations.lane_id is 'Where the photo queues: its event, or private.no_event(). Not readable by clients.';
comment on column public.generations.turn is
  'Its place in the lane: lower first, then by age. A guest''s photos have different turns. Not readable by clients.';

drop index public.generations_queued_idx;
create index generations_queued_idx on public.generations (lane_id, turn, created_at) where status = 'queued';

alter table private.sweeper
  add column waiting_lanes integer not null default 0,
  add column dispatch_opens_at timestamptz not null default '-infinity';
comment on column private.sweeper.waiting_lanes is 'Lanes in which photos waited.';
comment on column private.sweeper.dispatch_opens_at is
  'Until then no account has room: who looks at a photo that waits need not try to dispatch it. An estimate of the last claim, never more than two seconds ahead.';

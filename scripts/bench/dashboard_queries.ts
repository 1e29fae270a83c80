/** A query of a dashboard. `$who` and `$event` in its arguments and path are filled in for each visit. */
export interface Query {
  who: "master" | "partner" | "client" | "user";
  /** About which it is asked; hot is the one with 20,000 photos, which is still running. */
  events: "hot" | "usual";
  sql: string;
  /** The same over HTTP. */
  path: string;
  /** False: asked to see how it grows, not to be as fast. */
  hasGoal?: boolean;
}

const OVERVIEW = "select get_overview($who, null, null, null, $days, 'America/New_York')";

/** What dashboards ask, by what the bench calls it. */
export const queries: Record<string, Query> = {
  "event, 20,000 photos": {
    who: "master",
    events: "hot",
    sql: "select get_event_stats($who, $event)",
    path: "events/$event/stats",
  },
  "event, usual": {
    who: "partner",
    events: "usual",
    sql: "select get_event_stats($who, $event)",
    path: "events/$event/stats",
  },
  "host, 20,000 photos": {
    who: "client",
    events: "hot",
    sql: "select get_host_stats($who, null, 'bench-1')",
    path: "host/stats?event=bench-1",
  },
  "partner, 30 days": {
    who: "partner",
    events: "usual",
    sql: OVERVIEW.replace("$days", "30"),
    path: "overview?timezone=America/New_York",
  },
  "platform, 30 days": {
    who: "master",
    events: "usual",
    sql: OVERVIEW.replace("$days", "30"),
    path: "overview?timezone=America/New_York",
  },
  "platform, 90 days": {
    who: "master",
    hasGoal: false,
    events: "usual",
    sql: OVERVIEW.replace("$days", "90"),
    path: "overview?days=90&timezone=America/New_York",
  },
  "list: host's photos": {
    who: "client",
    events: "hot",
    sql: "select list_host_photos($who, null, 'bench-1', '{}', null, null, 51)",
    path: "host/photos?event=bench-1",
  },
  "list: gallery": {
    who: "user",
    events: "hot",
    sql: "select list_gallery('bench-1', null, null, 51)",
    path: "events/bench-1/gallery",
  },
  "list: partner's events": {
    who: "partner",
    events: "usual",
    sql: "select list_events($who, null, null, null, null, null, null, 51)",
    path: "events",
  },
  "list: users by e-mail": {
    who: "master",
    events: "usual",
    sql: "select list_users($who, null, 'user77', null, null, 51)",
    path: "users?q=user77",
  },
  "list: audit": {
    who: "master",
    events: "usual",
    sql: "select list_audit($who, '{}', null, 51)",
    path: "audit",
  },
};

-- What the connections of `npm run bench -- credits` run: each is one call that loops inside the server,
-- commits after every turn and notes how long it took, so that no client and no network is measured.

create schema bench;

create procedure bench.run_bare(p_event_ids uuid[], p_seconds real, inout p_microseconds integer[] default '{}')
language plpgsql
as $$
declare
  v_ends_at timestamptz := clock_timestamp() + make_interval(secs => p_seconds);
  v_began_at timestamptz;
  v_event_id uuid;
begin
  loop
    v_event_id := p_event_ids[1 + floor(random() * cardinality(p_event_ids))];
    v_began_at := clock_timestamp();
    exit when v_began_at >= v_ends_at;
    update public.events set credits_used = credits_used + 1
    where id = v_event_id and credits_used < credits_allocated;
    commit;
    p_microseconds[cardinality(p_microseconds) + 1] := extract(microseconds from clock_timestamp() - v_began_at);
  end loop;
end;
$$;

create procedure bench.run_begin(p_event_ids uuid[], p_seconds real, inout p_microseconds integer[] default '{}')
language plpgsql
as $$
declare
  v_ends_at timestamptz := clock_timestamp() + make_interval(secs => p_seconds);
  v_began_at timestamptz;
  v_event_id uuid;
  v_guest_id text;
  v_key text;
begin
  loop
    v_event_id := p_event_ids[1 + floor(random() * cardinality(p_event_ids))];
    v_guest_id := 'guest_' || gen_random_uuid();
    v_key := 'key_' || gen_random_uuid();
    v_began_at := clock_timestamp();
    exit when v_began_at >= v_ends_at;
    perform public.begin_generation(
      p_style_id => 'bench_style', p_aspect_ratio => '3:4', p_photo_path => 'guests/bench.jpg',
      p_photo_hash => 'bench', p_event_id => v_event_id, p_guest_id => v_guest_id, p_idempotency_key => v_key
    );
    commit;
    p_microseconds[cardinality(p_microseconds) + 1] := extract(microseconds from clock_timestamp() - v_began_at);
  end loop;
end;
$$;

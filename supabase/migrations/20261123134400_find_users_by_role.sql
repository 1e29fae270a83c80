-- Nearly everybody is a user: whoever is something else is found without reading all of them.

create index profiles_role_created_at_id_idx on public.profiles (role, created_at desc, id desc) where role <> 'user';

-- What is asked for decides which index serves it; one plan for all questions would read everybody.
alter function public.list_users(uuid, text, text, timestamptz, uuid, integer) set plan_cache_mode = force_custom_plan;

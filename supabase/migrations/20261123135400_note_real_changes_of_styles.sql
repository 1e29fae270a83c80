-- A request that changed nothing of a style was noted all the same: its updated_at had moved.

create or replace function public.update_style(p_actor_id uuid, p_style_id text, p_changes jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_old public.styles_metadata := private.master_style(p_actor_id, p_style_id);
  v_new public.styles_metadata := jsonb_populate_record(v_old, p_changes);
  v_changed jsonb;
  v_constraint text;
begin
  begin
    update public.styles_metadata
    set label = v_new.label, category = v_new.category, subcategory = v_new.subcategory, tags = v_new.tags,
      image_url = v_new.image_url, is_premium = v_new.is_premium, is_active = v_new.is_active,
      credit_cost = v_new.credit_cost, sort_order = v_new.sort_order
    where styles_metadata.id = p_style_id
    returning * into v_new;
  exception
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      perform private.refuse_values('styles_metadata', v_constraint, p_changes);
  end;
  v_changed := private.differing(to_jsonb(v_new), to_jsonb(v_old));
  if v_changed is not null then
    perform private.log_action(
      p_actor_id, 'update', 'style', p_style_id, private.differing(to_jsonb(v_old), to_jsonb(v_new)), v_changed
    );
  end if;
  return private.describe_style(v_new);
end;
$$;

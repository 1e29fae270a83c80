-- The catalogue. Labels are public; the prompts, which are the product, are for the service only.

create table public.styles_metadata (
  id text not null,
  label text not null,
  category text not null,
  subcategory text not null,
  tags text[] not null default '{}',
  image_url text,
  is_premium boolean not null default false,
  is_active boolean not null default true,
  credit_cost integer not null default 100,
  sort_order integer not null default 999,
  usage_count bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint styles_metadata_pkey primary key (id),
  constraint styles_metadata_id_is_a_word check (id ~ '^[a-z0-9][a-z0-9_]{1,62}$'),
  constraint styles_metadata_label_not_blank check (btrim(label) <> ''),
  constraint styles_metadata_credit_cost_within_bounds check (credit_cost between 1 and 100000),
  constraint styles_metadata_usage_count_nonnegative check (usage_count >= 0)
);

create index styles_metadata_subcategory_idx on public.styles_metadata (subcategory);

alter table public.styles_metadata enable row level security;

create trigger styles_metadata_touch_updated_at
  before update of label, category, subcategory, tags, image_url, is_premium, is_active, credit_cost, sort_order
  on public.styles_metadata
  for each row execute function extensions.moddatetime(updated_at);

grant select on public.styles_metadata to anon, authenticated, service_role;

create policy styles_metadata_select_active on public.styles_metadata
  for select to anon, authenticated
  using (is_active);

comment on table public.styles_metadata is 'Styles a guest or user can choose, grouped into packs (subcategory).';
comment on column public.styles_metadata.id is 'Stable name used by clients as model_id, e.g. pb_a.';
comment on column public.styles_metadata.subcategory is 'The pack, e.g. Peaky Blinders; the unit that unlock_style_pack sells.';
comment on column public.styles_metadata.is_premium is 'Locks the style for users (model A) until they unlock its pack. Events ignore it.';
comment on column public.styles_metadata.credit_cost is 'Credits a user pays for one photo. An event always pays 1.';
comment on column public.styles_metadata.usage_count is 'Pictures delivered in this style.';
comment on policy styles_metadata_select_active on public.styles_metadata is 'Everybody sees the styles on offer.';

create table public.identity_prompts (
  id text not null,
  master_prompt text not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint identity_prompts_pkey primary key (id),
  constraint identity_prompts_id_fkey foreign key (id) references public.styles_metadata (id) on delete cascade,
  constraint identity_prompts_master_prompt_length check (length(master_prompt) between 1 and 20000),
  constraint identity_prompts_version_positive check (version > 0)
);

alter table public.identity_prompts enable row level security;

create trigger identity_prompts_touch_updated_at before update on public.identity_prompts
  for each row execute function extensions.moddatetime(updated_at);

create policy identity_prompts_select_nobody on public.identity_prompts
  for select to anon, authenticated
  using (false);

comment on table public.identity_prompts is 'What the provider is told to paint, one prompt a style. Never readable by clients.';
comment on column public.identity_prompts.version is 'Raised at every change; each attempt keeps the version it used.';
comment on policy identity_prompts_select_nobody on public.identity_prompts is 'Closed on purpose: prompts are the product.';

create function private.check_style_ids(p_style_ids text[], p_column text)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_unknown text;
begin
  select given.style_id into v_unknown
  from unnest(p_style_ids) as given (style_id)
  where given.style_id is null
    or not exists (select from public.styles_metadata where styles_metadata.id = given.style_id)
  limit 1;

  if found then
    raise exception using
      errcode = 'check_violation',
      message = format('%s names the unknown style %s', p_column, coalesce(quote_literal(v_unknown), 'null')),
      hint = 'Use ids of styles_metadata, for example pb_a; pack names are not style ids';
  end if;
end;
$$;
comment on function private.check_style_ids(text[], text) is
  'Raises check_violation when the array holds an id that is no style. Arrays cannot have foreign keys; triggers call this instead.';

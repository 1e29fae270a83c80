-- Stand-in for supabase_vault 0.3: the view of secrets and the signature of vault.create_secret. It encrypts nothing.
create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text unique,
  description text not null default '',
  secret text not null
);

create view vault.decrypted_secrets as
select secrets.id, secrets.name, secrets.description, secrets.secret as decrypted_secret
from vault.secrets;

create function vault.create_secret(
  new_secret text,
  new_name text default null,
  new_description text default '',
  new_key_id uuid default null
)
returns uuid
language sql security definer set search_path = ''
as $$
  insert into vault.secrets (secret, name, description) values (new_secret, new_name, new_description)
  returning secrets.id;
$$;

-- What the platform lets postgres do.
grant usage on schema vault to postgres;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres;

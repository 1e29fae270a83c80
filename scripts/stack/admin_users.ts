import type postgres from "postgres";
import type { Caller } from "./authenticate.ts";

/** What a client may send to create or update a user; other fields are refused by name. */
interface UserFields {
  id?: string;
  email?: string;
  password?: string;
  email_confirm?: boolean;
  user_metadata?: Record<string, postgres.JSONValue>;
  app_metadata?: Record<string, postgres.JSONValue>;
}

const FIELDS = ["id", "email", "password", "email_confirm", "user_metadata", "app_metadata"];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Ends a request with an error in the shape of the hosted auth service. */
class AuthError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

/**
 * `auth.admin` of supabase-js (list, create, get, update and delete users), which @supabase/lite
 * 0.10.0 refuses to everybody. `sql` is connected as `supabase_auth_admin`. Only the service role
 * may call it; deleting a user deletes what references it by `on delete cascade`.
 */
export function createAdminUsers(sql: postgres.Sql, minimumPasswordLength: number) {
  return async (request: Request, caller: Caller, id: string | undefined): Promise<Response> => {
    try {
      if (caller.role !== "service_role") throw new AuthError(403, "not_admin", "User not allowed");
      if (id !== undefined && !UUID.test(id)) throw notFound();
      switch (`${request.method} ${id ? "one" : "all"}`) {
        case "GET all":
          return await listUsers(sql, new URL(request.url).searchParams);
        case "POST all":
          return await createUser(sql, await readFields(request, minimumPasswordLength));
        case "GET one":
          return Response.json(await readUser(sql, id ?? ""));
        case "PUT one":
          return await updateUser(sql, id ?? "", await readFields(request, minimumPasswordLength));
        case "DELETE one":
          return await deleteUser(sql, id ?? "");
        default:
          throw new AuthError(405, "bad_method", `Method ${request.method} is not allowed`);
      }
    } catch (error) {
      return errorResponse(error);
    }
  };
}

async function readFields(request: Request, minimumPasswordLength: number): Promise<UserFields> {
  const fields: UserFields = await request.json().catch(() => {
    throw new AuthError(400, "bad_json", "Could not parse request body as JSON");
  });
  const unknown = Object.keys(fields).filter((key) => !FIELDS.includes(key));
  if (unknown.length > 0) {
    throw new AuthError(400, "validation_failed", `Not supported locally: ${unknown.join(", ")}`);
  }
  if (fields.email !== undefined) {
    fields.email = fields.email.trim().toLowerCase();
    if (!/^[^\s@]+@[^\s@]+$/.test(fields.email)) {
      throw new AuthError(400, "validation_failed", "Unable to validate email address");
    }
  }
  if (fields.password !== undefined && fields.password.length < minimumPasswordLength) {
    const message = `Password should be at least ${minimumPasswordLength} characters.`;
    throw new AuthError(422, "weak_password", message);
  }
  return fields;
}

async function listUsers(sql: postgres.Sql, query: URLSearchParams): Promise<Response> {
  const page = Math.max(1, Number(query.get("page")) || 1);
  const size = Math.min(1000, Math.max(1, Number(query.get("per_page")) || 50));
  const [count] = await sql`select count(*)::int as total from auth.users`;
  const users = await selectUsers(
    sql,
    sql`order by users.created_at desc, users.id limit ${size} offset ${(page - 1) * size}`,
  );
  const last = Math.max(1, Math.ceil(count?.total / size));
  const links = [...page < last ? [[page + 1, "next"]] : [], [last, "last"]];
  return Response.json({ users, aud: "authenticated" }, {
    headers: {
      "x-total-count": String(count?.total),
      link: links.map(([to, rel]) => `</admin/users?page=${to}&per_page=${size}>; rel="${rel}"`)
        .join(", "),
    },
  });
}

async function createUser(sql: postgres.Sql, fields: UserFields): Promise<Response> {
  if (!fields.email) throw new AuthError(400, "validation_failed", "An e-mail is required");
  const id = fields.id ?? crypto.randomUUID();
  await sql.begin(async (tx) => {
    await tx`
      insert into auth.users (
        id, instance_id, aud, role, email, encrypted_password, email_confirmed_at,
        raw_app_meta_data, raw_user_meta_data
      ) values (
        ${id}, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
        ${fields.email ?? null}, ${passwordHash(tx, fields.password)},
        ${fields.email_confirm ? tx`now()` : null},
        ${tx.json({ provider: "email", providers: ["email"], ...fields.app_metadata })},
        ${tx.json(fields.user_metadata ?? {})}
      )`;
    await tx`
      insert into auth.identities (id, user_id, provider, provider_id, identity_data)
      values (gen_random_uuid(), ${id}, 'email', ${id}, ${tx.json(identityOf(id, fields))})`;
  });
  return Response.json(await readUser(sql, id));
}

async function updateUser(sql: postgres.Sql, id: string, fields: UserFields): Promise<Response> {
  await sql.begin(async (tx) => {
    const updated = await tx`
      update auth.users set
        email = coalesce(${fields.email ?? null}, email),
        encrypted_password = coalesce(${passwordHash(tx, fields.password)}, encrypted_password),
        email_confirmed_at = coalesce(
          email_confirmed_at, ${fields.email_confirm ? tx`now()` : null}::timestamptz
        ),
        raw_app_meta_data = ${merged(tx, "raw_app_meta_data", fields.app_metadata)},
        raw_user_meta_data = ${merged(tx, "raw_user_meta_data", fields.user_metadata)},
        updated_at = now()
      where id = ${id}`;
    if (updated.count === 0) throw notFound();
    if (fields.email) {
      await tx`
        update auth.identities set identity_data = identity_data || ${
        tx.json(identityOf(id, fields))
      }
        where user_id = ${id} and provider = 'email'`;
    }
  });
  return Response.json(await readUser(sql, id));
}

async function deleteUser(sql: postgres.Sql, id: string): Promise<Response> {
  // Hosted ties refresh tokens to their user by a foreign key; lite's table has none.
  await sql`delete from auth.refresh_tokens where user_id = ${id}`;
  const deleted = await sql`delete from auth.users where id = ${id}`;
  if (deleted.count === 0) throw notFound();
  return Response.json({});
}

/** The hash is made by the database: bcrypt in JavaScript would hold up the gateway's thread. */
function passwordHash(sql: postgres.TransactionSql, password: string | undefined) {
  return password === undefined
    ? sql`null`
    : sql`extensions.crypt(${password}, extensions.gen_salt('bf', 10))`;
}

/** Metadata is merged key by key; a key that is sent as null is removed. */
function merged(
  sql: postgres.TransactionSql,
  column: string,
  change: UserFields["user_metadata"] = {},
) {
  const removed = Object.keys(change).filter((key) => change[key] === null);
  return sql`(${sql(column)} || ${sql.json(change)}) - ${removed}::text[]`;
}

function identityOf(id: string, fields: UserFields): postgres.JSONValue {
  const verified = fields.email_confirm ?? false;
  return { sub: id, email: fields.email ?? null, email_verified: verified, phone_verified: false };
}

async function readUser(sql: postgres.Sql, id: string): Promise<unknown> {
  const [user] = await selectUsers(sql, sql`where users.id = ${id}`);
  if (!user) throw notFound();
  return user;
}

/** Users in the shape of the hosted API; `rest` is the end of the query. */
async function selectUsers(sql: postgres.Sql, rest: postgres.PendingQuery<postgres.Row[]>) {
  const rows = await sql`
    select json_build_object(
      'id', users.id, 'aud', users.aud, 'role', users.role, 'email', users.email,
      'email_confirmed_at', users.email_confirmed_at, 'phone', coalesce(users.phone, ''),
      'confirmed_at', users.confirmed_at, 'last_sign_in_at', users.last_sign_in_at,
      'app_metadata', users.raw_app_meta_data, 'user_metadata', users.raw_user_meta_data,
      'identities', (
        select coalesce(json_agg(json_build_object(
          'identity_id', identities.id, 'id', identities.provider_id,
          'user_id', identities.user_id, 'identity_data', identities.identity_data,
          'provider', identities.provider, 'email', identities.email,
          'last_sign_in_at', identities.last_sign_in_at,
          'created_at', identities.created_at, 'updated_at', identities.updated_at
        )), '[]')
        from auth.identities where identities.user_id = users.id
      ),
      'created_at', users.created_at, 'updated_at', users.updated_at,
      'is_anonymous', users.is_anonymous
    ) as user
    from auth.users ${rest}`;
  return rows.map((row) => row.user);
}

function notFound(): AuthError {
  return new AuthError(404, "user_not_found", "User not found");
}

function errorResponse(error: unknown): Response {
  let known = error;
  if (error instanceof Error && "code" in error && error.code === "23505") {
    const message = "A user with this email address has already been registered";
    known = new AuthError(422, "email_exists", message);
  }
  if (!(known instanceof AuthError)) {
    console.error("auth:", error);
    known = new AuthError(500, "unexpected_failure", "Database error, see the stack's log");
  }
  const { status, code, message } = known as AuthError;
  return Response.json({ code: status, error_code: code, msg: message }, { status });
}

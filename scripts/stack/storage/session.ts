import type postgres from "postgres";

/** Who asks: the database role and the claims of the request's credential. */
export interface Caller {
  role: string;
  claims: Record<string, unknown>;
}

/**
 * The storage service itself: the owner of `storage.*`, whom row level security does not bind.
 * Used where a bucket is public or a signed token has already decided.
 */
export const SERVICE: Caller = { role: "none", claims: { role: "service_role" } };

/** The caller's subject: any text, and the same once more when it is a UUID (column `owner`). */
export function ownerOf(caller: Caller): { owner: string | null; owner_id: string | null } {
  const subject = typeof caller.claims.sub === "string" ? caller.claims.sub : null;
  const isUuid = subject !== null && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(subject);
  return { owner: isUuid ? subject : null, owner_id: subject };
}

/**
 * Runs `work` in one transaction as the caller, so that the policies on `storage.objects` and
 * `storage.buckets` decide. `operation` is what `storage.operation()` answers in a policy.
 * Rolls back and rethrows when `work` throws.
 */
export function transaction<T>(
  sql: postgres.Sql,
  caller: Caller,
  operation: string,
  work: (tx: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  const claims = { role: caller.role, ...caller.claims };
  const subject = ownerOf(caller).owner_id ?? "";
  return sql.begin(async (tx) => {
    // allow_delete_query opens hosted's trigger against direct deletes, for this transaction only.
    await tx`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
      set_config('request.jwt.claim.sub', ${subject}, true),
      set_config('request.jwt.claim.role', ${String(claims.role)}, true),
      set_config('storage.operation', ${`storage.${operation}`}, true),
      set_config('storage.allow_delete_query', 'true', true),
      set_config('role', ${caller.role}, true)`;
    return await work(tx);
  }) as Promise<T>;
}

/** Switches the open transaction to the caller, or back to the service itself. */
export async function become(tx: postgres.TransactionSql, caller: Caller): Promise<void> {
  await tx`select set_config('role', ${caller.role}, true)`;
}

const UNDO = Symbol("rehearsal over");

/**
 * Does `work` as the caller and takes it back: throws what the policies and constraints would
 * throw, changes nothing. Asked before a body is read, so that a refusal costs no transfer.
 */
export async function rehearse(
  sql: postgres.Sql,
  caller: Caller,
  operation: string,
  work: (tx: postgres.TransactionSql) => Promise<unknown>,
): Promise<void> {
  try {
    await transaction(sql, caller, operation, async (tx) => {
      await work(tx);
      throw UNDO;
    });
  } catch (cause) {
    if (cause !== UNDO) throw cause;
  }
}

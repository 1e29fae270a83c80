import { rpc } from "../_shared/database.ts";
import { log } from "../_shared/log.ts";
import type { Provider } from "./provider/provider.ts";

/** A row of `claim_key_probes`. */
interface SuspendedKey {
  api_key_id: string;
  api_key: string;
}

/** Asks the provider about keys that it had refused; those that are well go back to work. Returns how many. */
export async function probeKeys(
  provider: Provider,
  limit: number,
): Promise<number> {
  const keys = await rpc<SuspendedKey[]>("claim_key_probes", {
    p_limit: limit,
  });
  const revived = await Promise.all(
    keys.map(async ({ api_key_id, api_key }) => {
      const isBack = await rpc<boolean>("report_key_balance", {
        p_api_key_id: api_key_id,
        p_balance: await provider.balance(api_key),
      });
      if (isBack) log("info", "key_revived", { api_key_id });
      return isBack;
    }),
  );
  return revived.filter(Boolean).length;
}

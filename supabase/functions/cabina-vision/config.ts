import { isLoopback, publicUrl, requireEnv } from "../_shared/env.ts";
import { createKie } from "./provider/kie.ts";
import type { Provider } from "./provider/provider.ts";

let provider: Provider | undefined;

/**
 * The provider as the environment describes it: KIE_API_URL, KIE_RESULT_HOSTS (comma-separated
 * host[:port]) and, when only this machine can reach us but not the provider, KIE_UPLOAD_URL.
 * @throws {MissingVariableError}
 */
export function getProvider(): Provider {
  if (provider !== undefined) return provider;
  const apiUrl = requireEnv("KIE_API_URL").replace(/\/+$/, "");
  const isOutOfReach = isLoopback(publicUrl()) && !isLoopback(apiUrl);
  provider = createKie({
    apiUrl,
    uploadUrl: isOutOfReach ? requireEnv("KIE_UPLOAD_URL").replace(/\/+$/, "") : null,
    resultHosts: requireEnv("KIE_RESULT_HOSTS").split(",").map((host) => host.trim()),
  });
  return provider;
}

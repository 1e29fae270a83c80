import { rpc } from "../_shared/database.ts";

/** A try at the provider, as far as giving up on it needs. */
interface Attempt {
  attempt_id: number;
  generation_id: string;
  attempt: number;
}

/** What the provider said against it: its code, its words, and whether it objected to the content. */
interface Objection {
  code: string;
  detail: string;
  isContent: boolean;
}

/**
 * Gives the photo back to the queue after a try that another may better. `key` says what the failure
 * means for the key; a photo waits before its next try unless that will be with another account or key.
 */
export async function releaseAttempt(
  attempt: Attempt,
  code: string,
  detail: string,
  key: "keep" | "cool_down" | "disable" = "keep",
): Promise<void> {
  await rpc("release_attempt", {
    p_attempt_id: attempt.attempt_id,
    p_error_code: code,
    p_detail: detail,
    p_delay_seconds: key === "keep" ? retryDelaySeconds(attempt.attempt) : 0,
    p_key_action: key,
  });
}

/** Gives up on the photo, with its credit returned, after a try that no other can better. */
export async function failAttempt(attempt: Attempt, objection: Objection): Promise<void> {
  await rpc("fail_generation", {
    p_generation_id: attempt.generation_id,
    p_error_code: objection.isContent ? "GENERATION_REFUSED" : "GENERATION_FAILED",
    p_attempt_id: attempt.attempt_id,
    p_detail: `${objection.code}: ${objection.detail}`,
  });
}

/** Seconds before the next try after `attempt` tries: 2, 4, 8 … 60, plus up to half as much at random. */
function retryDelaySeconds(attempt: number): number {
  return Math.round(Math.min(2 ** attempt, 60) * (1 + Math.random() / 2));
}

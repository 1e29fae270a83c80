import { isolatedEnvironment, startTestStack } from "../stack/testing.ts";
import { percentile, round } from "./figures.ts";

const PAYMENTS = 200;
const COPIES = 5;
const AT_A_TIME = 32;
const GATEWAY_MS = 50;

export interface PaymentsResult {
  about: Record<string, number>;
  figures: Record<string, { p50_ms: number; p95_ms: number; p99_ms: number; goal_p95_ms: number }>;
}

/**
 * Measures how long the gateway waits for our answer to its notifications, when each payment is told
 * five times and the gateway itself takes 50 ms to show a payment. Throws when a payment was credited
 * other than once.
 */
export async function benchPayments(): Promise<PaymentsResult> {
  const env = await isolatedEnvironment();
  const stack = await startTestStack(env);
  try {
    // The tests' helpers find the stack by this.
    Deno.env.set("CABINA_STACK", stack.infoFile);
    const { createBuyer, creditsOfOrder, notify, pay, withGateway } = await import(
      "../../supabase/functions/tests/payments.ts"
    );
    const { sql } = await import("../../supabase/functions/tests/stack.ts");
    const orders: string[] = [];
    const ids: number[] = [];
    for (let i = 0; i < PAYMENTS; i++) {
      const { orderId, preferenceId } = await createBuyer();
      orders.push(orderId);
      ids.push((await pay(preferenceId)).id);
    }

    const times: number[] = [];
    const queue = ids.flatMap((id) => Array<number>(COPIES).fill(id)).values();
    const began = performance.now();
    await withGateway({ latency_ms: GATEWAY_MS }, async () => {
      await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
        for (const id of queue) {
          const { status, ms } = await notify(id);
          if (status !== 200) throw new Error(`A notification was answered ${status}`);
          times.push(ms);
        }
      }));
    });
    const seconds = (performance.now() - began) / 1000;
    for (const orderId of orders) {
      const credits = await creditsOfOrder(orderId);
      if (credits !== 500) throw new Error(`An order brought ${credits} credits`);
    }
    await sql.end();
    times.sort((a, b) => a - b);
    return {
      about: {
        payments: ids.length,
        notifications: times.length,
        at_a_time: AT_A_TIME,
        gateway_ms: GATEWAY_MS,
        notifications_per_second: Math.round(times.length / seconds),
      },
      figures: {
        answer: {
          p50_ms: round(percentile(times, 0.5)),
          p95_ms: round(percentile(times, 0.95)),
          p99_ms: round(percentile(times, 0.99)),
          goal_p95_ms: 300,
        },
      },
    };
  } finally {
    await stack.stop();
    await Deno.remove(env.CABINA_DATA_DIR!, { recursive: true });
  }
}

import { parseArgs } from "node:util";
import { createClient } from "@supabase/supabase-js";
import { createCabina, value } from "../client/cabina.ts";
import { accessToken } from "../shared/session.ts";
import { readStack } from "../shared/stack.ts";

/**
 * A user who buys credits: `[--pack Starter] [--email user@cabina.test] [--password cabina-demo]`.
 * Prints the address of the gateway's page and waits until the order there is paid.
 */
export async function buyCredits(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      pack: { type: "string", default: "Starter" },
      email: { type: "string", default: "user@cabina.test" },
      password: { type: "string", default: "cabina-demo" },
    },
  });
  const { api_url, publishable_key } = await readStack();
  const supabase = createClient(api_url, publishable_key);
  const cabina = createCabina({
    apiUrl: api_url,
    publishableKey: publishable_key,
    userToken: () => accessToken(supabase),
  });
  const { data: { user } } = await must(supabase.auth.signInWithPassword(values));

  const { data: packs } = await must(
    supabase.from("credit_packs").select("id, name, credits, price, currency").order("sort_order"),
  );
  const pack = packs?.find(({ name }) => name === values.pack);
  if (!pack || !user) {
    throw new Error(
      `There is no pack ${values.pack}: ${packs?.map(({ name }) => name).join(", ")}`,
    );
  }
  const balance = async () => {
    const { data } = await must(
      supabase.from("profiles").select("credits").eq("id", user.id).single(),
    );
    return data!.credits as number;
  };
  console.log(`${values.email} has ${await balance()} credits.`);
  console.log(`${pack.name}: ${pack.credits} credits for ${pack.price} ${pack.currency}\n`);

  const { order_id, init_point } = await value(cabina.POST("/mp-webhook/checkout", {
    body: { pack_id: pack.id, idempotency_key: crypto.randomUUID() },
  }));
  console.log(`Pay here:\n  ${init_point}\n\nWaiting for the payment …`);
  const look = () =>
    value(cabina.GET("/mp-webhook/orders/{id}", { params: { path: { id: order_id } } }));
  let order = await look();
  while (order.status === "pending") {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    order = await look();
  }
  console.log(`The order is ${order.status}. ${values.email} has ${await balance()} credits.`);
}

async function must<T extends { error: unknown }>(answer: PromiseLike<T>): Promise<T> {
  const result = await answer;
  if (result.error) throw result.error;
  return result;
}

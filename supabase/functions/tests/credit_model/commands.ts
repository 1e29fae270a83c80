import fc from "fast-check";
import {
  EVENT_PARTNERS,
  type Holder,
  ORDERS,
  PARTNERS,
  PAYMENTS,
  STYLE_COSTS,
  UNLOCK_PRICE,
  USERS,
} from "./world.ts";

/** What may be asked of the credits. Numbers are places in the world; a key of null is none. */
export type Command =
  | { do: "confirm" | "unlock" | "erase"; user: number }
  | { do: "grant" | "adjust"; holder: Holder; amount: number; key: number | null }
  | { do: "allocate"; event: number; amount: number; key: number | null }
  | { do: "transfer"; from: number; to: number; amount: number; key: number | null }
  | { do: "close" | "delete"; event: number }
  | { do: "switch"; partner: number; isActive: boolean }
  | { do: "increment"; event: number; amount: number }
  | { do: "beginForEvent"; event: number; style: number; key: number | null }
  | { do: "beginForUser"; user: number; style: number; key: number | null }
  | { do: "fail" | "complete"; photo: number }
  | { do: "purchase"; order: number; payment: number }
  | { do: "reverse"; payment: number; taken: number };

const user = fc.nat(USERS - 1);
const partner = fc.nat(PARTNERS - 1);
const event = fc.nat(EVENT_PARTNERS.length - 1);
const photo = fc.nat(9);
const payment = fc.nat(PAYMENTS - 1);
const key = fc.option(fc.nat(1), { freq: 2 });
const style = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(STYLE_COSTS.length - 1));
const amount = fc.oneof(
  // Few enough for the same request to come again.
  { weight: 6, arbitrary: fc.constantFrom(20, 50) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 5000 }) },
  { weight: 3, arbitrary: fc.constantFrom(-1, 0, UNLOCK_PRICE, 10_000_000, 10_000_001) },
);
const holder: fc.Arbitrary<Holder> = fc.oneof(
  fc.record({ account: fc.constant("user" as const), index: user }),
  fc.record({ account: fc.constant("partner" as const), index: partner }),
);
const taken = fc.oneof(
  fc.integer({ min: -1, max: 201 }),
  // All of an order's credits.
  { weight: 2, arbitrary: fc.constantFrom(...ORDERS.map(({ credits }) => credits)) },
);
const change = fc.oneof(amount, { weight: 3, arbitrary: amount.map((amount) => -amount) });
const is = <T extends string>(name: T) => fc.constant(name);

/** Any command; those that move credits often are drawn more often. */
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: is("confirm"), user }) },
  { weight: 2, arbitrary: fc.record({ do: is("unlock"), user }) },
  { weight: 1, arbitrary: fc.record({ do: is("erase"), user }) },
  { weight: 4, arbitrary: fc.record({ do: is("grant"), holder, amount, key }) },
  { weight: 8, arbitrary: fc.record({ do: is("adjust"), holder, amount: change, key }) },
  { weight: 8, arbitrary: fc.record({ do: is("allocate"), event, amount, key }) },
  { weight: 6, arbitrary: fc.record({ do: is("transfer"), from: event, to: event, amount, key }) },
  { weight: 1, arbitrary: fc.record({ do: is("close"), event }) },
  { weight: 1, arbitrary: fc.record({ do: is("delete"), event }) },
  { weight: 2, arbitrary: fc.record({ do: is("switch"), partner, isActive: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: is("increment"), event, amount }) },
  { weight: 9, arbitrary: fc.record({ do: is("beginForEvent"), event, style, key }) },
  { weight: 14, arbitrary: fc.record({ do: is("beginForUser"), user, style, key }) },
  { weight: 5, arbitrary: fc.record({ do: is("fail"), photo }) },
  { weight: 2, arbitrary: fc.record({ do: is("complete"), photo }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: is("purchase"), order: fc.nat(ORDERS.length - 1), payment }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ do: is("reverse"), payment, taken }),
  },
);

/** How every world begins: partners with credits, and events with some of them. */
export const OPENING: Command[] = [
  ...Array.from({ length: PARTNERS }, (_, index): Command => ({
    do: "grant",
    holder: { account: "partner", index },
    amount: 600,
    key: null,
  })),
  ...EVENT_PARTNERS.map((_, event): Command => ({ do: "allocate", event, amount: 300, key: null })),
];

/** As many commands as asked for. Each can shrink to null, so that a failure keeps only what it needs. */
export function commands(length: number): fc.Arbitrary<(Command | null)[]> {
  return fc.array(fc.option(command, { freq: 1_000_000 }), {
    minLength: length,
    maxLength: length,
  });
}

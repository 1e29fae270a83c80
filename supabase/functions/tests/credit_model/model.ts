import {
  type Account,
  checkAmount,
  checkBalance,
  pay,
  receive,
  Refusal,
  refuse,
  takeBack,
} from "./accounts.ts";
import type { Command } from "./commands.ts";
import {
  EVENT_PARTNERS,
  type Holder,
  ORDERS,
  type Outcome,
  PARTNERS,
  PREMIUM_STYLE,
  REFERRAL_REWARD,
  SIGNUP_BONUS,
  STYLE_COSTS,
  UNLOCK_PRICE,
  USERS,
} from "./world.ts";

interface User extends Account {
  isErased: boolean;
  isConfirmed: boolean;
  isUnlocked: boolean;
  referrer: number | null;
}
interface Partner extends Account {
  /** Allocated to events, and not yet returned. */
  used: number;
  isActive: boolean;
}
interface Event {
  partner: number | null;
  allocated: number;
  used: number;
  photos: number;
  isClosed: boolean;
  isDeleted: boolean;
}
interface Photo {
  payer: { event: number } | { user: number };
  cost: number;
  isFinal: boolean;
}
interface Purchase {
  order: number;
  movement: number;
  taken: number;
}

/** The rules of credits once more, as plainly as they can be said: no locks, no ledger, no SQL. */
export class CreditModel {
  readonly users: User[] = Array.from({ length: USERS }, (_, index) => ({
    credits: 0,
    debt: 0,
    isErased: false,
    isConfirmed: false,
    isUnlocked: false,
    // The first one brought the others.
    referrer: index === 0 ? null : 0,
  }));
  readonly partners: Partner[] = Array.from({ length: PARTNERS }, () => ({
    credits: 0,
    debt: 0,
    used: 0,
    isActive: true,
  }));
  readonly events: Event[] = EVENT_PARTNERS.map((partner) => ({
    partner,
    allocated: 0,
    used: 0,
    photos: 0,
    isClosed: false,
    isDeleted: false,
  }));
  readonly #photos: Photo[] = [];
  /** By the payment's place. */
  readonly #purchases = new Map<number, Purchase>();
  /** By the order's place: whom its purchase rewards, and whether it does so now. */
  readonly #rewards = new Map<number, { referrer: number; isGiven: boolean }>();
  /** By kind and key: what was asked for and the number of what it made. */
  readonly #remembered = new Map<string, { request: string; made: number }>();
  #movements = 0;

  /** Does what a command says, or nothing, and tells what the database must answer. */
  apply(command: Command): Outcome {
    try {
      return { result: this.#perform(command) };
    } catch (error) {
      if (error instanceof Refusal) return error.outcome;
      throw error;
    }
  }

  /** Every balance, as the database must have it. */
  balances() {
    return {
      users: this.users.map((user) => user.isErased ? null : [user.credits, user.debt]),
      partners: this.partners.map(({ credits, used, debt }) => [credits + used, used, debt]),
      events: this.events.map((event) =>
        event.isDeleted ? null : [event.allocated, event.used, event.isClosed]
      ),
    };
  }

  #perform(command: Command): number | boolean | null {
    switch (command.do) {
      case "confirm":
        return this.#confirm(this.users[command.user]!);
      case "unlock":
        return this.#unlock(this.users[command.user]!);
      case "erase":
        return this.#erase(command.user);
      case "grant":
      case "adjust":
        return this.#adjust(command);
      case "allocate":
        return this.#allocate(command);
      case "transfer":
        return this.#transfer(command);
      case "close":
        return this.#close(this.#findEvent(command.event));
      case "delete":
        return this.#delete(this.#findEvent(command.event));
      case "switch":
        this.partners[command.partner]!.isActive = command.isActive;
        return null;
      case "increment":
        return this.#increment(this.events[command.event]!, command.amount);
      case "beginForEvent":
        return this.#remember(command, () => this.#beginForEvent(command.event));
      case "beginForUser":
        if (this.users[command.user]!.isErased) refuse("UNAUTHENTICATED");
        return this.#remember(command, () => this.#beginForUser(command));
      case "fail":
        return this.#finish(command.photo, (photo) => this.#refund(photo));
      case "complete":
        return this.#finish(command.photo, () => {});
      case "purchase":
        return this.#purchase(command);
      case "reverse":
        return this.#reverse(command);
    }
  }

  /** The same key and request give what they gave before; another request is a conflict. */
  #remember(command: Command & { key: number | null }, make: () => number): number {
    if (command.key === null) return make();
    const { key, ...request } = command;
    // A key of a photo is its guest's or user's own, a key of staff is one for each kind of movement.
    const owner = command.do === "beginForEvent"
      ? command.event
      : command.do === "beginForUser"
      ? command.user
      : "staff";
    const name = [command.do, owner, key].join();
    const earlier = this.#remembered.get(name);
    if (earlier === undefined) {
      const made = make();
      this.#remembered.set(name, { request: JSON.stringify(request), made });
      return made;
    }
    if (earlier.request !== JSON.stringify(request)) refuse("IDEMPOTENCY_CONFLICT");
    return earlier.made;
  }

  #confirm(user: User): null {
    if (!user.isErased && !user.isConfirmed) receive(user, SIGNUP_BONUS);
    user.isConfirmed = true;
    return null;
  }

  #unlock(user: User): null {
    if (user.isErased) refuse("UNAUTHENTICATED");
    if (user.isUnlocked) return null;
    pay(user, UNLOCK_PRICE);
    user.isUnlocked = true;
    return null;
  }

  #erase(index: number): null {
    Object.assign(this.users[index]!, { isErased: true, credits: 0, debt: 0, referrer: null });
    for (const user of this.users) if (user.referrer === index) user.referrer = null;
    return null;
  }

  #adjust(command: Command & { do: "grant" | "adjust" }): number {
    const { amount, holder } = command;
    checkAmount(command.do === "adjust" ? Math.abs(amount) : amount);
    return this.#remember(command, () => {
      const account = this.#account(holder) ?? refuse("NOT_FOUND");
      if (amount < 0) pay(account, -amount);
      else receive(account, amount);
      return this.#movements++;
    });
  }

  #allocate(command: Command & { do: "allocate" }): number {
    checkAmount(command.amount);
    return this.#remember(command, () => {
      const event = this.#findEvent(command.event);
      if (event.isClosed) refuse("EVENT_ENDED");
      if (event.partner !== null) {
        pay(this.partners[event.partner]!, command.amount);
        this.partners[event.partner]!.used += command.amount;
      }
      event.allocated += command.amount;
      return this.#movements++;
    });
  }

  #transfer(command: Command & { do: "transfer" }): number {
    const { amount } = command;
    checkAmount(amount);
    if (command.from === command.to) refuse("INVALID_INPUT");
    return this.#remember(command, () => {
      const from = this.#findEvent(command.from);
      const to = this.#findEvent(command.to);
      if (from.partner !== to.partner) refuse("EVENT_NOT_FOUND");
      if (to.isClosed) refuse("EVENT_ENDED");
      checkBalance(from.allocated - from.used, amount);
      const debt = to.partner === null ? 0 : this.partners[to.partner]!.debt;
      if (debt > 0) checkBalance(0, amount, debt);
      from.allocated -= amount;
      to.allocated += amount;
      return this.#movements++;
    });
  }

  #close(event: Event): null {
    if (!event.isClosed) this.#giveBack(event, event.allocated - event.used);
    event.isClosed = true;
    return null;
  }

  #delete(event: Event): null {
    if (event.used > 0 || event.photos > 0) refuse("CONFLICT");
    this.#giveBack(event, event.allocated);
    event.isDeleted = true;
    return null;
  }

  /** To the partner who allocated them; the master's own just cease to be. */
  #giveBack(event: Event, amount: number): void {
    event.allocated -= amount;
    if (event.partner === null) return;
    this.partners[event.partner]!.used -= amount;
    receive(this.partners[event.partner]!, amount);
  }

  #increment(event: Event, amount: number): boolean {
    checkAmount(amount);
    if (event.isDeleted || this.#closedFor(event) || event.allocated - event.used < amount) {
      return false;
    }
    event.used += amount;
    return true;
  }

  /** Why guests may not use an event now, if so. */
  #closedFor(event: Event): string | null {
    if (event.isClosed) return "EVENT_ENDED";
    if (event.partner !== null && !this.partners[event.partner]!.isActive) return "EVENT_PAUSED";
    return event.used >= event.allocated ? "EVENT_SOLD_OUT" : null;
  }

  #beginForEvent(index: number): number {
    const event = this.#findEvent(index);
    const reason = this.#closedFor(event);
    if (reason) refuse(reason);
    event.used += 1;
    event.photos += 1;
    return this.#photos.push({ payer: { event: index }, cost: 1, isFinal: false }) - 1;
  }

  #beginForUser(command: Command & { do: "beginForUser" }): number {
    const user = this.users[command.user]!;
    const cost = STYLE_COSTS[command.style]!;
    if (command.style === PREMIUM_STYLE && !user.isUnlocked) refuse("STYLE_LOCKED");
    pay(user, cost);
    return this.#photos.push({ payer: { user: command.user }, cost, isFinal: false }) - 1;
  }

  #finish(index: number, end: (photo: Photo) => void): null {
    const photo = this.#photos[index];
    if (photo && !photo.isFinal) end(photo);
    if (photo) photo.isFinal = true;
    return null;
  }

  #refund({ payer, cost }: Photo): void {
    if ("user" in payer) {
      const user = this.users[payer.user]!;
      if (!user.isErased) receive(user, cost);
      return;
    }
    const event = this.events[payer.event]!;
    event.used -= cost;
    if (event.isClosed) this.#giveBack(event, cost);
  }

  #purchase({ order, payment }: Command & { do: "purchase" }): number {
    const earlier = this.#purchases.get(payment);
    if (earlier && earlier.order !== order) refuse("IDEMPOTENCY_CONFLICT");
    if (earlier) return earlier.movement;
    const { buyer, credits } = ORDERS[order]!;
    const account = this.#account(buyer);
    if (account) receive(account, credits);
    const movement = this.#movements++;
    this.#purchases.set(payment, { order, movement, taken: 0 });
    this.#settleReward(order);
    return movement;
  }

  #reverse({ payment, taken }: Command & { do: "reverse" }): number {
    const purchase = this.#purchases.get(payment) ?? refuse("ORDER_NOT_FOUND");
    const { buyer, credits } = ORDERS[purchase.order]!;
    if (taken < 0 || taken > credits) refuse("INVALID_INPUT");
    const more = taken - purchase.taken;
    const account = this.#account(buyer);
    if (account && more > 0) takeBack(account, more);
    if (account && more < 0) receive(account, -more);
    purchase.taken = taken;
    this.#settleReward(purchase.order);
    return more;
  }

  /** Rewards who referred the buyer while anything of the buyer's first purchase is paid for. */
  #settleReward(order: number): void {
    const { buyer, credits } = ORDERS[order]!;
    if (buyer.account === "partner") return;
    const purchases = [...this.#purchases.values()];
    const isPaid = purchases.some((purchase) =>
      purchase.order === order && purchase.taken < credits
    );
    const isFirst = !purchases.some((other) =>
      other.order !== order && ORDERS[other.order]!.buyer.account === "user" &&
      ORDERS[other.order]!.buyer.index === buyer.index
    );

    let reward = this.#rewards.get(order);
    if (!reward) {
      const { referrer } = this.users[buyer.index]!;
      if (!isPaid || !isFirst || referrer === null || this.users[referrer]!.debt > 0) return;
      reward = { referrer, isGiven: false };
      this.#rewards.set(order, reward);
    }
    if (reward.isGiven === isPaid) return;
    reward.isGiven = isPaid;
    const referrer = this.users[reward.referrer]!;
    if (referrer.isErased) return;
    if (isPaid) receive(referrer, REFERRAL_REWARD);
    else takeBack(referrer, REFERRAL_REWARD);
  }

  #findEvent(index: number): Event {
    const event = this.events[index]!;
    return event.isDeleted ? refuse("EVENT_NOT_FOUND") : event;
  }

  /** Null when the person was erased. */
  #account({ account, index }: Holder): Account | null {
    if (account === "partner") return this.partners[index]!;
    return this.users[index]!.isErased ? null : this.users[index]!;
  }
}

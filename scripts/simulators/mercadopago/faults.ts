import { type Change, defaults, type RequestFault, type Route, type Settings } from "./settings.ts";

/** The settings as they hold now. */
export class Faults {
  settings: Settings = defaults();

  /** Applies a checked body of the control route. */
  apply(change: Change): void {
    const healthy = defaults();
    for (const name of Object.keys(change) as (keyof Settings)[]) {
      if (change[name] === undefined) continue;
      Object.assign(this.settings, { [name]: change[name] ?? healthy[name] });
    }
  }

  /** Everything back to the defaults. */
  reset(): void {
    this.settings = defaults();
  }

  /** The first fault that strikes this call, counted down; one that is used up is removed. */
  strike(route: Route): RequestFault | undefined {
    const { faults } = this.settings;
    const fault = faults.find(({ on }) => on === "any" || on === route);
    if (fault?.next === undefined) return fault;
    fault.next -= 1;
    if (fault.next === 0) faults.splice(faults.indexOf(fault), 1);
    return fault;
  }
}

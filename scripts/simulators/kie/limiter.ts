/**
 * Lets `requests` through in any `window_ms` and drops the rest; a dropped request costs nothing.
 *
 * The window slides, which is the strictest reading of "20 per 10 seconds": a client that gets along with this one
 * gets along with a fixed window as well.
 */
export class Limiter {
  #passed: number[] = [];

  /**
   * @param now milliseconds of a clock that does not go back.
   * @returns whether the request may pass.
   */
  pass(now: number, requests: number, windowMs: number): boolean {
    this.#passed = this.#passed.filter((at) => at > now - windowMs);
    if (this.#passed.length >= requests) return false;
    this.#passed.push(now);
    return true;
  }
}

/** Counts per window since the first request: how much of what an account allows was used. */
export class WindowCounter {
  #first: number | null = null;
  #used: number[] = [];

  /** Notes one request that was let through. */
  count(now: number, windowMs: number): void {
    this.#first ??= now;
    const index = Math.floor((now - this.#first) / windowMs);
    this.#used[index] = (this.#used[index] ?? 0) + 1;
  }

  /**
   * `offered` and `used` slots from the first request to the window of the last one; `windows` holds the use of the
   * newest 60 windows, oldest first.
   */
  report(requests: number): { offered: number; used: number; windows: number[] } {
    const windows = Array.from(this.#used, (used) => used ?? 0);
    return {
      offered: windows.length * requests,
      used: windows.reduce((sum, used) => sum + used, 0),
      windows: windows.slice(-60),
    };
  }
}

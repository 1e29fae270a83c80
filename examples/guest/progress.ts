const WIDTH = 30;

interface Progress {
  state: string;
  progress: number;
  queue_position?: number;
  eta_seconds?: number;
}

/** A progress bar: redrawn in place on a terminal, a line for each change elsewhere. */
export function progressBar() {
  let last = "";
  return {
    /** Shows where a generation stands. */
    draw({ state, progress, queue_position, eta_seconds }: Progress): void {
      const filled = Math.round(progress * WIDTH);
      const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
      const place = queue_position === undefined ? "" : ` · number ${queue_position} in the queue`;
      const eta = eta_seconds === undefined ? "" : ` · about ${eta_seconds} s`;
      const line = `${bar} ${
        String(Math.round(progress * 100)).padStart(3)
      } % ${state}${place}${eta}`;
      if (line === last) return;
      last = line;
      if (Deno.stdout.isTerminal()) {
        Deno.stdout.writeSync(new TextEncoder().encode(`\r\x1b[2K${line}`));
      } else {
        console.log(line);
      }
    },
    /** Leaves the line. */
    end(): void {
      if (Deno.stdout.isTerminal()) console.log();
    },
  };
}

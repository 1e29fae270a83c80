// Own times from the functions' log: each request is a line with the milliseconds of its steps, those of others
// (provider, network, pauses) marked as outside.

interface Step {
  step: string;
  ms?: number;
  generation_id?: string;
  outside?: boolean;
}

interface Line {
  path: string;
  status: number;
  duration_ms: number;
  generation_id?: string;
  steps?: Step[];
}

const PARTS = ["generate", "dispatch", "callback", "finish", "polls"] as const;
type Part = (typeof PARTS)[number];

/** Milliseconds that each photo took in each part, and in all of them together. */
export function ownTimes(log: string): Record<Part | "sum", number[]> {
  const photos = new Map<string, Record<Part, number>>();
  const add = (id: string | undefined, part: Part, ms: number) => {
    if (id === undefined) return;
    const photo = photos.get(id) ?? { generate: 0, dispatch: 0, callback: 0, finish: 0, polls: 0 };
    photo[part] += ms;
    photos.set(id, photo);
  };
  for (const line of readLines(log)) {
    const steps = line.steps ?? [];
    const ms = (...names: string[]) =>
      steps.reduce((sum, { step, ms }) => names.includes(step) ? sum + (ms ?? 0) : sum, 0);
    if (line.path === "/cabina-vision/callback") {
      add(line.generation_id, "callback", line.duration_ms);
    } else if (steps.some(({ step }) => step === "begin")) {
      add(line.generation_id, "generate", line.duration_ms);
    } else if (line.path === "/cabina-vision") {
      add(line.generation_id, "polls", ms("auth", "status"));
    }

    const submitted = steps.filter(({ step }) => step === "submit");
    for (const { generation_id } of submitted) {
      // A claim and its addresses are for all photos of the line.
      add(generation_id, "dispatch", ms("claim", "photo_addresses") / submitted.length);
    }
    for (const { step, ms = 0, generation_id } of steps) {
      if (step === "record") add(generation_id, "dispatch", ms);
      if (step === "target" || step === "complete") add(generation_id, "finish", ms);
    }
    if (submitted.length === 0) add(line.generation_id, "polls", ms("claim"));
  }
  const all = [...photos.values()].filter(({ generate, finish }) => generate > 0 && finish > 0);
  return Object.fromEntries([
    ...PARTS.map((part) => [part, all.map((photo) => photo[part])]),
    ["sum", all.map((photo) => PARTS.reduce((sum, part) => sum + photo[part], 0))],
  ]);
}

function* readLines(log: string): Generator<Line> {
  for (const text of log.split("\n")) {
    const json = /^\[cabina-vision\] (\{.*\})$/.exec(text)?.[1];
    if (json !== undefined) yield JSON.parse(json);
  }
}

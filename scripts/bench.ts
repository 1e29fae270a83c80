// `npm run bench -- <name> [--json]`: answers one question with numbers. Without a name: which there are.
interface Result {
  /** Machine, versions and parameters. */
  about?: Record<string, string | number>;
  /** One line of the printed table each. */
  figures: object;
}

const benches: Record<string, { question: string; run: () => Promise<Result> }> = {
  start: {
    question: "How long does npm start take, cold and warm, and how much memory does it hold?",
    run: async () => (await import("./bench/start.ts")).benchStart(),
  },
  coldstart: {
    question: "How long after its process starts has each function given its first real answer?",
    run: async () => (await import("./bench/coldstart.ts")).benchColdStart(),
  },
  credits: {
    question:
      "How near does the whole begin of a photo come to one bare update of the event's counter?",
    run: async () => (await import("./bench/credits.ts")).benchCredits(),
  },
  payments: {
    question: "How long does the payment gateway wait for the answer to a notification?",
    run: async () => (await import("./bench/payments.ts")).benchPayments(),
  },
  party: {
    question: "What does a full party cost us per photo, and do photos wait longer than they must?",
    run: async () => (await import("./bench/party.ts")).benchParty(),
  },
  access: {
    question:
      "What does row level security add to the dashboards' queries when there are a million photos?",
    run: async () => (await import("./bench/access.ts")).benchAccess(),
  },
  dashboards: {
    question: "How long do dashboards wait for their numbers and lists among a million photos?",
    run: async () => (await import("./bench/dashboards.ts")).benchDashboards(),
  },
};

const [name] = Deno.args.filter((arg) => !arg.startsWith("--"));
const bench = benches[name ?? ""];
if (bench === undefined) {
  console.error(name === undefined ? "Name a bench:" : `There is no bench ${name}. There are:`);
  for (const [key, { question }] of Object.entries(benches)) console.error(`  ${key}  ${question}`);
  Deno.exit(2);
}

const isJson = Deno.args.includes("--json");
if (!isJson) console.log(bench.question);
const result = await bench.run();
if (isJson) {
  console.log(JSON.stringify(result));
} else {
  if (result.about) console.log(result.about);
  console.table(result.figures);
}

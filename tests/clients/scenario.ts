// The scenario with the client of openapi-typescript and openapi-fetch. The arguments are the address of the service, the
// token of the person who pays, and that of the one who approves.
import createClient from "openapi-fetch";
import type { paths } from "./payouts.js";

declare const process: { argv: string[] };

const [baseUrl, payer, approver] = process.argv.slice(2);
const as = (token: string) =>
  createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const [grace, ada] = [as(payer), as(approver)];

function check(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(`unexpected: ${JSON.stringify(what)}`);
}

const recipient = (number: number) => ({
  recipient: { type: "account" as const, account: `NODE-${number}`, name: "Ada Lovelace" },
});

const created = await grace.POST("/api/payouts/", {
  params: { header: { "Idempotency-Key": "node-1" } },
  body: { amount: "12.50", currency: "EUR", metadata: { team: "node" }, ...recipient(1) },
});
check(created.response.status === 201 && created.data !== undefined, created.error);

const listed = await grace.GET("/api/payouts/", { params: { query: { metadata: { team: "node" } } } });
check(listed.data?.results.length === 1, listed.error ?? listed.data);

const batch = {
  external_id: "node-batch",
  payouts: [2, 3].map((number) => ({ amount: "1500.00", currency: "EUR" as const, ...recipient(number) })),
};
const dry = await grace.POST("/api/batches/", { params: { query: { dry_run: true } }, body: batch });
check(dry.data?.report?.forecast?.awaiting_approval === 2, dry.error ?? dry.data);
const stored = await grace.POST("/api/batches/", { body: batch });
check(stored.response.status === 201, stored.error);
const id = stored.data?.batch?.id;
check(id !== undefined, stored.data);

const own = await grace.POST("/api/batches/{id}/approve/", { params: { path: { id } } });
check(own.data?.not_allowed === 2, own.error ?? own.data);
const approved = await ada.POST("/api/batches/{id}/approve/", { params: { path: { id } } });
check(approved.data?.completed === 2, approved.error ?? approved.data);

const seen = new Set<string>();
let after: string | undefined;
for (let turn = 0; turn < 200 && !seen.has("payout.completed"); turn += 1) {
  const page = await grace.GET("/api/events/", { params: { query: { after } } });
  check(page.data !== undefined, page.error);
  for (const event of page.data.results) seen.add(event.type);
  after = page.data.next;
  await new Promise((resume) => setTimeout(resume, 100));
}
check(seen.has("payout.completed"), [...seen]);
console.log("the TypeScript client ran the scenario");

// A service with payouts in every ending, and the addresses of its pages.
import { listen, sleep, startService } from "./service.mjs";

const DAY = 86_400_000;
const PEOPLE = [
  "Ada Lovelace", "Grace Hopper", "Alan Turing", "Katherine Johnson", "Edsger Dijkstra", "Barbara Liskov",
];
const ACCOUNTS = [
  "account-4711", "account-4712", "account-4713", "magic:decline:account_closed", "magic:return", "magic:accept",
  "magic:funds:never", "magic:cannot_tell", "account-4714", "account-4715",
];
const DESCRIPTIONS = ["Invoice 2026-117", "Salary of November", "Refund of order 88", ""];
const PROVIDERS = `[providers.sandbox]
kind = "simulated"

[providers.reserve]
kind = "simulated"

[[routes]]
use = ["sandbox", "reserve"]
`;

/** The bodies of payouts to several people, some of whom cannot be paid. */
const payout = (number) => {
  const currency = ["EUR", "USD", "JPY", "GBP"][number % 4];
  return {
    amount: currency === "JPY" ? String(1200 + number * 17) : (12.5 + number * 21.35).toFixed(2),
    currency,
    recipient_account: ACCOUNTS[number % ACCOUNTS.length],
    recipient_name: PEOPLE[number % PEOPLE.length],
    description: DESCRIPTIONS[number % 4],
    external_id: `order-${1000 + number}`,
    ...(number % 16 === 3 ? { scheduled_at: new Date(Date.now() + DAY * 3).toISOString() } : {}),
  };
};

/**
 * Starts a service, fills it, and waits until its payouts have ended or wait. Its key `ada` is a person's, with every
 * scope. Its webhook's receiver refuses everything.
 *
 * @param lists the number of entries in each list beside the payouts: of batches, recipients, and API keys
 */
export async function filledService({ payouts, lists }) {
  const service = await startService({
    settings: { PAYOUT_APPROVALS: "EUR=1000:1" },
    providers: PROVIDERS,
    keys: { ada: { scopes: "admin", owner: "Ada Lovelace" }, shop: { scopes: "read,write,operate" } },
  });
  const receiver = await listen((request, body, response) => response.writeHead(500).end("sorry"));
  const { ada, shop } = service.keys;
  const { webhook } = await service.api(ada, "POST", "/api/webhooks/", {
    url: `http://127.0.0.1:${receiver.port}/hooks`, description: "The shop", types: [],
  });
  const ids = [];
  for (let number = 0; number < payouts; number++) {
    ids.push((await service.api(shop, "POST", "/api/payouts/", payout(number))).id);
  }
  for (const amount of ["1250.00", "18000.00"]) {
    await service.api(shop, "POST", "/api/payouts/", {
      amount, currency: "EUR", description: "A large one",
      recipient_account: "account-9", recipient_name: "Grace Hopper",
    });
  }
  let batch;
  for (let number = 0; number < lists; number++) {
    const year = 2026 - number;
    await service.api(shop, "POST", "/api/recipients/", {
      external_id: `supplier-${17 + number}`,
      recipient: { type: "iban", iban: "DE89370400440532013000", name: PEOPLE[number % PEOPLE.length] },
    });
    ({ batch } = await service.api(shop, "POST", "/api/batches/", {
      external_id: `salaries-${year}-11`, description: `Salaries of November ${year}`,
      payouts: (number ? PEOPLE.slice(0, 1) : PEOPLE).map((name, place) => ({
        amount: `${1500 + place * 10}.00`, currency: "USD", recipient_account: `payroll-${place}`, recipient_name: name,
      })),
    }));
    if (number > 0) {
      await service.api(ada, "POST", "/api/keys/", {
        name: `till-${number}`, scopes: ["read", "write"], owner: PEOPLE[number % PEOPLE.length],
      });
    }
  }
  const reason = "Maintenance at the provider until 06:00.";
  await service.api(ada, "POST", "/api/providers/reserve/pause/", { reason });
  await sleep(12_000);
  const pages = {
    "needs-you": "/console/",
    payouts: "/console/payouts/",
    filters: "/console/payouts/?currency=EUR&column=created&column=recipient&column=created_by&column=provider"
      + "&column=external_id",
    "no-payouts": "/console/payouts/?currency=CHF",
    payout: `/console/payouts/${ids[0]}/`,
    "failed-payout": `/console/payouts/${ids[13]}/`,
    "payout-under-review": `/console/payouts/${ids[7]}/`,
    "edited-payout": `/console/payouts/${ids[19]}/edit/`,
    "new-payout": "/console/new/",
    upload: "/console/upload/",
    batches: "/console/batches/",
    batch: `/console/batches/${batch.id}/`,
    recipients: "/console/recipients/",
    providers: "/console/providers/",
    webhooks: "/console/webhooks/",
    webhook: `/console/webhooks/${webhook.id}/`,
    delivery: `/console/webhooks/${webhook.id}/deliveries/1/`,
    keys: "/console/keys/",
    "bulk-confirmation": "/console/bulk/new/?status=failed&step=retry",
    "bulk-actions": "/console/bulk/",
    overview: "/console/overview/",
    shortcuts: "/console/shortcuts/",
  };
  const stop = async () => {
    await receiver.close();
    await service.stop();
  };
  return { ...service, stop, pages };
}

/** The rows of a file of payouts that are wrong, and what is wrong, by their numbers. */
const WRONG = {
  7: "-3,EUR,account-7,Ada,Salary",
  100: "10.00,EURO,account-100,Ada,Salary",
  450: "10.00,EUR,account-450,,Salary",
};

/** Makes a file of 500 payouts. Three rows are wrong, unless it is mended; one payment comes back. */
export function file({ mended }) {
  const rows = ["amount,currency,recipient_account,recipient_name,description"];
  for (let row = 1; row <= 500; row++) {
    const account = row === 200 ? "magic:return" : `account-${row}`;
    rows.push((!mended && WRONG[row]) || `10.00,EUR,${account},Ada,Salary`);
  }
  return rows.join("\n");
}

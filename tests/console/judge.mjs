// Looks at every page of the console in a browser.
//
//   node judge.mjs judge      follows every link, with JavaScript on and off, and asks axe-core about each page
//   node judge.mjs pictures   takes a picture of each page: light, dark, and 390 px wide
//
// It starts the binary of TESTED_BINARY on a database of its own, fills it, and signs in. TEST_CHROMIUM is the browser.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [mode, target] = [process.argv[2] ?? "judge", process.argv[3] ?? "target/console/pictures"];
const binary = process.env.TESTED_BINARY;
const folder = mkdtempSync(join(tmpdir(), "console-"));
const found = [];
const complain = (text) => { found.push(text); console.log(`  ${text}`); };

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

writeFileSync(join(folder, "providers.toml"), `[providers.sandbox]
kind = "simulated"

[providers.reserve]
kind = "simulated"

[[routes]]
use = ["sandbox", "reserve"]
`);
const port = await freePort();
const base = `http://127.0.0.1:${port}`;
const env = {
  PATH: process.env.PATH,
  HOME: folder,
  DATABASE_URL: `sqlite://${join(folder, "payouts.db")}`,
  PAYOUT_BIND: `127.0.0.1:${port}`,
  PAYOUT_PROVIDERS_FILE: join(folder, "providers.toml"),
  PAYOUT_APPROVALS: "EUR=1000:1",
  PAYOUT_WEBHOOK_NETWORKS: "127.0.0.0/8",
};
const run = (...args) => execFileSync(binary, args, { env, cwd: folder, stdio: ["ignore", "pipe", "ignore"] }).toString().trim();
run("migrate");
const ada = run("keys", "create", "ada", "--owner", "Ada Lovelace", "--scopes", "admin");
const shop = run("keys", "create", "shop", "--scopes", "read,write,operate");
const service = spawn(binary, ["run"], { env, cwd: folder, stdio: "ignore" });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
for (let tries = 0; ; tries++) {
  if (await fetch(`${base}/health/ready`).then((answer) => answer.ok, () => false)) break;
  if (tries > 300) throw new Error("the service does not become ready");
  await sleep(100);
}

async function api(key, method, path, body) {
  const answer = await fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

// People, and every ending.
const people = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Katherine Johnson", "Edsger Dijkstra", "Barbara Liskov"];
const accounts = [
  "account-4711", "account-4712", "account-4713", "magic:decline:account_closed", "magic:return", "magic:accept",
  "magic:funds:never", "magic:cannot_tell", "account-4714", "account-4715",
];
const hook = createServer((socket) => socket.on("data", () => socket.end("HTTP/1.1 500 No\r\ncontent-length: 5\r\nconnection: close\r\n\r\nsorry")));
await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve));
const { webhook } = await api(ada, "POST", "/api/webhooks/", { url: `http://127.0.0.1:${hook.address().port}/hooks`, description: "The shop", types: [] });
const ids = [];
for (let number = 0; number < 64; number++) {
  const currency = ["EUR", "USD", "JPY", "GBP"][number % 4];
  const payout = await api(shop, "POST", "/api/payouts/", {
    amount: currency === "JPY" ? String(1200 + number * 17) : (12.5 + number * 21.35).toFixed(2),
    currency,
    recipient_account: accounts[number % accounts.length],
    recipient_name: people[number % people.length],
    description: ["Invoice 2026-117", "Salary of November", "Refund of order 88", ""][number % 4],
    external_id: `order-${1000 + number}`,
    ...(number % 16 === 3 ? { scheduled_at: new Date(Date.now() + 86400e3 * 3).toISOString() } : {}),
  });
  ids.push(payout.id);
}
for (const amount of ["1250.00", "18000.00"]) {
  await api(shop, "POST", "/api/payouts/", { amount, currency: "EUR", recipient_account: "account-9", recipient_name: "Grace Hopper", description: "A large one" });
}
await api(shop, "POST", "/api/recipients/", { external_id: "supplier-17", recipient: { type: "iban", iban: "DE89370400440532013000", name: "Ada Lovelace" } });
const batch = await api(shop, "POST", "/api/batches/", {
  external_id: "salaries-2026-11", description: "Salaries of November",
  payouts: people.map((name, place) => ({ amount: `${1500 + place * 10}.00`, currency: "USD", recipient_account: `payroll-${place}`, recipient_name: name })),
});
await api(ada, "POST", "/api/providers/reserve/pause/", { reason: "Maintenance at the provider until 06:00." });
await sleep(12000);

const browser = await puppeteer.launch({
  executablePath: process.env.TEST_CHROMIUM ?? "chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
});

/** Opens a tab of a person who is signed in. */
async function tab(script) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setJavaScriptEnabled(script);
  page.on("console", (message) => {
    const expected = message.location()?.url === here && /status of (4\d\d)/.test(message.text());
    if (!expected) complain(`${here}: the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => complain(`${here}: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) complain(`${here} asks for ${request.url()}`);
  });
  return page;
}
let here = "";
async function go(page, path) {
  here = base + path;
  return page.goto(here, { waitUntil: "load" });
}
async function signIn(page) {
  await go(page, "/console/sign-in/");
  await page.type("#key", ada);
  await Promise.all([page.waitForNavigation(), page.click("button.main")]);
  if (!page.url().includes("/console/?")) complain(`signing in leads to ${page.url()}`);
}
async function ask(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, nodes } of violations) {
    if (impact === "serious" || impact === "critical") complain(`${here} (${what}): axe ${id}: ${nodes.map((node) => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
  }
}
const theme = (page, value) => page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
const pages = {
  "needs-you": "/console/",
  payouts: "/console/payouts/",
  filters: "/console/payouts/?currency=EUR&column=created&column=recipient&column=created_by&column=provider&column=external_id",
  "no-payouts": "/console/payouts/?currency=CHF",
  payout: `/console/payouts/${ids[0]}/`,
  "failed-payout": `/console/payouts/${ids[3]}/`,
  "payout-under-review": `/console/payouts/${ids[7]}/`,
  "new-payout": "/console/new/",
  upload: "/console/upload/",
  batches: "/console/batches/",
  batch: `/console/batches/${batch.batch.id}/`,
  recipients: "/console/recipients/",
  providers: "/console/providers/",
  webhooks: "/console/webhooks/",
  webhook: `/console/webhooks/${webhook.id}/`,
  keys: "/console/keys/",
  "bulk-confirmation": "/console/bulk/new/?status=failed&step=retry",
  "bulk-actions": "/console/bulk/",
  overview: "/console/overview/",
  shortcuts: "/console/shortcuts/",
  "not-found": "/console/nowhere/",
};

/** Leaves the page with three wrong rows of a file. */
async function wrongRows(page) {
  const file = join(folder, "wrong.csv");
  const rows = ["amount,currency,recipient_account,recipient_name,description"];
  for (let row = 1; row <= 500; row++) {
    rows.push(row === 7 ? "-3,EUR,account-7,Ada,Salary" : row === 100 ? "10.00,EURO,account-100,Ada,Salary" : row === 450 ? "10.00,EUR,account-450,,Salary" : `10.00,EUR,account-${row},Ada,Salary`);
  }
  writeFileSync(file, rows.join("\n"));
  await go(page, "/console/upload/");
  const input = await page.$("#file");
  await input.uploadFile(file);
  here = `${base}/console/upload/`;
  await Promise.all([page.waitForNavigation(), page.evaluate(() => document.querySelector("#file").form.submit())]);
}

/** Starts a bulk action, and adds its page to those that are looked at. */
async function startBulk() {
  const page = await tab(true);
  await signIn(page);
  await go(page, "/console/bulk/new/?status=pending&currency=GBP&step=cancel");
  await page.type("#reason", "Entered twice.");
  await Promise.all([page.waitForNavigation(), page.click("button.danger")]);
  const path = new URL(page.url()).pathname;
  if (!/^\/console\/bulk\/[0-9a-f-]{36}\/$/.test(path)) complain(`a bulk action leads to ${path}`);
  // Its progress changes where it stands.
  await page.waitForFunction(() => document.getElementById("progress").textContent.includes("Finished"), { timeout: 15000 })
    .catch(() => complain("the progress of a bulk action does not change where it stands"));
  pages["bulk-action"] = path;
}

try {
  await startBulk();
  if (mode === "pictures") {
    mkdirSync(target, { recursive: true });
    for (const [name, width, scheme] of [["light", 1280, "light"], ["dark", 1280, "dark"], ["narrow", 390, "light"]]) {
      const page = await tab(true);
      await page.setViewport({ width, height: width === 390 ? 844 : 800 });
      await theme(page, scheme);
      await go(page, "/console/sign-in/");
      await page.screenshot({ path: join(target, `sign-in-${name}.png`), fullPage: true });
      await signIn(page);
      for (const [title, path] of Object.entries(pages)) {
        await go(page, path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) complain(`${here} is ${wide} px too wide (${name})`);
        await page.screenshot({ path: join(target, `${title}-${name}.png`), fullPage: true });
      }
      await wrongRows(page);
      await page.screenshot({ path: join(target, `wrong-rows-${name}.png`), fullPage: true });
    }
    console.log(`The pictures are in ${target}.`);
  } else {
    for (const script of [true, false]) {
      const page = await tab(script);
      await signIn(page);
      const links = [...Object.values(pages)];
      const seen = new Set();
      let weight = 0;
      while (links.length && seen.size < 250) {
        const path = links.shift();
        if (seen.has(path) || path.includes("/export/")) continue;
        seen.add(path);
        const answer = await go(page, path);
        const known = path === "/console/nowhere/" ? 404 : 200;
        if (answer.status() !== known) complain(`${path} answers ${answer.status()}`);
        weight = Math.max(weight, (await answer.buffer()).length);
        // Without JavaScript nothing can be asked within the page.
        const html = await answer.text();
        for (const [, href] of html.matchAll(/href="([^"]+)"/g)) {
          const link = href.replaceAll("&amp;", "&").replaceAll("&#38;", "&");
          if (link.startsWith("/console/") && !link.startsWith("/console/assets/")) links.push(link.split("#")[0]);
          else if (!link.startsWith("/console/assets/") && !link.startsWith("#")) complain(`${path} leads to ${link}`);
        }
        if (script && Object.values(pages).includes(path)) {
          for (const scheme of ["light", "dark"]) {
            await theme(page, scheme);
            await ask(page, scheme);
          }
        }
      }
      console.log(`${seen.size} pages with JavaScript ${script ? "on" : "off"}; the largest has ${weight} bytes`);
    }
    const page = await tab(true);
    await signIn(page);
    await wrongRows(page);
    for (const scheme of ["light", "dark"]) { await theme(page, scheme); await ask(page, scheme); }
    // A row changes where it stands.
    await go(page, "/console/payouts/?ordering=created_at&status=awaiting_approval");
    const row = await page.waitForSelector("tr[data-payout]");
    const id = await row.evaluate((row) => row.dataset.payout);
    await sleep(1500);
    await api(ada, "POST", `/api/payouts/${id}/reject/`, { reason: "A test." });
    await page.waitForFunction((id) => document.getElementById(`payout-${id}`)?.textContent.includes("Cancelled"), { timeout: 15000 }, id)
      .catch(() => complain("a row does not change where it stands"));
  }
} finally {
  await browser.close();
  service.kill("SIGTERM");
  hook.close();
  await new Promise((resolve) => service.on("exit", resolve));
  rmSync(folder, { recursive: true, force: true });
}
if (found.length) {
  console.log(`${found.length} findings`);
  process.exit(1);
}

// The work of people in the console, from a file with mistakes to payments that have arrived, in a browser: once with
// JavaScript on, and once with it off. Each step checks what a person sees.
//
// It starts the binary of TESTED_BINARY on a database of its own, with the simulated provider.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  complaints, endsWithin, fill, go, launch, openTab, press, sees, shown, signIn, unfold, until,
} from "./browser.mjs";
import { file } from "./data.mjs";
import { listen, sleep, startService } from "./service.mjs";

/** The people, by the names of their keys. */
const PEOPLE = {
  ada: { owner: "Ada Lovelace", scopes: "read,write,operate" },
  grace: { owner: "Grace Hopper", scopes: "read,approve" },
  katherine: { owner: "Katherine Johnson", scopes: "admin" },
};
/** The types of events that the endpoint gets. */
const TYPES = ["payout.returned", "payout.retried", "batch.created", "batch.approved"];
/** The time within which a paid payout is looked up again and found to be returned, in milliseconds. */
const RETURNS = 60_000;

const { found, complain } = complaints();
endsWithin(240_000);
const browser = await launch();

/** Starts a receiver of webhooks. It answers with its `status`, and keeps the events that it accepts. */
async function startReceiver() {
  const receiver = { status: 500, accepted: [] };
  const server = await listen((request, body, response) => {
    if (receiver.status < 300) receiver.accepted.push(JSON.parse(body));
    response.writeHead(receiver.status).end(receiver.status < 300 ? "" : "The shop is closed.");
  });
  return Object.assign(receiver, { url: `http://127.0.0.1:${server.port}/hooks`, close: server.close });
}

/** Returns the steps of the story, by their names. Each begins where the one before has ended. */
function steps({ service, receiver, script, tabs: { ada, grace, katherine } }) {
  const { base, keys } = service;
  // With JavaScript a page changes by itself; without it a person loads it again.
  const changes = (page, all) => until(page, all, { reload: !script });
  // A page that is loaded again has no mark any more.
  const mark = (page) => page.evaluate(() => { globalThis.isMarked = true; });
  const isStill = async (page) => {
    const isMarked = !script || await page.evaluate(() => globalThis.isMarked === true);
    if (!isMarked) throw new Error(`${page.url()} was loaded again`);
  };
  const upload = async (content, name, status) => {
    const path = join(service.folder, name);
    writeFileSync(path, content);
    await (await ada.$("#file")).uploadFile(path);
    await fill(ada, "form[enctype] #description", "Salaries");
    await press(ada, "Check it", status);
  };
  let batch;
  let payout;

  return {
    "Ada signs in": async () => {
      await signIn(ada, base, keys.ada);
      await sees(ada, "Nothing needs you.", "Ada Lovelace");
    },
    "Katherine adds an endpoint, whose receiver is broken": async () => {
      await signIn(katherine, base, keys.katherine);
      await press(katherine, "Webhooks");
      await sees(katherine, "No endpoint is here.");
      await katherine.type("#url", receiver.url);
      await katherine.type("#description", "The shop");
      for (const type of TYPES) await katherine.click(`input[name=types][value="${type}"]`);
      await press(katherine, "Add the endpoint");
      await sees(katherine, `The endpoint ${receiver.url} is made.`, "whsec_");
    },
    "Ada uploads a file, and sees its three mistakes beside their cells": async () => {
      await press(ada, "Upload");
      await upload(file({ mended: false }), "wrong.csv", 400);
      await sees(ada, "Nothing is stored: 3 rows are wrong.");
      const beside = await ada.$$eval("form.card fieldset p:has(> .mistake)", (cells) => cells.map((cell) => ({
        row: cell.closest("fieldset").querySelector("legend").innerText,
        column: cell.querySelector("label").innerText,
        value: cell.querySelector("input").value,
        isMarked: cell.querySelector("input").getAttribute("aria-invalid") === "true",
        mistake: cell.querySelector(".mistake").innerText,
      })));
      // The first row of the file is the header.
      const expected = [["Row 8", "amount", "-3"], ["Row 101", "currency", "EURO"], ["Row 451", "recipient_name", ""]];
      const places = beside.map(({ row, column, value }) => [row, column, value]);
      const isRight = beside.every(({ isMarked, mistake }) => isMarked && mistake.length > 10);
      if (JSON.stringify(places) !== JSON.stringify(expected) || !isRight) {
        throw new Error(`the mistakes are: ${JSON.stringify(beside)}`);
      }
    },
    "She uploads the mended file": async () => {
      await upload(file({ mended: true }), "mended.csv", 200);
      await sees(ada, "Every row is right: 500 payouts", "5,000.00 EUR");
      await sees(ada, "500 payouts would await the approval of one person.");
    },
    "She stores it": async () => {
      await press(ada, "Store all of them");
      await sees(ada, "The batch is stored, with all its payouts.");
      await sees(ada, "Salaries", "0 of 500 finished", "Awaiting approval");
      batch = ada.url().split("?")[0];
      if ((await shown(ada)).includes("Approve them")) throw new Error("the one who made a batch can approve it");
    },
    "Katherine sees that the endpoint fails": async () => {
      await press(katherine, "Webhooks");
      await until(katherine, ["Failing", "It does not accept deliveries."], { reload: true });
      await press(katherine, receiver.url);
      await press(katherine, "batch.created");
      await sees(katherine, "Waiting", "The next attempt is at", "500", "The shop is closed.");
      // From now on the receiver says that it is gone for good.
      receiver.status = 410;
    },
    "Grace signs in, and approves the batch": async () => {
      await press(ada, "Its payouts");
      await sees(ada, "Awaiting approval");
      await mark(ada);
      await signIn(grace, base, keys.grace);
      await sees(grace, "Awaiting your approval 500");
      await press(grace, "Batches");
      await press(grace, "Salaries");
      await unfold(grace, "Approve them");
      await grace.type("#approve-reason", "Compared with the contracts.");
      await press(grace, "Approve them");
      await sees(grace, "You approved the payouts of this batch that you may approve.");
    },
    "Ada sees the rows of her list change where they stand": async () => {
      await changes(ada, [/Completed .*10\.00 EUR Completed/]);
      await isStill(ada);
    },
    "Grace sees that all payouts have finished": async () => {
      await go(grace, batch);
      await until(grace, ["500 of 500 finished", "100 %"], { reload: true });
    },
    "One payment comes back, and Ada retries it": async () => {
      await press(ada, "Needs you");
      await until(ada, ["Returned 1", "The money came back."], { reload: true, within: RETURNS });
      await press(ada, "10.00 EUR");
      payout = ada.url().split("?")[0];
      await sees(ada, "It was paid, and the money came back.", "The payment came back", "account_closed");
      await ada.type("#reason-1", "The account is mended.");
      await press(ada, "Retry");
      await sees(ada, "A new attempt begins, under a new key at the provider.");
      await sees(ada, "Awaiting approval", "The account is mended.");
    },
    "She corrects its account": async () => {
      await press(ada, "Edit");
      await ada.click("input[name=type][value=account]");
      await ada.type("#account-account", "account-200");
      await ada.type("#name", "Ada");
      await press(ada, "Save");
      await sees(ada, "Saved.", "Nothing is sent until one more person approved it", "Edited");
      await mark(ada);
    },
    "Grace approves it, and Ada sees that it is paid": async () => {
      await press(grace, "Needs you");
      await sees(grace, "Awaiting your approval 1");
      await press(grace, "10.00 EUR");
      await unfold(grace, "Approve");
      await press(grace, "Approve");
      await sees(grace, "You approved this payout.");
      if (grace.url().split("?")[0] !== payout) throw new Error("it is another payout");
      await changes(ada, ["The provider paid it.", "Paid by the provider", "Approved", "by grace;"]);
      await isStill(ada);
    },
    "Katherine sees that the endpoint is disabled": async () => {
      await press(katherine, "Needs you");
      await until(katherine, [`The endpoint ${receiver.url} is disabled`], { reload: true });
      await press(katherine, `The endpoint ${receiver.url} is disabled`);
      await sees(katherine, "Disabled", "It answered that it is gone for good (410).");
    },
    "The receiver is mended, and she enables the endpoint": async () => {
      receiver.status = 204;
      await press(katherine, "Enable it");
      await sees(katherine, "The endpoint is enabled. It gets what waited for it.");
      await until(katherine, ["Working"], { reload: true });
      await press(katherine, "Waiting");
      await until(katherine, ["No delivery is here."], { reload: true });
    },
    "She replays what it missed, and the receiver gets it": async () => {
      receiver.accepted.length = 0;
      await unfold(katherine, "Replay a range");
      await press(katherine, "Replay");
      await sees(katherine, "The events of the range are being sent again.");
      const missing = () => TYPES.filter((type) => !receiver.accepted.some((event) => event.type === type));
      for (const deadline = Date.now() + 20_000; missing().length; await sleep(100)) {
        if (Date.now() > deadline) throw new Error(`the receiver does not get ${missing()}`);
      }
      await press(katherine, "Delivered");
      await until(katherine, [...TYPES, "Working"], { reload: true });
      for (const tab of ["Waiting", "Given up"]) {
        await press(katherine, tab);
        await until(katherine, ["No delivery is here."], { reload: true });
      }
    },
    "Ada signs out": async () => {
      await press(ada, "Sign out");
      await sees(ada, "Your API key");
      await go(ada, `${base}/console/payouts/`);
      await sees(ada, "Your API key");
    },
  };
}

/** Tells the story, and returns whether it came to its end. */
async function tell(script) {
  const mode = `JavaScript ${script ? "on" : "off"}`;
  const began = Date.now();
  const settings = { PAYOUT_APPROVALS: "*=0:1", PAYOUT_SIMULATED_DELAY_MS: "200" };
  const service = await startService({ settings, keys: PEOPLE });
  const receiver = await startReceiver();
  const tabs = {};
  let step = "the beginning";
  try {
    for (const name of Object.keys(PEOPLE)) {
      const said = (text) => complain(`${mode}: ${step}: ${text}`);
      tabs[name] = await openTab(browser, service.base, { script, complain: said });
    }
    for (const [name, take] of Object.entries(steps({ service, receiver, script, tabs }))) {
      step = name;
      const since = Date.now();
      await take();
      if (process.env.VERBOSE) console.log(`  ${mode}: ${name}: ${((Date.now() - since) / 1000).toFixed(1)} s`);
    }
    console.log(`The story with ${mode} took ${((Date.now() - began) / 1000).toFixed(0)} s`);
  } catch (error) {
    complain(`${mode}: FAILED: ${step}: ${error.message}`);
  } finally {
    for (const page of Object.values(tabs)) await page.browserContext().close();
    await receiver.close();
    await service.stop();
  }
}

try {
  // At the same time: most of it is waiting.
  await Promise.all([tell(true), tell(false)]);
} finally {
  await browser.close();
}
if (found.length) {
  console.log(`${found.length} findings`);
  process.exit(1);
}

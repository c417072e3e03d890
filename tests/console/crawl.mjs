// Looks at every page of the console in a browser.
//
//   node crawl.mjs                   follows every link, with JavaScript on and off, and asks axe-core about each page
//   node crawl.mjs pictures FOLDER   takes a picture of each page: light, dark, and 390 px wide
//
// It starts the binary of TESTED_BINARY on a database of its own, fills it, and signs in.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { complaints, endsWithin, go, launch, openTab, press, signIn } from "./browser.mjs";
import { file, filledService } from "./data.mjs";
import { sleep } from "./service.mjs";

/** The number of pages that are opened at most: the console of the filled service has fewer. */
const MOST = 1000;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [mode, target] = [process.argv[2], process.argv[3] ?? "target/console/pictures"];
const { found, complain } = complaints();
endsWithin(600_000);
const service = await filledService({ payouts: 64, lists: 1 });
const { base, pages } = service;
pages["not-found"] = "/console/nowhere/";
const browser = await launch();

/** Opens a tab of a person who has signed in. */
async function tab(script) {
  const page = await openTab(browser, base, { script, complain });
  await signIn(page, base, service.keys.ada);
  return page;
}

/** Asks axe-core about the page in both themes. */
async function ask(page) {
  for (const scheme of ["light", "dark"]) {
    await theme(page, scheme);
    await page.evaluate(axe);
    const options = { resultTypes: ["violations"] };
    const { violations } = await page.evaluate((options) => globalThis.axe.run(document, options), options);
    for (const { id, impact, nodes } of violations) {
      if (impact !== "serious" && impact !== "critical") continue;
      const places = nodes.slice(0, 3).map((node) => node.html.slice(0, 160));
      complain(`${page.url()} (${scheme}): axe ${id}: ${places.join(" | ")}`);
    }
  }
}

const theme = (page, value) => page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);

/** Leaves the page with three wrong rows of a file. */
async function wrongRows(page) {
  const path = join(service.folder, "wrong.csv");
  writeFileSync(path, file({ mended: false }));
  await go(page, `${base}/console/upload/`);
  await (await page.$("#file")).uploadFile(path);
  await press(page, "Check it", 400);
}

/** Starts a bulk action, and adds its page to those that are looked at. */
async function startBulk() {
  const page = await tab(true);
  await go(page, `${base}/console/bulk/new/?status=pending&currency=GBP&step=cancel`);
  await page.type("#reason", "Entered twice.");
  await Promise.all([page.waitForNavigation(), page.click("button.danger")]);
  const path = new URL(page.url()).pathname;
  if (!/^\/console\/bulk\/[0-9a-f-]{36}\/$/.test(path)) complain(`a bulk action leads to ${path}`);
  // Its progress changes where it stands.
  const isFinished = () => document.getElementById("progress").textContent.includes("Finished");
  await page.waitForFunction(isFinished)
    .catch(() => complain("the progress of a bulk action does not change where it stands"));
  pages["bulk-action"] = path;
}

/** Checks that a row changes where it stands. */
async function liveRow(page) {
  await go(page, `${base}/console/payouts/?ordering=created_at&status=awaiting_approval`);
  const row = await page.waitForSelector("tr[data-payout]");
  const id = await row.evaluate((row) => row.dataset.payout);
  await sleep(1500);
  await service.api(service.keys.ada, "POST", `/api/payouts/${id}/reject/`, { reason: "A test." });
  const isCancelled = (id) => document.getElementById(`payout-${id}`)?.textContent.includes("Cancelled");
  await page.waitForFunction(isCancelled, {}, id).catch(() => complain("a row does not change where it stands"));
}

/** Follows every link. */
async function crawl(script) {
  const page = await tab(script);
  const known = Object.values(pages);
  const links = [...known];
  const seen = new Set();
  let weight = 0;
  while (links.length && seen.size < MOST) {
    const path = links.shift();
    if (seen.has(path) || path.includes("/export/")) continue;
    seen.add(path);
    const answer = await go(page, base + path);
    const status = path === pages["not-found"] ? 404 : 200;
    if (answer.status() !== status) complain(`${path} answers ${answer.status()}`);
    weight = Math.max(weight, (await answer.buffer()).length);
    const html = await answer.text();
    for (const [, href] of html.matchAll(/href="([^"]+)"/g)) {
      const link = href.replaceAll("&amp;", "&").replaceAll("&#38;", "&");
      if (link.startsWith("/console/assets/") || link.startsWith("#")) continue;
      if (link.startsWith("/console/")) links.push(link.split("#")[0]);
      else complain(`${path} leads to ${link}`);
    }
    // Without JavaScript axe-core cannot answer.
    if (script && known.includes(path)) await ask(page);
  }
  if (links.some((path) => !seen.has(path) && !path.includes("/export/"))) complain(`more than ${MOST} pages`);
  console.log(`${seen.size} pages with JavaScript ${script ? "on" : "off"}; the largest has ${weight} bytes`);
}

/** Takes a picture of every page in one theme and width. */
async function takePictures(name, width, scheme) {
  const page = await openTab(browser, base, { script: true, complain });
  const take = (title) => page.screenshot({ path: join(target, `${title}-${name}.png`), fullPage: true });
  await page.setViewport({ width, height: width === 390 ? 844 : 800 });
  await theme(page, scheme);
  await go(page, `${base}/console/sign-in/`);
  await take("sign-in");
  await signIn(page, base, service.keys.ada);
  for (const [title, path] of Object.entries(pages)) {
    await go(page, base + path);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) complain(`${path} is ${wide} px too wide (${name})`);
    await take(title);
  }
  await wrongRows(page);
  await take("wrong-rows");
}

try {
  await startBulk();
  if (mode === "pictures") {
    mkdirSync(target, { recursive: true });
    await takePictures("light", 1280, "light");
    await takePictures("dark", 1280, "dark");
    await takePictures("narrow", 390, "light");
    console.log(`The pictures are in ${target}.`);
  } else {
    await Promise.all([crawl(true), crawl(false)]);
    const page = await tab(true);
    await wrongRows(page);
    await ask(page);
    await liveRow(page);
  }
} finally {
  await browser.close();
  await service.stop();
}
if (found.length) {
  console.log(`${found.length} findings`);
  process.exit(1);
}

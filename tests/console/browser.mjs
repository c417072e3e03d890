// A browser, and what a person does and sees in its tabs. TEST_CHROMIUM is the browser.
//
// All of it works in tabs without JavaScript too: then only the page's own scripts do not run.
import puppeteer from "puppeteer-core";
import { sleep } from "./service.mjs";

/** The time within which a page loads, or shows what it should, in milliseconds. */
const SOON = 30_000;

/** Starts the browser. It finds no host but this one, and ends when this process ends. */
export const launch = () => puppeteer.launch({
  executablePath: process.env.TEST_CHROMIUM ?? "chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
  ],
});

/** Collects what a test complains about, and prints it at once. */
export function complaints(prefix = "") {
  const found = [];
  const complain = (text) => {
    found.push(text);
    console.log(`  ${prefix}${text}`);
  };
  return { found, complain };
}

/** Ends this process, and what it started, when it takes longer than this. */
export function endsWithin(ms) {
  setTimeout(() => {
    console.log(`  it takes longer than ${ms / 1000} s`);
    process.exit(1);
  }, ms).unref();
}

/**
 * Opens a tab of another person, with an empty cache. It complains about every message in the browser's console, every
 * error, every request to elsewhere, and every report of the content security policy.
 */
export async function openTab(browser, base, { script, complain }) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(SOON);
  await page.setJavaScriptEnabled(script);
  // The browser reports every page that is refused. What a page answers is judged where it is opened.
  const pages = new Set();
  page.on("console", (message) => {
    const isOfPage = pages.has(message.location()?.url) && /with a status of 4\d\d/.test(message.text());
    if (!isOfPage) complain(`${page.url()}: the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => complain(`${page.url()}: ${error.message}`));
  page.on("request", (request) => {
    if (request.isNavigationRequest()) pages.add(request.url());
    const isOwn = request.url().startsWith(`${base}/`) || request.url().startsWith("data:");
    if (!isOwn) complain(`${page.url()} asks for ${request.url()}`);
  });
  const session = await page.createCDPSession();
  session.on("Audits.issueAdded", ({ issue }) => {
    const report = issue.details.contentSecurityPolicyIssueDetails;
    if (!report) return;
    complain(`${page.url()}: the policy reports ${report.violatedDirective}: ${report.blockedURL ?? "inline"}`);
  });
  await session.send("Audits.enable");
  return page;
}

/** Opens a page, and returns its answer. */
export const go = (page, url) => page.goto(url, { waitUntil: "load" });

/** Signs in with an API key, from the page to which nobody's visit leads. */
export async function signIn(page, base, key) {
  await go(page, `${base}/console/`);
  if (!page.url().startsWith(`${base}/console/sign-in/`)) throw new Error(`nobody's visit leads to ${page.url()}`);
  await page.type("#key", key);
  await press(page, "Sign in");
  if (new URL(page.url()).pathname !== "/console/") throw new Error(`signing in leads to ${page.url()}`);
}

/** Returns the text that the page shows, with single spaces. What is hidden or folded is left out. */
export const shown = (page) => page.evaluate(() => document.querySelector("body").innerText.replace(/\s+/g, " "));

/** Returns the first of these that a text does not have: words, or patterns. */
const missing = (text, all) => all.find((one) => (one instanceof RegExp ? !one.test(text) : !text.includes(one)));

/** Checks that the page shows all of these. */
export async function sees(page, ...all) {
  const text = await shown(page);
  const absent = missing(text, all);
  if (absent !== undefined) throw new Error(`${page.url()} does not show ${absent}, but: ${text.slice(0, 1500)}`);
}

/** Waits until the page shows all of these. `reload` loads it again each time, as a person without JavaScript does. */
export async function until(page, all, { reload = false, within = SOON } = {}) {
  const deadline = Date.now() + within;
  for (;;) {
    // A page that is just being replaced is asked again.
    const text = await shown(page).catch(() => "");
    const absent = missing(text, all);
    if (absent === undefined) return text;
    if (Date.now() > deadline) {
      throw new Error(`${page.url()} does not show ${absent} within ${within / 1000} s, but: ${text.slice(0, 1500)}`);
    }
    await sleep(250);
    if (reload) await page.reload({ waitUntil: "load" });
  }
}

/** Returns the first that a person sees under these words: a button, a link, or what folds out. */
async function control(page, words, kinds) {
  const handle = await page.evaluateHandle((words, kinds) => [...document.querySelectorAll(kinds)].find((one) =>
    one.innerText.replace(/\s+/g, " ").trim() === words && one.checkVisibility()), words, kinds);
  const element = handle.asElement();
  if (!element) throw new Error(`${page.url()} has no ${words}: ${(await shown(page)).slice(0, 1500)}`);
  return element;
}

/** Folds out what a person calls by these words. */
export const unfold = async (page, words) => (await control(page, words, "summary")).click();

/** Presses a button, or follows a link, that leads to a page with this status. */
export async function press(page, words, status = 200) {
  const button = await control(page, words, "button, a");
  const [answer] = await Promise.all([page.waitForNavigation({ waitUntil: "load" }), button.click()]);
  if (answer.status() !== status) {
    throw new Error(`${words} answers ${answer.status()}: ${(await shown(page)).slice(0, 1500)}`);
  }
  return answer;
}

/** Replaces what is in a field. */
export async function fill(page, selector, text) {
  await page.click(selector, { count: 3 });
  await page.type(selector, text);
}

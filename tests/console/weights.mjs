// Measures what a visit of each page of the console loads, as bytes on the wire: with an empty cache, and when the
// browser has been there before.
import { complaints, endsWithin, go, launch, openTab, signIn } from "./browser.mjs";
import { filledService } from "./data.mjs";
import { sleep } from "./service.mjs";

/** The most bytes of a first visit, with everything that the page asks for. */
const FIRST = 120_000;
/** The most bytes of a visit when the browser has been in the console before. */
const LATER = 20_000;
/** The most bytes of the document alone. */
const DOCUMENT = 60_000;
/** The time after its `load` in which a page may ask for more, in milliseconds. */
const QUIET = 300;

const { found, complain } = complaints();
endsWithin(300_000);

/** Counts the bytes of every answer that a page gets from now on. */
async function scales(page) {
  const session = await page.createCDPSession();
  await session.send("Network.enable");
  let answers = new Map();
  const of = (id) => {
    if (!answers.has(id)) answers.set(id, { url: "", bytes: 0 });
    return answers.get(id);
  };
  session.on("Network.responseReceived", ({ requestId, response }) => {
    const isCached = response.fromDiskCache || response.fromPrefetchCache;
    Object.assign(of(requestId), { url: response.url, bytes: isCached ? 0 : response.encodedDataLength });
  });
  // What goes on, such as the stream of changes, is counted as it comes; what has ended is counted in all.
  session.on("Network.dataReceived", ({ requestId, encodedDataLength }) => {
    of(requestId).bytes += encodedDataLength;
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    of(requestId).bytes = encodedDataLength;
  });
  /** Visits a page: what it loads in all, its document alone, and the largest of the rest. */
  return async (url) => {
    answers = new Map();
    const answer = await go(page, url);
    if (answer.status() !== 200) complain(`${url} answers ${answer.status()}`);
    const raw = (await answer.buffer()).length;
    await sleep(QUIET);
    const parts = [...answers.values()].sort((one, other) => other.bytes - one.bytes);
    const document = parts.find((part) => part.url === url)?.bytes ?? 0;
    return { raw, document, parts, all: parts.reduce((sum, part) => sum + part.bytes, 0) };
  };
}

/** Names the heaviest parts of a visit. */
const heaviest = (base, { parts }) => parts.slice(0, 4)
  .map(({ url, bytes }) => `${url.replace(base, "")} ${bytes}`)
  .join(", ");

const service = await filledService({ payouts: 130, lists: 55 });
const { base, pages } = service;
const columns = ["created", "recipient", "description", "external_id", "created_by", "provider", "batch", "scheduled"];
pages["more-columns"] = `/console/payouts/?${columns.map((name) => `column=${name}`).join("&")}`;
const browser = await launch();
try {
  // The tab that signs in is another one: its cache is not empty.
  const first = await openTab(browser, base, { script: true, complain });
  await signIn(first, base, service.keys.ada);
  const cookies = await first.browserContext().cookies();

  const lines = [];
  const measure = async (name, path, isSignedIn) => {
    const page = await openTab(browser, base, { script: true, complain });
    if (isSignedIn) await page.browserContext().setCookie(...cookies);
    const visit = await scales(page);
    const [one, other] = [await visit(base + path), await visit(`${base}/console/providers/`)];
    const again = await visit(base + path);
    await page.browserContext().close();
    const check = (what, weighed, bytes, most) => {
      if (bytes > most) complain(`${path}: ${what} has ${bytes} bytes, more than ${most}: ${heaviest(base, weighed)}`);
    };
    check("the first visit", one, one.all, FIRST);
    check("the document", one, one.document, DOCUMENT);
    check("the document, before it is compressed,", one, one.raw, DOCUMENT);
    check("a visit of another page", other, other.all, LATER);
    check("a later visit", again, again.all, LATER);
    if (one.document === 0 || one.all <= one.document) complain(`${path}: nothing was weighed`);
    lines.push({ name, html: one.raw, bytes: [one.document, one.all, again.all, other.all] });
    return one;
  };
  const anyone = await measure("sign-in", "/console/sign-in/", false);
  const all = [anyone];
  for (const [name, path] of Object.entries(pages)) all.push(await measure(name, path, true));
  console.log("page                   HTML  on the wire  first visit  later visit  another page");
  for (const { name, html, bytes } of lines) {
    const cells = bytes.map((number) => String(number).padStart(13));
    console.log(`${name.padEnd(20)}${String(html).padStart(7)}${cells.join("")}`);
  }
  const heavy = all.reduce((one, other) => (other.all > one.all ? other : one));
  console.log(`The heaviest first visit: ${heaviest(base, heavy)}`);
} finally {
  await browser.close();
  await service.stop();
}
if (found.length) {
  console.log(`${found.length} findings`);
  process.exit(1);
}

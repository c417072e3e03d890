// A service of its own for a test: the binary of TESTED_BINARY on a new SQLite database in a temporary folder.
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const binary = process.env.TESTED_BINARY;
/** The time within which the service is ready, in milliseconds. */
const READY = 30_000;
/** The time within which the service ends by itself, in milliseconds. */
const ENDS = 15_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Returns a port on which nothing listens. */
async function freePort() {
  const server = await listen(() => {});
  await server.close();
  return server.port;
}

/** Starts an HTTP server on this host. `answer` gets the request, its body as text, and the response. */
export async function listen(answer) {
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => answer(request, Buffer.concat(parts).toString(), response));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

/**
 * Starts a service.
 *
 * @param settings variables of its environment
 * @param keys the API keys to make, by name: their scopes, and their owner if a person has them
 * @param providers the content of its providers' file, if it has one
 */
export async function startService({ settings = {}, keys = {}, providers } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "console-"));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    DATABASE_URL: `sqlite://${join(folder, "payouts.db")}`,
    PAYOUT_BIND: `127.0.0.1:${port}`,
    PAYOUT_WEBHOOK_NETWORKS: "127.0.0.0/8",
    ...settings,
  };
  if (providers) {
    env.PAYOUT_PROVIDERS_FILE = join(folder, "providers.toml");
    writeFileSync(env.PAYOUT_PROVIDERS_FILE, providers);
  }
  const options = { env, cwd: folder, stdio: ["ignore", "pipe", "ignore"] };
  const run = (...args) => execFileSync(binary, args, options).toString().trim();
  run("migrate");
  const secrets = {};
  for (const [name, { scopes, owner }] of Object.entries(keys)) {
    secrets[name] = run("keys", "create", name, "--scopes", scopes, ...(owner ? ["--owner", owner] : []));
  }

  const log = openSync(join(folder, "log"), "w");
  const child = spawn(binary, ["run"], { env, cwd: folder, stdio: ["ignore", log, log] });
  closeSync(log);
  const ended = new Promise((resolve) => child.on("exit", resolve));
  // However this process ends, nothing of the service stays behind.
  const leave = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.on("exit", leave);

  async function api(key, method, path, body) {
    const answer = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }

  async function stop() {
    child.kill("SIGTERM");
    const inTime = await Promise.race([ended.then(() => true), sleep(ENDS)]);
    process.off("exit", leave);
    leave();
    if (!inTime) throw new Error("the service does not end when it is asked to");
  }

  const deadline = Date.now() + READY;
  const isReady = () => fetch(`${base}/health/ready`).then((answer) => answer.ok, () => false);
  while (!await isReady()) {
    if (child.exitCode !== null || Date.now() > deadline) {
      const said = readFileSync(join(folder, "log")).toString().slice(-2000);
      throw new Error(`the service does not become ready: ${said}`);
    }
    await sleep(100);
  }
  return { base, folder, keys: secrets, api, stop };
}

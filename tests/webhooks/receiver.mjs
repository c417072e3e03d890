// A receiver that verifies each delivery by docs/webhooks.md. It prints its port, and then a line of JSON for each request.
//
//   node receiver.mjs
//
// Lines on its input are commands: {"secret": "whsec_…"} sets the secret, {"verify": {secret, body, headers}} verifies one
// delivery and prints the result.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { verified } from "./snippet.mjs";

let secret = "";

function result(secret, body, headers) {
  try {
    return { event: verified(secret, body, headers) };
  } catch (error) {
    return { refused: error.message };
  }
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString("utf8");
    const found = result(secret, body, request.headers);
    response.writeHead(found.event ? 204 : 401).end();
    console.log(JSON.stringify({ id: request.headers["webhook-id"], ...found }));
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.secret) {
    secret = command.secret;
    console.log(JSON.stringify({ ready: true }));
  } else {
    const { secret, body, headers } = command.verify;
    console.log(JSON.stringify(result(secret, body, headers)));
  }
}).on("close", () => process.exit(0));

// What the Node.js scripts share: the emulator's credentials, its control API, and one line per check for run.py.

import http from "node:http";
import assert from "node:assert/strict";

export const emulator = JSON.parse(process.env.EMULATOR);

/** Runs one check and prints its line. Later checks go on after a failure. */
export async function check(what, body) {
  try {
    await body();
    console.log(`ok ${what}`);
  } catch (error) {
    console.log(
      `FAIL ${what}: ${String(error?.message ?? error)
        .replaceAll("\n", " ")
        .slice(0, 300)}`,
    );
    console.error(what, error);
  }
}

/** Tells run.py that no check is missing. */
export function done() {
  console.log("done");
}

/** Calls the control API over plain HTTP, past proxies and dispatchers. */
export function control(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      new URL(`/_emulator/${path}`, emulator.base_url),
      { method, agent: false },
      (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          assert.ok(answer.statusCode < 300, `control ${path}: ${answer.statusCode} ${text}`);
          resolve(text ? JSON.parse(text) : null);
        });
      },
    );
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A server that keeps the webhooks it gets. */
export async function webhookReceiver() {
  const bodies = [];
  const server = http.createServer((request, answer) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push({ headers: request.headers, text: Buffer.concat(chunks).toString() });
      answer.end("ok");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/amo`, bodies, close: () => server.close() };
}

/** The requests the emulator saw since `seq`. */
export async function journal(seq = 0) {
  return (await control("GET", `requests?since=${seq}`)).requests;
}

let lastTurn = Promise.resolve();

/** Resolves five times a second at most: for clients without a limiter. */
export function turn() {
  const mine = lastTurn;
  lastTurn = mine.then(() => new Promise((resolve) => setTimeout(resolve, 200)));
  return mine;
}

/** Waits until the sliding second of the rate limit is empty. */
export function emptyWindow() {
  return new Promise((resolve) => setTimeout(resolve, 1100));
}

// Verifies a signed delivery of webhook-gateway (Standard Webhooks 1.0) with nothing but Node's own modules.
//
// As a program it is a receiver to try things with: WEBHOOK_SECRET=whsec_… node verify.mjs 3000

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE = 5 * 60; // seconds; older deliveries may be repetitions by a stranger

/**
 * Returns the event's id, or throws. `headers` has names in lower case, `body` is the Buffer as it came, `secrets` one
 * secret or several with spaces between.
 */
export function verify(secrets, headers, body, now = Date.now() / 1000) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  if (!id || !/^\d+$/.test(timestamp ?? "")) throw new Error("webhook-id and webhook-timestamp are needed");
  if (Math.abs(now - Number(timestamp)) > TOLERANCE) throw new Error("the delivery is too old, or a clock is wrong");
  const given = (headers["webhook-signature"] ?? "")
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => Buffer.from(signature.slice(3), "base64"));
  for (const secret of secrets.split(/\s+/).filter(Boolean)) {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
    if (given.some((one) => one.length === expected.length && timingSafeEqual(one, expected))) return id;
  }
  throw new Error("no signature is right");
}

/** Answers 204 to what is signed and 401 to everything else. */
function receive(port, secrets) {
  createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    try {
      const id = verify(secrets, request.headers, body);
      // Here a real receiver stores the event under its id, or sees that it has it already.
      const event = JSON.parse(body);
      console.log(`verified ${id} ${event.type} ${event.subject ?? ""}`);
      response.writeHead(204).end();
    } catch (error) {
      console.log(`refused: ${error.message}`);
      response.writeHead(401).end();
    }
  }).listen(port, "127.0.0.1");
}

// Whoever imports this gives no port.
const port = Number(process.argv[2]);
if (port) receive(port, process.env.WEBHOOK_SECRET);

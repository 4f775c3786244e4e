// One job for amocrm-js: `work.mjs read|create|update`, with the job's ids on standard input. Prints its figures as JSON.
//
// The client has neither batches nor a limiter: whoever uses it cuts by 250, and waits a second after a 429. It insists on
// https://SUBDOMAIN.amocrm.ru:443, so the script replaces the address under the TLS connection.

import fs from "node:fs";
import https from "node:https";
import tls from "node:tls";
import amocrm from "amocrm-js";

const BATCH = 250;
const emulator = JSON.parse(process.env.EMULATOR);
const job = process.argv[2];
const order = JSON.parse(fs.readFileSync(0, "utf8"));

const tlsPort = Number(new URL(emulator.tls_base_url).port);
https.globalAgent.createConnection = (options) => tls.connect({ ...options, host: "127.0.0.1", port: tlsPort });

const client = new amocrm.Client({ domain: emulator.subdomain, auth: { bearer: emulator.long_lived_token } });

const contact = (index) => ({
  name: `Иван Иванов ${index}`,
  first_name: "Иван",
  last_name: `Иванов ${index}`,
  custom_fields_values: [
    { field_code: "PHONE", values: [{ value: `+7900${String(index).padStart(7, "0")}`, enum_code: "MOB" }] },
    { field_code: "EMAIL", values: [{ value: `ivan${index}@example.org`, enum_code: "WORK" }] },
    { field_code: "POSITION", values: [{ value: "Бухгалтер" }] },
  ],
  tags_to_add: [{ name: "сайт" }, { name: "повторный" }],
});

/** Until it is not refused for being too fast. */
async function patiently(send) {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (error?.apiResponse?.response?.statusCode !== 429) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

async function inBatches(items, send) {
  let done = 0;
  for (let from = 0; from < items.length; from += BATCH) {
    done += (await patiently(() => send(items.slice(from, from + BATCH)))).length;
  }
  return done;
}

async function work() {
  switch (job) {
    case "read": {
      const pages = await client.leads.get({ limit: BATCH });
      let done = pages.getData().length;
      while (await pages.next()) done += pages.getData().length;
      return done;
    }
    case "create":
      return inBatches(
        Array.from({ length: order.count }, (_, index) => contact(index)),
        (batch) => client.contacts.create(batch),
      );
    case "update":
      return inBatches(
        order.ids.map((id) => ({ id, price: 3000 })),
        (batch) => client.leads.update(batch),
      );
  }
}

const started = performance.now();
const computed = process.cpuUsage();
const done = await work();
const { user, system } = process.cpuUsage(computed);
console.log(JSON.stringify({ done, s: (performance.now() - started) / 1e3, cpu_s: (user + system) / 1e6 }));
process.exit(0);

// amocrm-js of UsefulWeb: the oldest Node.js client, active records over `https.request`.
//
// It insists on https://SUBDOMAIN.amocrm.ru:443 and knows no proxy, so the script replaces the address under the TLS connection, as
// `curl --connect-to` does; the name in SNI, in the Host header and in the certificate stays the account's.

import assert from "node:assert/strict";
import https from "node:https";
import tls from "node:tls";
import amocrm from "amocrm-js";
import { check, control, done, emulator, journal, turn, webhookReceiver } from "./checks.mjs";

const tlsPort = Number(new URL(emulator.tls_base_url).port);
https.globalAgent.createConnection = (options) => tls.connect({ ...options, host: "127.0.0.1", port: tlsPort });

const auth = {
  client_id: emulator.client_id,
  client_secret: emulator.client_secret,
  redirect_uri: emulator.redirect_uri,
};
/** A client that keeps to the limit: it has no limiter of its own. */
function connect(more, { limited = true } = {}) {
  const made = new amocrm.Client({ domain: emulator.subdomain, auth: { ...auth, ...more } });
  if (limited) {
    for (const part of [made.connection, made.token]) {
      const send = part.makeRequest.bind(part);
      part.makeRequest = (...request) => turn().then(() => send(...request));
    }
  }
  return made;
}

const client = connect({ code: emulator.code });

/** The problem document the client throws as `API_RESPONSE_ERROR`. */
async function problem(promise) {
  const error = await promise.then(
    () => assert.fail("expected an error"),
    (error) => error,
  );
  assert.equal(error.message, "API_RESPONSE_ERROR", String(error.stack));
  return error.data;
}

await check("a code is exchanged for tokens at the first request", async () => {
  const { data, response } = await client.request.get("/api/v4/account", { with: "version,task_types,users_groups" });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers["content-type"], "application/hal+json");
  assert.equal(data.subdomain, emulator.subdomain);
  assert.equal(typeof data.version, "number");
  assert.ok(data._embedded.task_types.length >= 2);
  const token = client.token.getValue();
  assert.equal(token.token_type, "Bearer");
  assert.ok(token.expires_at > Date.now());
});

await check("a used code is refused with its hint", async () => {
  const late = connect({ code: emulator.code });
  const error = await problem(late.token.fetch());
  assert.equal(error.status, 400);
  assert.equal(error.hint, "Authorization code has been revoked");
});

await check("the consent page it points people to hands out a code", async () => {
  const consent = new URL(client.auth.getUrl("post_message"));
  const page = await browse("GET", consent);
  assert.equal(page.status, 200);
  const fields = [...page.text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(
    ([, ...field]) => field,
  );
  const decision = await browse("POST", consent, new URLSearchParams([...fields, ["action", "allow"]]).toString());
  const back = new URL(decision.headers.location);
  assert.equal(back.origin + back.pathname, emulator.redirect_uri);
  assert.equal(back.searchParams.get("referer"), `${emulator.subdomain}.amocrm.ru`);
  client.auth.setCode(back.searchParams.get("code"));
  await client.token.fetch();
  assert.equal((await client.request.get("/api/v4/account")).response.statusCode, 200);
});

await check("expired tokens are refreshed before the request", async () => {
  const before = client.token.getValue().refresh_token;
  client.token.setValue({ ...client.token.getValue(), expires_at: Date.now() - 1000 });
  await control("POST", "tokens/expire");
  const { data } = await client.request.get("/api/v4/account");
  assert.equal(data.id > 0, true);
  assert.notEqual(client.token.getValue().refresh_token, before);
});

await check("a long-lived token works as bearer, a revoked one is 401", async () => {
  const { access_token: bearer, token_id } = await control("POST", "tokens", { days: 1 });
  const other = connect({ bearer });
  assert.equal((await other.request.get("/api/v4/account")).data.subdomain, emulator.subdomain);
  await control("POST", "tokens/revoke", { token_id, long_lived: true });
  assert.equal((await problem(other.request.get("/api/v4/account"))).status, 401);
});

await check("leads are paged forward and back through _links", async () => {
  const pages = await client.leads.get({ limit: 2, with: ["contacts"] });
  const seen = pages.getData().map((lead) => lead.id);
  assert.equal(pages.getPage(), 1);
  assert.equal(pages.hasPrev(), false);
  assert.ok(pages.getData()[0]._embedded.contacts[0].is_main);
  while (await pages.next()) {
    seen.push(...pages.getData().map((lead) => lead.id));
    assert.ok(pages.getData()[0]._embedded.contacts, "the next link keeps with=");
  }
  assert.equal(pages.getPage(), 3);
  assert.equal(new Set(seen).size, 5);
  assert.ok(await pages.prev());
  assert.equal(pages.getPage(), 2);
  await pages.first();
  assert.equal(pages.getPage(), 1);
});

await check("filters with PHP's indexed brackets survive the next link", async () => {
  const all = (await client.leads.get({ order: { id: "asc" } })).getData();
  const wanted = all.slice(0, 3).map((lead) => lead.id);
  const pages = await client.leads.get({ filter: { id: wanted }, order: { id: "desc" }, limit: 2 });
  const seen = pages.getData().map((lead) => lead.id);
  await pages.next();
  seen.push(...pages.getData().map((lead) => lead.id));
  assert.deepEqual(seen, wanted.toReversed());
  const range = await client.leads.get({ filter: { price: { from: 90_000, to: 500_000 } } });
  assert.deepEqual(
    range
      .getData()
      .map((lead) => lead.price)
      .toSorted((a, b) => a - b),
    [95_000, 450_000],
  );
});

await check("an empty list is 204 without a body", async () => {
  const { response, data } = await client.request.get("/api/v4/leads", { filter: { id: [1] } });
  assert.equal(response.statusCode, 204);
  assert.deepEqual(data, {});
  assert.equal((await client.leads.get({ page: 99 })).getData().length, 0);
});

await check("a lead is created, read, changed and saved as an active record", async () => {
  const lead = new client.Lead({ name: "Заказ с сайта", price: 1500 });
  lead.embeddedTags.add([{ name: "amocrm-js" }]);
  await lead.save();
  assert.ok(lead.id > 0);
  const stored = await client.leads.getById(lead.id, { with: ["contacts"] });
  assert.equal(stored.name, "Заказ с сайта");
  assert.deepEqual(
    stored._embedded.tags.map((tag) => tag.name),
    ["amocrm-js"],
  );
  assert.equal(stored.custom_fields_values, null);
  // The client sends the whole record back: read-only members and null custom fields too.
  stored.price = 2500;
  await stored.save();
  const changed = await client.leads.getById(lead.id);
  assert.equal(changed.price, 2500);
  assert.deepEqual(
    changed._embedded.tags.map((tag) => tag.name),
    ["amocrm-js"],
    "its tags are still there",
  );
});

await check("a lead with custom fields survives being saved as a whole", async () => {
  const [{ id }] = (await client.leads.get({ filter: { name: "Вилла на Пхукете" } })).getData();
  const lead = await client.leads.getById(id);
  const values = JSON.stringify(lead.custom_fields_values);
  assert.ok(values.includes("UTM_SOURCE"));
  lead.name = "Вилла на Самуи";
  await lead.save();
  const again = await client.leads.getById(id);
  assert.equal(again.name, "Вилла на Самуи");
  assert.equal(JSON.stringify(again.custom_fields_values), values);
});

await check("contacts take phones by field code, found by query", async () => {
  const [contact] = await client.contacts.create([
    {
      first_name: "Айгерим",
      last_name: "Нурланова",
      custom_fields_values: [
        { field_code: "PHONE", values: [{ value: "+77055550101", enum_code: "MOB" }, { value: "+77055550102" }] },
        { field_code: "EMAIL", values: [{ value: "aigerim@example.org" }] },
      ],
    },
  ]);
  const stored = await client.contacts.getById(contact.id);
  assert.equal(stored.name, "Айгерим Нурланова");
  const phones = stored.custom_fields_values.find((field) => field.field_code === "PHONE");
  assert.deepEqual(
    phones.values.map((value) => value.enum_code),
    ["MOB", "WORK"],
  );
  const found = await client.contacts.get({ query: "7055550101" });
  assert.deepEqual(
    found.getData().map((item) => item.id),
    [contact.id],
  );
  stored.first_name = "Айгуль";
  await stored.save();
  assert.equal((await client.contacts.getById(contact.id)).first_name, "Айгуль");
});

await check("companies are created and updated in batches", async () => {
  const made = await client.companies.create([{ name: "ИП Один" }, { name: "ИП Два" }]);
  assert.equal(made.length, 2);
  const updated = await client.companies.update(made.map(({ id }, index) => ({ id, name: `ТОО ${index}` })));
  assert.ok(updated.every((company) => company.updated_at > 0));
  assert.equal((await client.companies.getById(made[1].id)).name, "ТОО 1");
});

await check("tags are listed and created", async () => {
  const [tag] = (await client.request.post("/api/v4/leads/tags", [{ name: "новый", request_id: "t" }])).data._embedded
    .tags;
  assert.equal(tag.request_id, "t");
  const { data } = await client.request.get("/api/v4/leads/tags", { query: "нов" });
  assert.deepEqual(
    data._embedded.tags.map(({ id, name }) => [id, name]),
    [[tag.id, "новый"]],
  );
});

await check("leads/complex answers a bare array", async () => {
  const { data } = await client.request.post("/api/v4/leads/complex", [
    {
      name: "Комплексная",
      request_id: "row-1",
      _embedded: {
        contacts: [
          { first_name: "Пётр", custom_fields_values: [{ field_code: "PHONE", values: [{ value: "+79990001122" }] }] },
        ],
        companies: [{ name: "Комплекс" }],
        metadata: null,
      },
    },
  ]);
  assert.ok(Array.isArray(data));
  assert.deepEqual(data[0].request_id, ["row-1"]);
  assert.equal(data[0].merged, false);
  const lead = await client.leads.getById(data[0].id, { with: ["contacts"] });
  assert.deepEqual(
    lead._embedded.contacts.map(({ id, is_main }) => [id, is_main]),
    [[data[0].contact_id, true]],
  );
  assert.deepEqual(
    lead._embedded.companies.map(({ id }) => id),
    [data[0].company_id],
  );
});

await check("a custom field is created, filled and deleted", async () => {
  const made = await client.request.post("/api/v4/leads/custom_fields", [
    {
      name: "Цвет",
      type: "select",
      enums: [
        { value: "Белый", sort: 1 },
        { value: "Дуб", sort: 2 },
      ],
    },
  ]);
  assert.equal(made.response.statusCode, 201);
  const [field] = made.data._embedded.custom_fields;
  const [lead] = await client.leads.create([
    { name: "Шкаф", custom_fields_values: [{ field_id: field.id, values: [{ enum_id: field.enums[1].id }] }] },
  ]);
  const stored = await client.leads.getById(lead.id);
  assert.deepEqual(stored.custom_fields_values[0].values, [
    { value: "Дуб", enum_id: field.enums[1].id, enum_code: null },
  ]);
  const gone = await client.request.delete(`/api/v4/leads/custom_fields/${field.id}`);
  assert.equal(gone.response.statusCode, 204);
});

await check("pipelines and notes", async () => {
  const { data } = await client.request.get("/api/v4/leads/pipelines");
  const [pipeline] = data._embedded.pipelines;
  assert.deepEqual(
    pipeline._embedded.statuses.slice(-2).map(({ id }) => id),
    [142, 143],
  );
  const [lead] = (await client.leads.get({ limit: 1 })).getData();
  const note = { entity_id: lead.id, note_type: "common", params: { text: "Перезвонить" } };
  const made = await client.request.post("/api/v4/leads/notes", [note]);
  const id = made.data._embedded.notes[0].id;
  const stored = await client.request.get(`/api/v4/leads/${lead.id}/notes/${id}`);
  assert.equal(stored.data.params.text, "Перезвонить");
});

await check("a webhook is subscribed, delivered and unsubscribed", async () => {
  const receiver = await webhookReceiver();
  const subscription = { destination: receiver.url, settings: ["add_lead"] };
  const made = await client.request.post("/api/v4/webhooks", subscription);
  assert.equal(made.response.statusCode, 201);
  assert.equal(made.data.disabled, false);
  const [lead] = await client.leads.create([{ name: "Вебхук" }]);
  await control("POST", "settle");
  const fields = new URLSearchParams(receiver.bodies[0].text);
  assert.equal(receiver.bodies[0].headers["content-type"], "application/x-www-form-urlencoded");
  assert.equal(fields.get("leads[add][0][id]"), String(lead.id));
  assert.equal(fields.get("account[subdomain]"), emulator.subdomain);
  // Node.js frames the body of a DELETE only if told to, and the client does not tell it.
  const framed = { headers: { "Transfer-Encoding": "chunked" } };
  const gone = await client.request.delete("/api/v4/webhooks", { destination: receiver.url }, framed);
  assert.equal(gone.response.statusCode, 204);
  receiver.close();
});

await check("mistakes come as problem documents", async () => {
  const error = await problem(
    client.leads.create([{ name: "ok" }, { name: "bad", status_id: 1, request_id: "second" }]),
  );
  assert.equal(error.status, 400);
  assert.equal(error["validation-errors"][0].request_id, "second");
  assert.equal(error["validation-errors"][0].errors[0].path, "status_id");
  assert.equal(error["validation-errors"][0].errors[0].code, "NotSupportedChoice");
  assert.equal((await problem(client.request.get("/api/v4/nothing"))).status, 404);
});

await check("a burst over 7 a second is answered 429", async () => {
  const hasty = connect({ bearer: emulator.long_lived_token }, { limited: false });
  const all = await Promise.allSettled(Array.from({ length: 12 }, () => hasty.request.get("/api/v4/account")));
  const refused = all.filter(({ status }) => status === "rejected");
  assert.ok(refused.length >= 4, `${refused.length} refused`);
  for (const { reason } of refused) {
    assert.equal(reason.apiResponse.response.statusCode, 429, reason.message);
  }
});

await check("every request came over TLS to the account's host", async () => {
  const entries = await journal();
  assert.ok(entries.every(({ source }) => source.startsWith("tls")));
  const hosts = new Set(entries.filter(({ path }) => path !== "/oauth").map(({ host }) => host));
  assert.deepEqual([...hosts], [`${emulator.subdomain}.amocrm.ru`]);
});

/** What a browser would do. */
function browse(method, url, body) {
  return new Promise((resolve, reject) => {
    const headers = body ? { "Content-Type": "application/x-www-form-urlencoded" } : {};
    const request = https.request(url, { method, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () =>
        resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(chunks).toString() }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

done();
process.exit();

// @shevernitskiy/amo: a thin typed wrapper over `fetch`, with a queue against the rate limit.
//
// It insists on https://DOMAIN, so its requests go through the emulator's forward proxy. Node.js 24 would take HTTPS_PROXY with
// --use-env-proxy; undici's agent does the same for the `fetch` of older ones.

import assert from "node:assert/strict";
import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";
import shevernitskiy from "@shevernitskiy/amo";
import { check, control, done, emptyWindow, emulator, journal, webhookReceiver } from "./checks.mjs";

setGlobalDispatcher(new EnvHttpProxyAgent());

const { Amo } = shevernitskiy;
const domain = `${emulator.subdomain}.amocrm.ru`;
const auth = {
  client_id: emulator.client_id,
  client_secret: emulator.client_secret,
  redirect_uri: emulator.redirect_uri,
};
const codeAuth = { ...auth, grant_type: "authorization_code", code: emulator.code };
// The default delay of 150 ms comes too close to 7 a second for a busy machine.
const options = { request_delay: 200 };

const issued = [];
const amo = new Amo(domain, codeAuth, { ...options, on_token: (token) => issued.push(token) });

/** The document the client throws with its ApiError and AuthError. They are plain Errors: its ES5 build loses their classes. */
async function refused(promise) {
  const error = await promise.then(
    () => assert.fail("expected an error"),
    (error) => error,
  );
  assert.ok(error.response, `expected a document, got ${error.stack}`);
  return error.response;
}

/** The client throws a NoContentError for 204, unless the method is DELETE. */
async function noContent(promise) {
  const error = await promise.then(
    () => assert.fail("expected an error"),
    (error) => error,
  );
  assert.match(error.message, /^204 No Content/, error.stack);
}

await check("a code is exchanged for tokens at the first request", async () => {
  const account = await amo.account.getAccount({
    with: ["amojo_id", "users_groups", "task_types", "datetime_settings", "version"],
  });
  assert.equal(account.subdomain, emulator.subdomain);
  assert.equal(account._embedded.datetime_settings.timezone, "Europe/Moscow");
  assert.equal(account._embedded.users_groups[0].id, 0);
  assert.match(account.amojo_id, /^[0-9a-f-]{36}$/);
  assert.equal(issued.length, 1);
  assert.equal(issued[0].expires_in, 86_400);
});

await check("a used code is refused with its hint", async () => {
  const error = await refused(new Amo(domain, codeAuth, options).account.getAccount());
  assert.equal(error.hint, "Authorization code has been revoked");
});

await check("expired tokens are refreshed, the refresh token rotates", async () => {
  await control("POST", "tokens/expire");
  const stale = { ...auth, ...amo.token };
  assert.equal((await refused(amo.account.getAccount())).status, 401);
  const again = [];
  const renewed = new Amo(domain, { ...stale, expires_at: 1 }, { ...options, on_token: (token) => again.push(token) });
  assert.equal((await renewed.account.getAccount()).subdomain, emulator.subdomain);
  assert.equal(again.length, 1);
  assert.notEqual(again[0].refresh_token, stale.refresh_token);
  // The old refresh token is spent: it has a new pair that was used.
  const late = new Amo(domain, { ...stale, expires_at: 1 }, options);
  const error = await refused(late.account.getAccount());
  assert.equal(error.hint, "Token has been revoked");
  amo.rest._token = again[0];
  // Every instance has a queue of its own, but the limit is the integration's.
  await emptyWindow();
});

await check("leads are listed by page, order, filter and with", async () => {
  const first = await amo.lead.getLeads({
    limit: 2,
    page: 1,
    order: { param: "id", type: "asc" },
    with: ["contacts", "loss_reason"],
  });
  assert.equal(first._page, 1);
  assert.equal(first._embedded.leads.length, 2);
  assert.ok(first._embedded.leads[0].id < first._embedded.leads[1].id);
  assert.equal(first._embedded.leads[0]._embedded.contacts[0].is_main, true);
  assert.match(first._links.next.href, /^https:\/\/asiadeals\.amocrm\.ru\/api\/v4\/leads\?/);
  const last = await amo.lead.getLeads({ limit: 2, page: 3 });
  assert.equal(last._embedded.leads.length, 1);
  assert.equal(last._links.next, undefined);
  assert.ok(last._links.prev && last._links.first);
});

await check("filters of every form: multi, range, statuses, custom field", async () => {
  const all = (await amo.lead.getLeads({}))._embedded.leads;
  const ids = (page) => page._embedded.leads.map((lead) => lead.id).toSorted();
  const two = all
    .slice(0, 2)
    .map((lead) => lead.id)
    .toSorted();
  assert.deepEqual(ids(await amo.lead.getLeads({ filter: (filter) => filter.multi("id", two) })), two);
  const dear = await amo.lead.getLeads({ filter: (filter) => filter.range("price", 400_000, 2_000_000) });
  assert.deepEqual(dear._embedded.leads.map((lead) => lead.price).toSorted(), [1_280_000, 450_000]);
  const won = await amo.lead.getLeads({ filter: (filter) => filter.statuses([[all[0].pipeline_id, 142]]) });
  assert.deepEqual(
    won._embedded.leads.map((lead) => lead.status_id),
    [142],
  );
  const [field] = (await amo.custom_fields.addCustomFields("leads", [{ name: "Город", type: "text" }]))._embedded
    .custom_fields;
  const city = { field_id: field.id, values: [{ value: "Алматы" }] };
  await amo.lead.updateLeadById(two[0], { custom_fields_values: [city] });
  const there = await amo.lead.getLeads({ filter: (filter) => filter.custom_field(field.id, "Алматы") });
  assert.deepEqual(ids(there), [two[0]]);
  await noContent(amo.lead.getLeads({ filter: (filter) => filter.custom_field(field.id, "Омск") }));
});

await check("nothing found is 204, also for an unknown id", async () => {
  await noContent(amo.lead.getLeads({ page: 50 }));
  await noContent(amo.lead.getLeadById(1));
  await noContent(amo.contact.getContactById(1));
  await noContent(amo.webhook.getWebhooks());
});

await check("leads are created and changed in batches and one by one", async () => {
  const made = await amo.lead.addLeads([
    { name: "Первая", price: 100, request_id: "a", _embedded: { tags: [{ name: "пакет" }] } },
    { name: "Вторая", price: 200 },
  ]);
  const created = made._embedded.leads;
  assert.deepEqual(
    created.map((lead) => lead.request_id),
    ["a", "1"],
  );
  const changed = await amo.lead.updateLeads(created.map(({ id }, index) => ({ id, price: index + 1 })));
  assert.deepEqual(
    changed._embedded.leads.map(({ id }) => id),
    created.map(({ id }) => id),
  );
  const one = await amo.lead.updateLeadById(created[0].id, { status_id: 143, loss_reason_id: null });
  assert.equal(one.id, created[0].id);
  const lead = await amo.lead.getLeadById(created[0].id);
  assert.equal(lead.status_id, 143);
  assert.ok(lead.closed_at >= lead.created_at);
  assert.equal(lead._embedded.tags[0].name, "пакет");
  await amo.tag.addTagsToEntitiesById(created[1].id, "leads", { tags_to_add: [{ name: "ещё" }] });
  assert.deepEqual(
    (await amo.lead.getLeadById(created[1].id))._embedded.tags.map(({ name }) => name),
    ["ещё"],
  );
});

await check("a complex lead brings its contact and company", async () => {
  const [result] = await amo.lead.addComplex([
    {
      name: "С контактом",
      price: 5000,
      _embedded: {
        contacts: [
          {
            first_name: "Дина",
            custom_fields_values: [{ field_code: "EMAIL", values: [{ value: "dina@example.org", enum_code: "PRIV" }] }],
          },
        ],
        companies: [{ name: "Дина и Ко" }],
      },
    },
  ]);
  assert.equal(result.merged, false);
  const lead = await amo.lead.getLeadById(result.id, { with: ["contacts"] });
  assert.equal(lead._embedded.contacts[0].id, result.contact_id);
  const contact = await amo.contact.getContactById(result.contact_id, { with: ["leads"] });
  assert.deepEqual(
    contact._embedded.leads.map(({ id }) => id),
    [result.id],
  );
  assert.deepEqual(
    contact._embedded.companies.map(({ id }) => id),
    [result.company_id],
  );
});

await check("links are made, listed and removed", async () => {
  const lead = (await amo.lead.addLeads([{ name: "Связи" }]))._embedded.leads[0].id;
  const contact = (await amo.contact.addContacts([{ name: "Связной" }]))._embedded.contacts[0].id;
  const link = { to_entity_id: contact, to_entity_type: "contacts", metadata: { is_main: true } };
  const linked = await amo.link.addLinksByEntityId(lead, "leads", [link]);
  assert.equal(linked._embedded.links[0].entity_id, lead);
  const list = await amo.link.getLinksByEntityId(lead, "leads");
  assert.deepEqual(
    list._embedded.links.map((item) => [item.to_entity_id, item.metadata.main_contact]),
    [[contact, true]],
  );
  // The client takes 204 for an error unless the method is DELETE; the link is gone all the same.
  await noContent(amo.link.deleteLinksByEntityId(lead, "leads", [link]));
  const after = await amo.lead.getLeadById(lead, { with: ["contacts"] });
  assert.deepEqual(after._embedded.contacts, []);
});

await check("custom fields of many types are defined, filled, cleared, deleted", async () => {
  const definitions = [
    { name: "Текст", type: "text" },
    { name: "Число", type: "numeric" },
    { name: "Флаг", type: "checkbox" },
    { name: "Дата", type: "date" },
    {
      name: "Список",
      type: "multiselect",
      enums: [
        { value: "А", sort: 1 },
        { value: "Б", sort: 2 },
      ],
    },
  ];
  const made = (await amo.custom_fields.addCustomFields("leads", definitions))._embedded.custom_fields;
  assert.deepEqual(
    made.map(({ type }) => type),
    definitions.map(({ type }) => type),
  );
  const [text, number, flag, date, list] = made;
  const value = (field, ...values) => ({ field_id: field.id, values });
  const lead = (
    await amo.lead.addLeads([
      {
        name: "Поля",
        custom_fields_values: [
          value(text, { value: "привет" }),
          value(number, { value: 12.5 }),
          value(flag, { value: true }),
          value(date, { value: 1_767_225_600 }),
          value(list, { enum_id: list.enums[0].id }, { value: "Б" }),
        ],
      },
    ])
  )._embedded.leads[0].id;
  const stored = (await amo.lead.getLeadById(lead)).custom_fields_values;
  const values = (field) => stored.find((item) => item.field_id === field.id).values.map((item) => item.value);
  assert.deepEqual(values(text), ["привет"]);
  assert.deepEqual(values(number), ["12.5"]);
  assert.deepEqual(values(flag), [true]);
  assert.equal(typeof values(date)[0], "number");
  assert.deepEqual(values(list), ["А", "Б"]);
  await amo.lead.updateLeadById(lead, { custom_fields_values: [{ field_id: text.id, values: null }] });
  const left = (await amo.lead.getLeadById(lead)).custom_fields_values;
  assert.equal(
    left.some((item) => item.field_id === text.id),
    false,
  );
  await amo.custom_fields.updateCustomFieldById(list.id, "leads", {
    name: "Новый список",
    enums: [...list.enums, { value: "В", sort: 3 }],
  });
  assert.equal((await amo.custom_fields.getCustomFieldById(list.id, "leads")).enums.length, 3);
  for (const field of made) {
    assert.equal(await amo.custom_fields.deleteCustomFieldById(field.id, "leads"), null);
  }
});

await check("pipelines and stages are created, renamed and deleted", async () => {
  const made = await amo.pipeline.addPipelines([
    {
      name: "Опт",
      sort: 20,
      is_main: false,
      is_unsorted_on: true,
      _embedded: {
        statuses: [
          { id: 142, name: "Оплачено" },
          { name: "Заявка", sort: 10, color: "#fffeb2" },
        ],
      },
    },
  ]);
  const pipeline = made._embedded.pipelines[0];
  const stages = (await amo.pipeline.getStatusesByPipelineId(pipeline.id))._embedded.statuses;
  assert.deepEqual(stages.map(({ name }) => name).slice(1, 3), ["Заявка", "Оплачено"]);
  const [stage] = (await amo.pipeline.addStatuses(pipeline.id, [{ name: "Счёт", sort: 30, color: "#d6eaff" }]))
    ._embedded.statuses;
  assert.equal(
    (await amo.pipeline.updateStatusById(stage.id, pipeline.id, { name: "Счёт выставлен" })).name,
    "Счёт выставлен",
  );
  await amo.pipeline.deleteStatusById(stage.id, pipeline.id);
  await amo.pipeline.updatePipelinesById(pipeline.id, { name: "Оптовая" });
  assert.equal((await amo.pipeline.getPipelineById(pipeline.id)).name, "Оптовая");
  await amo.pipeline.deletePipelineById(pipeline.id);
  assert.equal((await amo.pipeline.getPipelines())._embedded.pipelines.length, 2);
});

await check("notes and tags", async () => {
  const lead = (await amo.lead.addLeads([{ name: "Заметки" }]))._embedded.leads[0].id;
  await noContent(amo.note.getNotesByEntityId(lead, "leads"));
  const made = await amo.note.addNotes("leads", [{ entity_id: lead, note_type: "common", params: { text: "Раз" } }]);
  const id = made._embedded.notes[0].id;
  await amo.note.updateNoteById(id, "leads", { entity_id: lead, note_type: "common", params: { text: "Два" } });
  assert.equal((await amo.note.getNotesById(id, "leads")).params.text, "Два");
  const tags = await amo.tag.addTags("contacts", [{ name: "vip" }, { name: "vip" }]);
  assert.equal(new Set(tags._embedded.tags.map((tag) => tag.id)).size, 1);
  assert.equal(
    (await amo.tag.getTags("contacts", { filter: (filter) => filter.single("name", "vip") }))._embedded.tags.length,
    1,
  );
});

await check("users are listed", async () => {
  const users = await amo.user.getUsers({ with: ["role", "group"] });
  assert.equal(users._total_items, users._embedded.users.length);
  assert.equal((await amo.user.getUserById(users._embedded.users[0].id)).rights.is_admin, true);
});

await check("a webhook reaches the client's own parser", async () => {
  const receiver = await webhookReceiver();
  await amo.webhook.addWebhook({ destination: receiver.url, settings: ["status_lead"] });
  assert.equal((await amo.webhook.getWebhooks())._embedded.webhooks[0].destination, receiver.url);
  const lead = (await amo.lead.addLeads([{ name: "В работу" }]))._embedded.leads[0].id;
  await amo.lead.updateLeadById(lead, { status_id: 142 });
  await control("POST", "settle");
  // The handler wants JSON where amoCRM sends a form, so a bridge between them is usual (PHP's and qs' notation).
  const delivered = nested(new URLSearchParams(receiver.bodies[0].text));
  const heard = new Promise((resolve) => amo.on("leads:status", resolve));
  await amo.webhookHandler()(new Request("http://127.0.0.1/", { method: "POST", body: JSON.stringify(delivered) }));
  const event = await heard;
  assert.equal(event.id, String(lead));
  assert.equal(event.status_id, "142");
  assert.equal(await amo.webhook.deleteWebhook({ destination: receiver.url }), null);
  receiver.close();
});

await check("mistakes come as problem documents", async () => {
  const bad = await refused(
    amo.lead.addLeads([{ name: "x", custom_fields_values: [{ field_id: 1, values: [{ value: "y" }] }] }]),
  );
  const [error] = bad["validation-errors"][0].errors;
  assert.deepEqual([error.code, error.path], ["NotSupportedChoice", "custom_fields_values.0.field_id"]);
  const lost = await refused(amo.lead.addLeads([{ name: "x", loss_reason_id: 1 }]));
  assert.equal(lost.status, 400);
});

await check("a queue of its own keeps the client within 7 a second", async () => {
  const answers = await Promise.all(Array.from({ length: 14 }, () => amo.account.getAccount()));
  assert.equal(answers.length, 14);
  const hasty = new Amo(domain, { ...auth, ...amo.token }, { request_delay: 0 });
  const all = await Promise.allSettled(Array.from({ length: 12 }, () => hasty.account.getAccount()));
  const errors = all.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  assert.ok(errors.length >= 4);
  assert.ok(errors.every((error) => error.response?.status === 429));
});

await check("every request came through the proxy to the account's host", async () => {
  const entries = await journal();
  assert.deepEqual([...new Set(entries.map(({ source }) => source.split(" ")[0]))], ["proxy"]);
  assert.deepEqual([...new Set(entries.map(({ host }) => host))], [domain]);
});

/** `a[b][0][c]=d` as nested objects. */
function nested(fields) {
  const root = {};
  for (const [name, value] of fields) {
    const path = name.replaceAll("]", "").split("[");
    const last = path.pop();
    const parent = path.reduce((node, key) => (node[key] ??= {}), root);
    parent[last] = value;
  }
  return root;
}

done();
process.exit();

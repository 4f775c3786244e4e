"""aioamocrm: asyncio, httpx, pydantic models, a limiter, token rotation, a webhook parser. Goes through the proxy."""

import asyncio
import time

from aioamocrm import (
    AccountMovedError,
    AmoCRMClient,
    AmoCRMError,
    AuthError,
    Company,
    Contact,
    Embedded,
    ForbiddenError,
    Lead,
    LongLivedToken,
    NetworkError,
    Note,
    NotFoundError,
    OAuth2,
    RateLimitError,
    RetryPolicy,
    Tag,
    TokenSet,
    ValidationError,
    parse_webhook,
)

from checks import WebhookReceiver, check, control, done, empty_window, emulator, host, journal


async def refused(kind, awaitable):
    try:
        answer = await awaitable
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")


def oauth():
    return OAuth2(emulator["client_id"], emulator["client_secret"], emulator["redirect_uri"])


def client(auth, **options):
    # Spaced a little wider than the default: a busy machine's delays are not to be mistaken for an eighth request.
    return AmoCRMClient(auth=auth, **{"subdomain": emulator["subdomain"], "rate_limit": 5, **options})


async def main():
    auth = oauth()
    async with client(auth) as amo:
        await authorization(amo, auth)
        await reading(amo)
        await writing(amo)
        await structure(amo)
        await webhooks(amo)
        await mistakes(amo)
        await faults(amo)
    await limits()
    await over_the_tls_port()
    with check("every request came through the proxy or to the TLS port"):
        ways = {(entry["source"].split()[0], entry["host"]) for entry in journal()}
        assert ways == {("proxy", host), ("tls", emulator["tls_base_url"].removeprefix("https://"))}, ways
    await renaming(auth)


async def authorization(amo, auth):
    with check("a code is exchanged for tokens"):
        tokens = await amo.exchange_code(emulator["code"])
        assert tokens.refresh_token and tokens.expires_at
        error = await refused(AuthError, client(oauth()).exchange_code(emulator["code"]))
        assert (error.status_code, error.body["hint"]) == (400, "Authorization code has been revoked")

    with check("a 401 makes it refresh once, also with ten tasks at a time"):
        control("POST", "tokens/expire")
        control("DELETE", "requests")
        accounts = await asyncio.gather(*(amo.account.get() for _ in range(10)))
        assert {account.subdomain for account in accounts} == {emulator["subdomain"]}
        assert control("GET", "requests")["counters"]["grant"] == {"refresh_token": 1}

    with check("a revoked grant ends with AuthError"):
        pair = control("POST", "tokens/pair")
        other = oauth()
        await other.storage.save(TokenSet.from_response(pair, now=time.time()))
        control("POST", "tokens/revoke", {"token_id": pair["token_id"]})
        error = await refused(AuthError, client(other).account.get())
        assert error.status_code == 401, error
        assert error.body["hint"] == "Token has been revoked"


async def reading(amo):
    with check("the account with everything"):
        account = await amo.account.get(
            with_=["amojo_id", "uuid", "version", "users_groups", "task_types", "datetime_settings"]
        )
        assert account.current_user_id and account.currency == "RUB"
        assert account.embedded["task_types"][0]["code"] == "FOLLOW_UP"

    with check("leads are iterated page by page"):
        # A 429 would be one request more.
        empty_window()
        control("DELETE", "requests")
        leads = [lead async for lead in amo.leads.iterate(limit=2, with_=["contacts"])]
        assert len({lead.id for lead in leads}) == 5
        assert all(lead.embedded.contacts[0].is_main for lead in leads)
        assert len(journal()) == 3, "one request per page, none to see the end"
        page = await amo.leads.get_page(2, limit=2)
        assert (page.number, len(page), page.has_next) == (2, 2, True)

    with check("filters, order and query"):
        ids = sorted(lead.id for lead in leads)
        some = await amo.leads.get_page(filter={"id": ids[:3]}, order={"id": "desc"})
        assert [lead.id for lead in some] == ids[2::-1]
        fresh = await amo.leads.get_page(filter={"updated_at": {"from": max(lead.updated_at for lead in leads)}})
        assert len(fresh) == 1
        contacts = await amo.contacts.get_page(query="79001110001")
        assert [contact.field_value("PHONE") for contact in contacts] == ["+79001110001"]
        by_mail = await amo.contacts.get_page(query="olga.kim@example.org", with_="leads")
        assert len(by_mail.items[0].embedded.leads) == 2

    with check("nothing is an empty page, an unknown id NotFoundError"):
        assert len(await amo.leads.get_page(filter={"id": [1]})) == 0
        assert [lead async for lead in amo.leads.iterate(query="нет такого")] == []
        assert (await refused(NotFoundError, amo.leads.get(1))).status_code == 204
        await refused(NotFoundError, amo.pipelines.get(1))
        await refused(NotFoundError, amo.users.get(1))


async def writing(amo):
    with check("120 leads in three batches, matched in order"):
        made = await amo.leads.create([Lead(name=f"Пакет {index}", price=index) for index in range(120)])
        assert len({lead.id for lead in made}) == 120
        assert [lead.request_id for lead in made[:50]] == [str(index) for index in range(50)]
        found = [
            lead async for lead in amo.leads.iterate(filter={"id": [lead.id for lead in made]}, order={"id": "asc"})
        ]
        assert [lead.price for lead in found] == list(range(120))

    with check("a lead is updated as a partial model and sent back whole"):
        id = made[0].id
        [ref] = await amo.leads.update([Lead(id=id, price=777, status_id=142)])
        assert ref.updated_at
        lead = await amo.leads.get(id)
        assert (lead.price, lead.status_id) == (777, 142) and lead.closed_at
        lead.name = "Целиком"
        lead.embedded.tags.append(Tag(name="aioamocrm"))
        await amo.leads.update([lead])
        lead = await amo.leads.get(id)
        assert lead.name == "Целиком" and [tag.name for tag in lead.embedded.tags] == ["aioamocrm"]

    with check("contacts with phones; fields not mentioned stay"):
        contact = Contact(first_name="Сауле", last_name="Ким")
        contact.set_field("PHONE", "+77071112233", "+77071112234", enum_code="MOB")
        contact.set_field("EMAIL", "saule@example.org", enum_code="WORK")
        [made] = await amo.contacts.create([contact])
        stored = await amo.contacts.get(made.id)
        assert stored.name == "Сауле Ким"
        assert stored.field_values("PHONE") == ["+77071112233", "+77071112234"]
        change = Contact(id=made.id)
        change.set_field("EMAIL", "kim@example.org", enum_code="PRIV")
        await amo.contacts.update([change])
        stored = await amo.contacts.get(made.id)
        assert stored.field_value("EMAIL", enum_code="PRIV") == "kim@example.org"
        assert len(stored.field_values("PHONE")) == 2
        await amo.contacts.update([stored])

    with check("a complex lead"):
        company = Company(name="Ким и партнёры")
        contact = Contact(name="Ким")
        lead = Lead(
            name="Форма на сайте", embedded=Embedded(contacts=[contact], companies=[company], tags=[Tag(name="форма")])
        )
        lead.set_field("UTM_SOURCE", "google")
        [result] = await amo.leads.create_complex([lead])
        assert result.merged is False and result.contact_id and result.company_id
        stored = await amo.leads.get(result.id, with_="contacts")
        assert stored.field_value("UTM_SOURCE") == "google"
        assert [(item.id, item.is_main) for item in stored.embedded.contacts] == [(result.contact_id, True)]

    with check("links are made, listed and removed"):
        [made] = await amo.contacts.create([{"name": "Второй"}])
        [link] = await amo.leads.link(result.id, "contacts", made.id, metadata={"is_main": True})
        assert link.entity_id == result.id
        links = await amo.leads.links(result.id, filter={"to_entity_type": "contacts", "to_entity_id": made.id})
        assert [(item.to_entity_id, item.metadata["main_contact"]) for item in links] == [(made.id, True)]
        await amo.leads.unlink(result.id, "contacts", made.id)
        kinds = {(item.to_entity_type, item.to_entity_id) for item in await amo.leads.links(result.id)}
        assert kinds == {("contacts", result.contact_id), ("companies", result.company_id)}

    with check("notes of one lead and of all"):
        [ref] = await amo.leads.notes.create([Note.common(result.id, "Перезвонить")])
        assert ref.entity_id == result.id
        assert (await amo.leads.notes.get(ref.id, entity_id=result.id)).text == "Перезвонить"
        assert [note.id async for note in amo.leads.notes.iterate(entity_id=result.id)] == [ref.id]
        kinds = {note.note_type async for note in amo.leads.notes.iterate(filter={"note_type": ["common"]})}
        assert kinds == {"common"}


async def structure(amo):
    with check("pipelines, stages, custom fields, users"):
        [pipeline, _] = await amo.pipelines.list()
        assert pipeline.is_main and pipeline.status(142).pipeline_id == pipeline.id
        assert [status.id for status in await amo.pipelines.statuses(pipeline.id)] == [
            status.id for status in pipeline.statuses
        ]
        fields = [field async for field in amo.contacts.custom_fields.iterate(limit=2)]
        phone = next(field for field in fields if field.code == "PHONE")
        assert phone.is_predefined and phone.enum_id("MOB")
        assert (await amo.contacts.custom_fields.get(phone.id)).type == "multitext"
        codes = {field.code async for field in amo.leads.custom_fields.iterate()}
        assert {"UTM_SOURCE", "FBCLID", "_YM_UID"} <= codes
        users = [user async for user in amo.users.iterate(with_=["role", "group"])]
        assert len(users) == 3 and users[0].rights["is_admin"]


async def webhooks(amo):
    with check("webhooks are read by the client's parser"), WebhookReceiver() as receiver:
        subscription = {"destination": receiver.url, "settings": ["add_contact", "update_lead", "note_lead"]}
        made = await amo.request("POST", "webhooks", json=subscription)
        assert made["settings"] == subscription["settings"]
        contact = Contact(name="Из вебхука", embedded=Embedded(tags=[Tag(name="тег")]))
        contact.set_field("PHONE", "+79160000000", enum_code="MOB")
        [ref] = await amo.contacts.create([contact])
        [lead] = await amo.leads.create([{"name": "До"}])
        await amo.leads.update([{"id": lead.id, "name": "После & <до>", "price": 10}])
        await amo.leads.notes.create([Note.common(lead.id, "строка\nдругая")])
        control("POST", "settle")
        events = [event for body in receiver.bodies for event in parse_webhook(body).events]
        by_kind = {(event.entity, event.action): event for event in events}
        assert set(by_kind) == {("contacts", "add"), ("leads", "update"), ("leads", "note")}, set(by_kind)
        added = by_kind["contacts", "add"]
        assert added.id == ref.id and added.payload["type"] == "contact"
        assert added.field_value("PHONE") == "+79160000000"
        assert by_kind["leads", "update"].payload["name"] == "После & <до>"
        assert by_kind["leads", "note"].payload["note"]["text"] == "строка\nдругая"
        assert parse_webhook(receiver.bodies[0]).account_id
        assert await amo.request("DELETE", "webhooks", json={"destination": receiver.url}) is None
        assert await amo.request("GET", "webhooks") is None


async def mistakes(amo):
    with check("mistakes name the item, the path and the code"):
        items = [
            {"name": "ok"},
            {
                "name": "bad",
                "price": "много",
                "custom_fields_values": [{"field_code": "NONE", "values": [{"value": 1}]}],
            },
        ]
        error = await refused(ValidationError, amo.leads.create(items))
        issues = {(issue.request_id, issue.path, issue.code) for issue in error.errors}
        assert ("1", "price", "InvalidType") in issues, issues
        assert ("1", "custom_fields_values.0.field_code", "NotSupportedChoice") in issues, issues
        assert len(await amo.leads.get_page(filter={"name": "bad"})) == 0, "the whole batch is rejected"


async def faults(amo):
    with check("a GET outlives a 502 and a dropped connection; half an answer is an error"):
        for fault in ({"name": "html_error", "status": 502}, {"name": "drop_before"}):
            control("POST", "faults", fault)
            assert (await amo.account.get()).id
        control("POST", "faults", {"name": "malformed"})
        error = await refused(AmoCRMError, amo.account.get())
        assert "not valid JSON" in str(error), error

    with check("a POST whose answer is lost is an error, and the lead is there once"):
        control("POST", "faults", {"name": "drop_after_commit", "method": "POST", "path": "/api/v4/leads"})
        await refused(NetworkError, amo.leads.create([{"name": "Потерянный ответ"}]))
        assert len(await amo.leads.get_page(filter={"name": "Потерянный ответ"})) == 1

    with check("a blocked account is ForbiddenError with a page instead of a document"):
        control("POST", "block")
        error = await refused(ForbiddenError, amo.account.get())
        assert isinstance(error.body, str) and error.title is None
        control("POST", "block/lift")
        assert (await amo.account.get()).id


async def limits():
    with check("429 is an error without retries and waited for with them"):
        token = LongLivedToken(emulator["long_lived_token"])
        async with client(token, rate_limit=None, retry=RetryPolicy(max_attempts=1)) as hasty:
            answers = await asyncio.gather(*(hasty.account.get() for _ in range(12)), return_exceptions=True)
            errors = [answer for answer in answers if isinstance(answer, Exception)]
            assert len(errors) >= 4 and all(isinstance(error, RateLimitError) for error in errors), errors
        async with client(token, rate_limit=None) as patient:
            assert len(await asyncio.gather(*(patient.account.get() for _ in range(12)))) == 12

    with check("its own limiter of 7 a second is enough for the emulator's window"):
        async with client(token, rate_limit=6.5) as amo:
            await asyncio.to_thread(empty_window)
            control("DELETE", "requests")
            await asyncio.gather(*(amo.account.get() for _ in range(20)))
            counters = control("GET", "requests")["counters"]
            assert counters["status"] == {"200": 20}, counters


async def over_the_tls_port():
    with check("the TLS port by its address serves the first account"):
        token = LongLivedToken(emulator["long_lived_token"])
        async with AmoCRMClient(auth=token, base_url=emulator["tls_base_url"], rate_limit=5) as amo:
            assert (await amo.account.get()).subdomain == emulator["subdomain"]
            assert len([lead async for lead in amo.leads.iterate(limit=50)]) > 100


async def renaming(auth):
    with check("a renamed account is found by its refresh token"):
        await asyncio.to_thread(empty_window)  # a refresh by hand passes the client's limiter
        control("POST", "accounts/rename", {"subdomain": "asia-deals-new", "old_host_status": 404})
        control("POST", "tokens/expire")
        async with client(auth) as amo:
            moved = await refused(AccountMovedError, auth.refresh(amo._endpoint))
        assert moved.domain == "asia-deals-new.amocrm.ru"
        async with client(auth, subdomain="asia-deals-new") as amo:
            assert (await amo.account.get()).subdomain == "asia-deals-new"


asyncio.run(main())
done()

"""amocrm-api-wrapper of bzdvdn: every method of the documentation, synchronous and asynchronous, over httpx.

It takes the account's address as it is, so it goes to the TLS port. Version 1.0.1 calls httpx' `get` and `delete` with a
body, which they do not take, so none of its GETs leaves the machine: the script mends that.
"""

import asyncio
import time

import amocrm_api
import httpx
from amocrm_api import oauth_client
from amocrm_api.errors import AmoException

from checks import WebhookReceiver, check, control, done, empty_window, emulator, journal, refused


class MendedClient(httpx.Client):
    """Takes `json` where httpx does not."""

    def get(self, url, **named):
        return self.request("GET", url, **named)

    def delete(self, url, **named):
        return self.request("DELETE", url, **named)


class MendedAsyncClient(httpx.AsyncClient):
    """Takes `json` where httpx does not."""

    async def get(self, url, **named):
        return await self.request("GET", url, **named)


stored = []


def connect(access_token, refresh_token):
    client = amocrm_api.AmoOAuthClient(
        access_token,
        refresh_token,
        emulator["tls_base_url"],
        emulator["client_id"],
        emulator["client_secret"],
        emulator["redirect_uri"],
        token_store=lambda *pair: stored.append(pair),
    )
    # The defaults wait 20 s and more for a 429.
    client.retry_sleep_429 = 0.3
    return client


def paced(client):
    """Keeps to the limit: the client has no limiter."""
    send = client._send_api_request

    def paced_send(*arguments, **named):
        time.sleep(0.2)
        return send(*arguments, **named)

    client._send_api_request = paced_send
    return client


with check("as published it cannot send a GET"):
    refused(TypeError, connect(emulator["access_token"], "").get_account_info)

oauth_client.Client, oauth_client.AsyncClient = MendedClient, MendedAsyncClient
amo = paced(connect(emulator["access_token"], emulator["refresh_token"]))

with check("the tokens of the start work; a 401 refreshes them, also asynchronously"):
    assert amo.get_account_info()["subdomain"] == emulator["subdomain"]
    control("POST", "tokens/expire")
    assert amo.get_account_info()["subdomain"] == emulator["subdomain"]
    assert stored[0][1] != emulator["refresh_token"]
    control("POST", "tokens/expire")

    async def later():
        return await amo.get_account_info_async()

    assert asyncio.run(later())["subdomain"] == emulator["subdomain"]
    assert len(stored) == 2

with check("the spent refresh token is refused"):
    amo.update_session_auth_headers()
    amo.get_account_info()
    empty_window()
    late = connect("expired", emulator["refresh_token"])
    error = refused(AmoException, late.get_account_info)
    assert (error.code, error.error_data["hint"]) == (401, "Token has been revoked"), error

with check("the account with everything it can ask for"):
    account = amo.get_account_info(*[True] * 10)
    assert account["_embedded"]["amojo_rights"] and account["drive_url"].startswith("https://drive-")
    assert account["is_api_filter_enabled"] is True and account["entity_names"]["leads"]["ru"]

with check("leads by page, with filters of its notation"):
    page = amo.get_leads(limit=2, page=2, with_params=["contacts"], order={"id": "asc"})
    assert page["_page"] == 2 and len(page["_embedded"]["leads"]) == 2
    leads = list(amo.iter_leads(limit=2))
    assert len(leads) == 5
    dear = amo.get_leads(filters={"price__from": 400_000, "price__to": 500_000})["_embedded"]["leads"]
    assert [lead["price"] for lead in dear] == [450_000]
    ids = [lead["id"] for lead in leads[:2]]
    assert len(amo.get_leads(filters={"id": ids})["_embedded"]["leads"]) == 2
    assert amo.get_leads(filters={"id": [1]}) == {}
    assert amo.get_lead(1) == {}
    assert amo.get_leads(query="паттайе")["_embedded"]["leads"][0]["price"] == 1_280_000

with check("leads and contacts are created and updated"):
    made = amo.create_leads([{"name": "Обёртка", "tags_to_add": [{"name": "а"}, {"name": "б"}]}])["_embedded"]["leads"]
    [changed] = amo.update_leads([{"id": made[0]["id"], "price": 5, "tags_to_delete": [{"name": "а"}]}])["_embedded"][
        "leads"
    ]
    assert changed["id"] == made[0]["id"] and changed["updated_at"]
    lead = amo.get_lead(made[0]["id"])
    assert lead["price"] == 5 and [tag["name"] for tag in lead["_embedded"]["tags"]] == ["б"]
    phone = {"field_code": "PHONE", "values": [{"value": "+79610000000", "enum_code": "WORK"}]}
    contact = amo.create_contacts([{"name": "Ася", "custom_fields_values": [phone]}])["_embedded"]["contacts"][0]
    assert list(amo.iter_contacts(query="9610000000"))[0]["id"] == contact["id"]
    amo.link_leads_entity(lead["id"], [{"to_entity_id": contact["id"], "to_entity_type": "contacts"}])
    assert amo.get_leads_links(lead["id"])["_embedded"]["links"][0]["to_entity_id"] == contact["id"]
    assert amo.unlink_leads_entity(lead["id"], [{"to_entity_id": contact["id"], "to_entity_type": "contacts"}]) == {}

with check("fields, field groups and pipelines"):
    [group] = amo.create_leads_custom_field_groups([{"name": "Доставка", "sort": 5}])["_embedded"][
        "custom_field_groups"
    ]
    field = {"name": "Адрес", "type": "streetaddress", "group_id": group["id"], "sort": 1}
    [field] = amo.create_leads_custom_fields([field])["_embedded"]["custom_fields"]
    assert amo.get_leads_custom_field(field["id"])["group_id"] == group["id"]
    [renamed] = amo.update_leads_custom_fields([{"id": field["id"], "name": "Куда"}])["_embedded"]["custom_fields"]
    assert renamed["name"] == "Куда"
    assert amo.update_leads_custom_field_group(group["id"], {"name": "Куда везти"})["name"] == "Куда везти"
    assert amo.delete_leads_custom_field(field["id"]) == {}
    assert amo.delete_leads_custom_field_group(group["id"]) == {}
    [pipeline, _] = amo.get_pipelines()["_embedded"]["pipelines"]
    stages = amo.get_pipeline_statuses(pipeline["id"])["_embedded"]["statuses"]
    assert amo.get_pipeline_status(pipeline["id"], 142)["id"] == stages[-2]["id"] == 142
    assert amo.get_loss_reasons()["_embedded"]["loss_reasons"][0]["name"]

with check("notes and tags"):
    note = {"note_type": "common", "params": {"text": "заметка"}, "entity_id": lead["id"]}
    [note] = amo.create_entity_note("leads", [note])["_embedded"]["notes"]
    assert amo.get_entity_note("leads", note["id"])["params"]["text"] == "заметка"
    notes = amo.get_notes_by_entity_type_and_entity_id("leads", lead["id"])["_embedded"]["notes"]
    assert [item["id"] for item in notes] == [note["id"]]
    assert {"а", "б"} <= {tag["name"] for tag in amo.iter_tags_by_entity_type("leads")}

with check("a webhook is subscribed, found by its address and unsubscribed"), WebhookReceiver() as receiver:
    address = f"{receiver.url}?secret=a&b=c d"
    assert amo.subscribe_webhook(receiver.url, ["add_lead"])["destination"] == receiver.url
    assert amo.get_webhooks(receiver.url)["_embedded"]["webhooks"][0]["settings"] == ["add_lead"]
    assert amo.get_webhooks(address) == {}
    amo.create_leads([{"name": "x"}])
    control("POST", "settle")
    assert len(receiver.bodies) == 1
    assert amo.unsubscribe_webhook(receiver.url) == {}
    assert amo.get_webhooks() == {}
    assert refused(AmoException, amo.unsubscribe_webhook, receiver.url).code == 404

with check("mistakes are an AmoException with the document"):
    error = refused(AmoException, amo.create_leads, [{"name": 5}])
    assert error.code == 400
    [item] = error.error_data["validation-errors"]
    assert (item["errors"][0]["code"], item["errors"][0]["path"]) == ("InvalidType", "name")

with check("429 is waited for"):
    empty_window()
    hasty = connect(*stored[-1])
    for _ in range(20):
        assert hasty.get_account_info()["subdomain"] == emulator["subdomain"]
    statuses = {entry["status"] for entry in journal() if entry["path"] == "/api/v4/account"}
    assert 429 in statuses, statuses

with check("every request came to the TLS port"):
    ways = {(entry["source"].split()[0], entry["host"]) for entry in journal()}
    assert ways == {("tls", emulator["tls_base_url"].removeprefix("https://"))}, ways

done()

"""amochka: requests, a limiter, token files, iterators for ETL. Insists on amoCRM's hosts, goes through the proxy."""

import json
import pathlib
import tempfile
import time

from amochka import AmoCRMClient, CacheConfig
from amochka.errors import APIError, AuthenticationError, NotFoundError

from checks import check, control, done, emulator, host, journal, refused

directory = pathlib.Path(tempfile.mkdtemp())


def token_file(name, access_token, refresh_token, expires_at):
    path = directory / name
    keys = {key: emulator[key] for key in ("client_id", "client_secret", "redirect_uri")}
    pair = {"access_token": access_token, "refresh_token": refresh_token, "expires_at": str(expires_at)}
    path.write_text(json.dumps({**pair, **keys}))
    return path


def connect(path, **options):
    settings = {"rate_limit": 5, "cache_config": CacheConfig.disabled(), "disable_logging": True, "retry_delay": 0.3}
    return AmoCRMClient(f"https://{host}", token_file=str(path), **{**settings, **options})


with check("an expired token file is refreshed and written at the start"):
    path = token_file("expired.json", emulator["access_token"], emulator["refresh_token"], 1)
    amo = connect(path)
    assert amo.get_account("version,users_groups")["subdomain"] == emulator["subdomain"]
    assert json.loads(path.read_text())["refresh_token"] == amo.refresh_token != emulator["refresh_token"]

with check("a 401 refreshes once more; the first refresh token is spent"):
    control("POST", "tokens/expire")
    assert amo.get_account()["subdomain"] == emulator["subdomain"]
    spent = token_file("spent.json", "expired", emulator["refresh_token"], 1)
    assert "401" in str(refused(AuthenticationError, connect, spent))

with check("leads and contacts are iterated with filters"):
    assert len(amo.fetch_leads(limit=2, include_contacts=True)) == 5
    [_, pipeline] = amo.get_pipelines()
    recent = amo.fetch_leads(updated_from=time.time() - 3.5 * 86_400, pipeline_ids=[pipeline["id"]])
    assert len(recent) == 2, [lead["name"] for lead in recent]
    assert amo.fetch_leads(updated_from=time.time() + 60) == []
    assert [contact["name"] for contact in amo.iter_contacts(query="+7 (900) 111-00-01")] == ["Анна Петрова"]
    assert [contact["name"] for contact in amo.iter_contacts(query="li.wei@example.org")] == ["Ли Вэй"]
    refused(NotFoundError, amo.get_contact_by_id, 1)

with check("a lead's fields by name, created and updated"):
    created = amo.create_lead({"name": "Амочка", "price": 10, "utm_source": "vk", "tags_to_add": ["этл"]})
    deal = amo.get_deal_by_id(created["id"])
    assert deal["utm_source"] == "vk" and deal["_embedded"]["tags"][0]["name"] == "этл"
    answer = amo.update_lead(
        created["id"], {"price": 20, "utm_source": "ok"}, tags_to_add=["ещё"], tags_to_delete=["этл"]
    )
    assert answer["id"] == created["id"]
    deal = amo.get_deal_by_id(created["id"])
    assert (deal["price"], deal["utm_source"]) == (20, "ok")
    assert [tag["name"] for tag in deal["_embedded"]["tags"]] == ["ещё"]

with check("links and notes"):
    contact = amo.create_contact(
        {"first_name": "Эля", "custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "87000000000"}]}]}
    )
    [link] = amo.link_entity("lead", deal["id"], contact["id"], "contact", {"is_main": True})
    assert link["to_entity_id"] == contact["id"]
    assert amo.get_entity_links("lead", deal["id"])[0]["metadata"] == {"main_contact": True}
    assert amo.get_deal_by_id(deal["id"])["_embedded"]["contacts"][0]["id"] == contact["id"]
    note = amo.add_entity_note("lead", deal["id"], "common", {"text": "раз"})
    amo.add_entity_note("lead", deal["id"], "service_message", {"service": "ETL", "text": "два"})
    assert amo.get_deal_note(deal["id"], note["id"])["params"]["text"] == "раз"
    assert [item["id"] for item in amo.get_deal_notes(deal["id"], note_type="common")] == [note["id"]]
    kinds = [
        item["note_type"]
        for item in amo.iter_notes("lead", entity_ids=[deal["id"]], note_type=["common", "service_message"])
    ]
    assert kinds == ["common", "service_message"], kinds

with check("users, task types and fields"):
    assert [user["name"] for user in amo.fetch_users()][0] == "Алексей Воронов"
    assert [kind["code"] for kind in amo.get_task_types()] == ["FOLLOW_UP", "MEETING"]
    field, definition = amo.find_custom_field_id("utm_campaign")
    assert definition["code"] == "UTM_CAMPAIGN" and field == definition["id"]

with check("mistakes are an APIError with the document"):
    error = refused(APIError, amo.create_leads, [{"name": "x", "responsible_user_id": 5}])
    assert error.status_code == 400
    assert "responsible_user_id" in str(error)

with check("a POST whose answer is lost is sent again: two leads"):
    control("POST", "faults", {"name": "drop_after_commit", "method": "POST", "path": "/api/v4/leads"})
    amo.create_lead({"name": "Дважды"})
    assert len(amo.fetch_leads(extra_params={"filter[name]": "Дважды"})) == 2

with check("429 is waited for"):
    hasty = connect(path, rate_limit=1000)
    for _ in range(20):
        hasty.get_account()
    assert 429 in {entry["status"] for entry in journal()}

with check("every request came through the proxy to the account's host"):
    ways = {(entry["source"].split()[0], entry["host"]) for entry in journal()}
    assert ways == {("proxy", host)}, ways

done()

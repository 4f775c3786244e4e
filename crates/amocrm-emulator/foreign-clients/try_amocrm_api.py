"""amocrm-api of Krukov: an object mapper over requests. Goes through the proxy."""

import time
from unittest.mock import patch

import requests
from amocrm.v2 import (
    Company,
    Contact,
    Pipeline,
    Status,
    Tag,
    User,
    custom_field,
    exceptions,
    filters,
    interaction,
    tokens,
)
from amocrm.v2 import Lead as BaseLead
from amocrm.v2.account import Account, AccountInteraction
from amocrm.v2.entity.custom_field import CustomFieldModel

from checks import check, control, done, emulator, host, journal, refused


class PacedAdapter(requests.adapters.HTTPAdapter):
    """Keeps to the limit: the client has no limiter."""

    def send(self, *arguments, **named):
        time.sleep(0.2)
        return super().send(*arguments, **named)


class Lead(BaseLead):
    """A lead with the account's own fields, as the client's users declare them."""

    utm_source = custom_field.TextCustomField("utm_source", code="UTM_SOURCE")
    size = custom_field.SelectCustomField("Размер")
    area = custom_field.NumericCustomField("Площадь")
    colours = custom_field.MultiSelectCustomField("Цвета")
    urgent = custom_field.CheckboxCustomField("Срочно")


class Person(Contact):
    """A contact with a phone and an e-mail."""

    phone = custom_field.ContactPhoneField("Телефон")
    mobile = custom_field.ContactPhoneField("Телефон", enum_code="MOB")
    email = custom_field.ContactEmailField("Email")


def get_account_info():
    """The client's own `get_account_info` asks its manager for a list and fails before it sends anything."""
    return Account(AccountInteraction().get(include=["version", "users_groups", "task_types", "datetime_settings"]))


interaction._session.mount("https://", PacedAdapter())
manager = tokens.default_token_manager
manager(
    client_id=emulator["client_id"],
    client_secret=emulator["client_secret"],
    subdomain=emulator["subdomain"],
    redirect_url=emulator["redirect_uri"],
    storage=tokens.MemoryTokensStorage(),
)

with check("a code is exchanged for tokens, once"):
    refused(exceptions.NoToken, manager.get_access_token)
    manager.init(code=emulator["code"], skip_error=False)
    error = refused(Exception, manager.init, code=emulator["code"], skip_error=False)
    assert str(error) == "Authorization code has been revoked", error

with check("the access token's own expiry makes it refresh"):
    before = manager.get_access_token()
    control("POST", "tokens/expire")
    refused(exceptions.UnAuthorizedException, get_account_info)
    with patch.object(tokens.TokenManager, "_is_expire", return_value=True):
        assert manager.get_access_token() != before
    get_account_info()

with check("the account with users' groups, task types and times"):
    account = get_account_info()
    assert account.subdomain == emulator["subdomain"] and account.country == "RU"
    assert account.users_groups[0]["id"] == 0 and account.task_types[1]["code"] == "MEETING"
    assert account.datetime_settings["timezone"] == "Europe/Moscow"
    assert account.version > 0 and account.current_user.email

with check("all leads, with their pipeline, stage, tags and contacts"):
    leads = list(Lead.objects.all())
    assert len(leads) == 5
    lead = next(lead for lead in leads if lead.name == "Апартаменты в Паттайе")
    assert lead.utm_source == "yandex" and lead.status.name == "Резервирование"
    assert [tag.name for tag in lead.tags] == ["рекомендация"]
    assert [contact.name for contact in lead.contacts] == ["Данияр Сериков"]
    assert lead.created_at.year >= 2025 and lead.closest_task_at is None

with check("filters: list, range, dates, stage"):
    pipeline = next(item for item in Pipeline.objects.all() if item.name == "Asia Deals")
    won = list(Lead.objects.filter(filters=[filters.FiltersByPipelineAndStatus("statuses")(pipeline.id, 142)]))
    assert [item.name for item in won] == ["Аренда студии на Бали"]
    dear = Lead.objects.filter(filters=[filters.RangeFilter("price")(400_000, 500_000)])
    assert [item.price for item in dear] == [450_000]
    one = Lead.objects.filter(filters=[filters.SingleListFilter("id")(lead.id)], order={"id": "desc"})
    assert [item.id for item in one] == [lead.id]
    # Its MultiFilter repeats one index, of which PHP keeps the last.
    last = Lead.objects.filter(filters=[filters.MultiFilter("id")([lead.id, won[0].id])])
    assert [item.id for item in last] == [won[0].id]

with check("nothing found: no leads, NotFound for an id"):
    assert list(Lead.objects.filter(query="нет такого")) == []
    refused(exceptions.NotFound, Lead.objects.get, 1)

with check("a lead is created, changed and read"):
    lead = Lead(name="Новая сделка", price=900)
    lead.save()
    assert lead.id
    lead = Lead.objects.get(lead.id)
    assert (lead.name, lead.price) == ("Новая сделка", 900)
    lead.price = 1900
    lead.status = "Переговоры"
    lead.tags.append("ручной тег")
    lead.save()
    lead = Lead.objects.get(lead.id)
    assert lead.price == 1900 and lead.status.name == "Переговоры"
    assert [tag.name for tag in lead.tags] == ["ручной тег"]
    lead.tags.remove("ручной тег")
    lead.save()
    assert list(Lead.objects.get(lead.id).tags) == []

with check("custom fields are declared, written and read by name"):
    field = interaction.GenericInteraction(path="leads/custom_fields", field="custom_fields")
    enums = [{"value": "M", "sort": 1}, {"value": "L", "sort": 2}]
    field.create({"name": "Размер", "type": "select", "enums": enums})
    field.create({"name": "Площадь", "type": "numeric"})
    field.create(
        {"name": "Цвета", "type": "multiselect", "enums": [{"value": "белый", "sort": 1}, {"value": "дуб", "sort": 2}]}
    )
    field.create({"name": "Срочно", "type": "checkbox"})
    assert {"Размер", "utm_source"} <= {item.name for item in CustomFieldModel.get_for(lead)}
    lead.size, lead.area, lead.colours, lead.urgent, lead.utm_source = "L", 12.5, ["дуб"], True, "telegram"
    lead.save()
    lead = Lead.objects.get(lead.id)
    assert lead.size.value == "L" and lead.size.id and lead.area == 12.5 and lead.urgent
    assert [item.value for item in lead.colours] == ["дуб"] and lead.utm_source == "telegram"
    lead.area = 13
    lead.save()
    lead = Lead.objects.get(lead.id)
    assert lead.area == 13 and lead.size.value == "L"

with check("a contact with phones, linked to a lead and a company"):
    person = Person(name="Жанна Ли")
    person.save()
    person = Person.objects.get(person.id)
    person.phone, person.email = "+77050000001", "zhanna@example.org"
    person.save()
    person = Person.objects.get(person.id)
    person.mobile = "+77050000002"
    person.save()
    person = Person.objects.get(person.id)
    assert (person.phone, person.mobile, person.email) == ("+77050000001", "+77050000002", "zhanna@example.org")
    company = Company(name="Жанна и Ко")
    company.save()
    person.company = company
    lead.contacts.append(person, main=True)
    assert Person.objects.get(person.id).company.name == "Жанна и Ко"
    assert [item.id for item in Lead.objects.get(lead.id).contacts] == [person.id]
    assert next(Person.objects.filter(query="77050000002")).id == person.id

with check("notes, tags, stages and users"):
    note = lead.notes(text="Через библиотеку")
    note.save()
    assert [item.text for item in lead.notes.objects.all()] == ["Через библиотеку"]
    tag = Tag.leads.create(name="из библиотеки")
    assert tag.id in {item.id for item in Tag.leads.all()}
    stages = Status.get_for(pipeline)
    assert stages.get(query="завершено").id == 142
    assert stages.get(142).color == "#CCFF66"
    assert next(User.objects.filter(query="maria@asiadeals.example")).is_admin is False

with check("mistakes are a ValidationError with the document"):
    error = refused(exceptions.ValidationError, Lead.objects.create, name="x", status_id=1)
    assert error.args[0]["validation-errors"][0]["errors"][0]["path"] == "status_id"

with check("429 ends in an AmoApiException"):
    interaction._session.mount("https://", requests.adapters.HTTPAdapter())
    statuses = []
    for _ in range(12):
        try:
            get_account_info()
        except exceptions.AmoApiException as error:
            statuses.append(str(error)[:16])
    assert set(statuses) == {"Wrong status 429"}, statuses

with check("every request came through the proxy to the account's host"):
    ways = {(entry["source"].split()[0], entry["host"]) for entry in journal()}
    assert ways == {("proxy", host)}, ways

done()

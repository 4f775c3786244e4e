"""One job for aioamocrm: `work.py read|create|update`, with the job's ids on standard input. Prints its figures as JSON.

The client's own limiter, and the options that help it: full batches, and another try after a 429, which it has off for
writes. Only for `read`, where the emulator sets no limit either, the limiter is off: there the question is what reading
costs.
"""

import asyncio
import json
import os
import sys
import time

from aioamocrm import AmoCRMClient, LongLivedToken

emulator = json.loads(os.environ["EMULATOR"])
job = sys.argv[1]
WRITES = {"batch_size": 250, "retry": True}
order = json.load(sys.stdin)


def contact(index):
    return {
        "name": f"Иван Иванов {index}",
        "first_name": "Иван",
        "last_name": f"Иванов {index}",
        "custom_fields_values": [
            {"field_code": "PHONE", "values": [{"value": f"+7900{index:07}", "enum_code": "MOB"}]},
            {"field_code": "EMAIL", "values": [{"value": f"ivan{index}@example.org", "enum_code": "WORK"}]},
            {"field_code": "POSITION", "values": [{"value": "Бухгалтер"}]},
        ],
        "tags_to_add": [{"name": "сайт"}, {"name": "повторный"}],
    }


async def main():
    options = {"rate_limit": None} if job == "read" else {}
    token = LongLivedToken(emulator["long_lived_token"])
    async with AmoCRMClient(auth=token, base_url=emulator["base_url"], **options) as amo:
        started, computed, done = time.monotonic(), time.process_time(), 0
        if job == "read":
            async for lead in amo.leads.iterate():
                done += lead.id > 0
        elif job == "create":
            contacts = [contact(index) for index in range(order["count"])]
            done = len(await amo.contacts.create(contacts, **WRITES))
        elif job == "update":
            leads = [{"id": lead, "price": 3000} for lead in order["ids"]]
            done = len(await amo.leads.update(leads, **WRITES))
        figures = {"done": done, "s": time.monotonic() - started, "cpu_s": time.process_time() - computed}
    print(json.dumps(figures))


asyncio.run(main())

//! Which entities an event is about.

use serde_json::{Map, Value};

/// amoCRM's numbers of entity types (`01-auth-limits-webhooks.md` §6.6).
const CONTACT: &str = "1";
const LEAD: &str = "2";
const COMPANY: &str = "3";

/// The entities that an event is about, or that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) lead: Option<u64>,
    pub(super) contacts: Vec<u64>,
    pub(super) company: Option<u64>,
}

impl Wanted {
    /// Whether nothing but a lead is known, so that it has to be asked for the rest.
    pub(super) fn is_only_lead(&self) -> bool {
        self.lead.is_some() && (self.contacts.is_empty() || self.company.is_none())
    }
}

/// Reads them from an envelope.
pub(super) fn read_wanted(event: &Map<String, Value>) -> Wanted {
    let mut wanted = Wanted::default();
    let Some(data) = event.get("data") else {
        return wanted;
    };
    let object = &data["object"];
    let own = id(&object["id"]);
    match data["entity"].as_str().unwrap_or_default() {
        "leads" => wanted.lead = own,
        "contacts" => wanted.contacts = own.into_iter().collect(),
        "companies" => wanted.company = own,
        "tasks" => wanted.put(&object["element_type"], &object["element_id"]),
        "widgets" => {
            let data = &object["event"]["data"];
            wanted.put(&data["element_type"], &data["id"]);
        }
        "unsorted" => wanted.lead = id(&object["lead_id"]),
        // Messages and talks name the lead in words.
        _ => {
            if object["entity_type"] == "lead" {
                wanted.lead = id(&object["entity_id"]);
            }
            wanted.contacts = id(&object["contact_id"]).into_iter().collect();
        }
    }
    wanted
}

impl Wanted {
    fn put(&mut self, kind: &Value, number: &Value) {
        match kind.as_str().unwrap_or_default() {
            CONTACT => self.contacts = id(number).into_iter().collect(),
            LEAD => self.lead = id(number),
            COMPANY => self.company = id(number),
            _ => {}
        }
    }
}

/// The ids of what amoCRM embeds in an entity.
pub(super) fn ids_within(entity: &Value, name: &str) -> Vec<u64> {
    let embedded = entity["_embedded"][name].as_array();
    embedded
        .into_iter()
        .flatten()
        .filter_map(|item| item["id"].as_u64())
        .collect()
}

fn id(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok().filter(|id| *id != 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_names_its_lead_contacts_and_company() {
        let table = [
            (
                json!({"entity": "leads", "object": {"id": "5"}}),
                (Some(5), vec![], None),
            ),
            (
                json!({"entity": "contacts", "object": {"id": "6"}}),
                (None, vec![6], None),
            ),
            (
                json!({"entity": "companies", "object": {"id": "7"}}),
                (None, vec![], Some(7)),
            ),
            (
                json!({"entity": "tasks", "object": {"id": "1", "element_type": "2", "element_id": "5"}}),
                (Some(5), vec![], None),
            ),
            (
                json!({"entity": "tasks", "object": {"id": "1", "element_type": "12", "element_id": "5"}}),
                (None, vec![], None),
            ),
            (
                json!({"entity": "messages", "object": {"id": "u", "entity_type": "lead", "entity_id": "5", "contact_id": "6"}}),
                (Some(5), vec![6], None),
            ),
            (
                json!({"entity": "rockets", "object": {"id": "5"}}),
                (None, vec![], None),
            ),
            (
                json!({"entity": "leads", "object": {"id": "x"}}),
                (None, vec![], None),
            ),
            (
                json!({"entity": "leads", "object": "5"}),
                (None, vec![], None),
            ),
            (json!(7), (None, vec![], None)),
        ];
        for (data, (lead, contacts, company)) in table {
            let expected = Wanted {
                lead,
                contacts,
                company,
            };
            let event = json!({ "data": data });
            assert_eq!(read_wanted(event.as_object().unwrap()), expected, "{event}");
        }
    }
}

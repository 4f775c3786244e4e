//! A record as amoCRM answers it.

use serde_json::{Map, Value, json};

use super::{customer, link};
use crate::{
    api::{call::Context, links::element_metadata, loss_reasons, values},
    world::{ElementLink, EntityType, Record},
};

/// One record with the parts its `with` asks for.
pub(super) fn render(cx: &Context<'_>, entity: EntityType, record: &Record) -> Value {
    let mut document = json!({
        "id": record.id,
        "name": record.name,
        "responsible_user_id": record.responsible_user_id,
        "group_id": record.group_id,
        "created_by": record.created_by,
        "updated_by": record.updated_by,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "closest_task_at": record.closest_task_at,
        "is_deleted": record.is_deleted,
        "custom_fields_values": values::render(cx.account, entity, &record.values),
        "account_id": cx.account.id,
        "_links": link(cx, entity, record.id),
        "_embedded": embedded(cx, entity, record),
    });
    if let Some(lead) = &record.lead {
        document["price"] = lead.price.into();
        document["status_id"] = lead.status_id.into();
        document["pipeline_id"] = lead.pipeline_id.into();
        document["loss_reason_id"] = lead.loss_reason_id.into();
        document["closed_at"] = lead.closed_at.into();
        document["score"] = Value::Null;
        document["labor_cost"] = Value::Null;
        document["is_price_computed"] = false.into();
        if cx.query().with("is_price_modified_by_robot") {
            document["is_price_modified_by_robot"] = false.into();
        }
        if cx.query().with("source_id") {
            document["source_id"] = Value::Null;
        }
    } else if let Some(state) = &record.customer {
        customer::render(cx, state, &mut document);
    } else {
        document["is_unsorted"] = record.is_unsorted.into();
    }
    if entity == EntityType::Contacts {
        document["first_name"] = record.first_name.as_str().into();
        document["last_name"] = record.last_name.as_str().into();
    }
    document
}

/// What is left of a lead in the trash.
const KEPT: [&str; 6] = [
    "id",
    "is_deleted",
    "updated_at",
    "updated_by",
    "account_id",
    "_links",
];

/// A record of the trash, mostly null. The others than leads come back whole and say that they are not deleted.
pub(super) fn render_deleted(cx: &Context<'_>, entity: EntityType, record: &Record) -> Value {
    let mut document = render(cx, entity, record);
    if entity != EntityType::Leads {
        document["is_deleted"] = false.into();
        return document;
    }
    if let Some(map) = document.as_object_mut() {
        map.remove("_embedded");
        map.iter_mut()
            .filter(|(key, _)| !KEPT.contains(&key.as_str()))
            .for_each(|(_, value)| *value = Value::Null);
    }
    document
}

fn embedded(cx: &Context<'_>, entity: EntityType, record: &Record) -> Value {
    use EntityType::{Companies, Contacts, Customers, Leads};
    let query = cx.query();
    let mut parts = Map::new();
    parts.insert("tags".into(), tags(cx, entity, record));
    if matches!(entity, Leads | Contacts) || (entity == Customers && query.with("companies")) {
        parts.insert("companies".into(), linked(cx, entity, record.id, Companies));
    }
    if matches!(entity, Leads | Customers) && query.with("contacts") {
        parts.insert("contacts".into(), contacts(cx, entity, record.id));
    }
    if entity == Leads && query.with("loss_reason") {
        parts.insert("loss_reason".into(), loss_reason(cx, record));
    }
    if matches!(entity, Contacts | Companies) && query.with("leads") {
        parts.insert("leads".into(), linked(cx, entity, record.id, Leads));
    }
    if entity == Companies && query.with("contacts") {
        parts.insert("contacts".into(), linked(cx, entity, record.id, Contacts));
    }
    if matches!(entity, Contacts | Companies) && query.with("customers") {
        parts.insert(
            "customers".into(),
            customer::embedded(cx, entity, record.id),
        );
    }
    if entity == Contacts && query.with("social_profiles") {
        parts.insert("social_profiles".into(), json!([]));
    }
    if query.with("catalog_elements") {
        parts.insert("catalog_elements".into(), elements(cx, entity, record.id));
    }
    Value::Object(parts)
}

fn tags(cx: &Context<'_>, entity: EntityType, record: &Record) -> Value {
    let tags = record
        .tags
        .iter()
        .filter_map(|id| cx.account.tag(entity, *id));
    tags.map(|tag| json!({"id": tag.id, "name": tag.name, "color": tag.color}))
        .collect()
}

fn linked(cx: &Context<'_>, entity: EntityType, id: u64, other: EntityType) -> Value {
    let ids = cx
        .account
        .links
        .linked(entity, id, other)
        .filter(|id| cx.account.records(other).live(*id).is_some());
    ids.map(|id| json!({"id": id, "_links": link(cx, other, id)}))
        .collect()
}

/// The elements of lists linked to a card. On customers some of it is said twice.
fn elements(cx: &Context<'_>, entity: EntityType, id: u64) -> Value {
    let links = cx.account.links.elements(entity, id).iter();
    let render = |link: &ElementLink| {
        let metadata = element_metadata(link);
        let mut element = json!({"id": link.element_id});
        if entity == EntityType::Customers {
            element["quantity"] = metadata["quantity"].clone();
            element["catalog_id"] = metadata["catalog_id"].clone();
        }
        element["metadata"] = metadata;
        element
    };
    let catalogs = &cx.account.catalogs;
    links
        .filter(|link| catalogs.has_element(link.catalog_id, link.element_id))
        .map(render)
        .collect()
}

/// The contacts of a lead or customer; exactly one of them is the main one.
fn contacts(cx: &Context<'_>, entity: EntityType, id: u64) -> Value {
    let live: Vec<u64> = cx
        .account
        .links
        .linked(entity, id, EntityType::Contacts)
        .filter(|id| cx.account.contacts.live(*id).is_some())
        .collect();
    let main = cx
        .account
        .links
        .main_contact(entity, id)
        .filter(|id| live.contains(id))
        .or(live.first().copied());
    let contact = |id: &u64| json!({"id": id, "is_main": Some(*id) == main, "_links": link(cx, EntityType::Contacts, *id)});
    live.iter().map(contact).collect()
}

/// A list of one, although the documentation says object.
fn loss_reason(cx: &Context<'_>, record: &Record) -> Value {
    let id = record.lead.as_ref().and_then(|lead| lead.loss_reason_id);
    let reason = cx
        .account
        .loss_reasons
        .iter()
        .find(|reason| Some(reason.id) == id);
    reason
        .into_iter()
        .map(|reason| loss_reasons::render(cx, reason))
        .collect()
}

//! `POST /leads/unsorted/forms` and `/sip`.

use serde_json::{Map, Value, json};

use super::{embedded, link, read_metadata};
use crate::{
    api::{
        call::Context,
        reader::Reader,
        records::{self, Draft, read_new_unlinked},
    },
    hal::{Answer, Reply, collection},
    problem::{BatchErrors, Violations},
    world::{EntityType, Unsorted, new_uid},
};

const KEYS: [&str; 7] = [
    "source_uid",
    "source_name",
    "metadata",
    "pipeline_id",
    "created_at",
    "_embedded",
    "request_id",
];

/// A checked incoming lead.
struct Incoming {
    source_uid: String,
    source_name: String,
    created_at: i64,
    metadata: Value,
    /// Asks for a note about the call.
    is_call_event_needed: bool,
    is_nameless: bool,
    lead: Draft,
    contact: Option<Draft>,
    company: Option<Draft>,
}

/// From forms on sites.
pub(super) fn forms(cx: &mut Context<'_>) -> Answer {
    create_many(cx, "forms")
}

/// From telephony.
pub(super) fn sip(cx: &mut Context<'_>) -> Answer {
    create_many(cx, "sip")
}

fn create_many(cx: &mut Context<'_>, category: &'static str) -> Answer {
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        let draft = read(cx, category, &item, &mut out);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let made: Vec<Value> = drafts
        .into_iter()
        .map(|(request_id, draft)| {
            let item = apply(cx, category, draft);
            json!({
                "uid": item.uid,
                "account_id": cx.account.id,
                "request_id": request_id,
                "_links": link(cx, &item.uid),
                "_embedded": embedded(cx, &item),
            })
        })
        .collect();
    Ok(Reply::ok(collection(&cx.url(), "unsorted", &made)))
}

fn read(cx: &Context<'_>, category: &str, item: &Reader<'_>, out: &mut Violations) -> Incoming {
    item.only(&KEYS, out);
    let now = cx.now();
    item.require("metadata", out);
    let metadata = item.child("metadata", out);
    let cards = item.child("_embedded", out);
    let empty = Map::new();
    let given = cards
        .as_ref()
        .and_then(|cards| one(cards, EntityType::Leads, out));
    let given = given.unwrap_or_else(|| Reader::new(&empty));
    let mut lead = read_new_unlinked(cx, EntityType::Leads, &given, out);
    if !lead.place_incoming(cx, item.id("pipeline_id", out)) {
        out.choice(item.path("pipeline_id"));
    }
    let partner = |entity: EntityType, out: &mut Violations| {
        let given = one(cards.as_ref()?, entity, out)?;
        Some(read_new_unlinked(cx, entity, &given, out).hidden())
    };
    Incoming {
        source_uid: text(item, "source_uid", out),
        source_name: text(item, "source_name", out),
        created_at: item.int("created_at", out).unwrap_or(now),
        is_call_event_needed: category == "sip"
            && metadata
                .as_ref()
                .and_then(|metadata| metadata.bool("is_call_event_needed", out))
                .unwrap_or(true),
        metadata: metadata.map_or(Value::Null, |metadata| {
            read_metadata(category, &metadata, now, out)
        }),
        is_nameless: !lead.is_named(),
        contact: partner(EntityType::Contacts, out),
        company: partner(EntityType::Companies, out),
        lead,
    }
}

/// A required text; the vendor's samples have numbers for `source_uid`, too.
fn text(item: &Reader<'_>, key: &str, out: &mut Violations) -> String {
    match item.value(key) {
        Some(Value::Number(number)) => number.to_string(),
        _ => item
            .required_string(key, out)
            .unwrap_or_default()
            .to_owned(),
    }
}

/// The card of a type; there may be one.
fn one<'a>(cards: &Reader<'a>, entity: EntityType, out: &mut Violations) -> Option<Reader<'a>> {
    let items = cards.children(entity.as_str(), out)?;
    if items.len() > 1 {
        out.too_many(cards.path(entity.as_str()), 1);
    }
    items.into_iter().next()
}

fn apply(cx: &mut Context<'_>, category: &str, draft: Incoming) -> Unsorted {
    let mut make =
        |entity, draft: Option<Draft>| draft.map(|draft| records::create(cx, entity, draft));
    let contact = make(EntityType::Contacts, draft.contact);
    let company = make(EntityType::Companies, draft.company);
    let lead_id = records::create(
        cx,
        EntityType::Leads,
        draft.lead.linked_to(contact, company),
    );
    let item = Unsorted {
        uid: new_uid(),
        source_uid: Some(draft.source_uid),
        source_name: Some(draft.source_name),
        category: category.to_owned(),
        pipeline_id: 0,
        created_at: draft.created_at,
        metadata: draft.metadata,
        lead_id,
        is_nameless: draft.is_nameless,
        contacts: contact.into_iter().collect(),
        companies: company.into_iter().collect(),
        outcome: None,
    };
    let item = keep(cx, item);
    if draft.is_call_event_needed {
        let note = item.call_note(0, cx.now());
        cx.actor().add_note(EntityType::Leads, note);
    }
    item
}

/// Puts an incoming lead down, in the pipeline its lead is in.
pub(crate) fn keep(cx: &mut Context<'_>, mut item: Unsorted) -> Unsorted {
    let lead = cx.account.leads.get(item.lead_id);
    let state = lead.and_then(|record| record.lead.as_ref());
    item.pipeline_id = state.map_or(0, |lead| lead.pipeline_id);
    cx.actor().keep_unsorted(item.clone());
    item
}

//! `POST /api/v4/calls`, which puts a call on the card its phone belongs to, and the pop-up of `POST /api/v2/events/`.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/calls-api>

use std::collections::HashMap;

use axum::{Router, routing::post};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
    records,
};
use crate::{
    app::App,
    hal::{Answer, Reply, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{Account, EntityType, Note, Record, is_closing},
};

/// Phones are the same when so many of their last digits are.
const COMPARED_DIGITS: usize = 10;
/// The vendor's number for "there is no such card".
const NOT_FOUND: u16 = 263;

const KEYS: [&str; 14] = [
    "direction",
    "duration",
    "source",
    "phone",
    "uniq",
    "link",
    "call_responsible",
    "call_result",
    "call_status",
    "responsible_user_id",
    "created_by",
    "updated_by",
    "created_at",
    "updated_at",
];

/// The routes of calls.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/calls", post(on(create_many)))
        .route("/api/v2/events", post(on(pop_up)))
        .route("/api/v2/events/", post(on(pop_up)))
}

/// A checked call.
struct Draft {
    kind: &'static str,
    phone: String,
    params: Value,
    created_by: u64,
    responsible_user_id: Option<u64>,
    created_at: i64,
    updated_at: i64,
}

/// Puts calls on cards. A wrong field refuses the whole batch, an unknown phone only its own item.
fn create_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        let draft = read(cx, &item, &mut out);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let phones = Phones::of(cx.account);
    let (mut made, mut missed) = (Vec::new(), Vec::new());
    for (request_id, draft) in drafts {
        match find(cx.account, &phones, &draft.phone) {
            Some(card) => made.push(apply(cx, card, draft, &request_id)),
            None => missed.push(json!({
                "request_id": request_id,
                "title": "Entity not found",
                "status": NOT_FOUND,
                "detail": "Entity not found",
            })),
        }
    }
    if made.is_empty() {
        let document = json!({"_total_items": 0, "errors": missed, "_embedded": []});
        return Err(Problem::with_document(StatusCode::BAD_REQUEST, document));
    }
    Ok(Reply::ok(json!({
        "_total_items": made.len(),
        "errors": missed,
        "_embedded": {"calls": made},
    })))
}

fn read(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Draft {
    let mut allowed = KEYS.to_vec();
    allowed.push("request_id");
    item.only(&allowed, out);
    item.require("direction", out);
    let direction = item.choice("direction", &["inbound", "outbound"], out);
    item.require("duration", out);
    let duration = item.int("duration", out);
    let source = item.required_string("source", out);
    let phone = item.required_string("phone", out).unwrap_or_default();
    let status = item.int("call_status", out);
    if status.is_some_and(|status| !(1..=7).contains(&status)) {
        out.choice(item.path("call_status"));
    }
    let responsible = item.value("call_responsible");
    if responsible.is_some_and(|value| !value.is_string() && !value.is_i64()) {
        out.kind(item.path("call_responsible"), "string");
    }
    let mut params = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.insert(key.to_owned(), value);
        }
    };
    put("uniq", item.string("uniq", out).map(Value::from));
    put("duration", duration.map(Value::from));
    put("source", source.map(Value::from));
    put("link", item.string("link", out).map(Value::from));
    put("phone", Some(phone.into()));
    put(
        "call_result",
        item.string("call_result", out).map(Value::from),
    );
    put("call_status", status.map(Value::from));
    put("call_responsible", responsible.cloned());
    let mut user = |key: &str| {
        let id = item.id(key, out)?;
        if id != 0 && cx.account.user(id).is_none() {
            out.choice(item.path(key));
        }
        Some(id)
    };
    let (created_by, responsible_user_id) = (user("created_by"), user("responsible_user_id"));
    user("updated_by");
    // Who was called or has called counts before the author, if it is a user.
    let party = responsible.and_then(Value::as_u64);
    let party = party.filter(|id| cx.account.user(*id).is_some());
    Draft {
        kind: if direction == Some("outbound") {
            "call_out"
        } else {
            "call_in"
        },
        phone: phone.to_owned(),
        params: Value::Object(params),
        created_by: party.or(created_by).unwrap_or(cx.user_id()),
        responsible_user_id,
        created_at: item.int("created_at", out).unwrap_or(cx.now()),
        updated_at: item.int("updated_at", out).unwrap_or(cx.now()),
    }
}

fn apply(
    cx: &mut Context<'_>,
    (entity, id): (EntityType, u64),
    draft: Draft,
    request_id: &str,
) -> Value {
    let mut note = Note::new(
        id,
        draft.kind,
        draft.params,
        draft.created_by,
        draft.created_at,
    );
    note.updated_at = draft.updated_at;
    note.responsible_user_id = draft.responsible_user_id.unwrap_or(draft.created_by);
    let note = cx.actor().add_note(entity, note);
    json!({
        "id": note,
        "entity_id": id,
        "entity_type": entity.singular(),
        "account_id": cx.account.id,
        "request_id": request_id,
        "_embedded": {"entity": {"id": id, "_links": records::link(cx, entity, id)}},
    })
}

/// The card a call belongs to: the only open lead or the only customer of whoever has the phone, otherwise that contact or company.
fn find(account: &Account, phones: &Phones, phone: &str) -> Option<(EntityType, u64)> {
    let owner = phones.owner(phone)?;
    let linked = |entity| {
        let ids = account.links.linked(owner.0, owner.1, entity);
        ids.filter_map(move |id| account.records(entity).live(id))
    };
    let is_open = |record: &&Record| {
        let lead = record.lead.as_ref();
        lead.is_some_and(|lead| !is_closing(lead.status_id))
    };
    let leads: Vec<u64> = linked(EntityType::Leads)
        .filter(is_open)
        .map(|record| record.id)
        .collect();
    let customers: Vec<u64> = linked(EntityType::Customers)
        .map(|record| record.id)
        .collect();
    Some(match (leads.as_slice(), customers.as_slice()) {
        ([lead], []) => (EntityType::Leads, *lead),
        ([], [customer]) => (EntityType::Customers, *customer),
        _ => owner,
    })
}

/// Who has which phone, looked up once for a whole batch of calls.
struct Phones(HashMap<String, (EntityType, u64)>);

impl Phones {
    fn of(account: &Account) -> Self {
        let mut owners = HashMap::new();
        // Who comes first has the phone: contacts before companies, older ones before younger ones.
        for entity in [EntityType::Contacts, EntityType::Companies] {
            let Some(field) = account.field_by_code(entity, "PHONE") else {
                continue;
            };
            for record in account.records(entity).iter() {
                let values = record.values.get(&field.id).into_iter().flatten();
                for phone in values.filter_map(|value| value.value.as_str()) {
                    let owner = (entity, record.id);
                    owners.entry(last_digits(phone)).or_insert(owner);
                }
            }
        }
        Self(owners)
    }

    /// The first contact or company that has this phone.
    fn owner(&self, phone: &str) -> Option<(EntityType, u64)> {
        let wanted = last_digits(phone);
        // A value without digits is nobody's phone.
        (!wanted.is_empty())
            .then(|| self.0.get(&wanted).copied())
            .flatten()
    }
}

fn last_digits(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let start = digits.len().saturating_sub(COMPARED_DIGITS);
    digits[start..].to_owned()
}

/// Shows users a pop-up about a call; nothing is kept.
fn pop_up(cx: &mut Context<'_>) -> Answer {
    let object = cx.object()?;
    let body = Reader::new(&object);
    let mut out = Violations::default();
    body.require("add", &mut out);
    let items = body.children("add", &mut out).unwrap_or_default();
    let phones = Phones::of(cx.account);
    let mut shown = Vec::with_capacity(items.len());
    for (number, item) in (1..).zip(&items) {
        item.require("type", &mut out);
        item.choice("type", &["phone_call"], &mut out);
        let phone = item.required_string("phone_number", &mut out);
        let users = item.array("users", &mut out).unwrap_or_default();
        for (index, user) in users.iter().enumerate() {
            let id = user.as_u64();
            if id.is_none_or(|id| cx.account.user(id).is_none()) {
                out.choice(item.path(&format!("users.{index}")));
            }
        }
        let card = find(cx.account, &phones, phone.unwrap_or_default());
        shown.push(json!({
            "element_id": card.map(|(_, id)| id),
            "element_type": card.map(|(entity, _)| entity.element_type()),
            "uid": format!("{}-{number}", cx.now_ms()),
            "phone_number": phone,
        }));
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    Ok(Reply::ok(json!({
        "_links": self_link(&cx.url()),
        "_embedded": {"items": shown},
    })))
}

//! `/api/v4/customers/segments`: groups of customers, in segments mode.

use std::collections::BTreeMap;

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::in_mode;
use crate::{
    api::{
        call::{Context, on},
        field_groups, fields,
        reader::Reader,
        values::{self, ValueChange},
    },
    app::App,
    hal::{Answer, Reply, counted_page, self_link},
    problem::{Problem, Violations},
    world::{Counters, CustomersMode, FieldOwner, Segment},
};

const MAX_SEGMENTS: usize = 100;

/// The colours a segment may be given; the first one is given when none is named.
const COLORS: [&str; 40] = [
    "10599d", "2176ff", "006acc", "07a0c3", "247ba0", "177e89", "046e8f", "598381", "0c7c59",
    "495f41", "00a44b", "08605f", "bf2600", "06d6a0", "e14945", "79b473", "ae003f", "a2ad59",
    "cd0f53", "8e936d", "832161", "2e5339", "bf126f", "6f7c12", "ff5376", "dd1c1a", "bb304e",
    "631d76", "9d2b32", "4a001f", "b118c8", "6a0f49", "6610f2", "b38a58", "8963ba", "4b3666",
    "932f6d", "6b2d5c", "6461a0", "4f517d",
];

/// The routes of segments and of their custom fields.
pub(super) fn routes() -> Router<App> {
    let base = "/api/v4/customers/segments";
    Router::new()
        .route(base, get(on(list)).post(on(create)))
        .route(
            &format!("{base}/{{segment_id}}"),
            get(on(show)).patch(on(update)).delete(on(delete)),
        )
        .merge(fields::routes(base))
        .merge(field_groups::routes(base))
}

/// A checked write to a segment.
#[derive(Debug, Default)]
struct Draft {
    name: Option<String>,
    color: Option<String>,
    price_types: Option<Vec<u64>>,
    values: Vec<ValueChange>,
}

fn list(cx: &mut Context<'_>) -> Answer {
    in_mode(cx, CustomersMode::Segments)?;
    let segments = cx.account.customers.segments.values();
    let items = segments.map(|segment| render(cx, segment)).collect();
    Ok(counted_page(&cx.url(), cx.query(), "segments", items))
}

fn show(cx: &mut Context<'_>) -> Answer {
    in_mode(cx, CustomersMode::Segments)?;
    let segment = cx.account.customers.segments.get(&cx.id("segment_id")?);
    let segment = segment.ok_or_else(|| Problem::not_found("Segment not found"))?;
    Ok(Reply::ok(render(cx, segment)))
}

/// Adds one segment: of all creations, this one takes an object and no list.
fn create(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    in_mode(cx, CustomersMode::Segments)?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    item.require("name", &mut out);
    let draft = read(cx, &item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    if cx.account.customers.segments.len() >= MAX_SEGMENTS {
        return Err(Problem::bad_request(format!(
            "Limit {MAX_SEGMENTS} segments per account"
        )));
    }
    let now = cx.now();
    let mut segment = Segment {
        id: Counters::take(&mut cx.account.counters.segment),
        name: String::new(),
        color: COLORS[0].to_owned(),
        price_types: Vec::new(),
        values: BTreeMap::new(),
        created_at: now,
        updated_at: now,
    };
    apply(&mut segment, draft);
    let document = render(cx, &segment);
    cx.account.customers.segments.insert(segment.id, segment);
    Ok(Reply::ok(document))
}

fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    in_mode(cx, CustomersMode::Segments)?;
    let id = cx.id("segment_id")?;
    let object = cx.object()?;
    let mut out = Violations::default();
    let draft = read(cx, &Reader::new(&object), &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let now = cx.now();
    let segment = cx.account.customers.segments.get_mut(&id);
    let segment = segment.ok_or_else(|| Problem::choice("id"))?;
    apply(segment, draft);
    segment.updated_at = now.max(segment.updated_at);
    show(cx)
}

fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    in_mode(cx, CustomersMode::Segments)?;
    let id = cx.id("segment_id")?;
    let customers = &mut cx.account.customers;
    let gone = customers.segments.remove(&id);
    gone.ok_or_else(|| Problem::choice("id"))?;
    let members: Vec<u64> = members(cx, id).collect();
    for customer in members {
        cx.account.customers.cards.update(customer, |record| {
            let state = record.customer.get_or_insert_default();
            state.segments.retain(|segment| *segment != id);
        });
    }
    Ok(Reply::no_content())
}

fn members(cx: &Context<'_>, id: u64) -> impl Iterator<Item = u64> {
    let cards = cx.account.customers.cards.iter();
    let inside = cards.filter(move |record| {
        let state = record.customer.as_ref();
        state.is_some_and(|state| state.segments.contains(&id))
    });
    inside.map(|record| record.id)
}

fn read(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Draft {
    let price_types = item.array("available_products_price_types", out);
    let price_types = price_types.map(|ids| {
        let read = ids.iter().enumerate().filter_map(|(index, id)| {
            if !id.is_u64() {
                let path = format!("available_products_price_types.{index}");
                out.kind(item.path(&path), "int");
            }
            id.as_u64()
        });
        read.collect()
    });
    Draft {
        name: item.string("name", out).map(str::to_owned),
        color: item.choice("color", &COLORS, out).map(str::to_owned),
        price_types,
        values: values::read_changes(cx.account, FieldOwner::Segments, item, out),
    }
}

fn apply(segment: &mut Segment, draft: Draft) {
    if let Some(name) = draft.name {
        segment.name = name;
    }
    if let Some(color) = draft.color {
        segment.color = color;
    }
    if let Some(price_types) = draft.price_types {
        segment.price_types = price_types;
    }
    for change in draft.values {
        change.apply(&mut segment.values);
    }
}

fn render(cx: &Context<'_>, segment: &Segment) -> Value {
    json!({
        "id": segment.id,
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
        "account_id": cx.account.id,
        "name": segment.name,
        "color": segment.color,
        "available_products_price_types": segment.price_types,
        "customers_count": members(cx, segment.id).count(),
        "custom_fields_values": values::render(cx.account, FieldOwner::Segments, &segment.values),
        "_links": self_link(&cx.api(&format!("customers/segments/{}", segment.id))),
    })
}

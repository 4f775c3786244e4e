//! What only customers have: the next purchase, the status or the segments.

use super::link;
use crate::{
    api::{call::Context, reader::Reader},
    hal::self_link,
    problem::Violations,
    world::{
        CustomerState, CustomersMode, EntityType, Record,
        feed::{Fact, Happening, Subject},
    },
};
use serde_json::{Value, json};

/// A checked write to the part of a customer that other cards do not have.
#[derive(Debug, Default)]
pub(super) struct CustomerDraft {
    next_price: Option<i64>,
    next_date: Option<i64>,
    status_id: Option<u64>,
    periodicity: Option<i64>,
    segments: Option<Vec<u64>>,
}

/// Reads it. What belongs to the other mode is not looked at: the official client sends both.
pub(super) fn read(
    cx: &Context<'_>,
    is_new: bool,
    item: &Reader<'_>,
    out: &mut Violations,
) -> CustomerDraft {
    let customers = &cx.account.customers;
    let is_periodic = customers.mode == CustomersMode::Periodicity;
    if is_new {
        item.require("name", out);
        if is_periodic {
            item.require("next_date", out);
        }
    }
    let mut draft = CustomerDraft {
        next_price: item.int("next_price", out),
        next_date: item.int("next_date", out),
        periodicity: item.int("periodicity", out),
        ..CustomerDraft::default()
    };
    if is_periodic {
        draft.status_id = item.id("status_id", out);
        if draft
            .status_id
            .is_some_and(|id| customers.status(id).is_none())
        {
            out.choice(item.path("status_id"));
        }
    } else {
        draft.segments = read_segments(cx, item, out);
    }
    draft
}

/// `_embedded.segments` is the new list as a whole, as it is with tags.
fn read_segments(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Option<Vec<u64>> {
    let embedded = item.child("_embedded", out)?;
    if embedded.is_null("segments") {
        return Some(Vec::new());
    }
    let mut ids: Vec<u64> = Vec::new();
    for item in embedded.children("segments", out)? {
        let Some(id) = item.required_id("id", out) else {
            continue;
        };
        if !cx.account.customers.segments.contains_key(&id) {
            out.choice(item.path("id"));
        }
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(ids)
}

impl CustomerDraft {
    /// Writes it to a customer.
    pub(super) fn apply(self, state: &mut CustomerState) {
        state.next_price = self.next_price.unwrap_or(state.next_price);
        state.next_date = self.next_date.or(state.next_date);
        state.status_id = self.status_id.or(state.status_id);
        state.periodicity = self.periodicity.unwrap_or(state.periodicity);
        if let Some(segments) = self.segments {
            state.segments = segments;
        }
    }
}

/// What a customer begins with.
pub(super) fn new_state(cx: &Context<'_>) -> CustomerState {
    let customers = &cx.account.customers;
    let is_periodic = customers.mode == CustomersMode::Periodicity;
    CustomerState {
        status_id: is_periodic.then(|| customers.default_status()).flatten(),
        ..CustomerState::default()
    }
}

/// The event of a customer that moved to another status.
pub(super) fn status_change(before: &Record, after: &Record) -> Option<Happening> {
    let status = |record: &Record| record.customer.as_ref().and_then(|it| it.status_id);
    let (old, new) = (status(before), status(after));
    (old != new).then(|| {
        Happening::new(
            "customer_status_changed",
            Subject::Card(EntityType::Customers, after.id),
        )
        .before(old.map(Fact::CustomerStatus))
        .after(new.map(Fact::CustomerStatus))
    })
}

/// Adds it to an answer.
pub(super) fn render(cx: &Context<'_>, state: &CustomerState, document: &mut Value) {
    document["next_price"] = state.next_price.into();
    document["next_date"] = state.next_date.into();
    document["status_id"] = state.status_id.into();
    document["periodicity"] = state.periodicity.into();
    document["ltv"] = state.ltv.into();
    document["purchases_count"] = state.purchases_count.into();
    document["average_check"] = state.average_check().into();
    let segments = state
        .segments
        .iter()
        .filter(|id| cx.account.customers.segments.contains_key(id))
        .map(|id| {
            let path = format!("customers/segments/{id}");
            json!({"id": id, "_links": self_link(&cx.api(&path))})
        });
    document["_embedded"]["segments"] = segments.collect();
    // Of all cards only this one tells its group on demand.
    if !cx.query().with("group_id")
        && let Some(map) = document.as_object_mut()
    {
        map.remove("group_id");
    }
}

/// The customers of a contact or company, in its `_embedded`.
pub(super) fn embedded(cx: &Context<'_>, entity: EntityType, id: u64) -> Value {
    let customers = cx
        .account
        .links
        .linked(entity, id, EntityType::Customers)
        .filter(|id| cx.account.customers.cards.live(*id).is_some());
    customers
        .map(|id| json!({"id": id, "_links": link(cx, EntityType::Customers, id)}))
        .collect()
}

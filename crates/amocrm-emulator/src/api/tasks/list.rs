//! `GET /api/v4/tasks` with its filters and orders.

use std::collections::BTreeSet;

use serde_json::Value;

use super::render;
use crate::{
    api::call::Context,
    hal::{Answer, page},
    query::{Direction, Query, Range},
    world::{Account, EntityType, Task},
};

/// A page of tasks, the oldest first unless another order is asked for.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let filter = Filter::read(query);
    let matches = |task: &&Task| filter.matches(cx.account, task);
    let mut found: Vec<&Task> = cx.account.tasks.iter().filter(matches).collect();
    // Orders by anything else are accepted and ignored.
    let order = query.order(&["id", "created_at", "complete_till"]);
    match order {
        Some(("created_at", _)) => found.sort_by_key(|task| (task.created_at, task.id)),
        Some(("complete_till", _)) => found.sort_by_key(|task| (task.complete_till, task.id)),
        _ => {}
    }
    if matches!(order, Some((_, Direction::Descending))) {
        found.reverse();
    }
    let limit = query.limit();
    let found = found
        .into_iter()
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1);
    let items: Vec<Value> = found.map(|task| render(cx, task)).collect();
    Ok(page(&cx.url(), query, "tasks", items))
}

/// `filter[…]`; `None` means that it was not asked for.
struct Filter {
    ids: Option<BTreeSet<u64>>,
    responsible_users: Option<BTreeSet<u64>>,
    authors: Option<BTreeSet<u64>>,
    kinds: Option<BTreeSet<u64>>,
    is_completed: Option<bool>,
    entities: Option<Vec<EntityType>>,
    entity_ids: Option<BTreeSet<u64>>,
    lead_statuses: Option<BTreeSet<u64>>,
    updated_at: Option<Range>,
}

impl Filter {
    fn read(query: &Query) -> Self {
        let numbers = |key: &str| {
            let texts = query.comma_list(&["filter", key]);
            let numbers = texts.iter().filter_map(|text| text.parse().ok());
            (!texts.is_empty()).then(|| numbers.collect::<BTreeSet<u64>>())
        };
        let words = query.comma_list(&["filter", "entity_type"]);
        let entities = words.iter().filter_map(|word| EntityType::parse(word));
        let entities = (!words.is_empty()).then(|| entities.collect::<Vec<_>>());
        Self {
            ids: numbers("id"),
            responsible_users: numbers("responsible_user_id"),
            authors: numbers("created_by"),
            // The documented name, and the one the vendor's own library sends besides.
            kinds: numbers("task_type").or_else(|| numbers("task_type_id")),
            is_completed: match query.comma_list(&["filter", "is_completed"]).as_slice() {
                ["1" | "true"] => Some(true),
                ["0" | "false"] => Some(false),
                _ => None,
            },
            // Ids mean nothing without a type and are ignored then.
            entity_ids: numbers("entity_id").filter(|_| entities.is_some()),
            entities,
            lead_statuses: numbers("lead_statuses"),
            updated_at: query.since(&["filter", "updated_at"]),
        }
    }

    fn matches(&self, account: &Account, task: &Task) -> bool {
        let is_among = |wanted: &Option<BTreeSet<u64>>, id: u64| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&id))
        };
        let card = task.card;
        is_among(&self.ids, task.id)
            && is_among(&self.responsible_users, task.responsible_user_id)
            && is_among(&self.authors, task.created_by)
            && is_among(&self.kinds, task.kind)
            && self
                .is_completed
                .is_none_or(|wanted| wanted == task.is_completed)
            && self
                .entities
                .as_ref()
                .is_none_or(|wanted| card.is_some_and(|(entity, _)| wanted.contains(&entity)))
            && is_among(&self.entity_ids, card.map_or(0, |(_, id)| id))
            && (self.lead_statuses.is_none() || is_among(&self.lead_statuses, stage(account, task)))
            && self
                .updated_at
                .is_none_or(|range| range.contains(as_float(task.updated_at)))
    }
}

/// The stage of the task's lead; 0 for any other task. What exactly amoCRM compares here is not documented.
fn stage(account: &Account, task: &Task) -> u64 {
    let lead = match task.card {
        Some((EntityType::Leads, id)) => account.leads.live(id),
        _ => None,
    };
    let state = lead.and_then(|record| record.lead.as_ref());
    state.map_or(0, |lead| lead.status_id)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "unix seconds are far below 2^53"
)]
fn as_float(value: i64) -> f64 {
    value as f64
}

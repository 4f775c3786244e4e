//! `GET /leads/unsorted/summary`: how many came and what became of them.

use serde_json::{Value, json};

use crate::{
    api::call::Context,
    hal::{Answer, Reply},
    world::Unsorted,
};

/// Counts of those that came in the time and pipeline asked for.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(super) fn show(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let came = query.since(&["filter", "created_at"]);
    let uids = query.comma_list(&["filter", "uid"]);
    let pipelines = query.comma_list(&["filter", "pipeline_id"]);
    #[expect(
        clippy::cast_precision_loss,
        reason = "unix seconds are far below 2^53"
    )]
    let items: Vec<&Unsorted> = cx
        .account
        .unsorted
        .iter()
        .filter(|item| came.is_none_or(|range| range.contains(item.created_at as f64)))
        .filter(|item| uids.is_empty() || uids.contains(&item.uid.as_str()))
        .filter(|item| {
            pipelines.is_empty() || pipelines.contains(&item.pipeline_id.to_string().as_str())
        })
        .collect();
    let ended = |is_accepted: bool| {
        let outcomes = items.iter().filter_map(|item| item.outcome);
        outcomes
            .filter(|outcome| outcome.is_accepted == is_accepted)
            .count()
    };
    let waits: Vec<i64> = items
        .iter()
        // The client says when it came, and may say nonsense.
        .filter_map(|item| Some(item.outcome?.at.saturating_sub(item.created_at)))
        .collect();
    let total: i64 = waits
        .iter()
        .fold(0, |total, wait| total.saturating_add(*wait));
    let count = i64::try_from(waits.len()).unwrap_or(i64::MAX).max(1);
    let of_category = |category: &str| -> Value {
        let total = items
            .iter()
            .filter(|item| item.category == category)
            .count();
        json!({"total": total})
    };
    Ok(Reply::ok(json!({
        "total": items.len(),
        "accepted": ended(true),
        "declined": ended(false),
        "average_sort_time": total / count,
        "categories": {
            "sip": of_category("sip"),
            "mail": of_category("mail"),
            "forms": of_category("forms"),
            "chats": of_category("chats"),
        },
    })))
}

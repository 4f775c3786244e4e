//! A choice in words.

use std::fmt::Write as _;

use serde_json::Value;
use store::{ManagerChange, ManagerReason};

use crate::crm::Team;

/// Why a lead got its manager, in a sentence for people.
pub(crate) fn explain(change: &ManagerChange, team: Option<&Team>) -> String {
    let details = &change.details;
    let mut text = match change.reason {
        ManagerReason::RepeatedClient => "a repeated client keeps the manager".to_owned(),
        ManagerReason::RoundRobin => round_robin(change, team),
        ManagerReason::LeastLoaded => least_loaded(change, team),
        ManagerReason::NoRule => "no rule is about this lead: amoCRM decides".to_owned(),
        ManagerReason::NoActiveUser => "nobody of those named is active: amoCRM decides".to_owned(),
        ManagerReason::UsersUnreadable => {
            "amoCRM does not show its users to this integration, so it decides".to_owned()
        }
        ManagerReason::Crm => "changed in amoCRM".to_owned(),
    };
    let is_chosen = matches!(
        change.reason,
        ManagerReason::RoundRobin | ManagerReason::LeastLoaded
    );
    if let Some(rule) = details["rule"].as_str().filter(|_| is_chosen) {
        let _ = write!(text, "; rule «{rule}»");
    }
    let skipped = words(&details["skipped"]);
    if !skipped.is_empty() {
        let _ = write!(text, "; nobody active: {}", skipped.join(", "));
    }
    let refused = ids(&details["refused"]);
    if !refused.is_empty() {
        let refused: Vec<_> = refused.iter().map(|id| name(*id, team)).collect();
        let _ = write!(text, "; refused by amoCRM: {}", refused.join(", "));
    }
    text
}

fn round_robin(change: &ManagerChange, team: Option<&Team>) -> String {
    let among = ids(&change.details["among"]);
    let place = among.iter().position(|id| Some(*id) == change.to);
    let names: Vec<_> = among.iter().map(|id| name(*id, team)).collect();
    format!(
        "round robin, turn {}: {} of {} among {}",
        change.details["turn"],
        place.map_or(0, |place| place + 1),
        among.len(),
        names.join(", ")
    )
}

fn least_loaded(change: &ManagerChange, team: Option<&Team>) -> String {
    let open = |id: i64| {
        let count = &change.details["open"][id.to_string()];
        count.as_u64().unwrap_or(0)
    };
    let among = ids(&change.details["among"]);
    let loads: Vec<_> = among
        .iter()
        .map(|id| format!("{} ({})", name(*id, team), open(*id)))
        .collect();
    format!("fewest open deals among {}", loads.join(", "))
}

fn name(id: i64, team: Option<&Team>) -> String {
    match team.and_then(|team| team.name(id)) {
        Some(name) => name.to_owned(),
        None => format!("user {id}"),
    }
}

fn ids(value: &Value) -> Vec<i64> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_i64).collect()
}

fn words(value: &Value) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

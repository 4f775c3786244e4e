//! Incoming leads.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Action, FromItem, brief_debug};
use crate::webhook::Tree;
use crate::webhook::fields::{id, id_or_zero, ids, leaf_id, text, time};
use crate::{AccountId, LeadId, PipelineId, UserId};

/// An event of an incoming lead ("unsorted").
///
/// `source_data` and `data` differ by category and are in `raw`.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnsortedEvent {
    /// What happened. `delete` covers acceptance and refusal, told by [`outcome`](Self::outcome).
    pub action: Action,
    /// The incoming lead.
    pub uid: String,
    /// `forms`, `mail`, `chats` or `sip`.
    pub category: Option<String>,
    /// How it ended.
    pub outcome: Option<UnsortedOutcome>,
    /// Leads in it, or those the outcome is about.
    pub leads: Vec<LeadId>,
    /// Pipeline.
    pub pipeline_id: Option<PipelineId>,
    /// Source.
    pub source_id: Option<u64>,
    /// Who accepted, declined or edited it. `0` is a robot.
    pub modified_user_id: Option<UserId>,
    /// Account.
    pub account_id: Option<AccountId>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(UnsortedEvent: action, uid, category, outcome, leads);

crate::de::open_enum! {
    /// How an incoming lead ended.
    pub enum UnsortedOutcome {
        /// It became a lead of a pipeline.
        Accept = "accept",
        /// It was declined.
        Decline = "decline",
    }
}

impl FromItem for UnsortedEvent {
    const ID_KEY: &'static str = "uid";
    const ID_EXPECTED: &'static str = "a uid";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            uid: text(item, "uid")?,
            category: text(item, "category"),
            outcome: text(item, "action").map(UnsortedOutcome::from),
            leads: leads(item),
            pipeline_id: id(item, "pipeline_id").or_else(|| id(item.get("data")?, "pipeline_id")),
            source_id: crate::webhook::fields::number(item, "source_id"),
            modified_user_id: id_or_zero(item, "modified_user_id")
                .or_else(|| id_or_zero(item, "user_id")),
            account_id: id(item, "account_id"),
            created_at: time(item, &["created_at", "date_create"])
                .or_else(|| time(item.get("data")?, &["created_at"])),
            raw: item.clone(),
        })
    }
}

fn leads(item: &Tree) -> Vec<LeadId> {
    let direct = item.get("lead_id").and_then(leaf_id);
    let groups = ["accept_result", "decline_result", "data"];
    let nested = groups.iter().find_map(|group| {
        let leads = ids(item.at([*group, "leads"]));
        (!leads.is_empty()).then_some(leads)
    });
    match (nested, direct) {
        (Some(leads), _) => leads,
        (None, direct) => direct.into_iter().collect(),
    }
}

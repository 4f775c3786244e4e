//! How many incoming leads came, and how they ended.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{UnsortedCategory, UnsortedUid};
use crate::client::Client;
use crate::de;
use crate::entity::{IntoQuery, awaited, filter};
use crate::error::Result;
use crate::id::PipelineId;
use crate::request::{Operation, Request, declare};

const SUMMARY: Operation = Operation::idempotent("unsorted.summary");

filter! {
    /// Which incoming leads are counted.
    pub struct SummaryFilter {
        /// Those that came in this period.
        period created_at "created_at": DateTime<Utc>,
        /// Those of this pipeline.
        one pipeline "pipeline_id": PipelineId,
        /// These. The documentation has it, amoCRM's own client has not.
        any uids "uid": UnsortedUid,
    }
}

/// Counts incoming leads; awaiting gives the counts.
#[derive(Debug, Clone)]
#[must_use = "nothing is counted until it is awaited"]
pub struct Summarize {
    client: Client,
    path: String,
    filter: SummaryFilter,
}

declare!(Summarize: SUMMARY);

impl Summarize {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            filter: SummaryFilter::new(),
        }
    }

    /// Counts only what the filter lets through.
    pub fn filter(mut self, filter: SummaryFilter) -> Self {
        self.filter = filter;
        self
    }

    /// The request.
    pub fn into_request(self) -> Request {
        Request::get(SUMMARY, self.path).queries(self.filter.into_query())
    }

    async fn run(self) -> Result<UnsortedSummary> {
        // A condition with no alternative would be ignored, and all would be counted.
        if self.filter.matches_nothing() {
            return Ok(UnsortedSummary::default());
        }
        let client = self.client.clone();
        let summary = client.fetch(self.into_request()).await?;
        Ok(summary.unwrap_or_default())
    }
}

awaited!(Summarize => UnsortedSummary);

/// How many incoming leads came, and how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UnsortedSummary {
    /// All of them.
    #[serde(deserialize_with = "de::number")]
    pub total: u64,
    /// Those that were accepted.
    #[serde(deserialize_with = "de::number")]
    pub accepted: u64,
    /// Those that were declined.
    #[serde(deserialize_with = "de::number")]
    pub declined: u64,
    /// How long they waited on average, in seconds.
    #[serde(deserialize_with = "de::number")]
    pub average_sort_time: u64,
    #[serde(deserialize_with = "de::object")]
    categories: Categories,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Categories {
    #[serde(deserialize_with = "de::object")]
    sip: Count,
    #[serde(deserialize_with = "de::object")]
    mail: Count,
    #[serde(deserialize_with = "de::object")]
    forms: Count,
    #[serde(deserialize_with = "de::object")]
    chats: Count,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Count {
    #[serde(deserialize_with = "de::number")]
    total: u64,
}

impl UnsortedSummary {
    /// Those of one category.
    pub fn of(&self, category: &UnsortedCategory) -> u64 {
        let Categories {
            sip,
            mail,
            forms,
            chats,
        } = &self.categories;
        match category {
            UnsortedCategory::Sip => sip.total,
            UnsortedCategory::Mail => mail.total,
            UnsortedCategory::Forms => forms.total,
            UnsortedCategory::Chats => chats.total,
            UnsortedCategory::Unknown(_) => 0,
        }
    }
}

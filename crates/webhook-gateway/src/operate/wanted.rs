//! Which events a stream tells: the filters of subscribers, and the entity.

use store::EventRow;

use super::error::OperateError;
use crate::config::{SubscriberSettings, is_pattern};
use crate::routing::{Facts, Filter};

/// What a reader of the stream wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    filter: Filter,
    subject: Option<String>,
}

impl Wanted {
    /// Reads `leads.*,contacts.update`; empty is everything.
    ///
    /// # Errors
    ///
    /// A pattern is none.
    pub(crate) fn read(
        events: Option<&str>,
        account: Option<String>,
        subject: Option<String>,
    ) -> Result<Self, OperateError> {
        let events: Vec<String> = events
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|pattern| !pattern.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(wrong) = events.iter().find(|pattern| !is_pattern(pattern)) {
            return Err(OperateError::field(
                "events",
                format!(
                    "`{wrong}`: expected entity.action with * for any, such as leads.* or contacts.update"
                ),
            ));
        }
        let mut settings = SubscriberSettings::nowhere();
        if !events.is_empty() {
            settings.events = events;
        }
        settings.accounts = account
            .into_iter()
            .filter(|name| !name.is_empty())
            .collect();
        Ok(Self {
            filter: Filter::new(&settings),
            subject: subject.filter(|subject| !subject.is_empty()),
        })
    }

    /// Whether this event passes.
    pub(crate) fn has(&self, row: &EventRow) -> bool {
        let facts = Facts {
            kind: &row.kind,
            account: &row.account,
            subject: row.subject.as_deref(),
            pipeline_id: row.pipeline_id,
            status_id: row.status_id,
        };
        self.filter.admits(&facts) && (self.subject.is_none() || self.subject == row.subject)
    }
}

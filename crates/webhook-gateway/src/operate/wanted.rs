//! Which events a stream tells.

use store::EventRow;

use super::error::OperateError;
use crate::config::{is_pattern, matches_pattern};

/// A filter of events, as subscribers have it, and the account and entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    events: Vec<String>,
    account: Option<String>,
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
        Ok(Self {
            events,
            account: account.filter(|account| !account.is_empty()),
            subject: subject.filter(|subject| !subject.is_empty()),
        })
    }

    /// Whether this event passes.
    pub(crate) fn has(&self, row: &EventRow) -> bool {
        self.account
            .as_ref()
            .is_none_or(|account| *account == row.account)
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| row.subject.as_ref() == Some(subject))
            && (self.events.is_empty()
                || self
                    .events
                    .iter()
                    .any(|pattern| matches_pattern(pattern, &row.kind)))
    }
}

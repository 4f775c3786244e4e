//! What of a lead is not where it was meant to be: told once an hour in the log, and kept with the lead.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use store::StoreError;

use super::Worker;
use crate::crm::{Leftover, Why};

/// A field is told in the log again after this long: a form with a wrong field would fill it.
const TELL_EVERY: TimeDelta = TimeDelta::hours(1);
/// Names come from outside; more than this many are not kept apart.
const MAX_TOLD: usize = 1_000;

/// When each field was told last.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<(String, &'static str), DateTime<Utc>>>);

impl Told {
    fn is_news(&self, field: &str, why: Why, now: DateTime<Utc>) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MAX_TOLD {
            told.retain(|_, at| now - *at < TELL_EVERY);
        }
        let key = (field.to_owned(), why.as_str());
        if told
            .get(&key)
            .is_some_and(|at| (now - *at).abs() < TELL_EVERY)
        {
            return false;
        }
        if told.len() < MAX_TOLD {
            told.insert(key, now);
        }
        true
    }
}

impl Worker {
    /// Keeps with the lead which of its values are in the note instead of their fields. Doing it again changes nothing.
    pub(super) async fn warn(&self, lead: i64, leftovers: &[Leftover]) -> Result<(), StoreError> {
        if leftovers.is_empty() {
            return Ok(());
        }
        for left in leftovers {
            // A name that is not ours was chosen by whoever posted the form: the lead's record tells it, the log does not.
            let field = match left.why {
                Why::Unknown => "(a name from custom_fields)",
                _ => left.field.as_str(),
            };
            if self.told.is_news(field, left.why, self.crm.now()) {
                tracing::warn!(
                    lead.id = lead,
                    "{}; the value is in the deal's note, and further leads are not told for an hour",
                    left.why.tell(field)
                );
            }
        }
        let fields: Vec<_> = leftovers
            .iter()
            .map(|left| (left.field.clone(), left.why.as_str()))
            .collect();
        self.store.leads().warn(lead, &fields).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_once_an_hour() {
        let told = Told::default();
        let now = DateTime::UNIX_EPOCH;
        assert!(told.is_news("Объект", Why::Missing, now));
        assert!(!told.is_news("Объект", Why::Missing, now + TimeDelta::minutes(59)));
        assert!(told.is_news("Объект", Why::Option, now));
        assert!(told.is_news("Объект", Why::Missing, now + TimeDelta::hours(1)));
    }
}

//! Completing an event with what amoCRM says of its entities now.
//!
//! Deliveries that want it at about the same time share requests: what is asked for within a moment goes out together, up to
//! 250 entities in one request, and what was answered is used again for some seconds, unless an event came after it.

mod fetch;
#[cfg(test)]
mod tests;
mod want;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use service_kit::clock::SharedClock;

use self::fetch::{Fetcher, Kind};
use self::want::{Wanted, ids_within, read_wanted};
use super::Accounts;
use crate::config::{Config, Enrich};

/// Fetches entities for deliveries. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Enricher {
    accounts: Accounts,
    fetcher: Fetcher,
    patience: Duration,
}

impl Enricher {
    pub(crate) fn new(config: &Config, accounts: Accounts, clock: SharedClock) -> Self {
        Self {
            accounts,
            fetcher: Fetcher::new(config.enrichment.cache(), clock),
            patience: config.enrichment.timeout(),
        }
    }

    /// The envelope with `data.enriched`: an object with a member for each that is wanted, `null` where there is none. If
    /// amoCRM cannot be asked in time, `data.enriched` itself is `null` and `data.enriched_error` says why: the event is
    /// worth more than what would complete it. `within` is all the time that the delivery has for this.
    pub(crate) async fn enrich(
        &self,
        account: &str,
        envelope: &str,
        wanted: &[Enrich],
        within: Duration,
    ) -> String {
        if wanted.is_empty() {
            return envelope.to_owned();
        }
        let Ok(Value::Object(mut event)) = serde_json::from_str(envelope) else {
            return envelope.to_owned();
        };
        let asked = self.ask(account, &event, wanted);
        let found = match tokio::time::timeout(self.patience.min(within), asked).await {
            Ok(found) => found,
            Err(_) => Err("amoCRM did not answer in time".to_owned()),
        };
        let outcome = if found.is_ok() { "ok" } else { "failed" };
        metrics::counter!("gateway_enrichments_total", "outcome" => outcome).increment(1);
        let data = event
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(data) = data {
            match found {
                Ok(found) => {
                    data.insert("enriched".to_owned(), Value::Object(found));
                }
                Err(reason) => {
                    tracing::warn!(
                        account.name = account,
                        "an event is delivered without what would complete it: {reason}"
                    );
                    data.insert("enriched".to_owned(), Value::Null);
                    data.insert("enriched_error".to_owned(), Value::String(reason));
                }
            }
        }
        Value::Object(event).to_string()
    }

    async fn ask(
        &self,
        account: &str,
        event: &Map<String, Value>,
        wanted: &[Enrich],
    ) -> Result<Map<String, Value>, String> {
        let account = self
            .accounts
            .named(account)
            .ok_or_else(|| "the account is no longer configured".to_owned())?;
        let since = received_at(event);
        let about = read_wanted(event);
        let get = async |kind: Kind, ids: &[u64]| {
            self.fetcher
                .get(&account.name, &account.crm, kind, ids, since)
                .await
        };
        // The lead tells who else belongs to it.
        let needs_lead = wanted.contains(&Enrich::Lead) || about.is_only_lead();
        let lead = match about.lead.filter(|_| needs_lead) {
            Some(id) => get(Kind::Leads, &[id]).await?.remove(&id),
            None => None,
        };
        let Wanted {
            mut contacts,
            mut company,
            ..
        } = about;
        if let Some(lead) = &lead {
            if contacts.is_empty() {
                contacts = ids_within(lead, "contacts");
            }
            company = company.or_else(|| ids_within(lead, "companies").first().copied());
        }
        let mut found = Map::new();
        for wanted in wanted {
            let (name, value) = match wanted {
                Enrich::Lead => ("lead", lead.clone().unwrap_or(Value::Null)),
                Enrich::Contacts => {
                    let mut answered = get(Kind::Contacts, &contacts).await?;
                    let contacts: Vec<Value> = contacts
                        .iter()
                        .filter_map(|id| answered.remove(id))
                        .collect();
                    ("contacts", json!(contacts))
                }
                Enrich::Company => {
                    let ids: Vec<u64> = company.into_iter().collect();
                    let answered: BTreeMap<u64, Value> = get(Kind::Companies, &ids).await?;
                    let company = answered.into_values().next();
                    ("company", company.unwrap_or(Value::Null))
                }
            };
            found.insert(name.to_owned(), value);
        }
        Ok(found)
    }
}

/// When the event came: what was fetched before it may be older than the event.
fn received_at(event: &Map<String, Value>) -> Option<DateTime<Utc>> {
    let text = event.get("receivedtime")?.as_str()?;
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

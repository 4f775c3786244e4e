//! A subscriber as its pool knows it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::signature::SigningKeys;
use store::{Circuit, SubscriberRow, SubscriberSecret, SubscriberState};

use super::schedule::Patience;
use crate::config::{Destination, SubscriberSettings};

/// What is known of a subscriber at a moment.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    pub(super) name: String,
    pub(super) settings: SubscriberSettings,
    pub(super) destination: Destination,
    pub(super) circuit: Circuit,
    state: SubscriberState,
    secrets: Vec<SubscriberSecret>,
    updated_at: DateTime<Utc>,
}

/// What may be sent to it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing until a person changes that.
    Stopped,
    /// Nothing for so long.
    Open(Duration),
    /// One event, to find out.
    Probe,
    /// Everything.
    Working,
}

impl Subscriber {
    /// Reads what is stored.
    ///
    /// # Errors
    ///
    /// The settings are of a shape that this release does not know.
    pub(super) fn read(row: SubscriberRow) -> Result<Self, &'static str> {
        let settings: SubscriberSettings = serde_json::from_value(row.settings)
            .map_err(|_| "its settings have another shape than this release expects")?;
        let destination = settings
            .destination()
            .ok_or("its settings name no destination")?;
        Ok(Self {
            name: row.name,
            settings,
            destination,
            circuit: row.circuit,
            state: row.state,
            secrets: row.secrets,
            updated_at: row.updated_at,
        })
    }

    /// Whether this says the same as what was known.
    pub(super) fn is_same(&self, known: &Self) -> bool {
        self.updated_at == known.updated_at
            && self.state == known.state
            && self.circuit == known.circuit
            && self.settings == known.settings
            && self.secrets.len() == known.secrets.len()
    }

    pub(super) fn disable(&mut self, reason: &str) {
        self.state = SubscriberState::Disabled {
            reason: reason.to_owned(),
        };
    }

    pub(super) fn standing(&self, now: DateTime<Utc>) -> Standing {
        if !self.state.is_active() {
            return Standing::Stopped;
        }
        match self.circuit.open_until {
            None => Standing::Working,
            Some(until) => match (until - now).to_std() {
                Ok(wait) if !wait.is_zero() => Standing::Open(wait),
                _ => Standing::Probe,
            },
        }
    }

    /// Every secret that is live signs, so that a receiver with the old one and one with the new one both are content.
    /// `None`: it has none.
    ///
    /// # Errors
    ///
    /// A secret is none of Standard Webhooks.
    pub(super) fn keys(&self, now: DateTime<Utc>) -> Result<Option<SigningKeys>, &'static str> {
        let live: Vec<&str> = self
            .secrets
            .iter()
            .filter(|secret| secret.expires_at.is_none_or(|at| at > now))
            .map(|secret| secret.secret.expose_secret())
            .collect();
        if live.is_empty() {
            return Ok(None);
        }
        SigningKeys::parse(&SecretString::from(live.join(" "))).map(Some)
    }

    pub(super) fn patience(&self) -> Patience {
        Patience {
            retry_for: self.settings.retry_for(),
            skip_after: self.settings.skip_after(),
        }
    }
}

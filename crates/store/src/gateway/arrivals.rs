//! Webhooks that arrive together are stored together, if they were routed by the same registry.

use std::sync::Arc;

use super::accept::{Accept, Accepting};
use super::{Acceptance, NewRequest};
use crate::arrivals::{Arrival, Arrivals};
use crate::error::Result;
use crate::store::Inner;

/// A webhook, and the version of the registry by which it was routed.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(super) new: Arc<NewRequest>,
    pub(super) version: i64,
}

impl Arrival for Routed {
    type Outcome = Acceptance;

    fn queue(inner: &Inner) -> &Arrivals<Self> {
        &inner.webhooks
    }

    fn is_like(&self, first: &Self) -> bool {
        self.version == first.version
    }

    /// Bodies and envelopes.
    fn weight(&self) -> usize {
        let envelopes = self.new.events.iter().map(|event| event.envelope.len());
        self.new.body.len() + envelopes.sum::<usize>()
    }

    async fn store(inner: &Inner, group: &[&Self]) -> Result<Vec<Acceptance>> {
        let Some(first) = group.first() else {
            return Ok(Vec::new());
        };
        let requests: Accepting = group.iter().map(|routed| Arc::clone(&routed.new)).collect();
        inner.db.write(Accept::new(requests, first.version)).await
    }
}

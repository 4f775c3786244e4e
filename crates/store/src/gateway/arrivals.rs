//! Webhooks that arrive together are stored together, if they were routed by the same registry.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::accept::{Accept, Accepting, undone_by};
use super::{Acceptance, NewEvent, NewRequest};
use crate::arrivals::{Arrival, Arrivals};
use crate::error::Result;
use crate::store::Inner;

/// A webhook, and the version of the registry by which it was routed.
#[derive(Debug)]
pub(crate) struct Routed {
    new: Arc<NewRequest>,
    version: i64,
    /// The entities that it tells of: their events keep their order.
    entities: Vec<u64>,
    /// Whether one of its events repeats an earlier one or not, depending on what has happened in between.
    is_undoable: bool,
}

impl Routed {
    pub(super) fn new(new: Arc<NewRequest>, version: i64) -> Self {
        let entity = |event: &NewEvent| {
            let mut hash = DefaultHasher::new();
            (&new.account, event.subject.as_ref().unwrap_or(&event.kind)).hash(&mut hash);
            hash.finish()
        };
        Self {
            entities: new.events.iter().map(entity).collect(),
            is_undoable: new.events.iter().any(|event| undone_by(event).is_some()),
            version,
            new,
        }
    }
}

impl Arrival for Routed {
    type Outcome = Acceptance;

    fn queue(inner: &Inner) -> &Arrivals<Self> {
        &inner.webhooks
    }

    fn is_like(&self, first: &Self) -> bool {
        self.version == first.version
    }

    fn strands(&self) -> &[u64] {
        &self.entities
    }

    fn looks_back(&self) -> bool {
        self.is_undoable
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

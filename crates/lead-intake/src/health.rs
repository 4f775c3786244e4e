//! The parts that `GET /health` tells of.

use std::sync::Arc;

use connection::{Crm, Queue, amocrm_part, database_part, disk_part, queue_part};
use service_kit::health::Health;
use store::Store;

use crate::worker::{FUNNEL_KINDS, KINDS};

/// The jobs of this service.
pub(crate) const QUEUE: Queue = Queue {
    service: "lead-intake",
    kinds: KINDS,
    planned: &FUNNEL_KINDS,
};

/// The database has to take writes, or leads cannot be taken: 503. amoCRM may be away, leads wait in the queue.
pub(crate) fn health(store: &Store, crm: &Arc<Crm>) -> Health {
    let health = amocrm_part(database_part(Health::new(), store), crm);
    disk_part(queue_part(health, store, QUEUE), store)
}

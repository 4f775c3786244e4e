//! Figures that only grow: whoever looks twice knows what came between. Alerts are made of them.

use std::sync::Arc;

use crate::counters;
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::store::Inner;

/// Attempts to bring a lead to amoCRM that failed.
pub const FAILED_LEADS: &str = "leads.failed";
/// Attempts to move a student's deal that failed, and lessons that were given up.
pub const FAILED_LESSONS: &str = "lessons.failed";
/// Renewals of tokens that failed.
pub const FAILED_RENEWALS: &str = "renewals.failed";

/// Figures that only grow. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Totals {
    inner: Arc<Inner>,
}

impl Totals {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// How much it is.
    pub async fn read(&self, name: &str) -> Result<u64> {
        let mut tx = self.inner.db.read().await?;
        counters::read(&mut tx, &counter(name)).await
    }

    /// Adds one.
    pub async fn count(&self, name: &'static str) -> Result<()> {
        self.inner.db.write(Count { name }).await
    }
}

/// Adds to a figure; written once per commit.
pub(crate) fn add(tx: &mut Tx, name: &str, delta: i64) {
    tx.count(counter(name), delta);
}

fn counter(name: &str) -> String {
    format!("total/{name}")
}

struct Count {
    name: &'static str,
}

impl Operation for Count {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        add(tx, self.name, 1);
        Ok(())
    }
}

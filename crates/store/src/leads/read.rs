//! Looking at leads.

use uuid::Uuid;

use super::{DeliveryState, LeadRow, Leads, lead, lead_columns};
use crate::counters;
use crate::error::Result;

/// The most leads on one page.
const MAX_PAGE: u32 = 500;

/// In which order to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeadOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// Which leads to list: one page, continued by the last number of the page before.
#[derive(Debug, Clone)]
pub struct LeadFilter {
    delivery: Option<DeliveryState>,
    status: Option<String>,
    order: LeadOrder,
    after: Option<i64>,
    limit: u32,
}

impl Default for LeadFilter {
    fn default() -> Self {
        Self {
            delivery: None,
            status: None,
            order: LeadOrder::default(),
            after: None,
            limit: 50,
        }
    }
}

impl LeadFilter {
    /// The 50 newest leads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those that have come so far.
    #[must_use]
    pub fn delivery(mut self, state: DeliveryState) -> Self {
        self.delivery = Some(state);
        self
    }

    /// Only those with this local status.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// In this order.
    #[must_use]
    pub fn order(mut self, order: LeadOrder) -> Self {
        self.order = order;
        self
    }

    /// Goes on after the lead with this number.
    #[must_use]
    pub fn after(mut self, id: i64) -> Self {
        self.after = Some(id);
        self
    }

    /// At most so many: 1 to 500.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit.clamp(1, MAX_PAGE);
        self
    }
}

/// One text per combination of filters, so that each walks along an index and stops after a page.
macro_rules! page {
    ($condition:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE ",
            $condition,
            " ORDER BY id ",
            $direction,
            " LIMIT $2"
        )
    };
}

impl Leads {
    /// The lead with our number `id`.
    pub async fn get(&self, id: i64) -> Result<Option<LeadRow>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(concat!(
                "SELECT ",
                lead_columns!(),
                " FROM leads WHERE id = $1"
            ))
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(lead).transpose()
    }

    /// The lead of a submission.
    pub async fn get_by_intake(&self, intake_id: Uuid) -> Result<Option<LeadRow>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(concat!(
                "SELECT ",
                lead_columns!(),
                " FROM leads WHERE intake_id = $1"
            ))
            .bind(intake_id.to_string())
            .fetch_optional()
            .await?;
        row.as_ref().map(lead).transpose()
    }

    /// The leads behind deals of amoCRM, in the order of the deals; those of others are left out. Of leads that share a
    /// deal each is there.
    pub async fn find_by_amo_leads(
        &self,
        account: &str,
        amo_lead_ids: &[i64],
    ) -> Result<Vec<LeadRow>> {
        let mut tx = self.inner.db.read().await?;
        let mut leads = Vec::new();
        for id in amo_lead_ids {
            let rows = tx
                .query(concat!(
                    "SELECT ",
                    lead_columns!(),
                    " FROM leads WHERE account IN ($1, '') AND amo_lead_id = $2 ORDER BY id"
                ))
                .bind(account)
                .bind(*id)
                .fetch_all()
                .await?;
            for row in &rows {
                leads.push(lead(row)?);
            }
        }
        Ok(leads)
    }

    /// A page of leads.
    pub async fn list(&self, filter: LeadFilter) -> Result<Vec<LeadRow>> {
        use LeadOrder::{Newest, Oldest};
        let text = match (&filter.delivery, &filter.status, filter.order) {
            (None, None, Newest) => page!("id < $1", "DESC"),
            (None, None, Oldest) => page!("id > $1", "ASC"),
            (Some(_), None, Newest) => page!("delivery_state = $3 AND id < $1", "DESC"),
            (Some(_), None, Oldest) => page!("delivery_state = $3 AND id > $1", "ASC"),
            (None, Some(_), Newest) => page!("local_status = $3 AND id < $1", "DESC"),
            (None, Some(_), Oldest) => page!("local_status = $3 AND id > $1", "ASC"),
            (Some(_), Some(_), Newest) => {
                page!(
                    "local_status = $3 AND delivery_state = $4 AND id < $1",
                    "DESC"
                )
            }
            (Some(_), Some(_), Oldest) => {
                page!(
                    "local_status = $3 AND delivery_state = $4 AND id > $1",
                    "ASC"
                )
            }
        };
        let start = match filter.order {
            Newest => filter.after.unwrap_or(i64::MAX),
            Oldest => filter.after.unwrap_or(0),
        };
        let mut tx = self.inner.db.read().await?;
        let mut query = tx.query(text).bind(start).bind(i64::from(filter.limit));
        if let Some(status) = filter.status {
            query = query.bind(status);
        }
        if let Some(state) = filter.delivery {
            query = query.bind(state.as_str());
        }
        query.fetch_all().await?.iter().map(lead).collect()
    }

    /// How many leads are in a state: read from a counter, not counted.
    pub async fn count(&self, state: DeliveryState) -> Result<u64> {
        let mut tx = self.inner.db.read().await?;
        counters::read(&mut tx, &state.counter()).await
    }
}

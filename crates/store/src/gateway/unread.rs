//! Reading kept webhooks again, when more of them is understood than when they came.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::accept::Accept;
use super::requests::{RequestRow, requests};
use super::rows::plain;
use super::{Acceptance, Gateway, NewRequest};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;

/// The most of them at once: bodies may be long.
const MAX_PAGE: u32 = 20;

impl Gateway {
    /// The webhooks after this one that were not understood, or not wholly, with their bodies, the oldest first: at most
    /// 20.
    pub async fn unread(&self, after: i64, limit: u32) -> Result<Vec<RequestRow>> {
        let mut tx = self.inner.db.read().await?;
        let text = requests!(
            "r.body",
            "r.problem IS NOT NULL AND r.id > $1 ORDER BY r.id LIMIT $2"
        );
        tx.query(text)
            .bind(after)
            .bind(i64::from(limit.clamp(1, MAX_PAGE)))
            .fetch_all()
            .await?
            .iter()
            .map(super::requests::request)
            .collect()
    }

    /// Stores what is understood of a kept webhook by now: the events, which get their jobs behind all that wait, and the
    /// problem that is left. Events that it brought when it came are not to be among them. `None`: it is not kept any
    /// more, or somebody else has read it meanwhile.
    pub async fn read_again(
        &self,
        request: i64,
        new: NewRequest,
        registry_version: i64,
    ) -> Result<Option<Acceptance>> {
        let again = ReadAgain {
            request,
            problem: new.problem.clone(),
            accept: Accept::kept(request, Arc::new(new), registry_version),
        };
        self.inner.db.write(again).await
    }
}

struct ReadAgain {
    request: i64,
    /// What is left of it.
    problem: Option<String>,
    accept: Accept,
}

/// Locks the webhook: of two who read it, the second finds that there is nothing left to read.
const TAKE: Sql = Sql::either(
    "SELECT problem, duplicate_of FROM gateway_requests WHERE id = $1 AND problem IS NOT NULL",
    "SELECT problem, duplicate_of FROM gateway_requests WHERE id = $1 AND problem IS NOT NULL FOR UPDATE",
);

impl Operation for ReadAgain {
    type Output = Option<Acceptance>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<Acceptance>> {
        let Some(row) = tx.query(TAKE).bind(self.request).fetch_optional().await? else {
            return Ok(None);
        };
        let mut repeated: BTreeSet<String> = match row.opt_text("duplicate_of")? {
            Some(_) => row.json("duplicate_of")?,
            None => BTreeSet::new(),
        };
        let stored = self.accept.run(tx).await?.pop();
        let Some(Acceptance::Stored { events, .. }) = &stored else {
            return Ok(stored);
        };
        let duplicates = events.iter().filter(|event| event.duplicate);
        repeated.extend(duplicates.map(|event| event.event_id.clone()));
        let repeated = (!repeated.is_empty()).then(|| serde_json::json!(repeated).to_string());
        tx.query("UPDATE gateway_requests SET problem = $2, duplicate_of = $3 WHERE id = $1")
            .bind(self.request)
            .bind(self.problem.as_deref().map(plain).as_deref())
            .bind(repeated)
            .execute()
            .await?;
        Ok(stored)
    }
}

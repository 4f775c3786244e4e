//! Reading kept webhooks again: what nobody understood when it came, a newer version may.

use amocrm_sdk::webhook::{Action, CloudEvent, Event, Tree};
use store::{Acceptance, NewRequest, RequestRow, StoreError};

use super::reading::{Reading, STRANGE};
use super::{Arrived, Intake, event};
use crate::account::Account;

/// How many webhooks are read at once.
const PAGE: u32 = 20;

/// What came of reading kept webhooks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reread {
    /// Webhooks in which something was read that had not been.
    pub(crate) webhooks: u64,
    /// Events that they brought.
    pub(crate) events: u64,
    /// Those of them that had come otherwise meanwhile.
    pub(crate) duplicates: u64,
    /// Webhooks that cannot be read still, or not wholly.
    pub(crate) unread: u64,
}

impl Intake {
    /// Reads the webhooks that were not understood, or not wholly, until something was read in so many, the oldest
    /// first.
    pub(crate) async fn read_again(
        &self,
        limit: u32,
        is_dry_run: bool,
    ) -> Result<Reread, StoreError> {
        let mut reread = Reread::default();
        for account in self.accounts.iter() {
            account.learn_id().await;
        }
        let mut after = 0;
        loop {
            let page = self.store.gateway().unread(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for row in page {
                if reread.webhooks == u64::from(limit) {
                    return Ok(reread);
                }
                self.read_one(row, is_dry_run, &mut reread).await?;
            }
        }
        Ok(reread)
    }

    async fn read_one(
        &self,
        row: RequestRow,
        is_dry_run: bool,
        reread: &mut Reread,
    ) -> Result<(), StoreError> {
        let Some(account) = self.accounts.named(&row.account) else {
            reread.unread += 1;
            return Ok(());
        };
        let body = row.body.clone().unwrap_or_default();
        let mut reading = Reading::of(account, row.content_type.as_deref(), &body);
        let known = self.known(&row).await?;
        reading
            .events
            .retain(|event| !known.contains(&(event.action().clone(), event.raw().clone())));
        if is_anothers(account, &row) || (reading.events.is_empty() && reading.problem.is_some()) {
            reread.unread += 1;
            return Ok(());
        }
        let is_whole = reading.problem.is_none();
        let (events, duplicates) = if is_dry_run {
            (reading.events.len(), 0)
        } else {
            match self.keep(account, &row, reading).await? {
                Some(counts) => counts,
                // Somebody else was faster.
                None => return Ok(()),
            }
        };
        reread.webhooks += 1;
        reread.events += u64::try_from(events).unwrap_or(u64::MAX);
        reread.duplicates += u64::try_from(duplicates).unwrap_or(u64::MAX);
        reread.unread += u64::from(!is_whole);
        Ok(())
    }

    /// What the webhook brought when it came. The memory of duplicates may be shorter than bodies are kept.
    async fn known(&self, row: &RequestRow) -> Result<Vec<(Action, Tree)>, StoreError> {
        let gateway = self.store.gateway();
        let mut stored = Vec::new();
        if row.events > 0 {
            stored = gateway.events_of(row.id).await?;
        }
        for id in &row.duplicate_of {
            stored.extend(gateway.event(id).await?);
        }
        let read = stored
            .iter()
            .filter_map(|event| CloudEvent::from_json(event.envelope.as_bytes()).ok())
            .map(|envelope| {
                let event: &Event = &envelope.event;
                (event.action().clone(), event.raw().clone())
            });
        Ok(read.collect())
    }

    /// Stores what was read: how many events, and how many of them had come before. `None`: it is not there any more, or
    /// was read meanwhile.
    async fn keep(
        &self,
        account: &Account,
        row: &RequestRow,
        reading: Reading,
    ) -> Result<Option<(usize, usize)>, StoreError> {
        let arrived = Arrived {
            at: row.received_at,
            request_id: row.request_id.clone(),
            content_type: row.content_type.clone(),
            body: row.body.clone().unwrap_or_default(),
            account: reading.from,
            events: reading.events,
            problem: reading.problem,
        };
        let mut snapshot = self.routing.snapshot().await?;
        loop {
            let events = arrived.events.iter().map(|event| {
                let window = self.dedup_window;
                let mut new = event::prepare(event, &arrived, &account.name, &snapshot, window);
                // An old event tells nothing of what the fields are by now.
                new.fields = None;
                new
            });
            let new = NewRequest {
                account: account.name.clone(),
                request_id: arrived.request_id.clone(),
                content_type: arrived.content_type.clone(),
                body: arrived.body.clone(),
                problem: arrived.problem.clone(),
                events: events.collect(),
            };
            let gateway = self.store.gateway();
            match gateway.read_again(row.id, new, snapshot.version).await? {
                None => return Ok(None),
                Some(Acceptance::RegistryChanged) => snapshot = self.routing.reload().await?,
                Some(Acceptance::Stored { events, .. }) => {
                    let duplicates = events.iter().filter(|event| event.duplicate).count();
                    return Ok(Some((events.len() - duplicates, duplicates)));
                }
            }
        }
    }
}

/// Whether it was found to be about another account, and nobody can say now that it is not.
fn is_anothers(account: &Account, row: &RequestRow) -> bool {
    let was = row.problem.as_deref().unwrap_or_default();
    was.starts_with(STRANGE) && account.id().is_none()
}

//! New events, told to everybody who watches: one look at the database per process, however many watch, and none while
//! nobody does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store::{EventFilter, EventRow, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long after its commit an event may be seen: that of another process, too.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// After a look that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How many events are read at once.
const PAGE: u32 = 200;
/// PostgreSQL gives numbers before transactions end: a smaller one may be seen after a larger one. Missing numbers are
/// waited for so long, twice the time after which the store gives a transaction up. Those of one that failed stay missing.
const LATE: Duration = Duration::from_secs(10);
/// How many missing numbers are remembered.
const MOST_MISSING: usize = 2_000;
/// How many numbers before its beginning a new listener looks for: one of them may be given, and its event not yet to
/// be seen.
const LOOK_BACK: i64 = 200;

/// Who wants to know of new events asks here.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    newest: watch::Sender<i64>,
    is_looking: Mutex<bool>,
    closing: CancellationToken,
}

impl Feed {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                newest: watch::Sender::new(0),
                is_looking: Mutex::new(false),
                closing: CancellationToken::new(),
            }),
        }
    }

    /// Ends all streams, so that the process can stop.
    pub(crate) fn close(&self) {
        self.inner.closing.cancel();
    }

    /// The events after this one, as they come.
    pub(crate) fn after(&self, position: i64) -> Listener {
        let news = self.inner.newest.subscribe();
        self.look();
        Listener {
            inner: Arc::clone(&self.inner),
            news,
            position,
            is_new: true,
            missing: BTreeMap::new(),
            read: VecDeque::new(),
        }
    }

    /// Begins to look, unless somebody looks already.
    fn look(&self) {
        let mut is_looking = self.lock();
        if !*is_looking {
            *is_looking = true;
            tokio::spawn(self.clone().keep_looking());
        }
    }

    async fn keep_looking(self) {
        let inner = &self.inner;
        loop {
            {
                // Asked under the lock: whoever comes a moment later finds that nobody looks.
                let mut is_looking = self.lock();
                if inner.newest.receiver_count() == 0 || inner.closing.is_cancelled() {
                    *is_looking = false;
                    return;
                }
            }
            let known = *inner.newest.borrow();
            let nap = match self.newer(known).await {
                // There may be more: it is looked again at once.
                Ok(Some(newest)) => {
                    inner.newest.send_replace(newest);
                    continue;
                }
                Ok(None) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!("new events cannot be looked for: {error}");
                    PAUSE
                }
            };
            let _ = inner
                .closing
                .run_until_cancelled(tokio::time::sleep(nap))
                .await;
        }
    }

    /// An event after this one, as far from it as a page is long. `None`: there is none.
    async fn newer(&self, known: i64) -> Result<Option<i64>, StoreError> {
        let gateway = self.inner.store.gateway();
        let rows = if known == 0 {
            let mut newest = EventFilter::default();
            newest.limit = 1;
            gateway.events(newest).await?
        } else {
            gateway.events_after(known, PAGE).await?
        };
        Ok(rows.last().map(|row| row.row_id))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.inner
            .is_looking
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who watches.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: Arc<Inner>,
    news: watch::Receiver<i64>,
    position: i64,
    /// Nobody has looked yet for what is missing before its beginning.
    is_new: bool,
    /// Numbers that were left out, and since when.
    missing: BTreeMap<i64, Instant>,
    read: VecDeque<EventRow>,
}

impl Listener {
    /// Where a reader that comes back goes on: before the first event that may still turn up.
    pub(crate) fn resume_at(&self) -> i64 {
        let unread = self
            .read
            .front()
            .map_or(self.position, |row| row.row_id - 1);
        let missing = self.missing.keys().next().map_or(unread, |row| row - 1);
        missing.min(unread)
    }

    /// The next event; `None` when the process stops.
    ///
    /// # Errors
    ///
    /// When the database cannot be read; it may be asked again.
    pub(crate) async fn next(&mut self) -> Result<Option<EventRow>, StoreError> {
        loop {
            if let Some(row) = self.read.pop_front() {
                return Ok(Some(row));
            }
            // Marked as seen before reading: what is committed meanwhile wakes the wait below.
            let newest = *self.news.borrow_and_update();
            if self.is_new {
                self.look_back().await?;
                self.is_new = false;
            }
            self.late().await?;
            if newest > self.position {
                self.page().await?;
            }
            if !self.read.is_empty() {
                continue;
            }
            let closing = self.inner.closing.clone();
            let wait = async {
                if self.missing.is_empty() {
                    // The sender lives as long as we do.
                    let _ = self.news.changed().await;
                } else {
                    let _ = tokio::time::timeout(LOOK_EVERY, self.news.changed()).await;
                }
            };
            if closing.run_until_cancelled(wait).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// Reads what came after the last one.
    async fn page(&mut self) -> Result<(), StoreError> {
        let rows = self
            .inner
            .store
            .gateway()
            .events_after(self.position, PAGE)
            .await?;
        let may_miss = self.may_miss();
        let now = Instant::now();
        for row in rows {
            if may_miss {
                let room = MOST_MISSING.saturating_sub(self.missing.len());
                let missing = (self.position + 1..row.row_id).rev().take(room);
                self.missing.extend(missing.map(|row| (row, now)));
            }
            self.position = row.row_id;
            self.read.push_back(row);
        }
        Ok(())
    }

    /// SQLite has one writer: what is missing there never comes.
    fn may_miss(&self) -> bool {
        self.inner.store.backend() == "postgres"
    }

    /// Remembers which numbers before the beginning are missing.
    async fn look_back(&mut self) -> Result<(), StoreError> {
        if !self.may_miss() {
            return Ok(());
        }
        let first = (self.position - LOOK_BACK).max(0) + 1;
        let mut numbers: Vec<i64> = (first..=self.position).collect();
        let there = self.inner.store.gateway().envelopes(&numbers).await?;
        numbers.retain(|number| !there.iter().any(|row| row.row_id == *number));
        let now = Instant::now();
        self.missing
            .extend(numbers.into_iter().map(|row| (row, now)));
        Ok(())
    }

    /// Looks for numbers that were left out. They are looked for once more after their time: the database may have been
    /// away for all of it.
    async fn late(&mut self) -> Result<(), StoreError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let numbers: Vec<i64> = self.missing.keys().copied().collect();
        for row in self.inner.store.gateway().envelopes(&numbers).await? {
            self.missing.remove(&row.row_id);
            self.read.push_back(row);
        }
        self.missing
            .retain(|_, since| now.duration_since(*since) < LATE);
        Ok(())
    }
}

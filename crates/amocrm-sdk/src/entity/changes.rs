//! Repeated exports: what has changed since last time.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};
use http::header::DATE;
use serde::{Deserialize, Serialize};

use super::page::Envelope;
use super::stream::stepped;
use super::{HasId, List, Listable};
use crate::client;
use crate::error::{Delivery, Error, ErrorKind, Result};

/// How old a change must be. amoCRM keeps whole seconds: while one lasts, more changes may fall into it; and what was
/// just written may be missing from lists for a moment.
const DEFAULT_SETTLE: Duration = Duration::from_secs(2);

/// An entity whose collection can be filtered and ordered by the time of the last change. Tasks are none: amoCRM ignores
/// this order there.
pub trait Dated: Listable + HasId {
    /// When it was changed last.
    fn changed_at(&self) -> Option<DateTime<Utc>>;
}

/// Implements [`Dated`] for models with `id` and `updated_at`.
macro_rules! dated {
    ($($entity:ty),+ $(,)?) => {
        $(
            impl crate::entity::HasId for $entity {
                fn raw_id(&self) -> u64 {
                    self.id.get()
                }
            }

            impl crate::entity::Dated for $entity {
                fn changed_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
                    self.updated_at
                }
            }
        )+
    };
}
pub(crate) use dated;

/// How far an export has come: the second of the last change given, and which entities of that second were given.
///
/// Store it with the data, as JSON or however you like, and the next [`List::updated_since`] goes on there.
///
/// ```
/// use amocrm_sdk::entity::ExportCursor;
///
/// let stored = serde_json::to_string(&ExportCursor::start())?;
/// let cursor: ExportCursor = serde_json::from_str(&stored)?;
/// assert_eq!(cursor, ExportCursor::start());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportCursor {
    /// Unix seconds. `None`: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<i64>,
    /// Who was given of that second.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    seen: BTreeSet<u64>,
}

impl ExportCursor {
    /// From the beginning: everything there is.
    pub fn start() -> Self {
        Self::default()
    }

    /// From the second of this instant on.
    pub fn since(at: DateTime<Utc>) -> Self {
        Self {
            updated_at: Some(at.timestamp()),
            seen: BTreeSet::new(),
        }
    }

    /// The second up to which changes were given.
    pub fn updated_at(&self) -> Option<DateTime<Utc>> {
        self.updated_at
            .and_then(|second| DateTime::from_timestamp(second, 0))
    }

    fn has_seen(&self, second: Option<i64>, id: u64) -> bool {
        (second.is_none() || second == self.updated_at) && self.seen.contains(&id)
    }

    fn advance(&mut self, second: Option<i64>, id: u64) {
        if second.is_some() && second != self.updated_at {
            self.updated_at = second;
            self.seen.clear();
        }
        self.seen.insert(id);
    }
}

impl<E: Dated> List<E> {
    /// What has changed since `cursor`, oldest change first: for exports that are repeated. Filters of the list stay in
    /// force; its order, and a filter of `updated_at`, give way.
    ///
    /// Every change is given once, over any number of exports: an entity comes again only if it has changed again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = amocrm_emulator::Emulator::start().await?;
    /// # let client = amocrm_sdk::Client::builder("acme.amocrm.ru").base_url(emulator.base_url())
    /// #     .long_lived_token(emulator.long_lived_token()).build()?;
    /// use amocrm_sdk::entity::ExportCursor;
    ///
    /// let mut cursor = ExportCursor::start(); // or what was stored last time
    /// let mut changes = client.leads().list().updated_since(cursor);
    /// while let Some(lead) = changes.try_next().await? {
    ///     // Store the lead, and in the same transaction `changes.cursor()`.
    ///     println!("{} {:?}", lead.id, lead.updated_at);
    /// }
    /// cursor = changes.cursor().clone();
    /// # assert!(cursor.updated_at().is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What it can and cannot know
    ///
    /// * Pages are not asked for by number, because an entity that changes while an export goes on leaves its place and
    ///   moves the others to the page that was just read. Each request begins at the last second given instead, and a
    ///   second with more changes than a page holds is read forth and back.
    /// * amoCRM tells whole seconds, so a change is given when it is [older](Changes::settle) than 2 seconds by the
    ///   `Date` of amoCRM's answer, or by the client's clock where there is none; what is younger comes next time.
    /// * Only the last state of an entity is given, not each change in between.
    /// * Entities that are removed leave the list and are not told. Nor are changes that were written with an
    ///   `updated_at` in the past (imports), if the cursor is beyond it.
    pub fn updated_since(self, cursor: ExportCursor) -> Changes<E> {
        let phase = if self.lets_nothing_through() {
            Phase::Done
        } else {
            Phase::Ahead
        };
        Changes {
            list: self.without_order("updated_at"),
            cursor,
            settle: DEFAULT_SETTLE,
            phase,
            given_next: VecDeque::new(),
            fetching: None,
        }
    }
}

/// What has changed since an [`ExportCursor`]: see [`List::updated_since`].
#[must_use = "streams do nothing until they are polled"]
pub struct Changes<E: Dated> {
    list: List<E>,
    cursor: ExportCursor,
    settle: Duration,
    phase: Phase,
    given_next: VecDeque<E>,
    fetching: Option<BoxFuture<'static, Result<Reading<E>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Reads on from the cursor's second.
    Ahead,
    /// Reads one second that has more changes than a page, page by page, by id.
    Forth {
        second: i64,
        page: u32,
    },
    /// Reads the same pages backwards: what left the second meanwhile moved the others to earlier pages only.
    Back {
        second: i64,
        page: u32,
    },
    Done,
}

/// A page, and the time by amoCRM's clock.
struct Reading<E> {
    items: Vec<E>,
    now: DateTime<Utc>,
}

impl<E: Dated> Changes<E> {
    /// Where the export is: up to and including the last item given.
    pub fn cursor(&self) -> &ExportCursor {
        &self.cursor
    }

    /// How old a change must be to be given. Default: 2 seconds. Without any, two changes of one entity within a second
    /// may count as one.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    fn request(&self) -> crate::Request {
        const UPDATED_AT: &str = "filter[updated_at]";
        let (number, order, bounds) = match self.phase {
            Phase::Ahead | Phase::Done => (1, "updated_at", (self.cursor.updated_at, None)),
            Phase::Forth { second, page } | Phase::Back { second, page } => {
                (page, "id", (Some(second), Some(second)))
            }
        };
        let mut request = self.list.clone().into_request(number);
        for (end, bound) in [("from", bounds.0), ("to", bounds.1)] {
            if let Some(second) = bound {
                request = request.query(format!("{UPDATED_AT}[{end}]"), second);
            }
        }
        request.query(format!("order[{order}]"), "asc")
    }

    fn fetch(&self) -> BoxFuture<'static, Result<Reading<E>>> {
        let client = self.list.client().clone();
        let request = self.request();
        async move {
            let operation = request.operation().name;
            let answer = client.send(request).await?;
            let told = answer
                .headers()
                .get(DATE)
                .and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok());
            let envelope: Option<Envelope<E>> = client::read(operation, &answer)?;
            Ok(Reading {
                items: envelope.map(Envelope::into_items).unwrap_or_default(),
                now: told.map_or_else(|| client.now(), |date| date.to_utc()),
            })
        }
        .boxed()
    }

    fn take(&mut self, reading: Reading<E>) -> Result<()> {
        let horizon = reading.now.timestamp() - whole_seconds(self.settle);
        let is_full = reading.items.len() >= self.list.page_size();
        let second = |entity: &E| entity.changed_at().map(|at| at.timestamp());
        let from = self.cursor.updated_at;
        let is_older = |it: &E| matches!((second(it), from), (Some(at), Some(from)) if at < from);
        if reading.items.iter().any(is_older) {
            let message = "amoCRM does not filter this list by `updated_at`";
            return Err(Error::new(ErrorKind::Decode, Delivery::Answered, message)
                .with_operation(E::LIST.name));
        }
        // Without the order some changes of the pages to come would be older than the cursor.
        let is_in_order = reading.items.is_sorted_by(|one, next| {
            second(one).is_none() || second(next).is_none() || second(one) <= second(next)
        });
        if !is_in_order {
            let message = "amoCRM does not order this list by `updated_at`";
            return Err(Error::new(ErrorKind::Decode, Delivery::Answered, message)
                .with_operation(E::LIST.name));
        }
        let is_young = |entity: &E| second(entity).is_some_and(|second| second >= horizon);
        let ends = (
            reading.items.first().and_then(second),
            reading.items.last().and_then(second),
        );
        self.phase = match self.phase {
            Phase::Ahead if !is_full || reading.items.iter().any(is_young) => Phase::Done,
            Phase::Ahead => match ends {
                (Some(first), Some(last)) if first < last => Phase::Ahead,
                // A page of one second: there may be more of it than a page.
                (Some(second), _) => Phase::Forth { second, page: 1 },
                (None, _) => Phase::Done,
            },
            Phase::Forth { second, page } if is_full => Phase::Forth {
                second,
                page: page.saturating_add(1),
            },
            Phase::Forth { second, page } | Phase::Back { second, page } => Phase::Back {
                second,
                page: page - 1,
            },
            Phase::Done => Phase::Done,
        };
        let cursor = &self.cursor;
        self.given_next.extend(
            reading
                .items
                .into_iter()
                .filter(|it| !is_young(it) && !cursor.has_seen(second(it), it.raw_id())),
        );
        Ok(())
    }

    fn give(&mut self) -> Option<E> {
        let entity = self.given_next.pop_front()?;
        let second = entity.changed_at().map(|at| at.timestamp());
        self.cursor.advance(second, entity.raw_id());
        Some(entity)
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    i64::try_from(duration.as_secs().saturating_add(up)).unwrap_or(i64::MAX)
}

impl<E: Dated> Stream for Changes<E> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let changes = &mut *self;
        loop {
            if let Some(entity) = changes.give() {
                return Poll::Ready(Some(Ok(entity)));
            }
            match changes.phase {
                Phase::Done => return Poll::Ready(None),
                Phase::Back { second, page: 0 } => {
                    // The second is over and was read whole.
                    changes.cursor = ExportCursor {
                        updated_at: Some(second.saturating_add(1)),
                        seen: BTreeSet::new(),
                    };
                    changes.phase = Phase::Ahead;
                }
                Phase::Ahead | Phase::Forth { .. } | Phase::Back { .. } => {}
            }
            if changes.fetching.is_none() {
                changes.fetching = Some(changes.fetch());
            }
            let Some(fetching) = &mut changes.fetching else {
                continue;
            };
            let outcome = ready!(fetching.poll_unpin(cx));
            changes.fetching = None;
            if let Err(error) = outcome.and_then(|reading| changes.take(reading)) {
                if !error.is_transient() {
                    changes.phase = Phase::Done;
                }
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

stepped!(Changes<E: Dated> of E);

impl<E: Dated> fmt::Debug for Changes<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("list", &self.list)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

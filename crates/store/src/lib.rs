//! Everything the services keep: tokens, the request budget, the durable queue, leads and small settings, in SQLite or
//! PostgreSQL. This is the only crate with SQL in it.
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use store::{JobSpec, Keyring, Options, Store};
//!
//! # let folder = tempfile::tempdir()?;
//! # let url = secrecy::SecretString::from(format!("sqlite://{}/store.db", folder.path().display()));
//! let keyring = Keyring::parse(&Keyring::generate_key()?)?; // in a service: ENCRYPTION_KEY
//! let store = Store::open(&url, Options::new().keyring(keyring)).await?;
//! store.migrate().await?;
//!
//! store.jobs().enqueue(JobSpec::new("greet", &"Ada")?).await?;
//! assert_eq!(store.jobs().stats("greet").await?.depth, 1);
//! store.close().await;
//! # Ok(()) }
//! ```
//!
//! A call that changes something returns **after** its commit is durable: on SQLite after the fsync of the write-ahead
//! log, on PostgreSQL with `synchronous_commit`. A call that fails has changed nothing. That is the one promise the
//! services build theirs on: what they answered with 2xx is here.
//!
//! # How to add a group
//!
//! A group is a handle like [`Leads`]: a few tables and what can be done with them. Say we add notes.
//!
//! 1. **The tables.** Write `migrations/sqlite/0002_notes.sql` and `migrations/postgres/0002_notes.sql`, and name them
//!    in `migrate.rs`. Same tables, same columns; instants are `INTEGER`/`BIGINT` microseconds, JSON is `TEXT`. Give
//!    every list its index now, and every table that grows for ever its pruning. The release before yours goes on
//!    running while yours starts: add tables and nullable columns, never rename.
//! 2. **The handle.** `notes.rs` holds `pub struct Notes { inner: Arc<Inner> }`, a line in `store.rs` returns it, the
//!    row types are beside it. A type with personal data writes its own `Debug`.
//! 3. **Reading.** `let mut tx = self.inner.db.read().await?;` then `tx.query("SELECT … WHERE id = $1").bind(id)` and
//!    `fetch_optional`. Lookups return `Option`. Lists go by key, never by offset.
//! 4. **Writing.** One struct per operation with its input, `impl Operation`, and `self.inner.db.write(it).await`. An
//!    operation may run twice before it is acknowledged, so it touches nothing but its transaction. Use `tx.now()` for
//!    the time. What must happen together is one operation: call the inner functions of other groups
//!    (`jobs::add(tx, …)`) with your `tx`.
//! 5. **Where the databases differ**, `Sql::either` takes both texts. On PostgreSQL a row that is
//!    read in order to be changed is read with `FOR UPDATE`, and several rows are locked in one order by everybody; on
//!    SQLite there is one writer and nothing to lock.
//! 6. **The test.** `tests/it/notes.rs` takes a `TestDb` and runs on both. State the law it keeps, not the calls.
//!
//! What newcomers get wrong: a check and a change in two calls. Between them another process does the same. Put the
//! condition into the `UPDATE`'s `WHERE` and look at what came back.

mod arrivals;
mod audit;
mod clock;
mod counters;
mod db;
mod error;
mod funnels;
mod gateway;
mod idempotency;
mod jobs;
mod keyring;
mod leads;
mod lessons;
mod locks;
mod managers;
mod meta;
mod migrate;
mod owner;
mod quarantine;
mod quota;
mod retention;
mod schedules;
mod store;
mod tallies;
#[cfg(feature = "throwaway")]
pub mod throwaway;
mod tokens;
mod totals;

pub use self::audit::{AUDIT_LIFE, Audit, AuditEntry, NewAuditEntry};
pub use self::clock::{Clock, TimeSource};
pub use self::error::{Result, StoreError, StoreErrorKind};
pub use self::funnels::{
    Begin, Channel, End, Enrolled, Enrolment, FUNNEL_ENTER, FUNNEL_NOTE, FunnelLimits, FunnelNote,
    Funnels, Heard, MessageRow, MessageState, NewFunnelNote, NewMessage, Receipt, Replied,
    StatusEntered, Stops,
};
pub use self::gateway::{
    Acceptance, AccountTally, Attempt, AttemptOutcome, AttemptRow, Circuit, CircuitPolicy,
    CircuitStep, Dedup, DeliveryRow, EventDeliveryState, EventFilter, EventRow, EventsFound,
    Gateway, GatewayRetention, GatewaySwept, GatewayTallies, LAGS_MS, NewEvent, NewRequest,
    NewSubscriber, Next, RESPONSE_EXCERPT_LENGTH, Registry, Replay, ReplayFilter, Replayed,
    RequestFilter, RequestRow, Route, SUBSCRIBER_NAME_LENGTH, SubscriberRow, SubscriberSecret,
    SubscriberSource, SubscriberState, SubscriberTally, Taken, gateway_lane, job_kind,
};
pub use self::idempotency::{IDEMPOTENCY_LIFE, IdempotencyKey};
pub use self::jobs::{
    Ack, Claimed, DeadLetter, DeadLetterFilter, JobSpec, Jobs, JobsOptions, QueueStats, RetryAfter,
    Worker,
};
pub use self::keyring::Keyring;
pub use self::leads::{
    Accepted, ContactClaim, Delivered, DeliveryState, Erased, HistoryEvent, Identity, IdentityKind,
    LeadFilter, LeadHistory, LeadJob, LeadOrder, LeadRow, LeadWarning, Leads, Moved, NewLeadRow,
    ReportKind, Stage, StageHeard, StageReport, StatusChange, StatusChanged, StatusOrigin,
    UnsentLead, UnsentPage, Utm, WarnedField,
};
pub use self::lessons::{
    Completion, CompletionState, EndedLessons, FinalAction, FinalStep, LESSON_CALLBACK,
    LESSON_FINAL, LESSON_SYNC, LessonEnd, LessonLog, LessonLogFilter, LessonNext, LessonOutcome,
    LessonRetention, LessonTallies, Lessons, LessonsAccepted, LessonsRequeued, LessonsSwept,
    ManagerMove, MovesHeard, NewCompletion, StageMove, Student,
};
pub use self::locks::{Lock, Locks};
pub use self::managers::{
    AssignManager, Assigned, ManagerChange, ManagerFollowed, ManagerOrigin, ManagerPool,
    ManagerReason, ManagerStrategy, Managers,
};
pub use self::meta::Meta;
pub use self::quarantine::{Quarantine, Suspect};
pub use self::quota::StoreQuota;
pub use self::retention::{Retention, Swept};
pub use self::schedules::{Run, Schedules, Turn};
pub use self::store::{DiskSpace, Options, Store};
pub use self::tallies::{
    DELAYS_MS, DailyTallies, FUNNEL, LOST, OTHER_SOURCES, SOURCE_LENGTH, SOURCES_PER_DAY, Tallies,
    Tally,
};
pub use self::tokens::{TokenGeneration, Tokens};
pub use self::totals::{FAILED_LEADS, FAILED_LESSONS, FAILED_RENEWALS, Totals};

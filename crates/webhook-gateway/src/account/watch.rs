//! Looking now and then whether amoCRM still sends, one process at a time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::clock::SharedClock;
use store::{Ack, Store, StoreError, Turn};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::subscription::was_interrupted;
use super::{Account, Accounts, Standing, Subscription};

/// How long a process may take for its look.
const HOLD: Duration = Duration::from_mins(3);
/// The shortest sleep, when another process is at it.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest sleep while the number of an account is not known: until it is, webhooks of another account are taken
/// for its own. The first is the shortest, each twice as long as the one before.
const LEARN_EVERY: Duration = Duration::from_mins(1);

/// What the last look at a subscription found, whichever process had it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// How it stands.
    pub(crate) standing: Standing,
    /// A sentence for people.
    pub(crate) detail: String,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

/// What the last look at an account's subscription found.
pub(crate) async fn last_seen(store: &Store, account: &str) -> Result<Option<Seen>, StoreError> {
    store.meta().get(&setting(account)).await
}

pub(super) async fn note_seen(
    store: &Store,
    account: &str,
    standing: Standing,
    detail: impl Into<String>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let seen = Seen {
        standing,
        detail: detail.into(),
        at: now,
    };
    store.meta().put(&setting(account), &seen).await
}

fn setting(account: &str) -> String {
    format!("gateway.subscription/{account}")
}

/// Watches all subscriptions, and learns the accounts' numbers, until the token is cancelled.
pub(crate) async fn keep(
    accounts: Accounts,
    store: Store,
    clock: SharedClock,
    public: Option<Url>,
    every: Option<Duration>,
    shutdown: CancellationToken,
) {
    // Without an address of our own there is nothing to watch; what the accounts' numbers are is worth knowing still.
    let watched = public.zip(every);
    let mut learn_after = SHORTEST;
    loop {
        let mut pause = watched.as_ref().map(|(_, every)| *every);
        for account in accounts.iter() {
            account.learn_id().await;
            let Some((public, every)) = &watched else {
                continue;
            };
            match turn(account, &store, &clock, public, *every).await {
                Ok(next) => pause = pause.min(Some(next)),
                Err(error) => tracing::warn!(
                    account.name = account.name,
                    "the subscription cannot be watched: {error}"
                ),
            }
        }
        if accounts.iter().any(|account| account.id().is_none()) {
            pause = Some(pause.map_or(learn_after, |pause| pause.min(learn_after)));
            learn_after = (learn_after * 2).min(LEARN_EVERY);
        }
        let Some(pause) = pause else {
            return;
        };
        let sleep = tokio::time::sleep(pause.max(SHORTEST));
        if shutdown.run_until_cancelled(sleep).await.is_none() {
            return;
        }
    }
}

/// Takes the turn if it is due, and looks. Returns when to ask again.
async fn turn(
    account: &Account,
    store: &Store,
    clock: &SharedClock,
    public: &Url,
    every: Duration,
) -> Result<Duration, StoreError> {
    let name = format!("gateway.watch/{}", account.name);
    match store.schedules().take(&name, HOLD).await? {
        Turn::NotDue(wait) | Turn::Busy(wait) => Ok(wait),
        Turn::Taken(run) => {
            let (standing, detail) = look(account, store, public).await;
            note_seen(store, &account.name, standing, detail, clock.now()).await?;
            let ended = store
                .schedules()
                .end(&run, every, standing.as_str())
                .await?;
            if ended == Ack::Stale {
                tracing::debug!("another process has taken the turn meanwhile");
            }
            Ok(every)
        }
    }
}

/// Looks at a subscription, and switches it on again if amoCRM has switched it off.
async fn look(account: &Account, store: &Store, public: &Url) -> (Standing, String) {
    let found = match Subscription::read(account, public).await {
        Ok(found) => found,
        Err(error) => {
            return (
                Standing::Unknown,
                format!("amoCRM cannot be asked: {error}"),
            );
        }
    };
    let standing = found.standing();
    let is_interrupted =
        standing == Standing::Missing && was_interrupted(store, account).await.unwrap_or(false);
    if standing != Standing::Disabled && !is_interrupted {
        return (standing, describe(standing).to_owned());
    }
    metrics::counter!("gateway_subscription_disabled_total", "account" => account.name.clone())
        .increment(1);
    tracing::error!(
        account.name = account.name,
        "amoCRM has switched the subscription off after too many bad answers; it is switched on again, and what happened \
         meanwhile was not sent"
    );
    match found.subscribe(store, &found.united(&account.events)).await {
        Ok(()) => {
            tracing::info!(account.name = account.name, "the subscription is on again");
            let text = "amoCRM had switched it off; it was switched on again";
            (Standing::Active, text.to_owned())
        }
        Err(error) => {
            tracing::error!(
                account.name = account.name,
                "the subscription cannot be switched on again: {error}"
            );
            let text =
                format!("amoCRM has switched it off, and it cannot be switched on again: {error}");
            (Standing::Disabled, text)
        }
    }
}

pub(super) fn describe(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "amoCRM sends",
        Standing::Disabled => "amoCRM has switched it off after too many bad answers",
        Standing::Lacking => "it lacks events: run webhook-gateway subscribe",
        Standing::Missing => "there is none: run webhook-gateway subscribe",
        Standing::Unknown => "amoCRM cannot be asked",
    }
}

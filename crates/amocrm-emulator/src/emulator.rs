//! The emulator as a value: builder, credentials, and the control API as methods.

mod builder;
mod credentials;

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Router, middleware};
use http::StatusCode;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::builder::EmulatorBuilder;
pub use self::credentials::Credentials;
use crate::app::App;
use crate::chats::{ChatChannel, NewChatChannel};
use crate::config::OauthRules;
use crate::delivery::WebhookAttempt;
use crate::faults::{Fault, PlannedFault};
use crate::journal::{JournalCounters, JournalEntry};
use crate::limits::LimitSettings;
use crate::oauth::{IssueRequest, TokenSelector};
use crate::world::{CustomersMode, DuplicateControl};
use crate::{answer, api, auth, chats, control, gate, oauth};

/// How long a shutdown waits for requests and webhooks under way; longer than the two seconds of a webhook.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// A running emulator. Dropping it stops it; [`Emulator::shutdown`] also waits and saves.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use amocrm_emulator::{Emulator, Fault};
///
/// let emulator = Emulator::start().await?;
/// emulator.fault(Fault::throttle().times(2).path("/api/v4/leads"));
/// // … let a client work against emulator.base_url() with emulator.credentials() …
/// assert!(emulator.counters().peak_per_second <= 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Emulator {
    app: App,
    router: Router,
    address: SocketAddr,
    credentials: Credentials,
    /// Stops accepting and delivering.
    stop: CancellationToken,
    /// Stops saving, after everything else has stopped.
    stop_saving: CancellationToken,
    tasks: TaskTracker,
    savers: TaskTracker,
    _guards: [DropGuard; 2],
}

impl Emulator {
    /// Starts an emulator on a free port of the loopback interface: seeded, in memory, with amoCRM's usual rate limits.
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// Starts with the usual settings changed.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> &str {
        &self.credentials.base_url
    }

    /// Where plain HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything a client needs to be configured with.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The whole emulator without a socket: an axum router that can serve as a client's transport.
    ///
    /// A dropped connection appears as an error of the response's body.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// A fresh authorization code for the first integration.
    pub fn code(&self) -> String {
        IssueRequest::default().code(&self.app).unwrap_or_default()
    }

    /// A fresh long-lived token for the first integration.
    pub fn long_lived_token(&self) -> String {
        IssueRequest::default()
            .long_lived(&self.app)
            .map(|issued| issued.access_token)
            .unwrap_or_default()
    }

    /// Lets all access tokens expire now, except long-lived ones. Refresh tokens keep working. Returns how many.
    pub fn expire_tokens(&self) -> usize {
        control::expire_tokens(&self.app, &TokenSelector::default())
    }

    /// Revokes all grants: access, refresh and long-lived tokens die. Returns how many.
    pub fn revoke_tokens(&self) -> usize {
        control::revoke_tokens(
            &self.app,
            &TokenSelector {
                long_lived: true,
                ..TokenSelector::default()
            },
        )
    }

    /// Plans a fault.
    pub fn fault(&self, fault: Fault) -> PlannedFault {
        self.app.faults().plan(fault)
    }

    /// The faults that have not been used up.
    pub fn faults(&self) -> Vec<PlannedFault> {
        self.app.faults().planned()
    }

    /// Forgets all planned faults.
    pub fn clear_faults(&self) {
        control::clear_faults(&self.app);
    }

    /// The journal: every request that arrived, in order.
    pub fn requests(&self) -> Vec<JournalEntry> {
        self.app.journal().entries(0)
    }

    /// The journal's counters.
    pub fn counters(&self) -> JournalCounters {
        self.app.journal().counters()
    }

    /// Empties the journal and its counters.
    pub fn clear_requests(&self) {
        self.app.journal().clear();
    }

    /// Moves the emulator's clock forward: tokens age, webhook retries become due.
    pub fn advance(&self, by: Duration) {
        control::advance(&self.app, by);
    }

    /// The emulator's unix time, in seconds.
    pub fn now(&self) -> i64 {
        self.app.clock().now()
    }

    /// Waits until all webhooks that are due have been sent and answered.
    pub async fn settle_webhooks(&self) {
        control::settle(&self.app).await;
    }

    /// Every attempt to deliver a webhook, oldest first.
    pub fn webhook_attempts(&self) -> Vec<WebhookAttempt> {
        self.app.deliveries().log()
    }

    /// The rate limits in force.
    pub fn limits(&self) -> LimitSettings {
        self.app.limiter().settings()
    }

    /// Changes the rate limits.
    pub fn set_limits(&self, limits: LimitSettings) {
        self.app.limiter().set(limits);
    }

    /// Blocks the first account until [`Emulator::lift_block`]: every call is answered with a 403 page.
    pub fn block(&self) {
        control::block(&self.app, None, None);
    }

    /// Ends all blocks.
    pub fn lift_block(&self) {
        self.app.limiter().lift_blocks();
    }

    /// Changes how the authorization server behaves where amoCRM's documentation leaves room.
    pub fn set_oauth_rules(&self, rules: OauthRules) {
        self.app.set_oauth_rules(rules);
    }

    /// Gives the first account another subdomain; its old host name is nobody's from then on.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the name: it must be a host label no account has.
    pub fn rename_account(&self, subdomain: &str) -> Result<(), String> {
        control::rename(&self.app, None, subdomain)
    }

    /// Switches customers of the first account on, off or over.
    pub fn set_customers_mode(&self, mode: CustomersMode) {
        control::set_customers_mode(&self.app, None, mode);
    }

    /// Switches duplicate control of the first account on or off.
    pub fn set_duplicate_control(&self, mode: DuplicateControl) {
        control::set_duplicate_control(&self.app, None, mode);
    }

    /// Registers a chat channel, as amoCRM's support would; one with the same id is changed.
    pub fn register_channel(&self, channel: NewChatChannel) -> ChatChannel {
        chats::register(&self.app, channel)
    }

    /// The first user writes a text in a chat, and the channel is told. Returns what its server answered, if it did.
    ///
    /// # Errors
    ///
    /// Says what is wrong: there is no such chat, or the text is empty.
    pub async fn write_in_chat(&self, chat_id: &str, text: &str) -> Result<Option<u16>, String> {
        let outcome = chats::write(&self.app, chats::Write::text(chat_id, text)).await?;
        Ok(outcome.hook_status)
    }

    /// Goes back to the moment of the start: the seed, the credentials of the start, no faults, no journal.
    pub fn reset(&self) {
        self.app.reset();
    }

    /// Stops serving, finishes requests and webhooks under way (for a few seconds at most), and saves the state if there is a
    /// state file.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_PATIENCE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests that did not end in time are abandoned");
        }
        self.stop_saving.cancel();
        self.savers.close();
        self.savers.wait().await;
    }
}

/// All routes: the control API by itself, everything else behind the gate, the API also behind the bearer check.
fn router(app: &App) -> Router {
    let api = api::routes().layer(middleware::from_fn_with_state(app.clone(), auth::require));
    let crm = api
        .merge(oauth::routes())
        .merge(api::short_links::public_routes())
        .merge(api::drive::open_routes())
        .merge(chats::routes())
        // What amoCRM has and the emulator has not: the journal shows that somebody asked for it.
        .fallback(|| std::future::ready(answer::gateway_page(StatusCode::NOT_FOUND)))
        .layer(middleware::from_fn_with_state(app.clone(), gate::pass));
    crm.merge(control::routes(app)).with_state(app.clone())
}

//! What the emulator is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::chats::NewChatChannel;
use crate::limits::LimitSettings;
use crate::world::{CustomersMode, World};

/// The redirect URI of the seeded integration unless others are given: the one of lead-intake on its default port.
pub const DEFAULT_REDIRECT_URI: &str = "http://localhost:8000/api/auth/amo/callback";

/// What the account holds when the emulator starts without a state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seed {
    /// The account of the setup guide "Asia Deals CRM Integration": that pipeline and its fields, people and deals to look at.
    #[default]
    AsiaDeals,
    /// One account as amoCRM hands it to a new customer: users, the first pipeline and the predefined fields.
    Empty,
}

/// Everything the parts of the emulator may ask about how it was started.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) seed: Seed,
    pub(crate) state: Option<PathBuf>,
    /// The address of the TLS listener, if there is one.
    pub(crate) tls_listen: Option<SocketAddr>,
    /// Where the CA lives; TLS inside the proxy works as soon as this is set.
    pub(crate) tls_dir: Option<PathBuf>,
    /// Redirect URIs registered for the first integration of the first account; the first is the one of the consent page.
    pub(crate) redirect_uris: Vec<String>,
    /// How long `query=` does not find a new or changed entity yet.
    pub(crate) index_delay_ms: u64,
    /// How the first account works with customers, unless it is to stay as it is.
    pub(crate) customers: Option<CustomersMode>,
    pub(crate) limits: LimitSettings,
    pub(crate) oauth: OauthRules,
    /// Chat channels that are there from the start.
    pub(crate) channels: Vec<NewChatChannel>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: Seed::default(),
            state: None,
            tls_listen: None,
            tls_dir: None,
            redirect_uris: Vec::new(),
            index_delay_ms: 0,
            customers: None,
            limits: LimitSettings::default(),
            oauth: OauthRules::default(),
            channels: Vec::new(),
        }
    }
}

impl Config {
    /// Puts into a fresh or loaded world what was asked for at the start.
    pub(crate) fn prepare(&self, world: &mut World) {
        if let (Some(mode), Some(account)) = (self.customers, world.accounts.first_mut()) {
            account.set_customers_mode(mode);
        }
    }
}

/// The token endpoint where amoCRM's documentation is silent or says two things: each unsure fact is a switch.
///
/// The defaults are the readings the sources support best. `POST /_emulator/oauth` changes them at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OauthRules {
    /// No grace: a refresh token dies with its first use, even if the answer was lost.
    pub strict_rotation: bool,
    /// The grace also ends after this many seconds; without it only the first use of the new pair ends it.
    pub grace_seconds: Option<i64>,
    /// The old access token dies together with the old refresh token. Otherwise it lives until its own expiry.
    pub revoke_old_access: bool,
    /// A refresh token that is used after its revocation takes every token of its grant with it.
    pub revoke_family_on_reuse: bool,
    /// The status for a code older than 20 minutes (400, or 401 as one fixture shows).
    pub expired_code_status: u16,
    /// The status for a refresh token that was never issued: 400 "Invalid refresh token", the only one seen, or 401 "Cannot decrypt
    /// the refresh token", the words of the server package amoCRM's other hints come from.
    pub unknown_refresh_status: u16,
    /// The status when `X-Context-User-ID` names a user who may not be acted for (401 or 403).
    pub context_user_status: u16,
    /// The status of a host whose subdomain belongs to no account (401 with code 101, or 404).
    pub unknown_account_status: u16,
}

impl Default for OauthRules {
    fn default() -> Self {
        Self {
            strict_rotation: false,
            grace_seconds: None,
            revoke_old_access: false,
            revoke_family_on_reuse: false,
            expired_code_status: 400,
            unknown_refresh_status: 400,
            context_user_status: 403,
            unknown_account_status: 401,
        }
    }
}

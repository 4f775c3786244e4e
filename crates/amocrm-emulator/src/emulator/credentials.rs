//! What a client has to be told to reach the emulator.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Addresses, the integration and fresh tokens: the line `amocrm-emulator --json` prints. `Debug` shows no secrets.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Credentials {
    /// Where plain HTTP is served; also the address of the forward proxy.
    pub base_url: String,
    /// Where TLS is served, if it is.
    pub tls_base_url: Option<String>,
    /// The certificate to trust for TLS and for tunnels through the proxy.
    pub ca_file: Option<PathBuf>,
    /// The first label of the account's host name.
    pub subdomain: String,
    /// The integration's id.
    pub client_id: String,
    /// The integration's secret key.
    pub client_secret: String,
    /// The integration's registered redirect URI.
    pub redirect_uri: String,
    /// An authorization code, good for 20 minutes and one use.
    pub code: String,
    /// An access token, good for a day.
    pub access_token: String,
    /// The refresh token that belongs to it.
    pub refresh_token: String,
    /// A token that needs no renewal.
    pub long_lived_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("base_url", &self.base_url)
            .field("tls_base_url", &self.tls_base_url)
            .field("ca_file", &self.ca_file)
            .field("subdomain", &self.subdomain)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

//! The account, and the keys to it.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::server::web_url;
use super::{Problems, Section};

/// Where accounts live when only a subdomain is given.
const DEFAULT_TOP_DOMAIN: &str = "amocrm.ru";

/// `[amocrm]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmocrmConfig {
    domain: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    redirect_uri: Option<String>,
    access_token: Option<SecretString>,
    refresh_token: Option<SecretString>,
    proxy: Option<SecretString>,
    base_url: Option<String>,
    /// Requests per second that amoCRM grants to this integration.
    pub integration_rps: u32,
    /// Requests per second that amoCRM grants to the whole account.
    pub account_rps: u32,
}

/// The three values that amoCRM shows on an integration's Keys tab.
#[derive(Debug, Clone)]
pub struct OAuthCredentials {
    /// The integration's id.
    pub client_id: String,
    /// The integration's secret key.
    pub client_secret: SecretString,
    /// The registered redirect address.
    pub redirect_uri: Url,
}

impl AmocrmConfig {
    /// The account's host name: `acme.amocrm.ru`.
    pub fn domain(&self) -> Option<String> {
        self.domain.as_deref().and_then(account_host)
    }

    /// The integration's keys, if they are given.
    pub fn credentials(&self) -> Option<OAuthCredentials> {
        Some(OAuthCredentials {
            client_id: self.client_id.clone()?,
            client_secret: self.client_secret.clone()?,
            redirect_uri: self.redirect_uri.as_deref().and_then(web_url)?,
        })
    }

    /// The registered redirect address, letter by letter: amoCRM compares it so.
    pub fn redirect_uri(&self) -> Option<&str> {
        self.redirect_uri.as_deref().map(str::trim)
    }

    /// A long-lived token, which replaces OAuth.
    pub fn access_token(&self) -> Option<&SecretString> {
        self.access_token.as_ref()
    }

    /// A refresh token to begin with.
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// The proxy's address, which may hold a password.
    pub fn proxy(&self) -> Option<&SecretString> {
        self.proxy.as_ref()
    }

    /// The same integration in this account, for a service that has several. The tokens stay behind: they are the other
    /// account's.
    #[must_use]
    pub fn of_account(self, domain: impl Into<String>) -> Self {
        Self {
            domain: Some(domain.into()),
            access_token: None,
            refresh_token: None,
            ..self
        }
    }

    /// The same with this long-lived token.
    #[must_use]
    pub fn with_access_token(self, token: SecretString) -> Self {
        Self {
            access_token: Some(token),
            ..self
        }
    }

    /// The same with OAuth, beginning with this refresh token, and without a long-lived one.
    #[must_use]
    pub fn with_refresh_token(self, token: SecretString) -> Self {
        Self {
            access_token: None,
            refresh_token: Some(token),
            ..self
        }
    }

    /// The address that replaces the account's.
    pub fn base_url(&self) -> Option<Url> {
        self.base_url.as_deref().and_then(web_url)
    }
}

impl Section for AmocrmConfig {
    const NAME: &'static str = "amocrm";

    fn validate(&self, problems: &mut Problems) {
        if let Some(domain) = &self.domain
            && account_host(domain).is_none()
        {
            problems.report_value("amocrm.domain", domain, "is no host name");
        }
        let keys = [
            ("amocrm.client_id", self.client_id.is_some()),
            ("amocrm.client_secret", self.client_secret.is_some()),
            ("amocrm.redirect_uri", self.redirect_uri.is_some()),
        ];
        // The redirect address alone says nothing: the example file has one.
        if self.client_id.is_some() || self.client_secret.is_some() {
            for (key, _) in keys.iter().filter(|(_, given)| !given) {
                problems.report(
                    key,
                    "is unset, while other keys of the integration are set; OAuth needs all three",
                );
            }
        }
        if let Some(uri) = &self.redirect_uri
            && web_url(uri).is_none()
        {
            problems.report_value("amocrm.redirect_uri", uri, "is no http(s) address");
        }
        if self.refresh_token.is_some() && self.domain.is_none() && self.base_url.is_none() {
            problems.report(
                "amocrm.domain",
                "is unset, while AMOCRM_REFRESH_TOKEN is set; a token belongs to an account",
            );
        }
        if self.access_token.is_some() && self.domain.is_none() && self.base_url.is_none() {
            problems.report(
                "amocrm.domain",
                "is unset, while AMOCRM_ACCESS_TOKEN is set; a token belongs to an account",
            );
        }
        if self.refresh_token.is_some() && self.client_id.is_none() {
            problems.report(
                "amocrm.client_id",
                "is unset, while AMOCRM_REFRESH_TOKEN is set; only its integration can renew it",
            );
        }
        if let Some(proxy) = &self.proxy {
            use secrecy::ExposeSecret as _;
            if web_url(proxy.expose_secret()).is_none() {
                problems.report("amocrm.proxy", "the value is no http(s) address");
            }
        }
        if let Some(url) = &self.base_url
            && web_url(url).is_none_or(|url| url.query().is_some())
        {
            problems.report_value("amocrm.base_url", url, "is no such address");
        }
        problems.range("amocrm.integration_rps", self.integration_rps, 1, 1_000);
        problems.range(
            "amocrm.account_rps",
            self.account_rps,
            self.integration_rps.max(1),
            1_000,
        );
    }
}

/// Accepts what people paste: `acme`, `acme.amocrm.ru`, `https://acme.amocrm.ru/`.
fn account_host(text: &str) -> Option<String> {
    let host = text
        .trim()
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_ascii_lowercase();
    let good = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || character == '-')
        });
    good.then(|| {
        if host.contains('.') || host == "localhost" {
            host
        } else {
            format!("{host}.{DEFAULT_TOP_DOMAIN}")
        }
    })
}

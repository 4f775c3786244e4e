//! `[access]`: what strangers may do, and how browsers are answered.

use std::num::NonZeroU32;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{Problems, Section, SecurityConfig, ServerConfig, Variable};
use service_kit::http::Rate;
use subtle::ConstantTimeEq as _;
use url::Url;

/// Shortest form key: short ones are guessed.
const MIN_KEY: usize = 16;
/// Switches a limit off; an empty value means the default.
const OFF: &str = "off";

/// `[access]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    rate_limit: String,
    #[serde(default)]
    rate_burst: Option<u32>,
    #[serde(default)]
    form_key: Option<SecretString>,
    honeypot: String,
    #[serde(default)]
    form_redirect: Option<String>,
    #[serde(default)]
    form_error_redirect: Option<String>,
}

/// A key that forms have to know.
#[derive(Debug, Clone)]
pub(crate) struct FormKey {
    /// Where its leads come from: a tag of the deal.
    pub(crate) source: Option<String>,
    key: SecretString,
}

impl FormKey {
    /// Whether this is it. Takes the same time wherever the first difference is.
    pub(crate) fn is(&self, given: &str) -> bool {
        let key = self.key.expose_secret().as_bytes();
        bool::from(given.as_bytes().ct_eq(key))
    }
}

impl AccessConfig {
    /// How many leads one address may leave; `None`: as many as it likes.
    pub fn rate(&self) -> Option<Rate> {
        if self.rate_limit.trim().eq_ignore_ascii_case(OFF) {
            return None;
        }
        let rate: Rate = self.rate_limit.parse().ok()?;
        Some(match self.rate_burst.and_then(NonZeroU32::new) {
            Some(burst) => rate.burst(burst),
            None => rate,
        })
    }

    /// The keys that open the form; none: it is open.
    pub(crate) fn form_keys(&self) -> Vec<FormKey> {
        self.written_keys()
            .map(|(source, key)| FormKey {
                source: source.map(str::to_owned),
                key: SecretString::from(key),
            })
            .collect()
    }

    /// The field that people do not see.
    pub fn honeypot(&self) -> Option<&str> {
        let name = self.honeypot.trim();
        (!name.eq_ignore_ascii_case(OFF)).then_some(name)
    }

    /// Where a browser is sent after a lead was taken, unless the form says so.
    pub fn form_redirect(&self) -> Option<Url> {
        self.form_redirect.as_deref().and_then(page_url)
    }

    /// Where a browser is sent when a lead cannot be taken, unless the form says so.
    pub fn form_error_redirect(&self) -> Option<Url> {
        self.form_error_redirect.as_deref().and_then(page_url)
    }

    /// The origins that a form may send browsers to.
    pub fn redirect_origins(&self, server: &ServerConfig) -> Vec<String> {
        let ours = [self.form_redirect(), self.form_error_redirect()];
        let pages = ours.into_iter().flatten().chain(server.public_url());
        let mut origins = server.frontend_origins();
        origins.extend(pages.map(|url| url.origin().ascii_serialization()));
        origins
    }

    /// Refuses one secret in two places: what every visitor can read in the page would open the administrator's door.
    pub(super) fn check_secrets(
        &self,
        security: &SecurityConfig,
        webhook: Option<&SecretString>,
        problems: &mut Problems,
    ) {
        let mut keys = self.written_keys().map(|(_, key)| key);
        if let Some(token) = keys.find_map(|key| security.token_like(key)) {
            problems.report(
                "access.form_key",
                format!(
                    "is the same as {token}: every visitor could read it in the page and open everything"
                ),
            );
        }
        if let Some(token) =
            webhook.and_then(|webhook| security.token_like(webhook.expose_secret()))
        {
            problems.report(
                "intake.webhook_secret",
                format!(
                    "is the same as {token}: addresses end up in logs of proxies and in amoCRM"
                ),
            );
        }
    }

    /// Sources and keys as they are written: `KEY` or `source:KEY`, separated by commas.
    fn written_keys(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.form_key
            .as_ref()
            .map_or("", |keys| keys.expose_secret())
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once(':') {
                Some((source, key)) => (Some(source.trim()), key.trim()),
                None => (None, part),
            })
    }
}

impl Section for AccessConfig {
    const NAME: &'static str = "access";

    fn validate(&self, problems: &mut Problems) {
        let is_off = self.rate_limit.trim().eq_ignore_ascii_case(OFF);
        if !is_off && let Err(wrong) = self.rate_limit.parse::<Rate>() {
            problems.report_value("access.rate_limit", &self.rate_limit, wrong);
        }
        if self.rate_burst == Some(0) {
            problems.report_value("access.rate_burst", &0, "lets nobody in");
        }
        let is_plain = |text: &str| {
            text.chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
        };
        let mut keys = self.written_keys();
        if keys.any(|(source, key)| {
            key.len() < MIN_KEY
                || !is_plain(key)
                || source.is_some_and(|source| source.is_empty() || source.contains(':'))
        }) {
            problems.report("access.form_key", "the value cannot be used");
        }
        if self
            .honeypot()
            .is_some_and(|name| name.contains(['[', ']']))
        {
            problems.report_value("access.honeypot", &self.honeypot, "is no name of a field");
        }
        for (key, value) in [
            ("access.form_redirect", &self.form_redirect),
            ("access.form_error_redirect", &self.form_error_redirect),
        ] {
            if let Some(value) = value
                && page_url(value).is_none()
            {
                problems.report_value(key, value, "is no address of a page");
            }
        }
    }
}

/// An address that a browser may be sent to: without a password, which a form could smuggle in.
pub(crate) fn page_url(text: &str) -> Option<Url> {
    Url::parse(text.trim()).ok().filter(is_page)
}

/// As [`page_url`].
pub(crate) fn is_page(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
}

/// The variables of `[access]`.
pub const ACCESS_VARIABLES: &[Variable] = &[
    Variable::plain(
        "INTAKE_RATE_LIMIT",
        "access.rate_limit",
        "a number and s, min or h, or off",
        "30/min",
    ),
    Variable::plain(
        "INTAKE_RATE_BURST",
        "access.rate_burst",
        "a number of at least 1",
        "10",
    ),
    Variable::secret(
        "INTAKE_FORM_KEY",
        "access.form_key",
        "KEY or source:KEY, several separated by commas; a key has at least 16 letters, digits, `-`, `_` or `.`",
        "landing:(the output of: openssl rand -hex 16)",
    ),
    Variable::plain(
        "INTAKE_HONEYPOT",
        "access.honeypot",
        "the name of a field that people do not see, or off",
        "website",
    ),
    Variable::plain(
        "INTAKE_FORM_REDIRECT",
        "access.form_redirect",
        "the http(s) address of a page",
        "https://www.example.ru/thanks",
    ),
    Variable::plain(
        "INTAKE_FORM_ERROR_REDIRECT",
        "access.form_error_redirect",
        "the http(s) address of a page",
        "https://www.example.ru/try-again",
    ),
];

//! `[smtp]`: where e-mails go out.

use std::fmt;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::config::{Problems, Section, Variable, is_loopback};

/// The section `[smtp]` with its comments, for services that send e-mails.
pub const SMTP_DEFAULTS: &str = include_str!("../../mail.default.toml");

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// From the first byte, usually on port 465.
    Implicit,
    /// By STARTTLS, which has to be offered; usually on port 587.
    Starttls,
    /// Not at all: for a server on the same machine.
    None,
}

/// Where e-mails go out.
#[derive(Clone)]
pub struct SmtpServer {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encryption.
    pub tls: SmtpTls,
    /// Name and password.
    pub credentials: Option<(String, SecretString)>,
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// `[smtp]`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    #[serde(default)]
    url: Option<SecretString>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretString>,
    #[serde(default)]
    tls: Option<SmtpTls>,
    #[serde(default)]
    from: Option<String>,
}

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpConfig")
            .field("server", &self.server())
            .finish_non_exhaustive()
    }
}

impl SmtpConfig {
    /// The server, if one is configured. What is set alone wins over what `SMTP_URL` says.
    pub fn server(&self) -> Option<SmtpServer> {
        let url = self.url();
        let named = url.as_ref().and_then(Url::host_str).map(str::to_owned);
        let host = self.host.clone().or(named)?;
        // A resolver wants an IPv6 address without its brackets.
        let host = host.trim_matches(['[', ']']).to_owned();
        let scheme = match url.as_ref().map(Url::scheme) {
            Some("smtps") => Some(SmtpTls::Implicit),
            _ => None,
        };
        let asked = url.as_ref().and_then(|url| {
            let (_, mode) = url.query_pairs().find(|(key, _)| key == "tls")?;
            tls(&mode)
        });
        let port = self.port.or_else(|| url.as_ref().and_then(Url::port));
        let mode = self.tls.or(asked).or(scheme).unwrap_or({
            if port == Some(465) {
                SmtpTls::Implicit
            } else if is_loopback(&host) {
                SmtpTls::None
            } else {
                SmtpTls::Starttls
            }
        });
        let port = port.unwrap_or(match mode {
            SmtpTls::Implicit => 465,
            SmtpTls::Starttls => 587,
            SmtpTls::None => 25,
        });
        let decode = |text: &str| percent_decode(text).filter(|text| !text.is_empty());
        let username = self
            .username
            .clone()
            .or_else(|| decode(url.as_ref()?.username()));
        let password = self
            .password
            .clone()
            .or_else(|| decode(url.as_ref()?.password()?).map(SecretString::from));
        Some(SmtpServer {
            host,
            port,
            tls: mode,
            credentials: username.zip(password),
        })
    }

    /// Whom e-mails are from.
    pub fn from(&self) -> Option<Mailbox> {
        self.from.as_deref()?.trim().parse().ok()
    }

    /// Reports what is missing for e-mails that something wants sent; `because` ends the sentence "is unset, but …".
    pub fn check_complete(&self, because: &str, problems: &mut Problems) {
        if self.server().is_none() {
            problems.report(
                "smtp.host",
                format!("is unset, but {because}; set it, or SMTP_URL"),
            );
        }
        if self.from.is_none() {
            problems.report("smtp.from", format!("is unset, but {because}"));
        }
    }

    fn url(&self) -> Option<Url> {
        let url = Url::parse(self.url.as_ref()?.expose_secret()).ok()?;
        let is_smtp = matches!(url.scheme(), "smtp" | "smtps") && url.host_str().is_some();
        is_smtp.then_some(url)
    }
}

fn tls(word: &str) -> Option<SmtpTls> {
    match word {
        "implicit" => Some(SmtpTls::Implicit),
        "starttls" | "required" => Some(SmtpTls::Starttls),
        "none" => Some(SmtpTls::None),
        _ => None,
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()?;
    Some(text.into_owned())
}

impl Section for SmtpConfig {
    const NAME: &'static str = "smtp";

    fn validate(&self, problems: &mut Problems) {
        if self.url.is_some() && self.url().is_none() {
            problems.report("smtp.url", "the value is no such address");
        }
        if self.from.is_some() && self.from().is_none() {
            problems.report("smtp.from", "is no sender's address");
        }
        if let Some(server) = self.server() {
            if server.port == 0 {
                problems.report("smtp.port", "is 0");
            }
            if server.tls == SmtpTls::None
                && server.credentials.is_some()
                && !is_loopback(&server.host)
            {
                problems.report(
                    "smtp.tls",
                    "is none, which would send the password in clear to another machine",
                );
            }
        }
        let named = self.username.is_some();
        if self.url.is_none() && named != self.password.is_some() {
            let key = if named {
                "smtp.password"
            } else {
                "smtp.username"
            };
            problems.report(key, "is unset while the other of the two is set");
        }
    }
}

/// The variables of this section.
pub const SMTP_VARIABLES: &[Variable] = &[
    // The password is part of the address.
    Variable::secret(
        "SMTP_URL",
        "smtp.url",
        "smtps://user:password@host or smtp://user:password@host:587",
        "(as your mail provider says)",
    ),
    Variable::plain("SMTP_HOST", "smtp.host", "a host name", "smtp.example.ru"),
    Variable::plain("SMTP_PORT", "smtp.port", "a port from 1 to 65535", "465"),
    Variable::plain(
        "SMTP_USERNAME",
        "smtp.username",
        "the name that SMTP_PASSWORD belongs to",
        "hello@example.ru",
    ),
    Variable::secret(
        "SMTP_PASSWORD",
        "smtp.password",
        "the password of SMTP_USERNAME",
        "(an app password of the mailbox)",
    ),
    Variable::plain(
        "SMTP_TLS",
        "smtp.tls",
        "implicit, starttls or none",
        "implicit",
    ),
    Variable::plain(
        "SMTP_FROM",
        "smtp.from",
        "an e-mail address, with a name if you like",
        "Asia Deals <hello@example.ru>",
    ),
];

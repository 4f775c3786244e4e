//! `[funnels]`, `[smtp]` and `[whatsapp]`: messages to clients. Off unless `INTAKE_FUNNELS` names a file.

use std::fmt;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{Problems, Section, ServerConfig, Variable};
use url::{Host, Url};

use crate::funnel::Funnels;

/// `[funnels]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunnelsConfig {
    #[serde(default)]
    file: Option<PathBuf>,
}

impl FunnelsConfig {
    /// Reads and checks the file; `None` if there is none, or if it cannot be used, which is reported.
    pub(super) fn load(
        &self,
        smtp: &SmtpConfig,
        whatsapp: &WhatsappConfig,
        server: &ServerConfig,
        problems: &mut Problems,
    ) -> Option<Funnels> {
        const FILE: &str = "funnels.file";
        let path = self.file.as_deref()?;
        let Ok(text) = std::fs::read_to_string(path) else {
            problems.report(FILE, format!("{} cannot be read", path.display()));
            return None;
        };
        let funnels = match Funnels::parse(&text) {
            Ok(funnels) => funnels,
            Err(errors) => {
                for error in errors {
                    problems.report(FILE, at(path, error.line, &error.message));
                }
                return None;
            }
        };
        if funnels.sends_email() {
            if server.public_url.is_none() {
                problems.report(
                    "server.public_url",
                    "is unset, but e-mails of funnels need it for the link that unsubscribes",
                );
            }
            if smtp.server().is_none() {
                problems.report(
                    "smtp.host",
                    "is unset, but a funnel sends e-mails; set it, or SMTP_URL",
                );
            }
            if smtp.from.is_none() {
                problems.report("smtp.from", "is unset, but a funnel sends e-mails");
            }
        }
        if funnels.sends_whatsapp() {
            for (key, is_missing) in [
                (
                    "whatsapp.phone_number_id",
                    whatsapp.phone_number_id.is_none(),
                ),
                ("whatsapp.token", whatsapp.token.is_none()),
            ] {
                if is_missing {
                    problems.report(key, "is unset, but a funnel sends WhatsApp messages");
                }
            }
        }
        Some(funnels)
    }
}

fn at(path: &Path, line: usize, message: &str) -> String {
    format!("{}, line {line}: {message}", path.display())
}

impl Section for FunnelsConfig {
    const NAME: &'static str = "funnels";

    fn validate(&self, _: &mut Problems) {}
}

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

fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return address.is_loopback();
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost",
        Err(_) => false,
    }
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

/// `[whatsapp]`: the Cloud API.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatsappConfig {
    /// Which number messages are from.
    #[serde(default)]
    pub phone_number_id: Option<String>,
    /// The system user's token.
    #[serde(default)]
    pub token: Option<SecretString>,
    base_url: String,
    /// What WhatsApp repeats when it first asks for the webhook.
    #[serde(default)]
    pub verify_token: Option<SecretString>,
    /// Signs the webhooks.
    #[serde(default)]
    pub app_secret: Option<SecretString>,
}

impl WhatsappConfig {
    /// Where messages of our number are posted.
    pub fn messages_url(&self) -> Option<Url> {
        let number = self.phone_number_id.as_deref()?;
        let base = self.base_url.trim_end_matches('/');
        Url::parse(&format!("{base}/{number}/messages")).ok()
    }
}

impl Section for WhatsappConfig {
    const NAME: &'static str = "whatsapp";

    fn validate(&self, problems: &mut Problems) {
        if let Some(number) = &self.phone_number_id
            && (number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()))
        {
            problems.report_value("whatsapp.phone_number_id", number, "is no such number");
        }
        let url = Url::parse(&self.base_url).ok().filter(|url| {
            let host = url.host_str().unwrap_or_default();
            // The token travels in it.
            url.scheme() == "https" || (url.scheme() == "http" && is_loopback(host))
        });
        if !self.base_url.is_empty() && url.is_none() {
            problems.report_value("whatsapp.base_url", &self.base_url, "cannot be used");
        }
        for (key, secret) in [
            ("whatsapp.token", &self.token),
            ("whatsapp.verify_token", &self.verify_token),
            ("whatsapp.app_secret", &self.app_secret),
        ] {
            if let Some(secret) = secret
                && (secret.expose_secret().trim().len() < 8
                    || !secret
                        .expose_secret()
                        .bytes()
                        .all(|byte| byte.is_ascii_graphic()))
            {
                problems.report(key, "the value cannot be used");
            }
        }
    }
}

/// The variables of these sections.
pub const FUNNEL_VARIABLES: &[Variable] = &[
    Variable::plain(
        "INTAKE_FUNNELS",
        "funnels.file",
        "the path of a file such as docs/lead-intake/funnels.toml",
        "funnels.toml",
    ),
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
    Variable::plain(
        "WHATSAPP_PHONE_NUMBER_ID",
        "whatsapp.phone_number_id",
        "the number's id (digits) from WhatsApp Manager, not the phone itself",
        "106540352242922",
    ),
    Variable::secret(
        "WHATSAPP_TOKEN",
        "whatsapp.token",
        "a system user's token with whatsapp_business_messaging",
        "(a long string beginning with EAA)",
    ),
    Variable::plain(
        "WHATSAPP_BASE_URL",
        "whatsapp.base_url",
        "an https address with the API's version; http only on this machine",
        "https://graph.facebook.com/v23.0",
    ),
    Variable::secret(
        "WHATSAPP_VERIFY_TOKEN",
        "whatsapp.verify_token",
        "at least 8 characters, the same as in the app's webhook settings",
        "(the output of: openssl rand -hex 16)",
    ),
    Variable::secret(
        "WHATSAPP_APP_SECRET",
        "whatsapp.app_secret",
        "the app secret from the app's basic settings",
        "(32 characters)",
    ),
];

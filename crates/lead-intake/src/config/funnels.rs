//! `[funnels]` and `[whatsapp]`: messages to clients. Off unless `INTAKE_FUNNELS` names a file.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{Problems, Section, ServerConfig, Variable, is_loopback};
use service_kit::mail::SmtpConfig;
use url::Url;

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
            smtp.check_complete("a funnel sends e-mails", problems);
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

//! The ways out: a webhook and an e-mail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use service_kit::egress::{Guard, SystemLookup, client};
use service_kit::mail::{Failure, Letter, Mailer, SmtpConfig};
use service_kit::signature::SigningKeys;
use url::Url;

use super::config::{ALLOW_PRIVATE, AlertsConfig};
use super::memory::{Notice, Rule, Way};

/// How long an endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Who is told, and how.
pub(super) struct Sender {
    service: &'static str,
    webhook: Option<Webhook>,
    email: Option<(Mailer, String)>,
}

impl fmt::Debug for Sender {
    /// Shows no addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("ways", &self.ways())
            .finish_non_exhaustive()
    }
}

struct Webhook {
    http: reqwest::Client,
    url: Url,
    keys: Option<SigningKeys>,
}

impl Sender {
    pub(super) fn new(config: &AlertsConfig, smtp: &SmtpConfig, service: &'static str) -> Self {
        let http = || {
            let agent = format!("{service}/{}", env!("CARGO_PKG_VERSION"));
            client(
                &Guard::default(),
                ALLOW_PRIVATE,
                Arc::new(SystemLookup),
                &agent,
            )
            .inspect_err(|error| tracing::error!("no alert can be posted: {error}"))
            .ok()
        };
        let webhook = config.webhook().and_then(|url| {
            Some(Webhook {
                http: http()?,
                url,
                keys: config.keys(),
            })
        });
        let mailer = smtp.server().zip(smtp.from());
        let mailer = mailer.map(|(server, from)| Mailer::new(server, from));
        Self {
            service,
            webhook,
            email: mailer.zip(config.email()),
        }
    }

    /// The ways out that there are.
    pub(super) fn ways(&self) -> Vec<Way> {
        let webhook = self.webhook.as_ref().map(|_| Way::Webhook);
        let email = self.email.as_ref().map(|_| Way::Email);
        webhook.into_iter().chain(email).collect()
    }

    /// Sends a message. The reason of a failure holds neither an address nor a server's words.
    pub(super) async fn send(
        &self,
        way: Way,
        window: Duration,
        notice: &Notice,
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        let told = Told::of(self.service, window, notice);
        match (way, &self.webhook, &self.email) {
            (Way::Webhook, Some(webhook), _) => {
                let body = body(self.service, window, notice, &told);
                webhook.post(&notice.id, body.to_string(), now).await
            }
            (Way::Email, _, Some((mailer, to))) => write(mailer, to, notice, told).await,
            // Nothing is put into the outbox for a way that is not there.
            _ => Ok(()),
        }
    }
}

impl Webhook {
    async fn post(&self, id: &str, body: String, now: DateTime<Utc>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        if let Some(keys) = &self.keys {
            let signed = keys.headers(id, now, body.as_bytes());
            headers = signed.ok_or_else(|| "the message cannot be signed".to_owned())?;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = self.http.post(self.url.clone()).headers(headers);
        let request = request.timeout(TIMEOUT).body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the webhook answers {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err("the webhook does not answer in time".into()),
            Err(_) => Err("the webhook cannot be reached".into()),
        }
    }
}

/// A letter whose arrival nobody knows is not sent again: the webhook, or the next alert, tells it.
async fn write(mailer: &Mailer, to: &str, notice: &Notice, told: Told) -> Result<(), String> {
    let letter = Letter {
        to,
        subject: &told.subject,
        text: format!("{}\n\n{}\n", told.russian, told.english),
        html: None,
        message_id: format!("<{}@{}>", notice.id, mailer.domain()),
        unsubscribe_url: None,
        date: notice.at,
    };
    let ready = mailer.prepare(letter).await;
    let ready = ready.map_err(|failure| failure.reason().to_owned())?;
    match ready.send().await {
        Ok(()) | Err(Failure::Unknown(_)) => Ok(()),
        Err(failure) => Err(failure.reason().to_owned()),
    }
}

/// What is posted. `text` is what chat systems show.
fn body(service: &str, window: Duration, notice: &Notice, told: &Told) -> Value {
    json!({
        "id": notice.id,
        "type": if notice.is_recovery { "alert.recovered" } else { "alert.fired" },
        "service": service,
        "rule": notice.rule.as_str(),
        "value": notice.value,
        "limit": notice.limit,
        "refused": notice.is_refused,
        "window_minutes": window.as_secs() / 60,
        "since": notice.since,
        "at": notice.at,
        "text": format!("{}\n{}", told.russian, told.english),
    })
}

/// The message in words.
struct Told {
    subject: String,
    russian: String,
    english: String,
}

impl Told {
    fn of(service: &str, window: Duration, notice: &Notice) -> Self {
        let (value, limit, minutes) = (notice.value, notice.limit, window.as_secs() / 60);
        let (russian, english) = match (notice.rule, notice.is_recovery) {
            (Rule::Failures, false) => (
                format!("{value} неудачных попыток за {minutes} мин (предел {limit})"),
                format!("{value} failed attempts within {minutes} min (limit {limit})"),
            ),
            (Rule::Failures, true) => (
                "неудачные попытки прекратились".to_owned(),
                "attempts do not fail any more".to_owned(),
            ),
            (Rule::Queue, false) => (
                format!("работа ждёт в очереди уже {value} мин (предел {limit})"),
                format!("work has been waiting for {value} min (limit {limit})"),
            ),
            (Rule::Queue, true) => (
                "очередь снова движется".to_owned(),
                "the queue moves again".to_owned(),
            ),
            (Rule::Renewals, false) if notice.is_refused => (
                "amoCRM отказывает в доступе: администратор аккаунта должен открыть /api/auth/amo".to_owned(),
                "amoCRM refuses our access: an administrator of the account has to open /api/auth/amo".to_owned(),
            ),
            (Rule::Renewals, false) => (
                format!(
                    "токены amoCRM не обновились {value} раз за {minutes} мин (предел {limit}): см. /api/auth/amo/status"
                ),
                format!(
                    "{value} renewals of amoCRM's tokens failed within {minutes} min (limit {limit}): see /api/auth/amo/status"
                ),
            ),
            (Rule::Renewals, true) => (
                "с доступом к amoCRM снова всё в порядке".to_owned(),
                "our access to amoCRM is well again".to_owned(),
            ),
        };
        let mark = if notice.is_recovery { "OK" } else { "!" };
        Self {
            subject: format!("[{mark}] {service}: {english}"),
            russian: format!("{service}: {russian}"),
            english: format!("{service}: {english}"),
        }
    }
}

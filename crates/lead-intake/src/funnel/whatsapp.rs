//! WhatsApp messages, by the Cloud API of Meta.
//!
//! A business may begin a talk only with a template that Meta has approved. An answer with an error's number is certain;
//! a lost one is not, and then the report that WhatsApp posts to our webhook tells (it repeats our number of the message).

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::mail::Failure;
use url::Url;

/// One request; shorter than what is left of the job's lease.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// The pause that WhatsApp's limits ask for when the answer names none.
const THROTTLED: Duration = Duration::from_mins(1);
/// Longest parameter of a template.
const LONGEST_PARAMETER: usize = 1024;

/// A message about to be sent.
pub(super) struct TemplateMessage<'a> {
    /// E.164.
    pub(super) to: &'a str,
    pub(super) template: &'a str,
    pub(super) language: &'a str,
    pub(super) parameters: &'a [String],
    /// Our number of it: reports repeat it.
    pub(super) number: i64,
}

/// The Cloud API for one number.
#[derive(Debug)]
pub(crate) struct Whatsapp {
    http: reqwest::Client,
    url: Url,
}

#[derive(Deserialize)]
struct Sent {
    messages: Vec<SentMessage>,
}

#[derive(Deserialize)]
struct SentMessage {
    id: String,
}

#[derive(Deserialize)]
struct Problem {
    error: ProblemBody,
}

#[derive(Deserialize)]
struct ProblemBody {
    code: i64,
}

impl Whatsapp {
    /// `None` if the token cannot stand in a header.
    pub(crate) fn new(url: Url, token: &SecretString) -> Option<Self> {
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", token.expose_secret().trim())).ok()?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .user_agent(concat!("lead-intake/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            // The token goes where the configuration says, and nowhere else.
            .redirect(Policy::none())
            .build()
            .ok()?;
        Some(Self { http, url })
    }

    /// Asks for the number, which sends nothing: for `doctor`.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop();
        }
        url.set_query(Some("fields=id"));
        let answer = self.http.get(url).send().await;
        let Ok(answer) = answer else {
            return Err(Failure::Outage("WhatsApp cannot be reached".to_owned()));
        };
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refusal(answer).await)
    }

    /// Sends, and gives WhatsApp's number of the message.
    pub(super) async fn send(&self, message: &TemplateMessage<'_>) -> Result<String, Failure> {
        let lost = || Failure::Unknown("WhatsApp's answer was lost".to_owned());
        let request = self.http.post(self.url.clone()).json(&body(message));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(Failure::Outage("WhatsApp cannot be reached".to_owned()));
            }
            Err(_) => return Err(lost()),
        };
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let sent: Sent = answer.json().await.map_err(|_| lost())?;
        sent.messages
            .into_iter()
            .next()
            .map(|message| message.id)
            .ok_or_else(lost)
    }
}

fn body(message: &TemplateMessage<'_>) -> Value {
    let mut template = json!({
        "name": message.template,
        "language": {"code": message.language},
    });
    if !message.parameters.is_empty() {
        let parameters: Vec<_> = message
            .parameters
            .iter()
            .map(|text| json!({"type": "text", "text": text}))
            .collect();
        template["components"] = json!([{"type": "body", "parameters": parameters}]);
    }
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.to.trim_start_matches('+'),
        "type": "template",
        "template": template,
        "biz_opaque_callback_data": callback(message.number),
    })
}

/// What reports repeat, and its number.
fn callback(number: i64) -> String {
    format!("lead-intake/m{number}")
}

pub(super) fn number_of_callback(text: &str) -> Option<i64> {
    text.strip_prefix("lead-intake/m")?.parse().ok()
}

/// A parameter has one line and is not empty: WhatsApp refuses others.
pub(super) fn parameter(text: &str) -> Option<String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(LONGEST_PARAMETER).collect();
    (!text.is_empty()).then_some(text)
}

async fn refusal(answer: reqwest::Response) -> Failure {
    let status = answer.status();
    let asked = answer
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let code = answer
        .json::<Problem>()
        .await
        .map(|problem| problem.error.code);
    match code {
        Ok(code) => of_code(code, asked),
        Err(_) if status.as_u16() == 429 => Failure::Later(
            "WhatsApp answers 429".to_owned(),
            Some(asked.unwrap_or(THROTTLED)),
        ),
        // A page of something in between: whether the message went through it, it does not say.
        Err(_) if status.is_server_error() => Failure::Unknown(format!(
            "something between WhatsApp and us answered {status}"
        )),
        Err(_) => Failure::Outage(format!("WhatsApp answers {}", status.as_u16())),
    }
}

/// What an error's number means (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes). With a number
/// WhatsApp has certainly not taken the message.
fn of_code(code: i64, asked: Option<Duration>) -> Failure {
    let reason = format!("WhatsApp answers error {code}");
    match code {
        // Token, permissions, account locked, restricted or unpaid: a person has to do something, and then all go.
        0 | 3 | 10 | 190 | 200..=299 | 368 | 131_005 | 131_031 | 131_042 | 133_010 => {
            Failure::Outage(reason)
        }
        // Limits of the app, of the account, of the number, of quality, of the pair.
        4 | 80_007 | 130_429 | 131_048 | 131_056 | 133_016 => {
            Failure::Later(reason, Some(asked.unwrap_or(THROTTLED)))
        }
        // Trouble of theirs.
        1 | 2 | 131_000 | 131_016 | 131_057 | 133_004 => Failure::Later(reason, asked),
        _ => Failure::Refused(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_message_is_what_the_cloud_api_takes() {
        let parameters = ["Ада".to_owned()];
        let message = TemplateMessage {
            to: "+79001234567",
            template: "welcome",
            language: "ru",
            parameters: &parameters,
            number: 7,
        };
        assert_eq!(
            body(&message),
            json!({
                "messaging_product": "whatsapp", "recipient_type": "individual", "to": "79001234567",
                "type": "template", "biz_opaque_callback_data": "lead-intake/m7",
                "template": {
                    "name": "welcome", "language": {"code": "ru"},
                    "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ада"}]}],
                },
            })
        );
        assert_eq!(number_of_callback("lead-intake/m7"), Some(7));
        assert_eq!(number_of_callback("7"), None);
        assert_eq!(parameter(" a\n\tb     c ").as_deref(), Some("a b c"));
        assert_eq!(parameter(" \n"), None);
    }
}

//! One post to a subscriber.

use std::fmt;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use serde::Serialize;

use crate::app::App;
use crate::delivery::{Delivery, schedule};

/// amoCRM waits this long for an answer ("webhooks format").
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// Seen in captured deliveries.
const AGENT: &str = "amoCRM-Webhooks/3.0";

/// An attempt to deliver a webhook, as `GET /_emulator/webhooks` lists it. Bodies are not kept: they hold phones and e-mails.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WebhookAttempt {
    /// The emulator's unix time, in milliseconds.
    pub at_ms: i64,
    /// The subscription.
    pub webhook_id: u64,
    /// Where it was sent.
    pub destination: String,
    /// The event's code, such as `add_lead`.
    pub code: String,
    /// `X-Amocrm-Requestid`; the same for all attempts of a delivery.
    pub request_id: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The answer's status; 0 without an answer in time.
    pub status: u16,
    /// The status was one of 100–299.
    pub delivered: bool,
    /// When the next attempt is due, in milliseconds of the emulator's clock; `None` if there is none.
    pub retry_at_ms: Option<i64>,
}

impl fmt::Debug for WebhookAttempt {
    /// Without the destination, whose path is often a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookAttempt")
            .field("webhook_id", &self.webhook_id)
            .field("code", &self.code)
            .field("request_id", &self.request_id)
            .field("attempt", &self.attempt)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Sends a delivery once and says what came of it.
pub(super) async fn send(app: &App, delivery: &Delivery) -> WebhookAttempt {
    let status = match app.deliveries().client() {
        Some(client) => {
            let post = client
                .post(&delivery.destination)
                .header(USER_AGENT, AGENT)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(ACCEPT_ENCODING, "gzip")
                .header("x-amocrm-requestid", &delivery.request_id)
                .body(delivery.body.clone());
            post.send()
                .await
                .map_or(0, |answer| answer.status().as_u16())
        }
        None => 0,
    };
    let at_ms = app.clock().now_ms();
    let attempt = delivery.attempts + 1;
    let delivered = schedule::is_success(status);
    let pause_ms = if delivered {
        None
    } else {
        schedule::next_pause_ms(attempt, status)
    };
    WebhookAttempt {
        at_ms,
        webhook_id: delivery.webhook_id,
        destination: delivery.destination.clone(),
        code: delivery.code.clone(),
        request_id: delivery.request_id.clone(),
        attempt,
        status,
        delivered,
        retry_at_ms: pause_ms.map(|pause| at_ms + pause),
    }
}

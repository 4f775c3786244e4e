//! Hooks to a channel: JSON, signed over the body, sent once.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::signature::sign;
use crate::app::App;

/// How long amoCRM waits for a channel (01 §6.10).
const PATIENCE: Duration = Duration::from_secs(5);

/// A hook that is ready to go.
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) secret: String,
    pub(super) body: Value,
}

impl Hook {
    /// Sends it, whatever comes of it; the status of the answer, if there was one.
    pub(super) async fn send(self, app: &App) -> Option<u16> {
        let body = self.body.to_string();
        let client = app.deliveries().client()?;
        let post = client
            .post(&self.url)
            .timeout(PATIENCE)
            .header(CONTENT_TYPE, "application/json")
            .header("x-signature", sign(&self.secret, body.as_bytes()))
            .body(body);
        let answer = post.send().await.ok()?;
        Some(answer.status().as_u16())
    }
}

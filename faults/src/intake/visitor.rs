//! The pages that send forms, and the people who set statuses: they try until they are answered.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::people::Post;
use crate::http::Http;

/// What the visitors know of the services.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) http: Http,
    /// The processes' addresses.
    pub(super) urls: Vec<String>,
    pub(super) admin_token: String,
}

/// A post that was answered with 2xx.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) post: Post,
    /// The lead's number.
    pub(super) id: i64,
    /// How often it was sent.
    pub(super) sent: usize,
    pub(super) took: Duration,
}

impl Site {
    /// Sends the form when its time has come, to one process or the other, until it is answered.
    pub(super) async fn submit(&self, began: Instant, post: Post) -> anyhow::Result<Receipt> {
        sleep_until(began + post.at).await;
        let headers = [("idempotency-key", post.key.as_str())];
        let path = "/api/leads";
        let taken = self
            .http
            .insist(
                Method::POST,
                &self.urls,
                post.slot,
                path,
                &headers,
                &post.body,
            )
            .await
            .with_context(|| post.mark())?;
        let id = taken.answer.json()?["id"].as_i64();
        Ok(Receipt {
            post,
            id: id.context("a 2xx without a lead's number")?,
            sent: taken.sent,
            took: taken.took,
        })
    }

    /// Sets a status until it is taken.
    pub(super) async fn set_status(&self, receipt: &Receipt, status: &str) -> anyhow::Result<()> {
        let bearer = format!("Bearer {}", self.admin_token);
        let path = format!("/api/leads/{}/status?status={status}", receipt.id);
        let headers = [("authorization", bearer.as_str())];
        let (urls, first) = (&self.urls, receipt.post.slot);
        self.http
            .insist(Method::PUT, urls, first, &path, &headers, &Value::Null)
            .await?;
        Ok(())
    }
}

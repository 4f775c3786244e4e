//! The pages that send forms, and the people who set statuses: they try until they are answered.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::people::Post;
use crate::http::Http;

/// A page gives up after this long, and that is a finding: the service has to come back by itself.
const PATIENCE: Duration = Duration::from_secs(150);
/// Pause before a form is sent again.
const PAUSE: Duration = Duration::from_millis(350);

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
        let first = Instant::now();
        let headers = [("idempotency-key", post.key.as_str())];
        let mut last = String::new();
        for sent in 1.. {
            let base = &self.urls[(post.slot + sent - 1) % self.urls.len()];
            let url = format!("{base}/api/leads");
            match self
                .http
                .send(Method::POST, &url, &headers, &post.body)
                .await
            {
                Ok(answer) if answer.is_success() => {
                    let id = answer.json()?["id"].as_i64();
                    let id = id.context("a 2xx without a lead's number")?;
                    return Ok(Receipt {
                        post,
                        id,
                        sent,
                        took: first.elapsed(),
                    });
                }
                Ok(answer) if matches!(answer.status, 429 | 500..=599) => {
                    last = answer.status.to_string();
                }
                Ok(answer) => anyhow::bail!(
                    "{} was answered {}: {}",
                    post.mark(),
                    answer.status,
                    answer.text
                ),
                Err(_) => "no answer".clone_into(&mut last),
            }
            anyhow::ensure!(
                first.elapsed() < PATIENCE,
                "{} was not taken for {PATIENCE:?}: {last}",
                post.mark()
            );
            sleep(PAUSE).await;
        }
        unreachable!("the loop ends by returning")
    }

    /// Sets a status until it is taken.
    pub(super) async fn set_status(&self, receipt: &Receipt, status: &str) -> anyhow::Result<()> {
        let bearer = format!("Bearer {}", self.admin_token);
        let first = Instant::now();
        for sent in 0.. {
            let base = &self.urls[(receipt.post.slot + sent) % self.urls.len()];
            let url = format!("{base}/api/leads/{}/status?status={status}", receipt.id);
            let headers = [("authorization", bearer.as_str())];
            match self
                .http
                .send(Method::PUT, &url, &headers, &Value::Null)
                .await
            {
                Ok(answer) if answer.is_success() => return Ok(()),
                Ok(answer) if !matches!(answer.status, 429 | 500..=599) => {
                    anyhow::bail!("PUT status: {} {}", answer.status, answer.text)
                }
                _ => {}
            }
            anyhow::ensure!(first.elapsed() < PATIENCE, "a status was not taken");
            sleep(PAUSE).await;
        }
        unreachable!("the loop ends by returning")
    }

    /// The administrator opens the start page, allows the access, and comes back.
    pub(super) async fn connect(&self) -> anyhow::Result<()> {
        let bearer = format!("Bearer {}", self.admin_token);
        let authorization = [("authorization", bearer.as_str())];
        let start = format!("{}/api/auth/amo", self.urls[0]);
        let start = self
            .http
            .send(Method::GET, &start, &authorization, &Value::Null)
            .await?;
        let consent = start.location.context("/api/auth/amo leads nowhere")?;
        let page = self
            .http
            .send(Method::GET, &consent, &[], &Value::Null)
            .await?;
        let account = page
            .text
            .split("<option value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let url = url::Url::parse(&consent)?;
        let mut fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        fields.push(("account".to_owned(), account.to_owned()));
        fields.push(("action".to_owned(), "allow".to_owned()));
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let back = self.http.post_form(&consent, &fields).await?;
        let back = back.location.context("the consent leads nowhere")?;
        let back = self
            .http
            .send(Method::GET, &back, &[], &Value::Null)
            .await?;
        anyhow::ensure!(
            back.status == 200,
            "the account was not connected: {} {}",
            back.status,
            back.text
        );
        Ok(())
    }
}

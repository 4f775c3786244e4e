//! A browser without a window.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Longer than any answer of the services may take.
const TIMEOUT: Duration = Duration::from_secs(12);
/// How long a process may take to start on a busy machine.
const START: Duration = Duration::from_secs(150);
/// How often is asked whether it has.
const POLL: Duration = Duration::from_millis(350);

/// Whoever insists gives up after this long, and that is a finding: the service has to come back by itself.
const PATIENCE: Duration = Duration::from_secs(150);
/// Pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(350);

/// Sends requests.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

/// A 2xx that took as long as it took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) answer: Answer,
    /// How often it was sent.
    pub(crate) sent: usize,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text).context("the answer is not JSON")
    }

    /// The body, if this is a 2xx; `null` for an empty one.
    pub(crate) fn good(&self) -> anyhow::Result<Value> {
        anyhow::ensure!(self.is_success(), "{}: {}", self.status, self.text);
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        self.json()
    }
}

impl Http {
    pub(crate) fn new() -> anyhow::Result<Self> {
        // Everything is on this machine, whatever proxy the environment names.
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client })
    }

    /// Sends JSON, or nothing if it is `null`.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        read(request).await
    }

    /// Sends it to one process after another, from the `first` on, until it is answered with 2xx. An answer that says it is
    /// wrong is an error.
    pub(crate) async fn insist(
        &self,
        method: Method,
        urls: &[String],
        first: usize,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<Taken> {
        let began = Instant::now();
        let mut sent = 0;
        loop {
            let url = format!("{}{path}", urls[(first + sent) % urls.len()]);
            sent += 1;
            let last = match self.send(method.clone(), &url, headers, body).await {
                Ok(answer) if answer.is_success() => {
                    return Ok(Taken {
                        answer,
                        sent,
                        took: began.elapsed(),
                    });
                }
                Ok(answer) if matches!(answer.status, 429 | 500..=599) => answer.status.to_string(),
                Ok(answer) => anyhow::bail!("answered {}: {}", answer.status, answer.text),
                Err(_) => "no answer".to_owned(),
            };
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "not taken for {PATIENCE:?}: {last}"
            );
            sleep(PAUSE).await;
        }
    }

    /// Waits until every process answers that it is well.
    pub(crate) async fn are_up(&self, urls: &[String]) -> anyhow::Result<()> {
        let first = Instant::now();
        for base in urls {
            let url = format!("{base}/health");
            loop {
                let answer = self.send(Method::GET, &url, &[], &Value::Null).await;
                if answer.is_ok_and(|answer| answer.is_success()) {
                    break;
                }
                anyhow::ensure!(first.elapsed() < START, "{base} does not come up");
                sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Posts a body as it is, and gives the status of the answer once it was read.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
        answer_within: Duration,
    ) -> anyhow::Result<u16> {
        let mut request = self.client.post(url).timeout(answer_within);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(read(request.body(body.to_owned())).await?.status)
    }

    pub(crate) async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        read(request).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let answer = request.send().await?;
    let location = answer
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Ok(Answer {
        status: answer.status().as_u16(),
        location,
        text: answer.text().await?,
    })
}

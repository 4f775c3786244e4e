//! A browser without a window: forms, JSON, and redirects that it shows instead of following.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde_json::Value;

/// Nobody in this story is slower.
const TIMEOUT: Duration = Duration::from_secs(30);

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
    pub(crate) replayed: bool,
    pub(crate) text: String,
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

    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        self.send(self.client.get(url)).await
    }

    /// Posts fields as a browser posts an HTML form.
    pub(crate) async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<Answer> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body)).await
    }

    /// Sends JSON, or nothing if the body is `null`.
    pub(crate) async fn json(
        &self,
        method: Method,
        url: &str,
        token: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let mut request = self.client.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        // The address may hold a code; the error shall not.
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Ok(Answer {
            status: response.status().as_u16(),
            location: header(LOCATION.as_str()),
            replayed: header("idempotency-replayed").is_some(),
            text: response.text().await.map_err(reqwest::Error::without_url)?,
        })
    }
}

impl Answer {
    /// The body, if the status is one of these.
    pub(crate) fn json_of(&self, statuses: &[u16]) -> anyhow::Result<Value> {
        anyhow::ensure!(statuses.contains(&self.status), "{}", self.describe());
        serde_json::from_str(&self.text).with_context(|| format!("{}: no JSON", self.describe()))
    }

    /// The status and the beginning of the body, for a person.
    pub(crate) fn describe(&self) -> String {
        const SHOWN: usize = 300;
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = text.chars().take(SHOWN).collect();
        format!("HTTP {} {shown}", self.status)
    }
}

//! Asking a service over HTTP.

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

/// A client that neither follows redirects nor asks a proxy.
pub fn browser() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap()
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub bytes: Vec<u8>,
    /// Its body as a text.
    pub text: String,
}

impl Answer {
    /// Sends the request and reads what comes.
    pub async fn of(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap().to_vec();
        Self {
            status,
            headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// A whole number at the top of its JSON.
    pub fn number(&self, name: &str) -> i64 {
        self.json()[name]
            .as_i64()
            .unwrap_or_else(|| panic!("no {name}: {}", self.text))
    }

    /// The number of what was made.
    pub fn id(&self) -> i64 {
        self.number("id")
    }

    /// The names of the fields that a 422 complains about.
    pub fn wrong_fields(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let errors = self.json()["errors"].as_array().cloned();
        errors
            .unwrap_or_default()
            .iter()
            .map(|error| error["field"].as_str().unwrap().to_owned())
            .collect()
    }
}

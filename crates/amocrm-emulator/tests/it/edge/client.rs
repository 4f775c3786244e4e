//! A client of the tests: knows the addresses and no more of amoCRM than a person with `curl`.

use amocrm_emulator::{Credentials, Emulator};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client")
}

/// An emulator without rate limits and a client for it.
pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) http: reqwest::Client,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(
            Emulator::builder()
                .rate_limit(None)
                .start()
                .await
                .expect("an emulator"),
        )
    }

    pub(crate) fn with(emulator: Emulator) -> Self {
        Self {
            emulator,
            http: http(),
        }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        self.emulator.credentials()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.emulator.base_url())
    }

    /// A call with the access token of the start.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http
            .get(self.url(path))
            .bearer_auth(&self.credentials().access_token)
    }

    pub(crate) async fn status_with(&self, token: &str) -> StatusCode {
        let request = self
            .http
            .get(self.url("/api/v4/account"))
            .bearer_auth(token);
        request.send().await.expect("an answer").status()
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self
            .http
            .post(self.url(path))
            .header("content-type", "application/json");
        request
            .bearer_auth(&self.credentials().access_token)
            .body(body.to_string())
    }

    /// A call of the control API that must succeed.
    pub(crate) async fn control(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(self.url(&format!("/_emulator/{path}")));
        let answer = request
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.expect("a body");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The token endpoint, with the members given changing a good request (`null` leaves one out).
    pub(crate) async fn token(&self, changes: Value) -> Exchange {
        let c = self.credentials();
        let mut body = json!({
            "client_id": c.client_id,
            "client_secret": c.client_secret,
            "redirect_uri": c.redirect_uri,
        });
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let answer = self
            .post_json("/oauth2/access_token", &body)
            .send()
            .await
            .expect("an answer");
        Exchange::read(answer).await
    }

    pub(crate) async fn exchange_code(&self, code: &str) -> Exchange {
        self.token(json!({ "grant_type": "authorization_code", "code": code }))
            .await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Exchange {
        self.token(json!({ "grant_type": "refresh_token", "refresh_token": refresh_token }))
            .await
    }
}

/// What the token endpoint said.
pub(crate) struct Exchange {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Exchange {
    pub(crate) async fn read(answer: Response) -> Self {
        Self {
            status: answer.status().as_u16(),
            body: json_of(answer).await,
        }
    }

    /// Status and hint of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["hint"].as_str().unwrap_or_default())
    }

    pub(crate) fn access(&self) -> String {
        assert_eq!(self.status, 200, "no token pair: {}", self.body);
        self.body["access_token"]
            .as_str()
            .expect("an access token")
            .to_owned()
    }

    pub(crate) fn refresh(&self) -> String {
        assert_eq!(self.status, 200, "no token pair: {}", self.body);
        self.body["refresh_token"]
            .as_str()
            .expect("a refresh token")
            .to_owned()
    }
}

pub(crate) async fn json_of(answer: Response) -> Value {
    let text = answer.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

//! A client of the tests that knows the CRM's paths and nothing of its types.

use amocrm_emulator::{Emulator, Seed};
use reqwest::Method;
use serde_json::{Value, json};

/// An emulator and an administrator's token for it.
pub(crate) struct Crm {
    pub(crate) emulator: Emulator,
    http: reqwest::Client,
    token: String,
}

/// Status and document of an answer; null when there was no body.
pub(crate) type Reply = (u16, Value);

impl Crm {
    /// The seed with people and deals, without limits.
    pub(crate) async fn start() -> Self {
        Self::with(
            Emulator::builder()
                .seed(Seed::AsiaDeals)
                .rate_limit(None)
                .start()
                .await
                .unwrap(),
        )
    }

    /// An account without records.
    pub(crate) async fn empty() -> Self {
        Self::with(
            Emulator::builder()
                .seed(Seed::Empty)
                .rate_limit(None)
                .start()
                .await
                .unwrap(),
        )
    }

    pub(crate) fn with(emulator: Emulator) -> Self {
        let token = emulator.credentials().access_token.clone();
        Self {
            emulator,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            token,
        }
    }

    /// The same emulator, seen by another user.
    pub(crate) async fn act_as(&mut self, user: u64) {
        self.take_token(json!({"user_id": user})).await;
    }

    /// Goes on with a new token, described as the control API wants it.
    pub(crate) async fn take_token(&mut self, request: Value) {
        let (_, document) = self.control("tokens", request).await;
        self.token = document["access_token"].as_str().unwrap().into();
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        let address = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/api/v4/{path}")
        };
        let url = format!("{}{address}", self.emulator.base_url());
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer
            .headers()
            .get("content-type")
            .map(|kind| kind.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        if text.is_empty() {
            return (status, Value::Null);
        }
        let expected = if status < 400 {
            "application/hal+json"
        } else {
            "application/problem+json"
        };
        assert_eq!(kind.as_deref(), Some(expected), "{path}: {text}");
        (status, serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// The same path as an address that an answer gave.
    pub(crate) fn local<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(self.emulator.base_url())
            .unwrap_or_else(|| panic!("{url} leads elsewhere"))
    }

    /// What lies behind a link, as a browser sees it.
    pub(crate) async fn download(&self, url: &str) -> (u16, Vec<u8>) {
        let answer = self.http.get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.bytes().await.unwrap().to_vec())
    }

    /// A call of the control API.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Reply {
        let url = format!("{}/_emulator/{path}", self.emulator.base_url());
        let request = self.http.post(url).body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A look through the control API.
    pub(crate) async fn control_get(&self, path: &str) -> Reply {
        let url = format!("{}/_emulator/{path}", self.emulator.base_url());
        let answer = self.http.get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        )
    }

    /// A GET that must find something.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let (status, document) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    /// Creates one record; its id.
    pub(crate) async fn create(&self, collection: &str, item: Value) -> u64 {
        let (status, document) = self.post(collection, json!([item])).await;
        assert!(status < 300, "{collection}: {document}");
        let path = collection.split('?').next().unwrap();
        let name = path.rsplit('/').next().unwrap();
        document["_embedded"][name][0]["id"].as_u64().unwrap()
    }

    /// Changes one record, which must work.
    pub(crate) async fn change(&self, path: &str, item: Value) -> Value {
        let (status, document) = self.patch(path, item).await;
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    /// The ids of a list, in its order; none when the answer is 204.
    pub(crate) async fn ids(&self, path: &str) -> Vec<u64> {
        let (status, document) = self.get(path).await;
        if status == 204 {
            assert_eq!(document, Value::Null);
            return Vec::new();
        }
        assert_eq!(status, 200, "{path}: {document}");
        let embedded = document["_embedded"].as_object().unwrap();
        let items = embedded.values().next().unwrap().as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_u64().unwrap())
            .collect()
    }

    /// Puts leads, contacts or companies into the trash, as the interface does.
    pub(crate) async fn throw_away(&self, entity: &str, id: u64) {
        let url = format!(
            "{}/ajax/{entity}/multiple/delete/",
            self.emulator.base_url()
        );
        let form = format!("ID%5B%5D={id}");
        let request = self.http.post(url).bearer_auth(&self.token);
        let answer = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
}

/// `code path` of every violation, with the request id before it where there is one.
pub(crate) fn violations(document: &Value) -> Vec<String> {
    let items = document["validation-errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{document}"));
    let mut found = Vec::new();
    for item in items {
        let who = item["request_id"]
            .as_str()
            .map_or(String::new(), |id| format!("{id}: "));
        for error in item["errors"].as_array().unwrap() {
            found.push(format!(
                "{who}{} {}",
                error["code"].as_str().unwrap(),
                error["path"].as_str().unwrap()
            ));
        }
    }
    found
}

//! amoCRM as its people see it, through an integration of their own: looking does not use up lead-intake's requests.

use amocrm_emulator::Emulator;
use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::http::Http;
use crate::wait::{LONG, SELDOM};

/// The most amoCRM gives on a page.
const PAGE: usize = 250;

/// The CRM's interface for programs, with a token of an administrator.
#[derive(Debug)]
pub(crate) struct Crm {
    http: Http,
    base_url: String,
    token: String,
}

impl Crm {
    /// Through an integration of its own.
    pub(crate) async fn open(http: &Http, emulator: &Emulator) -> anyhow::Result<Self> {
        let base_url = emulator.base_url().to_owned();
        let token = integration(http, &base_url, "CRM").await?;
        Ok(Self {
            http: http.clone(),
            base_url,
            token,
        })
    }

    /// Reads; `null` where amoCRM answers 204.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.call(Method::GET, path, &Value::Null).await?;
        if answer.status == 204 {
            return Ok(Value::Null);
        }
        answer.json_of(&[200])
    }

    /// Makes.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body).await?.json_of(&[200])
    }

    /// Changes.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, body).await?.json_of(&[200])
    }

    /// All items of a list.
    pub(crate) async fn all(&self, path: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        for page in 1.. {
            let join = if path.contains('?') { '&' } else { '?' };
            let answer = self
                .get(&format!("{path}{join}limit={PAGE}&page={page}"))
                .await?;
            let items = list(&answer, &format!("/_embedded/{name}"));
            all.extend(items.iter().cloned());
            if items.len() < PAGE {
                break;
            }
        }
        Ok(all)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<crate::http::Answer> {
        let url = format!("{}{path}", self.base_url);
        let deadline = Instant::now() + LONG;
        loop {
            let token = Some(self.token.as_str());
            let answer = self.http.json(method.clone(), &url, token, body).await?;
            // The story looks at amoCRM more often than people do.
            if answer.status != 429 || Instant::now() > deadline {
                return Ok(answer);
            }
            sleep(SELDOM).await;
        }
    }
}

/// Makes one more integration, by the way of the site button, and takes a long-lived token of it.
pub(crate) async fn integration(http: &Http, base_url: &str, name: &str) -> anyhow::Result<String> {
    // Its secret is sent to whoever answers 200; nobody here needs it.
    let secrets = format!("{base_url}/_emulator/settle");
    let fields = [
        ("name", name),
        ("redirect_uri", "http://127.0.0.1/"),
        ("secrets_uri", &secrets),
        ("scopes[]", "crm"),
        ("action", "allow"),
    ];
    let consent = http
        .post_form(&format!("{base_url}/oauth"), &fields, &[])
        .await?;
    let location = consent.location.as_deref().unwrap_or_default();
    let client_id = Url::parse(location)
        .ok()
        .and_then(|url| query(&url, "client_id"))
        .with_context(|| format!("no integration was made: {}", consent.describe()))?;
    let answer = http
        .json(
            Method::POST,
            &format!("{base_url}/_emulator/tokens"),
            None,
            &json!({ "client_id": client_id }),
        )
        .await?
        .json_of(&[200])?;
    Ok(text(&answer, "/access_token"))
}

/// A member by its pointer, as text; empty if there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A member by its pointer, as a number; 0 if there is none.
pub(crate) fn number(value: &Value, pointer: &str) -> i64 {
    value
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// A member by its pointer, as a list; empty if there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The first value of a custom field of this code.
pub(crate) fn field(entity: &Value, code: &str) -> String {
    list(entity, "/custom_fields_values")
        .iter()
        .find(|field| field["field_code"] == code)
        .map(|field| text(field, "/values/0/value"))
        .unwrap_or_default()
}

/// The names of an entity's tags.
pub(crate) fn tags(entity: &Value) -> Vec<String> {
    list(entity, "/_embedded/tags")
        .iter()
        .map(|tag| text(tag, "/name"))
        .collect()
}

/// A parameter of an address.
pub(crate) fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

//! What a control request says: tests are written in many languages, so the body may be JSON or a form, whatever its content type,
//! and anything may stand in the query instead.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::handlers::Mistake;

/// The members of a control request; those of the body win over those of the query.
#[derive(Default)]
pub(super) struct Input(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Mistake;

    async fn from_request(request: Request, state: &S) -> Result<Self, Mistake> {
        let mut members = pairs(request.uri().query().unwrap_or_default().as_bytes());
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| Mistake::new(rejection.body_text()))?;
        members.extend(read_body(body.trim_ascii())?);
        Ok(Self(members))
    }
}

impl Input {
    /// The members as a value; those that are absent have their defaults.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Mistake> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|error| Mistake::new(format!("the request does not fit: {error}")))
    }

    pub(super) fn into_members(self) -> Map<String, Value> {
        self.0
    }
}

fn read_body(body: &[u8]) -> Result<Map<String, Value>, Mistake> {
    match serde_json::from_slice(body) {
        _ if body.is_empty() => Ok(Map::new()),
        Ok(Value::Object(members)) => Ok(members),
        Err(_) if !body.starts_with(b"{") && body.contains(&b'=') => Ok(pairs(body)),
        Err(error) => Err(Mistake::new(format!("the body is no JSON: {error}"))),
        Ok(_) => Err(Mistake::new("the body: expected a JSON object")),
    }
}

/// Query or form. A text that is a JSON number, `true`, `false` or `null` is taken for that.
fn pairs(text: &[u8]) -> Map<String, Value> {
    let typed = |text: &str| match serde_json::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::from(text),
    };
    form_urlencoded::parse(text)
        .map(|(name, value)| (name.into_owned(), typed(&value)))
        .collect()
}

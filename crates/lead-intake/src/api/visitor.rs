//! What stands between strangers and `POST /api/leads`.

use std::sync::Arc;

use axum::http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use service_kit::http::{AdminAccess, Problem, RateLimit, Role};

use super::error::ApiError;
use crate::config::{AccessConfig, Config, FormKey};

/// Header and field of the form key.
const KEY_HEADER: &str = "x-form-key";
const KEY_FIELD: &str = "form_key";

/// The door that visitors come through.
///
/// Whoever proves to be an operator or the administrator, our own site's server for instance, is not counted, needs no form key and
/// fills no honeypot.
#[derive(Debug, Clone)]
pub(crate) struct Visitors {
    access: AdminAccess,
    limit: Option<RateLimit>,
    keys: Arc<[FormKey]>,
    honeypot: Option<Arc<str>>,
}

impl Visitors {
    pub(crate) fn new(config: &Config) -> Self {
        let access: &AccessConfig = &config.access;
        let limit = |rate| RateLimit::new(rate, config.server.proxies());
        Self {
            access: config.security.access(),
            limit: access.rate().map(limit),
            keys: access.form_keys().into(),
            honeypot: access.honeypot().map(Arc::from),
        }
    }

    /// Whether an operator or the administrator asks.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        self.access.proves(headers, Role::Operator)
    }

    /// Counts the request, before its body is read.
    pub(super) fn admit(&self, parts: &Parts) -> Result<(), ApiError> {
        match &self.limit {
            Some(limit) if !self.knows(&parts.headers) => limit
                .admit(&parts.extensions, &parts.headers)
                .map_err(ApiError::Problem),
            _ => Ok(()),
        }
    }

    /// Takes the key out of the body and checks it, or that of the header. The source that the key stands for.
    pub(super) fn check_key(
        &self,
        headers: &HeaderMap,
        body: &mut Map<String, Value>,
    ) -> Result<Option<String>, ApiError> {
        let field = take_text(body, KEY_FIELD);
        if self.keys.is_empty() || self.knows(headers) {
            return Ok(None);
        }
        let header = headers.get(KEY_HEADER).and_then(|key| key.to_str().ok());
        let given = header.map(str::to_owned).or(field);
        let mut found = None;
        if let Some(given) = given {
            // All are compared, so that the time does not tell which one is near.
            for key in self.keys.iter() {
                if key.is(given.trim()) {
                    found = Some(key.source.clone());
                }
            }
        }
        found.ok_or_else(|| {
            metrics::counter!("form_key_refusals_total").increment(1);
            Problem::new(StatusCode::FORBIDDEN)
                .detail("the form's key is missing or wrong: send the header X-Form-Key or the field form_key")
                .into()
        })
    }

    /// Takes the field that people do not see out of the body; whether something filled it.
    pub(super) fn is_suspect(&self, headers: &HeaderMap, body: &mut Map<String, Value>) -> bool {
        let Some(honeypot) = &self.honeypot else {
            return false;
        };
        if self.knows(headers) {
            return false;
        }
        take(body, honeypot).is_some_and(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            _ => true,
        })
    }
}

/// Takes a field out of the body, in any case, like the others.
pub(super) fn take(body: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = body.keys().find(|key| key.eq_ignore_ascii_case(name))?;
    let key = key.clone();
    body.remove(&key)
}

/// As [`take`], if it is a text.
pub(super) fn take_text(body: &mut Map<String, Value>, name: &str) -> Option<String> {
    match take(body, name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

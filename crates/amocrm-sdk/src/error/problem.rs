//! The bodies of refused requests: problem documents, validation errors, OAuth hints, HTML pages.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// Longest text that is kept of a body that is not a problem document.
const MAX_TEXT: usize = 200;

/// A server that asks to wait longer than this is not believed: the documented sample says 300 seconds.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// amoCRM's explanation of a refusal, in whichever of its shapes it came.
///
/// Sources: <https://www.amocrm.ru/developers/content/crm_platform/error-codes>,
/// <https://developers.kommo.com/docs/http-codes>.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Problem {
    title: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    validation: Vec<ValidationError>,
    by_entity: Vec<(String, String)>,
    report: Option<Box<Value>>,
    retry_after: Option<u64>,
    text: Option<String>,
    is_json: bool,
}

/// One refused field of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidationError {
    /// The position of the item in the call, counted from 0. `None` when amoCRM names no item (single updates).
    pub item: Option<usize>,
    /// Dotted path of the refused field: `custom_fields_values.0.field_id`.
    pub path: String,
    /// amoCRM's code: `NotSupportedChoice`, `InvalidType`, `FieldMissing`, `FieldNotExpected`, `TooFew`, …
    pub code: String,
    /// The explanation, in the language of the account. It may repeat the refused value: keep it out of logs.
    pub detail: String,
}

impl Problem {
    pub(crate) fn read(headers: &http::HeaderMap, body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            let html = headers
                .get(http::header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.contains("html"));
            return Self {
                text: short_text(body, html),
                ..Self::default()
            };
        };
        let string = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            title: string("title"),
            detail: string("detail").or_else(|| string("error_description")),
            hint: string("hint"),
            validation: json
                .get("validation-errors")
                .or_else(|| json.get("errors").filter(|errors| errors.is_array()))
                .map(validation_errors)
                .unwrap_or_default(),
            by_entity: json
                .get("errors")
                .and_then(Value::as_object)
                .map(entity_errors)
                .unwrap_or_default(),
            report: json
                .get("errors")
                .filter(|errors| errors.is_array())
                .map(|_| Box::new(json.clone())),
            retry_after: json.get("retry_after").and_then(|value| match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            }),
            text: None,
            is_json: json.is_object(),
        }
    }

    /// `title` of the problem document.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// `detail` of the problem document, in the language of the account.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// `hint` of an OAuth error: the member that tells them apart, such as `Token has been revoked`.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Which fields of which items were refused.
    pub fn validation_errors(&self) -> &[ValidationError] {
        &self.validation
    }

    /// Business rules broken, by entity id: `{"errors": {"501": "Loss reason can be specified only for lost lead"}}`.
    pub fn entity_errors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_entity
            .iter()
            .map(|(id, text)| (id.as_str(), text.as_str()))
    }

    /// The whole body, if its `errors` is a list: of operations that take some items and refuse others.
    pub(crate) fn report(&self) -> Option<&Value> {
        self.report.as_deref()
    }

    /// The beginning of an answer that is not JSON (an HTML page of a gateway), without its markup.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
            .map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
    }

    /// Whether the answer was JSON, and so amoCRM's own: gateways answer with pages.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// A 403 with a page and no problem document is the gateway's block page: amoCRM's own refusals are JSON.
    pub(crate) fn is_block_page(&self) -> bool {
        self.text.is_some()
    }

    /// Some 400s without `validation-errors` are transient failures that ask to repeat the request.
    pub(super) fn is_disguised_failure(&self) -> bool {
        let detail = self.detail.as_deref().unwrap_or_default().to_lowercase();
        self.by_entity.is_empty()
            && [
                "please retry",
                "try again",
                "repeat later",
                "повторите",
                "попробуйте позже",
            ]
            .iter()
            .any(|phrase| detail.contains(phrase))
    }

    pub(super) fn keep_item(
        &mut self,
        index: usize,
        item: Option<usize>,
        name: &str,
        new_name: &str,
    ) {
        self.validation.retain(|error| error.item == Some(index));
        for error in &mut self.validation {
            error.item = item;
        }
        self.by_entity.retain(|(entity, _)| entity == name);
        for (entity, _) in &mut self.by_entity {
            new_name.clone_into(entity);
        }
    }

    pub(super) fn shift_items(&mut self, offset: usize) {
        for item in self
            .validation
            .iter_mut()
            .filter_map(|error| error.item.as_mut())
        {
            *item += offset;
        }
    }
}

/// `validation-errors` is a list; PHP turns a list with gaps into an object, so both are read. Sources call the list
/// `errors` and have one bare error where the others have a list.
fn validation_errors(value: &Value) -> Vec<ValidationError> {
    let mut found = Vec::new();
    for group in members(value) {
        let item = match group.get("request_id") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other
                .as_u64()
                .and_then(|number| usize::try_from(number).ok()),
            None => None,
        };
        let errors = match group.get("errors") {
            Some(one) if one.get("code").is_some_and(Value::is_string) => vec![one],
            some => some.map(members).unwrap_or_default(),
        };
        for error in errors {
            let text = |key: &str| {
                error
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            found.push(ValidationError {
                item,
                path: text("path"),
                code: text("code"),
                detail: text("detail"),
            });
        }
    }
    found
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn entity_errors(map: &serde_json::Map<String, Value>) -> Vec<(String, String)> {
    map.iter()
        .filter_map(|(id, text)| Some((id.clone(), text.as_str()?.to_owned())))
        .collect()
}

/// The readable beginning of a body: for HTML its `<title>`, else its text without tags.
fn short_text(body: &[u8], html: bool) -> Option<String> {
    let body = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]);
    let text = if html || body.trim_start().starts_with('<') {
        html_text(&body)
    } else {
        body.into_owned()
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(MAX_TEXT).collect();
    (!short.is_empty()).then_some(short)
}

fn html_text(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    if let Some(start) = lower.find("<title>").map(|at| at + "<title>".len())
        && let Some(length) = lower[start..].find("</title>")
    {
        return html[start..start + length].to_owned();
    }
    let mut text = String::new();
    let mut inside_tag = false;
    for character in html.chars() {
        match character {
            '<' => inside_tag = true,
            '>' => {
                inside_tag = false;
                text.push(' ');
            }
            other if !inside_tag => text.push(other),
            _ => {}
        }
    }
    text
}

/// A `detail` may quote the request's URL; its query may hold a phone or an e-mail.
fn without_query_strings(text: &str) -> String {
    text.split(' ')
        .map(|word| word.split_once('?').map_or(word, |(before, _)| before))
        .collect::<Vec<_>>()
        .join(" ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.validation.first() {
            if let Some(item) = first.item {
                write!(f, "item {item}, ")?;
            }
            write!(f, "{}: {}", first.path, first.code)?;
            let others = self.validation.len() - 1;
            if others > 0 {
                write!(f, " and {others} more")?;
            }
            return Ok(());
        }
        if let Some((id, text)) = self.by_entity.first() {
            return write!(f, "entity {id}: {text}");
        }
        let said = self
            .hint
            .as_deref()
            .or(self.detail.as_deref())
            .or(self.title.as_deref())
            .or(self.text.as_deref());
        f.write_str(&without_query_strings(said.unwrap_or_default()))
    }
}

/// As `Display`: the details of validation errors may repeat refused values.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({self})")
    }
}

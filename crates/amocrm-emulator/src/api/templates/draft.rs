//! What a write says about a template.

use serde_json::{Map, Value, json};

use crate::{api::reader::Reader, problem::Violations};

const MAX_HEADER: usize = 60;
const CATEGORIES: [&str; 3] = ["UTILITY", "AUTHENTICATION", "MARKETING"];

/// The fields that were sent, checked.
pub(super) struct Draft(Map<String, Value>);

impl Draft {
    /// A template about which nothing was said.
    pub(super) fn defaults() -> Map<String, Value> {
        let defaults = json!({
            "name": "", "content": "", "external_id": null, "buttons": [], "attachment": null, "is_editable": false,
            "type": "amocrm", "waba_footer": null, "waba_category": null, "waba_language": null, "waba_examples": [],
            "waba_header": null, "waba_header_type": null,
        });
        match defaults {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    pub(super) fn read(item: &Reader<'_>, out: &mut Violations) -> Self {
        let defaults = Self::defaults();
        let mut allowed: Vec<&str> = defaults.keys().map(String::as_str).collect();
        allowed.extend(["id", "request_id"]);
        item.only(&allowed, out);
        for key in ["name", "content"] {
            if item
                .string(key, out)
                .is_some_and(|text| text.trim().is_empty())
            {
                out.push(
                    "NotBlank",
                    item.path(key),
                    "This value should not be blank.",
                );
            }
        }
        for key in ["external_id", "waba_footer", "waba_language"] {
            item.string(key, out);
        }
        item.bool("is_editable", out);
        item.choice("type", &["amocrm", "waba"], out);
        item.choice("waba_category", &CATEGORIES, out);
        item.choice("waba_header_type", &["text", "media"], out);
        let header = item.string("waba_header", out);
        if header.is_some_and(|header| header.chars().count() > MAX_HEADER) {
            out.too_long(item.path("waba_header"), MAX_HEADER);
        }
        item.child("waba_examples", out);
        for button in item.children("buttons", out).unwrap_or_default() {
            button.require("type", out);
            let kind = button.choice("type", &["inline", "url"], out);
            button.required_string("text", out);
            if kind == Some("url") {
                button.required_string("url", out);
            }
        }
        if let Some(attachment) = item.child("attachment", out) {
            attachment.required_string("id", out);
            attachment.choice("type", &["picture", "file", "document", "video"], out);
        }
        let sent = defaults.keys().filter_map(|key| {
            let value = item.value(key).cloned();
            // Null clears; it is what the vendor's client sends for what it does not know, so `name` and the like are left alone.
            let value = value
                .or_else(|| (item.is_null(key) && defaults[key].is_null()).then_some(Value::Null));
            value.map(|value| (key.clone(), value))
        });
        Self(sent.collect())
    }

    /// A template's fields with what was sent in their places.
    pub(super) fn over(self, mut fields: Map<String, Value>) -> Map<String, Value> {
        fields.extend(self.0);
        if let Some(Value::Object(attachment)) = fields.get_mut("attachment") {
            attachment.entry("name").or_insert(json!(""));
            attachment.entry("type").or_insert(json!("file"));
            attachment.entry("is_external").or_insert(json!(false));
        }
        // A header without a type is a text.
        let has_header = fields.get("waba_header").is_some_and(Value::is_string);
        if has_header && fields.get("waba_header_type").is_some_and(Value::is_null) {
            fields.insert("waba_header_type".into(), "text".into());
        }
        // PHP has no empty objects.
        let examples = fields.get("waba_examples").and_then(Value::as_object);
        if examples.is_some_and(Map::is_empty) {
            fields.insert("waba_examples".into(), json!([]));
        }
        fields
    }
}

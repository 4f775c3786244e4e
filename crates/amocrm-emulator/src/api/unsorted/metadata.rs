//! `metadata` of an incoming lead: which keys a category asks for.

use serde_json::Value;

use crate::{api::reader::Reader, problem::Violations};

/// Reads and checks the metadata of a form or a call; other categories cannot be written and are kept as they are.
pub(in crate::api) fn read(
    category: &str,
    metadata: &Reader<'_>,
    now: i64,
    out: &mut Violations,
) -> Value {
    let (texts, moment, numbers): (&[&str], &str, &[&str]) = match category {
        "forms" => (&["form_id", "form_name", "form_page"], "form_sent_at", &[]),
        "sip" => (
            &["link", "service_code", "uniq"],
            "called_at",
            &["duration"],
        ),
        _ => return metadata.whole(),
    };
    for key in texts {
        // Numbers are taken for texts: the vendor's samples have both.
        let is_number = metadata.value(key).is_some_and(Value::is_number);
        if !is_number {
            metadata.required_string(key, out);
        }
    }
    for key in numbers {
        metadata.require(key, out);
        metadata.int(key, out);
    }
    if category == "sip" {
        metadata.require("phone", out);
        let phone = metadata.value("phone");
        if phone.is_some_and(|phone| !phone.is_string() && !phone.is_number()) {
            out.kind(metadata.path("phone"), "string");
        }
    }
    let at = metadata.int(moment, out).unwrap_or(now);
    let mut kept = metadata.whole();
    kept[moment] = at.into();
    if let Some(map) = kept.as_object_mut() {
        map.remove("is_call_event_needed");
    }
    kept
}

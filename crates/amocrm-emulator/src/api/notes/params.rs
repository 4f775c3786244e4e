//! `params` of a note: what each type may have, and which types a client may write.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes#notes-types>

use serde_json::{Value, json};

use crate::{api::reader::Reader, problem::Violations};

/// What a value must be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    /// A text that must be there.
    Required,
    Int,
    /// A user's id, name or phone.
    TextOrInt,
    Bool,
    OneOf(&'static [&'static str]),
    /// `call_status`: 1 to 7, and 8 that only the vendor's own library knows.
    CallStatus,
    Any,
}

use Kind::{Any, Bool, CallStatus, Int, OneOf, Required, Text, TextOrInt};

const CALL: &[(&str, Kind)] = &[
    ("uniq", Text),
    ("duration", Int),
    ("source", Text),
    ("link", Text),
    ("phone", Text),
    ("call_result", Text),
    ("call_status", CallStatus),
    ("call_responsible", TextOrInt),
];
const SERVICE: &[(&str, Kind)] = &[("service", Text), ("text", Required)];
const SMS: &[(&str, Kind)] = &[("text", Required), ("phone", Text)];
const PAID: &[(&str, Kind)] = &[("text", Text), ("service", Text), ("icon_url", Text)];
const TARGETING: &[(&str, Kind)] = &[
    ("contacts", Any),
    ("campaign", Any),
    (
        "service",
        OneOf(&["facebook", "vkontakte", "mailchimp", "adwords"]),
    ),
];

/// The types a client may write. The others (letters, chats, followed links, purchases, meetings, Dropbox files) come from amoCRM
/// itself.
const WRITABLE: [(&str, &[(&str, Kind)]); 16] = [
    ("common", &[("text", Required)]),
    ("call_in", CALL),
    ("call_out", CALL),
    ("service_message", SERVICE),
    ("extended_service_message", SERVICE),
    (
        "message_cashier",
        &[
            ("status", OneOf(&["created", "shown", "canceled"])),
            ("text", Text),
        ],
    ),
    (
        "geolocation",
        // Coordinates are texts.
        &[
            ("text", Required),
            ("address", Text),
            ("longitude", Text),
            ("latitude", Text),
        ],
    ),
    ("sms_in", SMS),
    ("sms_out", SMS),
    (
        "attachment",
        &[
            ("file_uuid", Required),
            ("version_uuid", Text),
            ("file_name", Text),
            ("original_name", Text),
            ("is_drive_attachment", Bool),
            ("text", Text),
        ],
    ),
    ("invoice_paid", PAID),
    ("bill_paid", PAID),
    (
        "ai_result",
        &[
            ("text", Text),
            ("answer_id", Any),
            ("talk_id", Any),
            ("is_error", Bool),
        ],
    ),
    ("site_visit", &[("url", Text)]),
    ("targeting_in", TARGETING),
    ("targeting_out", TARGETING),
];

/// Whether clients may write notes of this type.
pub(super) fn is_writable(kind: &str) -> bool {
    WRITABLE.iter().any(|(known, _)| *known == kind)
}

/// Reads `params` of this type. They are kept as sent, with what amoCRM adds to files.
pub(super) fn read(kind: &str, item: &Reader<'_>, out: &mut Violations) -> Value {
    item.require("params", out);
    let Some(params) = item.child("params", out) else {
        return json!({});
    };
    let known = WRITABLE.iter().find(|(known, _)| *known == kind);
    let Some((_, keys)) = known else {
        return json!({});
    };
    let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
    params.only(&names, out);
    for (name, kind) in *keys {
        // Null is no way to say "nothing" here.
        if params.is_null(name) && !matches!(kind, TextOrInt | Any) {
            out.null(params.path(name));
            continue;
        }
        check(&params, name, *kind, out);
    }
    let mut kept = params.whole();
    if kind == "attachment" {
        let name = kept.get("file_name").cloned().unwrap_or_default();
        kept["is_drive_attachment"] = true.into();
        if kept.get("original_name").is_none() {
            kept["original_name"] = name;
        }
    }
    kept
}

fn check(params: &Reader<'_>, name: &str, kind: Kind, out: &mut Violations) {
    match kind {
        Any => {}
        Text => {
            params.string(name, out);
        }
        Required => {
            params.required_string(name, out);
        }
        Int => {
            params.int(name, out);
        }
        Bool => {
            params.bool(name, out);
        }
        OneOf(allowed) => {
            params.choice(name, allowed, out);
        }
        CallStatus => {
            let status = params.int(name, out);
            if status.is_some_and(|status| !(1..=8).contains(&status)) {
                out.choice(params.path(name));
            }
        }
        TextOrInt => {
            let value = params.value(name);
            if value.is_some_and(|value| !value.is_string() && !value.is_i64()) {
                out.kind(params.path(name), "string");
            }
        }
    }
}

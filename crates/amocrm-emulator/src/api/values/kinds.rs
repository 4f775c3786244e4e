//! One element of `values`, type by type.

use chrono::{DateTime, NaiveTime};
use serde_json::{Value, json};

use super::listing::{read_linked, read_payer, read_position, read_supplier};
use crate::{
    api::reader::Reader,
    problem::Violations,
    world::{ADDRESS_PARTS, Account, EnumOption, FieldDefinition, FieldValue},
};

/// The longest `text` the API takes; the interface takes more.
const MAX_TEXT_CHARS: usize = 256;

/// Keys of a legal entity in every country.
const LEGAL_KEYS: [&str; 11] = [
    "name",
    "entity_type",
    "vat_id",
    "tax_registration_reason_code",
    "address",
    "real_address",
    "kpp",
    "bank_code",
    "bank_account_number",
    "director",
    "external_uid",
];

/// Keys of a legal entity and the countries that have them.
pub(super) const LEGAL_FOREIGN_KEYS: [(&str, &[&str]); 5] = [
    ("unp", &["BY"]),
    ("bin", &["KZ"]),
    ("egrpou", &["UA"]),
    ("mfo", &["UA", "UZ"]),
    ("oked", &["UZ"]),
];

/// Reads one element. `None` means that there is nothing to store, whether complained about or empty.
pub(super) fn read_item(
    account: &Account,
    field: &FieldDefinition,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<FieldValue> {
    match field.kind.as_str() {
        "select" | "radiobutton" => {
            item.only(&["value", "enum_id", "enum_code"], out);
            option(field, item, out)
        }
        "category" => {
            item.only(&["value", "enum_id"], out);
            option(field, item, out)
        }
        "multiselect" => {
            // Reads give `enum_code`, writes refuse it.
            item.only(&["value", "enum_id"], out);
            option(field, item, out)
        }
        "multitext" => multitext(field, item, out),
        "smart_address" => address_part(item, out),
        "chained_list" => chained(account, field, item, out),
        kind => {
            item.only(&["value"], out);
            if item.is_null("value") {
                return None;
            }
            item.require("value", out);
            item.value("value")?;
            let value = match kind {
                "numeric" | "price" | "monetary" => number(item, out)?,
                "checkbox" => Value::Bool(item.bool("value", out)?),
                "date" | "birthday" => day(account, item, out)?,
                "date_time" => json!(moment(item, out)?.0),
                "legal_entity" => legal_entity(account, item, out)?,
                "file" => file(item, out)?,
                "items" => read_position(item, out)?,
                "payer" => read_payer(account, item, out)?,
                "supplier" => read_supplier(account, item, out)?,
                "linked_entity" => read_linked(account, field, item, out)?,
                _ => text(kind, item, out)?,
            };
            Some(FieldValue {
                value,
                enum_id: None,
            })
        }
    }
}

fn text(kind: &str, item: &Reader<'_>, out: &mut Violations) -> Option<Value> {
    let text = item.string("value", out)?;
    if kind == "text" && text.chars().count() > MAX_TEXT_CHARS {
        out.too_long(item.path("value"), MAX_TEXT_CHARS);
        return None;
    }
    (!text.is_empty()).then(|| text.into())
}

/// A number, or a text that is one; it is read back as a text.
fn number(item: &Reader<'_>, out: &mut Violations) -> Option<Value> {
    let text = match item.value("value")? {
        Value::Number(number) => {
            let text = number.to_string();
            // `100.0` is `100` in PHP.
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) if text.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
            text.trim().to_owned()
        }
        _ => {
            out.kind(item.path("value"), "numeric");
            return None;
        }
    };
    Some(Value::String(text))
}

/// A moment: unix seconds, or RFC 3339 with the offset it was written in.
fn moment(item: &Reader<'_>, out: &mut Violations) -> Option<(i64, Option<i32>)> {
    let value = item.value("value")?;
    let read = match value {
        Value::Number(number) => number.as_i64().map(|at| (at, None)),
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| (at.timestamp(), Some(at.offset().local_minus_utc()))),
        _ => None,
    };
    if read.is_none() {
        out.kind(item.path("value"), "int");
    }
    read
}

/// A calendar day, kept as its midnight in the account's time zone. A text with an offset names the day in that offset.
fn day(account: &Account, item: &Reader<'_>, out: &mut Violations) -> Option<Value> {
    let (at, offset) = moment(item, out)?;
    let local = at.checked_add(offset.unwrap_or(account.utc_offset_seconds).into());
    let midnight = local
        .and_then(|at| DateTime::from_timestamp(at, 0))
        .map(|at| {
            at.date_naive()
                .and_time(NaiveTime::MIN)
                .and_utc()
                .timestamp()
                - i64::from(account.utc_offset_seconds)
        });
    if midnight.is_none() {
        out.kind(item.path("value"), "int");
    }
    midnight.map(Value::from)
}

/// A chosen option, by `enum_id`, `enum_code` or exact text.
fn option(field: &FieldDefinition, item: &Reader<'_>, out: &mut Violations) -> Option<FieldValue> {
    let options = field.enums.as_deref().unwrap_or_default();
    let stored = |option: &EnumOption| FieldValue {
        value: option.value.clone().into(),
        enum_id: Some(option.id),
    };
    let (key, found) = if item.value("enum_id").is_some() {
        let id = item.id("enum_id", out)?;
        ("enum_id", options.iter().find(|option| option.id == id))
    } else if item.value("enum_code").is_some() && field.kind != "multiselect" {
        let code = item.string("enum_code", out)?;
        (
            "enum_code",
            options
                .iter()
                .find(|option| option.code.as_deref() == Some(code)),
        )
    } else if item.value("value").is_some() {
        let text = item.string("value", out)?;
        ("value", options.iter().find(|option| option.value == text))
    } else {
        if !item.is_null("value") {
            out.missing(item.path("value"));
        }
        return None;
    };
    if found.is_none() {
        out.choice(item.path(key));
    }
    found.map(stored)
}

/// A phone or e-mail with its kind; `WORK` when none is given. An empty value is left out.
fn multitext(
    field: &FieldDefinition,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<FieldValue> {
    item.only(&["value", "enum_id", "enum_code"], out);
    let options = field.enums.as_deref().unwrap_or_default();
    let (key, found) = if item.value("enum_id").is_some() {
        let id = item.id("enum_id", out)?;
        ("enum_id", options.iter().find(|option| option.id == id))
    } else if item.value("enum_code").is_some() {
        let code = item.string("enum_code", out)?;
        (
            "enum_code",
            options
                .iter()
                .find(|option| option.code.as_deref() == Some(code)),
        )
    } else {
        ("enum_code", options.first())
    };
    if found.is_none() {
        out.choice(item.path(key));
    }
    if !item.is_null("value") {
        item.require("value", out);
    }
    let text = item.string("value", out).filter(|text| !text.is_empty())?;
    Some(FieldValue {
        value: text.into(),
        enum_id: Some(found?.id),
    })
}

fn address_part(item: &Reader<'_>, out: &mut Violations) -> Option<FieldValue> {
    item.only(&["value", "enum_id", "enum_code"], out);
    let known = 1..=ADDRESS_PARTS.len() as u64;
    let id = if item.value("enum_id").is_some() {
        let id = item.id("enum_id", out)?;
        known.contains(&id).then_some(id).ok_or("enum_id")
    } else if item.value("enum_code").is_some() {
        let code = item.string("enum_code", out)?;
        known
            .clone()
            .zip(ADDRESS_PARTS)
            .find(|(_, part)| *part == code)
            .map(|(id, _)| id)
            .ok_or("enum_code")
    } else {
        out.missing(item.path("enum_id"));
        return None;
    };
    let id = id.map_err(|key| out.choice(item.path(key))).ok()?;
    let text = item.string("value", out).filter(|text| !text.is_empty())?;
    Some(FieldValue {
        value: text.into(),
        enum_id: Some(id),
    })
}

/// A step of a chained list; the only type without a `value` key.
fn chained(
    account: &Account,
    field: &FieldDefinition,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<FieldValue> {
    item.only(&["catalog_id", "catalog_element_id"], out);
    let catalog = item.required_id("catalog_id", out);
    let element = item.required_id("catalog_element_id", out);
    let lists = field.chained_lists.as_ref().and_then(Value::as_array);
    if let (Some(catalog), Some(lists)) = (catalog, lists)
        && !lists
            .iter()
            .any(|list| list["catalog_id"].as_u64() == Some(catalog))
    {
        out.choice(item.path("catalog_id"));
    }
    if let (Some(catalog), Some(element)) = (catalog, element)
        && !account.catalogs.has_element(catalog, element)
    {
        out.choice(item.path("catalog_element_id"));
    }
    Some(FieldValue {
        value: json!({"catalog_id": catalog?, "catalog_element_id": element?}),
        enum_id: None,
    })
}

/// Requisites; keys of other countries than the account's are refused, although reads show them.
fn legal_entity(account: &Account, item: &Reader<'_>, out: &mut Violations) -> Option<Value> {
    let value = item.child("value", out)?;
    let own = LEGAL_FOREIGN_KEYS
        .iter()
        .filter(|(_, countries)| countries.contains(&account.country.as_str()))
        .map(|(key, _)| *key);
    let allowed: Vec<&str> = LEGAL_KEYS.into_iter().chain(own).collect();
    value.only(&allowed, out);
    value.required_string("name", out);
    if let Some(kind) = value.int("entity_type", out)
        && !(1..=2).contains(&kind)
    {
        out.choice(value.path("entity_type"));
    }
    for key in allowed
        .iter()
        .filter(|key| !matches!(**key, "entity_type" | "name"))
    {
        value.string(key, out);
    }
    item.value("value").cloned()
}

fn file(item: &Reader<'_>, out: &mut Violations) -> Option<Value> {
    let value = item.child("value", out)?;
    value.only(
        &[
            "file_uuid",
            "version_uuid",
            "file_name",
            "file_size",
            "is_deleted",
        ],
        out,
    );
    value.required_string("file_uuid", out);
    item.value("value").cloned()
}

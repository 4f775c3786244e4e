//! What a message may say about a lead, and in which language.

use std::collections::BTreeMap;

use minijinja::value::Value;
use service_kit::http::Language;
use store::LeadRow;

use crate::lead::{LeadForm, UTM_MARKS};

/// Fields of a template. Texts that a lead lacks are empty; `price` is then none.
pub(super) const FIELDS: &[&str] = &[
    "name",
    "first_name",
    "email",
    "phone",
    "comment",
    "price",
    "tags",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "custom_fields",
    "status",
    "lead_id",
    "language",
    "unsubscribe_url",
];

/// Country codes of places where Russian is understood.
const RUSSIAN: [&str; 6] = ["+7", "+375", "+996", "+998", "+992", "+374"];

/// Which language a lead is written to in: as the form says, else as the phone suggests, else the funnels' own.
pub(super) fn language(form: &LeadForm, default: Language) -> Language {
    let told = form.custom_fields.iter().find_map(|(name, values)| {
        let is_language = ["language", "lang", "язык"].contains(&name.to_lowercase().as_str());
        is_language
            .then(|| Language::parse(values.first()?))
            .flatten()
    });
    if let Some(told) = told {
        return told;
    }
    match &form.phone {
        Some(phone) if RUSSIAN.iter().any(|code| phone.starts_with(code)) => Language::Russian,
        Some(_) => Language::English,
        None => default,
    }
}

/// The fields of a lead.
pub(super) fn fields(
    row: &LeadRow,
    form: &LeadForm,
    language: Language,
    unsubscribe_url: &str,
) -> Value {
    let text = |text: Option<&str>| Value::from(text.unwrap_or_default().to_owned());
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    let name = form.name.as_deref();
    let first = name.and_then(|name| name.split_whitespace().next());
    for (key, value) in [
        ("name", name),
        ("first_name", first),
        ("email", form.email.as_deref()),
        ("phone", form.phone.as_deref()),
        ("comment", form.comment.as_deref()),
        ("status", Some(row.local_status.as_str())),
        ("language", Some(language.code())),
        ("unsubscribe_url", Some(unsubscribe_url)),
    ] {
        fields.insert(key.to_owned(), text(value));
    }
    for mark in UTM_MARKS {
        let value = form.utm.get(mark).map(String::as_str);
        fields.insert(format!("utm_{mark}"), text(value));
    }
    fields.insert(
        "price".to_owned(),
        form.price.map_or(Value::from(()), Value::from),
    );
    fields.insert("tags".to_owned(), Value::from(form.tags.clone()));
    fields.insert("lead_id".to_owned(), Value::from(row.id));
    let custom: BTreeMap<String, Value> = form
        .custom_fields
        .iter()
        .map(|(name, values)| (name.clone(), Value::from(values.join(", "))))
        .collect();
    fields.insert("custom_fields".to_owned(), Value::from_pairs(custom));
    Value::from_pairs(fields)
}

/// A lead that has everything, to try templates on.
pub(super) fn sample() -> Value {
    let text = |text: &str| Value::from(text.to_owned());
    let mut fields: BTreeMap<String, Value> = FIELDS
        .iter()
        .map(|name| ((*name).to_owned(), text("sample")))
        .collect();
    fields.insert("price".to_owned(), Value::from(150_000));
    fields.insert("lead_id".to_owned(), Value::from(1));
    fields.insert("tags".to_owned(), Value::from(vec!["vip".to_owned()]));
    let custom = BTreeMap::from([("Budget".to_owned(), "150000".to_owned())]);
    fields.insert("custom_fields".to_owned(), Value::from_pairs(custom));
    Value::from_pairs(fields)
}

/// A lead that has nothing: it takes the other branches of a template.
pub(super) fn nobody() -> Value {
    let mut fields: BTreeMap<String, Value> = FIELDS
        .iter()
        .map(|name| ((*name).to_owned(), Value::from(String::new())))
        .collect();
    fields.insert("price".to_owned(), Value::from(()));
    fields.insert("tags".to_owned(), Value::from(Vec::<String>::new()));
    let custom = BTreeMap::<String, String>::new();
    fields.insert("custom_fields".to_owned(), Value::from_pairs(custom));
    Value::from_pairs(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_knows_the_language_better_than_the_phone() {
        let form = |phone: Option<&str>, told: Option<&str>| LeadForm {
            phone: phone.map(str::to_owned),
            custom_fields: told
                .map(|told| ("Language".to_owned(), vec![told.to_owned()]))
                .into_iter()
                .collect(),
            ..LeadForm::default()
        };
        for (phone, told, expected) in [
            (None, None, Language::Russian),
            (Some("+79001234567"), None, Language::Russian),
            (Some("+66812345678"), None, Language::English),
            (Some("+66812345678"), Some("ru-RU"), Language::Russian),
            (Some("+79001234567"), Some("EN"), Language::English),
            (Some("+79001234567"), Some("de"), Language::Russian),
        ] {
            assert_eq!(
                language(&form(phone, told), Language::Russian),
                expected,
                "{phone:?} {told:?}"
            );
        }
    }
}

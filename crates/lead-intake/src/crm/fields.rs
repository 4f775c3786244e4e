//! Custom fields of deals: finding them by name or code, and writing what their type takes.

use amocrm_sdk::CustomFieldId;
use amocrm_sdk::fields::FieldChanges;
use chrono::{DateTime, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::FieldsConfig;
use crate::lead::{DealField, letters};

/// amoCRM refuses longer values of one-line fields (`02-crm-entities.md` §17).
const MAX_LINE: usize = 256;

/// What we need to know of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FieldDef {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) code: Option<String>,
    /// amoCRM's word: `text`, `select`.
    pub(crate) kind: String,
    /// Choices: id and text.
    #[serde(default)]
    pub(crate) choices: Vec<(u64, String)>,
}

/// The fields of an account's deals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FieldSet(pub(crate) Vec<FieldDef>);

impl FieldSet {
    /// The field with this code, name or number, in that order. Case, spaces and punctuation do not matter, so that
    /// "UTM Source" is `utm_source`.
    pub(crate) fn find(&self, wanted: &str) -> Option<&FieldDef> {
        let code = self.0.iter().find(|field| {
            field
                .code
                .as_deref()
                .is_some_and(|code| code.eq_ignore_ascii_case(wanted))
        });
        let plain = letters(wanted);
        let id = wanted.trim().parse::<u64>().ok();
        code.or_else(|| {
            self.0
                .iter()
                .find(|field| !plain.is_empty() && letters(&field.name) == plain)
        })
        .or_else(|| self.0.iter().find(|field| Some(field.id) == id))
    }

    /// The account's field for one of ours: by the code that `provision` gives, else by its configured name.
    pub(crate) fn find_ours(&self, field: DealField, config: &FieldsConfig) -> Option<&FieldDef> {
        self.find(field.code())
            .or_else(|| self.find(config.name(field)))
    }

    /// Puts values into the field of this name or code. `false` if there is none, or it cannot hold them.
    pub(crate) fn put(&self, changes: &mut FieldChanges, wanted: &str, values: &[String]) -> bool {
        let Some(field) = self.find(wanted) else {
            return false;
        };
        match field.write(values) {
            Some(items) => {
                changes.set_raw(CustomFieldId::new(field.id), Value::Array(items));
                true
            }
            None => false,
        }
    }
}

impl FieldDef {
    /// Whether it takes only its options.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.kind.as_str(), "select" | "multiselect" | "radiobutton")
    }

    /// The items of `values`, if the field can hold them.
    pub(crate) fn write(&self, values: &[String]) -> Option<Vec<Value>> {
        match self.kind.as_str() {
            "multiselect" => values.iter().map(|text| self.choice(text)).collect(),
            // A field of one value takes several as one text.
            _ => self.write_one(&values.join(", ")).map(|item| vec![item]),
        }
    }

    fn write_one(&self, text: &str) -> Option<Value> {
        let value = match self.kind.as_str() {
            "text" | "tracking_data" | "streetaddress" => {
                (text.chars().count() <= MAX_LINE).then(|| json!(text))?
            }
            "textarea" => json!(text),
            "url" => url::Url::parse(text).is_ok().then(|| json!(text))?,
            "numeric" | "monetary" | "price" => {
                let plain = text.replace([' ', '\u{a0}'], "").replace(',', ".");
                let number = plain.parse::<f64>().ok().filter(|n| n.is_finite())?;
                json!(number)
            }
            "checkbox" => match text.to_lowercase().as_str() {
                "1" | "true" | "yes" | "on" | "да" => json!(true),
                "0" | "false" | "no" | "off" | "нет" => json!(false),
                _ => return None,
            },
            "select" | "radiobutton" => return self.choice(text),
            "date" | "date_time" | "birthday" => json!(instant(text)?),
            _ => return None,
        };
        Some(json!({ "value": value }))
    }

    fn choice(&self, text: &str) -> Option<Value> {
        let wanted = text.trim().to_lowercase();
        self.choices
            .iter()
            .find(|(_, choice)| choice.trim().to_lowercase() == wanted)
            .map(|(id, _)| json!({ "enum_id": id }))
    }
}

/// A day or an instant as unix seconds, from the spellings that forms send.
fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .or_else(|_| NaiveDate::parse_from_str(text, "%d.%m.%Y"))
        .ok()?;
    Some(day.and_time(NaiveTime::MIN).and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: u64, name: &str, code: Option<&str>, kind: &str) -> FieldDef {
        FieldDef {
            id,
            name: name.to_owned(),
            code: code.map(str::to_owned),
            kind: kind.to_owned(),
            choices: vec![(71, "Оплачено".to_owned()), (72, "Аванс".to_owned())],
        }
    }

    fn set() -> FieldSet {
        FieldSet(vec![
            field(1, "utm_source", Some("UTM_SOURCE"), "tracking_data"),
            field(2, "UTM Medium", None, "text"),
            field(3, "Стоимость объекта", None, "numeric"),
            field(4, "Статус оплаты", None, "select"),
            field(5, "Документ", None, "file"),
            field(6, "Дата", Some("DAY"), "date"),
        ])
    }

    #[test]
    fn fields_are_found_by_code_name_and_number() {
        for (wanted, id) in [
            ("utm_source", 1),
            ("UTM_SOURCE", 1),
            ("utm_medium", 2),
            ("стоимость объекта", 3),
            ("4", 4),
        ] {
            assert_eq!(
                set().find(wanted).map(|field| field.id),
                Some(id),
                "{wanted}"
            );
        }
        assert_eq!(set().find("utm_term"), None);
    }

    #[test]
    fn a_field_takes_only_what_its_type_can_hold() {
        let written = |wanted: &str, value: &str| {
            let mut changes = FieldChanges::new();
            set()
                .put(&mut changes, wanted, &[value.to_owned()])
                .then(|| serde_json::to_value(&changes).unwrap()[0]["values"].clone())
        };
        assert_eq!(
            written("utm_source", "google"),
            Some(json!([{"value": "google"}]))
        );
        assert_eq!(written("utm_source", &"x".repeat(257)), None);
        assert_eq!(written("3", "1 500,50"), Some(json!([{"value": 1500.5}])));
        assert_eq!(written("3", "much"), None);
        assert_eq!(
            written("статус оплаты", "оплачено"),
            Some(json!([{"enum_id": 71}]))
        );
        assert_eq!(written("статус оплаты", "нет такого"), None);
        assert_eq!(
            written("day", "02.01.1970"),
            Some(json!([{"value": 86_400}]))
        );
        assert_eq!(written("Документ", "x"), None);
    }
}

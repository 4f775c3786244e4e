//! Which value of a form goes into which field of the deal, and which finds none.

use std::collections::BTreeSet;

use amocrm_sdk::fields::{FieldChanges, FieldKey};
use amocrm_sdk::{CustomFieldId, Error};
use serde_json::Value;

use super::{FieldDef, FieldSet, Mapping};
use crate::config::FieldsConfig;
use crate::lead::{DealField, LeadForm};

/// Why a value is not in its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The account lacks a field of ours: `provision` creates it.
    Missing,
    /// The account has no field of that name.
    Unknown,
    /// The list has no such option.
    Option,
    /// The field's type cannot hold it.
    Value,
    /// Another value was sent for the same field.
    Twice,
    /// amoCRM refused it.
    Refused,
    /// The deal was there before, and which values it keeps is the account's rule.
    Merged,
}

impl Why {
    const ALL: [Self; 7] = [
        Self::Missing,
        Self::Unknown,
        Self::Option,
        Self::Value,
        Self::Twice,
        Self::Refused,
        Self::Merged,
    ];

    /// The word in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Option => "option",
            Self::Value => "value",
            Self::Twice => "twice",
            Self::Refused => "refused",
            Self::Merged => "merged",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == word)
    }

    /// What it means for a field, and what to do. The value is not told.
    pub(crate) fn tell(self, field: &str) -> String {
        match self {
            Self::Missing => format!("field not found: «{field}»; run `lead-intake provision`"),
            Self::Unknown => format!("field not found: «{field}»; create it for deals in amoCRM"),
            Self::Option => {
                format!(
                    "the list «{field}» has no such option; add it in amoCRM, or send one of its options"
                )
            }
            Self::Value => {
                format!("the field «{field}» cannot hold the value: its type is another")
            }
            Self::Twice => format!("two values were sent for the field «{field}»"),
            Self::Refused => format!("amoCRM refused the value of the field «{field}»"),
            Self::Merged => "amoCRM's duplicate control folded the lead into a deal that was there; all that was sent is in the \
                             deal's note"
                .to_owned(),
        }
    }
}

/// A value that is not in its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) field: String,
    pub(crate) value: String,
    pub(crate) why: Why,
}

/// What amoCRM refused, so that it is sent without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Without {
    fields: BTreeSet<u64>,
    marks_of_contact: bool,
    everything: bool,
}

impl Without {
    /// Without any value that is not needed.
    pub(crate) fn everything() -> Self {
        Self {
            marks_of_contact: true,
            everything: true,
            ..Self::default()
        }
    }

    /// Without what this refusal names; without everything if it names nothing that can be left out.
    pub(crate) fn what_is_refused(refusal: &Error, sent: &FieldChanges) -> Self {
        let sent: Vec<_> = sent.keys().collect();
        let mut without = Self::default();
        for error in refusal.validation_errors() {
            if error.path.contains("contacts") {
                without.marks_of_contact = true;
            } else if let Some(FieldKey::Id(id)) =
                place_in_list(&error.path).and_then(|place| sent.get(place))
            {
                without.fields.insert(id.get());
            }
        }
        if without == Self::default() {
            return Self::everything();
        }
        without
    }

    /// Whether a new contact gets its marks.
    pub(crate) fn has_marks_of_contact(&self) -> bool {
        !self.marks_of_contact
    }
}

/// `custom_fields_values.3.values.0.value` is about the fourth field.
fn place_in_list(path: &str) -> Option<usize> {
    let (_, rest) = path.split_once("custom_fields_values.")?;
    rest.split('.').next()?.parse().ok()
}

/// A value of the form and where it goes.
struct Planned {
    field: String,
    value: String,
    target: Result<(u64, Vec<Value>), Why>,
}

/// Puts every value into its field, and tells which found none.
pub(crate) fn place(
    form: &LeadForm,
    config: &FieldsConfig,
    mapping: &Mapping,
    without: &Without,
) -> (FieldChanges, Vec<Leftover>) {
    let mut changes = FieldChanges::new();
    let mut leftovers = Vec::new();
    for planned in plan(form, config, &mapping.fields) {
        let why = match planned.target {
            Ok((id, _)) if without.everything || without.fields.contains(&id) => Why::Refused,
            Ok((id, items)) => {
                changes.set_raw(CustomFieldId::new(id), Value::Array(items));
                continue;
            }
            Err(why) => why,
        };
        leftovers.push(Leftover {
            field: planned.field,
            value: planned.value,
            why,
        });
    }
    (changes, leftovers)
}

/// The values that are not in a deal which holds these fields.
pub(crate) fn left_over(
    form: &LeadForm,
    config: &FieldsConfig,
    mapping: &Mapping,
    holds: impl Fn(CustomFieldId) -> bool,
) -> Vec<Leftover> {
    let missing = |planned: Planned| {
        let why = match planned.target {
            Ok((id, _)) if holds(CustomFieldId::new(id)) => return None,
            Ok(_) => Why::Refused,
            Err(why) => why,
        };
        Some(Leftover {
            field: planned.field,
            value: planned.value,
            why,
        })
    };
    plan(form, config, &mapping.fields)
        .into_iter()
        .filter_map(missing)
        .collect()
}

/// The marks of a new contact, as far as the account has fields for them.
pub(crate) fn marks_of_contact(form: &LeadForm, fields: &FieldSet) -> FieldChanges {
    let mut changes = FieldChanges::new();
    for (mark, value) in &form.utm {
        // A mark that finds no field is in the deal's, or in its note.
        fields.put(
            &mut changes,
            &format!("utm_{mark}"),
            std::slice::from_ref(value),
        );
    }
    changes
}

fn plan(form: &LeadForm, config: &FieldsConfig, fields: &FieldSet) -> Vec<Planned> {
    let mut plan: Vec<Planned> = Vec::new();
    let mut add = |name: String, values: &[String], field: Option<&FieldDef>, missing: Why| {
        let value = values.join(", ");
        let target = match field {
            None => Err(missing),
            Some(field) => match field.write(values) {
                None if field.is_list() => Err(Why::Option),
                None => Err(Why::Value),
                Some(items) => Ok((field.id, items)),
            },
        };
        let before = target.as_ref().ok().and_then(|(id, _)| {
            plan.iter()
                .filter_map(|planned| planned.target.as_ref().ok())
                .find(|(other, _)| other == id)
        });
        let target = match (before, target) {
            (Some((_, items)), Ok((_, same))) if *items == same => return,
            (Some(_), _) => Err(Why::Twice),
            (None, target) => target,
        };
        plan.push(Planned {
            field: name,
            value,
            target,
        });
    };
    for (mark, value) in &form.utm {
        let name = format!("utm_{mark}");
        let field = fields.find(&name);
        add(name, std::slice::from_ref(value), field, Why::Missing);
    }
    for (ours, value) in &form.fields {
        let name = config.name(*ours).to_owned();
        let field = fields.find_ours(*ours, config);
        add(name, std::slice::from_ref(value), field, Why::Missing);
    }
    for (name, values) in &form.custom_fields {
        let ours = DealField::named(name).or_else(|| {
            let named = |field: &DealField| {
                crate::lead::letters(config.name(*field)) == crate::lead::letters(name)
            };
            DealField::ALL.into_iter().find(named)
        });
        let field = fields
            .find(name)
            .or_else(|| fields.find_ours(ours?, config));
        let missing = if ours.is_some() {
            Why::Missing
        } else {
            Why::Unknown
        };
        let name = match (ours, field) {
            (Some(ours), _) => config.name(ours).to_owned(),
            (None, _) => name.clone(),
        };
        add(name, values, field, missing);
    }
    plan
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::DateTime;
    use serde_json::json;
    use service_kit::config::{Environment, Loader};

    use super::*;
    use crate::crm::Stages;

    fn config() -> FieldsConfig {
        let settings = Loader::new(Environment::from_pairs([("", "")]))
            .defaults(crate::DEFAULT_TOML)
            .load()
            .unwrap();
        settings.section(&mut settings.problems())
    }

    fn field(id: u64, name: &str, kind: &str) -> FieldDef {
        FieldDef {
            id,
            name: name.to_owned(),
            code: None,
            kind: kind.to_owned(),
            choices: vec![(71, "Оплачено".to_owned())],
        }
    }

    fn mapping(fields: Vec<FieldDef>) -> Mapping {
        Mapping {
            account: String::new(),
            read_at: DateTime::UNIX_EPOCH,
            stages: Stages {
                pipeline_id: 1,
                pipeline_name: String::new(),
                is_fallback: false,
                first: None,
                by_status: BTreeMap::new(),
                open: Vec::new(),
                all: BTreeSet::new(),
            },
            fields: FieldSet(fields),
            contact_fields: FieldSet::default(),
            intake_field: 9,
        }
    }

    fn form() -> LeadForm {
        LeadForm {
            utm: [("source".to_owned(), "ya".to_owned())].into(),
            fields: [
                (DealField::ObjectPrice, "5000000".to_owned()),
                (DealField::PaymentStatus, "ОПЛАЧЕНО".to_owned()),
                (DealField::Object, "Вилла".to_owned()),
            ]
            .into(),
            custom_fields: [
                ("objectPrice".to_owned(), vec!["6000000".to_owned()]),
                ("Комиссия".to_owned(), vec!["5 %".to_owned()]),
                ("payment_status".to_owned(), vec!["оплачено".to_owned()]),
                ("Бюджет".to_owned(), vec!["1".to_owned()]),
            ]
            .into(),
            ..LeadForm::default()
        }
    }

    #[test]
    fn every_value_is_in_a_field_or_left_over_with_a_reason() {
        let mapping = mapping(vec![
            field(1, "Стоимость объекта", "numeric"),
            field(2, "Статус оплаты", "select"),
            field(3, "Объект", "select"),
            field(4, "комиссия", "numeric"),
        ]);
        let (changes, left) = place(&form(), &config(), &mapping, &Without::default());
        assert_eq!(
            serde_json::to_value(&changes).unwrap(),
            json!([
                {"field_id": 1, "values": [{"value": 5_000_000.0}]},
                {"field_id": 2, "values": [{"enum_id": 71}]},
            ])
        );
        let left: Vec<_> = left
            .iter()
            .map(|left| (left.field.as_str(), left.value.as_str(), left.why))
            .collect();
        assert_eq!(
            left,
            [
                ("utm_source", "ya", Why::Missing),
                ("Объект", "Вилла", Why::Option),
                ("Стоимость объекта", "6000000", Why::Twice),
                ("Бюджет", "1", Why::Unknown),
                ("Комиссия", "5 %", Why::Value),
            ]
        );
    }

    #[test]
    fn what_is_refused_is_told_by_its_place() {
        assert_eq!(
            place_in_list("custom_fields_values.3.values.0.value"),
            Some(3)
        );
        assert_eq!(place_in_list("custom_fields_values.12.field_id"), Some(12));
        assert_eq!(place_in_list("status_id"), None);
    }
}

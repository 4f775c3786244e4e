//! `[fields]`: what the deal's own fields are called, and the options of lists that `provision` creates.

use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};

use crate::lead::DealField;

/// amoCRM refuses longer names and options (`02-crm-entities.md` §17.3 speaks of 255 to 256 characters of text).
const MAX_TEXT: usize = 255;
/// Most options of a list that is created here; the vendor tells no limit, and one request has to carry them.
const MAX_OPTIONS: usize = 200;

/// `[fields]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsConfig {
    object: String,
    object_price: String,
    commission: String,
    payment_status: String,
    object_options: String,
    payment_status_options: String,
}

impl FieldsConfig {
    /// What a field is called in the account.
    pub fn name(&self, field: DealField) -> &str {
        let name = match field {
            DealField::Object => &self.object,
            DealField::ObjectPrice => &self.object_price,
            DealField::Commission => &self.commission,
            DealField::PaymentStatus => &self.payment_status,
        };
        name.trim()
    }

    /// The options of a list that is created; empty for numbers.
    pub fn options(&self, field: DealField) -> Vec<&str> {
        let options = match field {
            DealField::Object => &self.object_options,
            DealField::PaymentStatus => &self.payment_status_options,
            DealField::ObjectPrice | DealField::Commission => return Vec::new(),
        };
        // Not commas: the names of objects have them.
        options
            .split(';')
            .map(str::trim)
            .filter(|option| !option.is_empty())
            .collect()
    }
}

impl Section for FieldsConfig {
    const NAME: &'static str = "fields";

    fn validate(&self, problems: &mut Problems) {
        let mut names: Vec<String> = Vec::new();
        for field in DealField::ALL {
            let key = format!("fields.{field}");
            let name = self.name(field).to_lowercase();
            if name.is_empty() {
                problems.report(&key, "is empty");
            } else if name.chars().count() > MAX_TEXT {
                problems.report(&key, format!("is longer than {MAX_TEXT} characters"));
            } else if names.contains(&name) {
                problems.report(&key, "is the name of two fields");
            }
            names.push(name);
            if field.is_amount() {
                continue;
            }
            let key = format!("fields.{field}_options");
            let mut options: Vec<_> = self
                .options(field)
                .iter()
                .map(|option| option.to_lowercase())
                .collect();
            if options.is_empty() {
                problems.report(&key, "has no option; amoCRM makes no list without any");
            }
            if options.len() > MAX_OPTIONS {
                problems.report(&key, format!("has more than {MAX_OPTIONS} options"));
            }
            if options
                .iter()
                .any(|option| option.chars().count() > MAX_TEXT)
            {
                problems.report(
                    &key,
                    format!("has an option of more than {MAX_TEXT} characters"),
                );
            }
            options.sort_unstable();
            if options.windows(2).any(|pair| pair[0] == pair[1]) {
                problems.report(&key, "has an option twice");
            }
        }
    }
}

/// The variables of `[fields]`.
pub const FIELDS_VARIABLES: &[Variable] = &[
    name("INTAKE_FIELD_OBJECT", "fields.object", "Объект"),
    name(
        "INTAKE_FIELD_OBJECT_PRICE",
        "fields.object_price",
        "Стоимость объекта",
    ),
    name("INTAKE_FIELD_COMMISSION", "fields.commission", "Комиссия"),
    name(
        "INTAKE_FIELD_PAYMENT_STATUS",
        "fields.payment_status",
        "Статус оплаты",
    ),
    Variable::plain(
        "INTAKE_OBJECT_OPTIONS",
        "fields.object_options",
        "options separated by semicolons",
        "Квартира; Вилла; Земельный участок",
    ),
    Variable::plain(
        "INTAKE_PAYMENT_STATUS_OPTIONS",
        "fields.payment_status_options",
        "options separated by semicolons",
        "Не оплачено; Оплачено",
    ),
];

const fn name(variable: &'static str, key: &'static str, example: &'static str) -> Variable {
    Variable::plain(variable, key, "the name of a field of the deal", example)
}

//! From what was posted to a [`LeadForm`], with every wrong field named.

use std::collections::BTreeMap;

use connection::normalise_email;
use phonenumber::country::Id as Region;
use serde_json::{Map, Value};
use service_kit::http::FieldError;

use super::{DealField, LeadForm, UTM_MARKS, phone};

/// Longest name of a contact; amoCRM's cards show less.
const MAX_NAME: usize = 255;
/// Longest mark, tag, or name and value of a further field.
const MAX_TEXT: usize = 1_000;
/// Longest comment: it becomes a note, which amoCRM cuts at 64 KiB.
const MAX_COMMENT: usize = 20_000;
/// Most tags of one lead.
const MAX_TAGS: usize = 50;
/// amoCRM takes 40 field values per entity (`02-crm-entities.md` §5.1); ten are ours: five marks, four fields of the deal
/// and the intake id.
const MAX_CUSTOM_FIELDS: usize = 30;
/// Numbers beyond this lose digits on their way through amoCRM (`02-crm-entities.md` §17.4).
const MAX_AMOUNT: f64 = 1e15;

/// What is accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyRules {
    /// Where a phone without a country code is from.
    pub(crate) region: Region,
}

/// A lead, and the names of the values that mean nothing to us: a lead is never lost for an extra key.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) form: LeadForm,
    pub(crate) ignored: Vec<String>,
}

/// Reads a posted object. Keys are taken in any case, because site builders post `Name` and `Phone`.
pub(crate) fn read_json(
    body: Map<String, Value>,
    rules: BodyRules,
) -> Result<Read, Vec<FieldError>> {
    let mut reader = Reader {
        rules,
        form: LeadForm::default(),
        ignored: Vec::new(),
        errors: Vec::new(),
    };
    for (key, value) in body {
        reader.read(&key, value);
    }
    reader.finish()
}

struct Reader {
    rules: BodyRules,
    form: LeadForm,
    ignored: Vec<String>,
    errors: Vec<FieldError>,
}

impl Reader {
    fn read(&mut self, key: &str, value: Value) {
        if value.is_null() {
            return;
        }
        match key.to_ascii_lowercase().as_str() {
            "name" => self.form.name = self.text("name", &value, MAX_NAME),
            "phone" => self.form.phone = self.phone(&value),
            "email" => self.form.email = self.email(&value),
            "comment" => self.form.comment = self.text("comment", &value, MAX_COMMENT),
            "tags" => self.form.tags = self.tags(value),
            "price" => self.form.price = self.price(&value),
            "custom_fields" => self.custom_fields(value),
            other => match other
                .strip_prefix("utm_")
                .filter(|mark| UTM_MARKS.contains(mark))
            {
                Some(mark) => {
                    if let Some(text) = self.text(other, &value, MAX_TEXT) {
                        self.form.utm.insert(mark.to_owned(), text);
                    }
                }
                None => match DealField::named(other) {
                    Some(field) => self.field(field, &value),
                    None => self.ignored.push(key.to_owned()),
                },
            },
        }
    }

    fn finish(mut self) -> Result<Read, Vec<FieldError>> {
        let told = |errors: &[FieldError]| {
            errors
                .iter()
                .any(|error| error.field == "phone" || error.field == "email")
        };
        if self.form.phone.is_none() && self.form.email.is_none() && !told(&self.errors) {
            let message = "a phone or an e-mail is needed, to know whom to answer";
            self.wrong("phone", message);
            self.wrong("email", message);
        }
        if self.errors.is_empty() {
            self.ignored.sort();
            Ok(Read {
                form: self.form,
                ignored: self.ignored,
            })
        } else {
            Err(self.errors)
        }
    }

    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, message));
    }

    /// A trimmed text; `None` if it is empty, or wrong.
    fn text(&mut self, field: &str, value: &Value, longest: usize) -> Option<String> {
        let Some(text) = plain(value) else {
            self.wrong(field, "expected a text");
            return None;
        };
        let text = tidy(&text);
        if text.chars().count() > longest {
            self.wrong(field, format!("expected at most {longest} characters"));
            return None;
        }
        (!text.is_empty()).then_some(text)
    }

    fn phone(&mut self, value: &Value) -> Option<String> {
        let text = self.text("phone", value, MAX_NAME)?;
        let phone = phone::normalise(&text, self.rules.region);
        if phone.is_none() {
            self.wrong("phone", "expected a phone number such as +79001234567");
        }
        phone
    }

    fn email(&mut self, value: &Value) -> Option<String> {
        let text = self.text("email", value, MAX_NAME)?;
        let email = normalise_email(&text);
        if email.is_none() {
            self.wrong(
                "email",
                "expected an e-mail address such as name@example.com",
            );
        }
        email
    }

    fn price(&mut self, value: &Value) -> Option<i64> {
        const EXPECTED: &str = "expected a whole number of at least 0, such as 150000";
        let text = self.text_or("price", value, EXPECTED)?;
        let digits: String = text
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '_')
            .collect();
        // "1500.00" is whole too.
        let whole = digits
            .split_once(['.', ','])
            .map_or(digits.as_str(), |(whole, fraction)| {
                if fraction.chars().all(|digit| digit == '0') {
                    whole
                } else {
                    ""
                }
            });
        match whole.parse::<i64>() {
            Ok(price) if price >= 0 => Some(price),
            _ => {
                self.wrong("price", EXPECTED);
                None
            }
        }
    }

    fn field(&mut self, field: DealField, value: &Value) {
        let read = if field.is_amount() {
            self.amount(field.as_str(), value)
        } else {
            self.text(field.as_str(), value, MAX_TEXT)
        };
        if let Some(value) = read {
            self.form.fields.insert(field, value);
        }
    }

    /// A number in plain digits, from the spellings of people: `12 500 000,50`.
    fn amount(&mut self, field: &str, value: &Value) -> Option<String> {
        const EXPECTED: &str = "expected a number of at least 0, such as 12500000";
        let text = self.text_or(field, value, EXPECTED)?;
        let digits: String = text
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '_')
            .map(|character| if character == ',' { '.' } else { character })
            .collect();
        let plain = digits
            .chars()
            .all(|character| character.is_ascii_digit() || character == '.');
        match digits.parse::<f64>() {
            Ok(number) if plain && number < MAX_AMOUNT => Some(digits),
            _ => {
                self.wrong(field, EXPECTED);
                None
            }
        }
    }

    fn tags(&mut self, value: Value) -> Vec<String> {
        const EXPECTED: &str = "expected a list of texts, or one text with commas";
        let items = match value {
            Value::Array(items) => items,
            Value::String(text) => text
                .split(',')
                .map(|tag| Value::String(tag.to_owned()))
                .collect(),
            _ => {
                self.wrong("tags", EXPECTED);
                return Vec::new();
            }
        };
        let mut tags: Vec<String> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(tag) = self.text(&format!("tags.{index}"), item, MAX_TEXT)
                && !tags.contains(&tag)
            {
                tags.push(tag);
            }
        }
        if tags.len() > MAX_TAGS {
            self.wrong("tags", format!("expected at most {MAX_TAGS} tags"));
        }
        tags
    }

    fn custom_fields(&mut self, value: Value) {
        let Value::Object(fields) = value else {
            self.wrong(
                "custom_fields",
                "expected an object of names and values, such as {\"Budget\": 150000}",
            );
            return;
        };
        let mut read = BTreeMap::new();
        for (name, value) in fields {
            let field = format!("custom_fields.{name}");
            if name.trim().is_empty() || name.chars().count() > MAX_TEXT {
                self.wrong(&field, "expected a field's name or code");
                continue;
            }
            let items = match value {
                Value::Null => continue,
                Value::Array(items) => items,
                single => vec![single],
            };
            let values: Vec<_> = items
                .iter()
                .filter_map(|item| match item {
                    Value::Bool(flag) => Some(if *flag { "1" } else { "0" }.to_owned()),
                    item => self.text(&field, item, MAX_COMMENT),
                })
                .collect();
            if !values.is_empty() {
                read.insert(tidy(&name).replace(['\n', '\t'], " "), values);
            }
        }
        if read.len() > MAX_CUSTOM_FIELDS {
            self.wrong(
                "custom_fields",
                format!("expected at most {MAX_CUSTOM_FIELDS} fields"),
            );
        }
        self.form.custom_fields = read;
    }

    fn text_or(&mut self, field: &str, value: &Value, expected: &str) -> Option<String> {
        if plain(value).is_none() {
            self.wrong(field, expected);
            return None;
        }
        self.text(field, value, MAX_NAME)
    }
}

/// Texts, and numbers as they are written.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Trims, and turns control characters but line ends and tabs into spaces.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let plain: String = text
        .chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            character if character.is_control() => ' ',
            character => character,
        })
        .collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Read, Vec<String>> {
        let Value::Object(body) = body else {
            panic!("an object")
        };
        read_json(body, BodyRules { region: Region::RU })
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_landing_pages_lead_is_normalised() {
        let read = read(json!({
            "Name": "  Тест\u{0} Тестов ", "phone": 89_001_234_567_u64, "EMAIL": "Test@Example.com",
            "utm_source": "google", "utm_medium": "", "tags": "vip, site,,vip", "price": "1 500.00",
            "comment": "two\r\nlines", "custom_fields": {" Bud\u{0}\nget": 150_000, "Parking": true, "Nothing": null},
            "object": " Вилла ", "objectPrice": "12 500 000,50", "Commission": 375_000, "payment_status": "",
            "gclid": "x", "_token": "y"
        }))
        .unwrap();
        let form = read.form;
        assert_eq!(form.name.as_deref(), Some("Тест  Тестов"));
        assert_eq!(form.phone.as_deref(), Some("+79001234567"));
        assert_eq!(form.email.as_deref(), Some("test@example.com"));
        assert_eq!(form.utm.get("source").map(String::as_str), Some("google"));
        assert_eq!(form.utm.len(), 1);
        assert_eq!(form.tags, ["vip", "site"]);
        assert_eq!(form.price, Some(1500));
        assert_eq!(form.comment.as_deref(), Some("two\nlines"));
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                (DealField::Object, "Вилла"),
                (DealField::ObjectPrice, "12500000.50"),
                (DealField::Commission, "375000")
            ]
        );
        assert_eq!(form.custom_fields["Bud  get"], ["150000"]);
        assert_eq!(form.custom_fields["Parking"], ["1"]);
        assert_eq!(read.ignored, ["_token", "gclid"]);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = read(json!({
            "name": ["x"], "phone": "call me", "email": "a@b", "price": -5, "tags": 7, "custom_fields": "x",
            "utm_source": {"a": 1}, "object_price": "a lot", "commission": -1, "object": ["x"]
        }))
        .unwrap_err();
        assert_eq!(
            errors,
            [
                "commission",
                "custom_fields",
                "email",
                "name",
                "object",
                "object_price",
                "phone",
                "price",
                "tags",
                "utm_source"
            ]
        );
        assert_eq!(read(json!({"name": "x"})).unwrap_err(), ["phone", "email"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_reading_again_changes_nothing(
            name in any::<String>(), phone in any::<String>(), price in any::<String>(), tags in any::<String>(),
        ) {
            let body = json!({"name": name, "email": "a@example.com", "tags": tags, "price": price, "phone": phone});
            if let Ok(first) = read(body) {
                let again = json!({
                    "name": first.form.name, "email": first.form.email, "tags": first.form.tags,
                    "price": first.form.price, "phone": first.form.phone,
                });
                prop_assert_eq!(read(again).unwrap().form, first.form);
            }
        }
    }
}

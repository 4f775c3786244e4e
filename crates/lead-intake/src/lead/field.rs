//! The fields of a deal that a lead fills by our own names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A field of the deal that `lead-intake provision` creates. What it is called in the account is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealField {
    /// What is sold: "Объект".
    Object,
    /// What it costs: "Стоимость объекта".
    ObjectPrice,
    /// What the agency earns: "Комиссия".
    Commission,
    /// "Статус оплаты".
    PaymentStatus,
}

impl DealField {
    /// All, in the order of the documents.
    pub const ALL: [Self; 4] = [
        Self::ObjectPrice,
        Self::Commission,
        Self::Object,
        Self::PaymentStatus,
    ];

    /// The name in a lead's body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::ObjectPrice => "object_price",
            Self::Commission => "commission",
            Self::PaymentStatus => "payment_status",
        }
    }

    /// The code that `provision` gives to the field, so that it is found under any name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Object => "INTAKE_OBJECT",
            Self::ObjectPrice => "INTAKE_OBJECT_PRICE",
            Self::Commission => "INTAKE_COMMISSION",
            Self::PaymentStatus => "INTAKE_PAYMENT_STATUS",
        }
    }

    /// A number; the others are lists.
    pub fn is_amount(self) -> bool {
        matches!(self, Self::ObjectPrice | Self::Commission)
    }

    /// The field of this name in any spelling: `object_price`, `objectPrice`, `Object price`.
    pub fn named(name: &str) -> Option<Self> {
        let plain = letters(name);
        Self::ALL
            .into_iter()
            .find(|field| letters(field.as_str()) == plain)
    }
}

impl fmt::Display for DealField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is compared of a name: case, spaces and punctuation do not matter.
pub(crate) fn letters(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

//! What a visitor leaves behind, checked and in one form.

mod body;
mod field;
mod form;
pub(crate) mod phone;
mod status;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use self::body::{BodyRules, Read, read_json};
pub use self::field::DealField;
pub(crate) use self::field::letters;
pub(crate) use self::form::{FormError, read_form, read_multipart};
pub use self::status::LeadStatus;

/// A lead as it was accepted: every value checked and normalised. This is what is stored and delivered.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadForm {
    /// The visitor's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In E.164: `+79001234567`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// In lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `utm_source` and its sisters, by the name without the prefix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub utm: BTreeMap<String, String>,
    /// Becomes a note of the deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Tags of the deal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Price of the deal, in whole units of the account's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// The deal's own fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<DealField, String>,
    /// Further fields of the deal, by name or code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_fields: BTreeMap<String, Vec<String>>,
}

/// The UTM marks, by the name without the prefix.
pub const UTM_MARKS: [&str; 5] = ["source", "medium", "campaign", "content", "term"];

impl LeadForm {
    /// A hash that is equal for equal leads: it decides whether an `Idempotency-Key` came back with another body.
    pub(crate) fn fingerprint(&self) -> String {
        // Maps are sorted and fields in order, so the text is the same for the same lead.
        hash(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Only which values are there: the values are somebody's phone and name.
impl std::fmt::Debug for LeadForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeadForm")
            .field("name", &self.name.is_some())
            .field("phone", &self.phone.is_some())
            .field("email", &self.email.is_some())
            .field("utm", &self.utm.len())
            .field("comment", &self.comment.is_some())
            .field("tags", &self.tags.len())
            .field("price", &self.price.is_some())
            .field("fields", &self.fields.len())
            .field("custom_fields", &self.custom_fields.len())
            .finish()
    }
}

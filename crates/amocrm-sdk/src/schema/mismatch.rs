//! What does not fit between a struct and an account, in words that help.

use std::fmt;

use super::resolve::in_words;
use crate::custom_fields::FieldOwner;
use crate::fields::FieldType;
use crate::id::CustomFieldId;

/// How many fields or options of the account an error names.
const MOST_NAMED: usize = 5;

/// The fields of a struct and those of the account do not fit. It tells all that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    owner: FieldOwner,
    mismatches: Vec<Mismatch>,
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The account has no such field.
    NoField {
        /// As the struct names it.
        field: String,
        /// What the account has.
        has: Found,
    },
    /// Several fields have this name or code.
    Ambiguous {
        /// As the struct names it.
        field: String,
        /// Theirs.
        ids: Vec<CustomFieldId>,
    },
    /// The field is of a type that the Rust type does not go with.
    Type {
        /// As the struct names it.
        field: String,
        /// The type in the account.
        found: FieldType,
        /// The field in the struct.
        rust: &'static str,
        /// What its Rust type goes with.
        expected: &'static [FieldType],
    },
    /// The field has no such option.
    NoOption {
        /// As the struct names it.
        field: String,
        /// As the enum names it.
        option: String,
        /// What the field has.
        has: Found,
    },
}

/// Names in the account: the closest ones, and how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The closest first.
    pub names: Vec<String>,
    /// How many are not named.
    pub more: usize,
}

impl SchemaError {
    pub(super) fn new(owner: FieldOwner, mismatches: Vec<Mismatch>) -> Self {
        Self { owner, mismatches }
    }

    /// All that does not fit, in the order of the struct.
    pub fn mismatches(&self) -> &[Mismatch] {
        &self.mismatches
    }
}

impl std::error::Error for SchemaError {}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = match self.owner {
            FieldOwner::Leads => "lead",
            FieldOwner::Contacts => "contact",
            FieldOwner::Companies => "company",
            FieldOwner::Customers => "customer",
            FieldOwner::Segments => "segment",
            FieldOwner::Catalog(_) => "catalog",
        };
        for (index, mismatch) in self.mismatches.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{owner} field {mismatch}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoField { field, has } => {
                write!(f, "`{field}` not found; the account has: {has}")
            }
            Self::Ambiguous { field, ids } => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let ids = ids.join(", ");
                write!(
                    f,
                    "`{field}` is not the only one of this name: take one of the ids {ids}"
                )
            }
            Self::Type {
                field,
                found,
                rust,
                expected,
            } => {
                let expected = in_words(expected);
                write!(
                    f,
                    "`{field}` is of type {found}, but `{rust}` needs {expected}"
                )
            }
            Self::NoOption { field, option, has } => {
                write!(f, "`{field}` has no option `{option}`; it has: {has}")
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        f.write_str(&names.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The names nearest to `wanted`, as many as an error can name. Among equals their order stays.
pub(super) fn closest(wanted: &str, names: impl Iterator<Item = String>) -> Found {
    let wanted = wanted.to_lowercase();
    let mut names: Vec<(usize, String)> = names
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .collect();
    names.sort_by_key(|(distance, _)| *distance);
    let more = names.len().saturating_sub(MOST_NAMED);
    let names = names.into_iter().take(MOST_NAMED);
    Found {
        names: names.map(|(_, name)| name).collect(),
        more,
    }
}

/// Letters to change between the texts; a text that holds the other whole is near.
fn distance(one: &str, two: &str) -> usize {
    let edits = edit_distance(one, two);
    if one.contains(two) || two.contains(one) {
        edits.min(2)
    } else {
        edits
    }
}

/// Levenshtein's distance, row by row.
fn edit_distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (column, other) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[two.len()]
}

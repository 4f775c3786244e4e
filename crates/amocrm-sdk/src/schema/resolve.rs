//! Finds the fields of a struct among those of the account.

use super::mismatch::{Found, closest};
use super::{FieldName, FieldSpec, Mismatch, Resolved, SchemaError};
use crate::custom_fields::{CustomField, FieldOwner};
use crate::fields::FieldType;
use crate::id::FieldEnumId;

pub(super) fn resolve(
    owner: FieldOwner,
    specs: &'static [FieldSpec],
    definitions: &[CustomField],
) -> Result<Vec<Resolved>, SchemaError> {
    let mut resolved = Vec::with_capacity(specs.len());
    let mut mismatches = Vec::new();
    for spec in specs {
        match field(spec, definitions) {
            Ok(field) => resolved.push(field),
            Err(found) => mismatches.extend(found),
        }
    }
    if mismatches.is_empty() {
        Ok(resolved)
    } else {
        Err(SchemaError::new(owner, mismatches))
    }
}

fn field(spec: &FieldSpec, definitions: &[CustomField]) -> Result<Resolved, Vec<Mismatch>> {
    let definition = find(spec, definitions).map_err(|mismatch| vec![mismatch])?;
    if !spec.types.is_empty() && !spec.types.contains(&definition.field_type) {
        return Err(vec![Mismatch::Type {
            field: spec.name.to_string(),
            found: definition.field_type.clone(),
            rust: spec.rust,
            expected: spec.types,
        }]);
    }
    let mut missing = Vec::new();
    let mut options = Vec::with_capacity(spec.options.len());
    for wanted in spec.options {
        match option(definition, wanted) {
            Some(id) => options.push(id),
            None => missing.push(Mismatch::NoOption {
                field: spec.name.to_string(),
                option: (*wanted).to_owned(),
                has: closest(wanted, definition.enums.iter().map(|it| it.value.clone())),
            }),
        }
    }
    if missing.is_empty() {
        let id = definition.id;
        Ok(Resolved { id, options })
    } else {
        Err(missing)
    }
}

fn option(definition: &CustomField, wanted: &str) -> Option<FieldEnumId> {
    definition.option(wanted).map(|option| option.id)
}

fn find<'a>(spec: &FieldSpec, definitions: &'a [CustomField]) -> Result<&'a CustomField, Mismatch> {
    let is_wanted = |definition: &&CustomField| match spec.name {
        FieldName::Code(code) => definition.code.as_deref() == Some(code),
        FieldName::Name(name) => definition.name == name,
        FieldName::Id(id) => definition.id == id,
    };
    let found: Vec<&CustomField> = definitions.iter().filter(is_wanted).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Mismatch::NoField {
            field: spec.name.to_string(),
            has: others(spec, definitions),
        }),
        several => Err(Mismatch::Ambiguous {
            field: spec.name.to_string(),
            ids: several.iter().map(|it| it.id).collect(),
        }),
    }
}

/// The account's fields as the struct names its own: codes for a code, names otherwise, the likeliest first.
fn others(spec: &FieldSpec, definitions: &[CustomField]) -> Found {
    let fits = |definition: &CustomField| {
        spec.types.is_empty() || spec.types.contains(&definition.field_type)
    };
    let named = |definition: &CustomField| match spec.name {
        FieldName::Code(_) => definition.code.clone(),
        FieldName::Name(_) => Some(definition.name.clone()),
        FieldName::Id(_) => Some(format!("{} {}", definition.id, definition.name)),
    };
    let (fitting, rest): (Vec<_>, Vec<_>) = definitions.iter().partition(|it| fits(it));
    let ordered = fitting.into_iter().chain(rest).filter_map(named);
    closest(&spec.name.to_string(), ordered)
}

/// Types in words: `numeric, monetary or price`.
pub(super) fn in_words(types: &[FieldType]) -> String {
    let words: Vec<&str> = types.iter().map(FieldType::as_str).collect();
    match words.as_slice() {
        [] => "any type".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

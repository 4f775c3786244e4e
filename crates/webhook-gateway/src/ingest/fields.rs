//! Hashes of an entity's fields, so that a change can be seen without keeping values.

use std::collections::{BTreeMap, BTreeSet};

use amocrm_sdk::webhook::Tree;
use sha2::{Digest as _, Sha256};

/// What `changed` calls a custom field: `custom:501`, `custom:PHONE`.
const CUSTOM: &str = "custom:";

/// The hashes of those fields that anybody asks for and that the entity has. amoCRM leaves out what is empty, so a field
/// that is missing is one that was emptied.
pub(super) fn hashes(entity: &Tree, watched: &BTreeSet<String>) -> BTreeMap<String, u64> {
    watched
        .iter()
        .filter_map(|field| {
            let value = match field.strip_prefix(CUSTOM) {
                Some(name) => custom(entity, name)?,
                None => entity.get(field)?,
            };
            Some((field.clone(), hash(value)))
        })
        .collect()
}

/// The values of a custom field, by its id or its code.
fn custom<'a>(entity: &'a Tree, name: &str) -> Option<&'a Tree> {
    let is_it = |field: &Tree, key| field.get(key).and_then(Tree::as_str) == Some(name);
    entity
        .get("custom_fields")?
        .iter()
        .map(|(_, field)| field)
        .find(|field| is_it(field, "id") || is_it(field, "code"))?
        .get("values")
}

fn hash(value: &Tree) -> u64 {
    let mut hash = Sha256::new();
    update(&mut hash, value);
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |high: u64, byte| high << 8 | u64::from(*byte))
}

/// The order in which a body tells its keys says nothing.
fn update(hash: &mut Sha256, value: &Tree) {
    let mut tell = |text: &str| {
        // The length keeps `ab` + `c` and `a` + `bc` apart.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    if let Some(text) = value.as_str() {
        tell("=");
        tell(text);
        return;
    }
    let mut parts: Vec<_> = value
        .iter()
        .map(|(key, value)| (key.to_string(), value))
        .collect();
    parts.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (key, value) in parts {
        hash.update([1]);
        hash.update(key.as_bytes());
        update(hash, value);
    }
    hash.update([2]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes_of(form: &str, fields: &[&str]) -> BTreeMap<String, u64> {
        let watched = fields.iter().map(|field| (*field).to_owned()).collect();
        hashes(&Tree::from_form(form.as_bytes()).unwrap(), &watched)
    }

    #[test]
    fn a_field_has_the_same_hash_as_long_as_its_value_is_the_same() {
        const FIELDS: [&str; 4] = ["price", "status_id", "custom:501", "custom:PHONE"];
        let first = "price=10&status_id=1\
            &custom_fields[0][id]=501&custom_fields[0][values][0][value]=a&custom_fields[0][values][0][enum]=6\
            &custom_fields[1][id]=9&custom_fields[1][code]=PHONE&custom_fields[1][values][0][value]=7";
        let reordered = "status_id=1&price=10\
            &custom_fields[0][id]=9&custom_fields[0][values][0][value]=7&custom_fields[0][code]=PHONE\
            &custom_fields[1][id]=501&custom_fields[1][values][0][enum]=6&custom_fields[1][values][0][value]=a";
        let known = hashes_of(first, &FIELDS);
        assert_eq!(known.len(), 4);
        assert_eq!(known, hashes_of(reordered, &FIELDS));
        let changed = hashes_of(&first.replace("price=10", "price=11"), &FIELDS);
        assert_ne!(known["price"], changed["price"]);
        assert_eq!(known["custom:501"], changed["custom:501"]);
        let emptied = hashes_of("price=10&status_id=1", &FIELDS);
        assert_eq!(emptied.len(), 2);
    }
}

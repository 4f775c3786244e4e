//! HTML forms, in the shape of a JSON body.

use serde_json::{Map, Value};

/// Most pairs of a form; what follows is not read.
const MAX_PAIRS: usize = 1_000;

/// Reads a urlencoded body. `custom_fields[Budget]=1` fills the map, and a key that comes twice (or as `tags[]`) becomes
/// a list.
pub(crate) fn read_form(body: &[u8]) -> Map<String, Value> {
    let mut object = Map::new();
    for (key, value) in form_urlencoded::parse(body).take(MAX_PAIRS) {
        let value = Value::String(value.into_owned());
        let key = key.strip_suffix("[]").unwrap_or(&key);
        let inner = key
            .split_once('[')
            .and_then(|(map, rest)| Some((map, rest.strip_suffix(']')?)));
        match inner {
            Some((map, name)) => {
                let entry = object
                    .entry(map.to_owned())
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(inner) = entry {
                    add(inner, name, value);
                }
            }
            None => add(&mut object, key, value),
        }
    }
    object
}

fn add(object: &mut Map<String, Value>, key: &str, value: Value) {
    match object.get_mut(key) {
        None => {
            object.insert(key.to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(first) => {
            let items = vec![first.take(), value];
            *first = Value::Array(items);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_and_repeated_keys_become_maps_and_lists() {
        let body = "name=%D0%90%D0%BD%D0%BD%D0%B0+L&tags[]=a&tags%5B%5D=b&custom_fields%5BBudget%5D=5&\
                    custom_fields[Rooms][]=2&phone=%2B7&x";
        assert_eq!(
            Value::Object(read_form(body.as_bytes())),
            json!({
                "name": "Анна L", "tags": ["a", "b"],
                "custom_fields": {"Budget": "5", "Rooms": "2"}, "phone": "+7", "x": ""
            })
        );
    }
}

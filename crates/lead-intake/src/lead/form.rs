//! HTML forms, in the shape of a JSON body.

use std::convert::Infallible;

use axum::body::Bytes;
use multer::Multipart;
use serde_json::{Map, Value};

/// Most fields of a form: far more than any form has.
const MAX_FIELDS: usize = 1_000;

/// Why a form cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormError {
    /// More than [`MAX_FIELDS`].
    TooManyFields,
    /// A multipart body that breaks the rules of RFC 7578.
    Malformed,
}

/// Reads a urlencoded body. `custom_fields[Budget]=1` fills the map, and a key that comes twice (or as `tags[]`) becomes
/// a list.
pub(crate) fn read_form(body: &[u8]) -> Result<Map<String, Value>, FormError> {
    let mut fields = Fields::default();
    for (key, value) in form_urlencoded::parse(body) {
        fields.add(&key, value.into_owned())?;
    }
    Ok(fields.object)
}

/// Reads a `multipart/form-data` body, which is what a script sends with `new FormData(form)`. Files are left out.
pub(crate) async fn read_multipart(
    content_type: &str,
    body: Bytes,
) -> Result<Map<String, Value>, FormError> {
    let malformed = |_| FormError::Malformed;
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let stream = futures_util::stream::once(async move { Ok::<_, Infallible>(body) });
    let mut parts = Multipart::new(stream, boundary);
    let mut fields = Fields::default();
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let Some(name) = part.name().map(str::to_owned) else {
            continue;
        };
        if part.file_name().is_none() {
            let bytes = part.bytes().await.map_err(malformed)?;
            fields.add(&name, String::from_utf8_lossy(&bytes).into_owned())?;
        }
    }
    Ok(fields.object)
}

#[derive(Default)]
struct Fields {
    object: Map<String, Value>,
    count: usize,
}

impl Fields {
    fn add(&mut self, key: &str, value: String) -> Result<(), FormError> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(FormError::TooManyFields);
        }
        let value = Value::String(value);
        let key = key.strip_suffix("[]").unwrap_or(key);
        let inner = key
            .split_once('[')
            .and_then(|(map, rest)| Some((map, rest.strip_suffix(']')?)));
        match inner {
            Some((map, name)) => {
                let entry = self
                    .object
                    .entry(map.to_owned())
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(inner) = entry {
                    add(inner, name, value);
                }
            }
            None => add(&mut self.object, key, value),
        }
        Ok(())
    }
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
            Value::Object(read_form(body.as_bytes()).unwrap()),
            json!({
                "name": "Анна L", "tags": ["a", "b"],
                "custom_fields": {"Budget": "5", "Rooms": "2"}, "phone": "+7", "x": ""
            })
        );
    }

    #[test]
    fn a_form_with_ten_thousand_fields_is_no_form() {
        let body = "a=1&".repeat(10_000);
        assert_eq!(read_form(body.as_bytes()), Err(FormError::TooManyFields));
    }

    #[tokio::test]
    async fn a_multipart_form_is_the_same_form_without_its_files() {
        let body = "--b\r\ncontent-disposition: form-data; name=\"name\"\r\n\r\nАнна\r\n\
                    --b\r\ncontent-disposition: form-data; name=\"tags[]\"\r\n\r\na\r\n\
                    --b\r\ncontent-disposition: form-data; name=\"plan\"; filename=\"x.pdf\"\r\n\
                    content-type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n";
        let content_type = "multipart/form-data; boundary=b";
        let read = read_multipart(content_type, Bytes::from(body))
            .await
            .unwrap();
        assert_eq!(Value::Object(read), json!({"name": "Анна", "tags": "a"}));
        for broken in [
            "",
            "--b",
            "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nx",
        ] {
            let read = read_multipart(content_type, Bytes::from(broken)).await;
            assert_eq!(read, Err(FormError::Malformed), "{broken:?}");
        }
        let read = read_multipart("multipart/form-data", Bytes::new()).await;
        assert_eq!(read, Err(FormError::Malformed));
    }
}

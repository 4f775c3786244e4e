//! A subscriber's settings from outside: what is wrong is told by field.

use serde_json::Value;

use super::error::OperateError;
use crate::config::SubscriberSettings;

/// Reads settings; their values are checked when they are stored.
///
/// # Errors
///
/// A field has the wrong type, or there is no such field.
pub(crate) fn read(settings: Value) -> Result<SubscriberSettings, OperateError> {
    // serde would take an empty list for settings that are all left out.
    if !settings.is_object() {
        return Err(OperateError::field("settings", "expected an object"));
    }
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let message = error.inner().to_string();
        let path = error.path().to_string();
        // A field that does not exist has no path; serde names it in the message.
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split_once('`'))
            .map(|(name, _)| name.to_owned());
        let field = match unknown {
            Some(name) => name,
            None if path == "." => "settings".to_owned(),
            None => path,
        };
        OperateError::field(&field, message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_field() {
        for (settings, field) in [
            (json!({"ulr": "https://a.example"}), "ulr"),
            (json!({"concurrency": "many"}), "concurrency"),
            (json!({"events": ["leads.*", 5]}), "events[1]"),
            (json!([]), "settings"),
        ] {
            match read(settings) {
                Err(OperateError::Fields(errors)) => assert_eq!(errors[0].field, field),
                other => panic!("{other:?}"),
            }
        }
        assert!(read(json!({"url": "https://a.example"})).is_ok());
    }
}

//! Custom-field values against the shapes of the API notes.

mod laws;
mod read;
mod write;

use amocrm_sdk::fields::{CustomFieldValues, Field, FieldChanges, FieldKind};
use chrono::FixedOffset;
use serde_json::{Value, json};

/// The `values` that setting a field of this kind sends.
#[track_caller]
fn written<K: FieldKind>(value: impl Into<K::Input>) -> Value {
    let mut changes = FieldChanges::new();
    changes.set(&Field::<K>::id(1), value);
    serde_json::to_value(&changes).unwrap()[0]["values"].clone()
}

/// The refusal that setting a field of this kind meets.
#[track_caller]
fn refused<K: FieldKind>(value: impl Into<K::Input>) -> String {
    let mut changes = FieldChanges::new();
    changes.set(&Field::<K>::code("SCORE"), value);
    let refusal = changes.check().unwrap_err().to_string();
    assert_eq!(
        serde_json::to_string(&changes).unwrap_err().to_string(),
        refusal
    );
    refusal
}

fn held(values: &Value) -> CustomFieldValues {
    serde_json::from_value(json!([{"field_id": 1, "field_code": "F", "values": values}])).unwrap()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "callers write json!(..)")]
fn read<K: FieldKind>(values: Value) -> K::Value {
    held(&values).get(&Field::<K>::id(1)).unwrap().unwrap()
}

fn moscow() -> FixedOffset {
    FixedOffset::east_opt(3 * 3600).unwrap()
}

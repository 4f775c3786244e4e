//! Values that are objects: requisites, invoice positions, files, links.
//!
//! Every part is optional, because accounts of different countries know different parts. Keys without a name here are kept
//! in `extra` and written back.

mod types;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::kind::{Expected, Many, item, item_value, part, scalar_id};
use crate::{CatalogElementId, CatalogId};

pub use types::{Discount, FileRef, InvoiceItem, LegalEntity, LinkedEntityValue, Payer, Supplier};

/// What the generic readers and writers below need to know of an object.
pub(super) trait ObjectValue: Serialize + DeserializeOwned {
    const EXPECTED: Expected;
    /// Which keys amoCRM takes.
    const WRITABLE: Writable;
}

/// Keys that may be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Writable {
    /// All but these.
    AllBut(&'static [&'static str]),
    /// These only.
    Only(&'static [&'static str]),
}

impl Writable {
    /// Drops what amoCRM refuses: read-only keys, and empty ones, among which are the keys of other countries.
    pub(super) fn trim(self, object: &mut Map<String, Value>) {
        object.retain(|key, value| {
            let known = match self {
                Self::AllBut(keys) => !keys.contains(&key.as_str()),
                Self::Only(keys) => keys.contains(&key.as_str()),
            };
            let empty = value.is_null() || value.as_str().is_some_and(str::is_empty);
            known && !empty
        });
    }
}

fn read_item<T: ObjectValue>(item: &Value) -> Option<Result<T, Expected>> {
    let value = item_value(item)?;
    Some(if value.is_object() {
        T::deserialize(value).map_err(|_| T::EXPECTED)
    } else {
        Err(T::EXPECTED)
    })
}

pub(super) fn read_one<T: ObjectValue>(values: &[Value]) -> Result<Option<T>, Expected> {
    values.iter().find_map(read_item).transpose()
}

pub(super) fn read_many<T: ObjectValue>(values: &[Value]) -> Result<Option<Vec<T>>, Expected> {
    let read: Vec<T> = values
        .iter()
        .filter_map(read_item)
        .collect::<Result<_, _>>()?;
    Ok((!read.is_empty()).then_some(read))
}

pub(super) fn write_one<T: ObjectValue>(value: T) -> Result<Vec<Value>, Expected> {
    match serde_json::to_value(value) {
        Ok(Value::Object(mut object)) => {
            T::WRITABLE.trim(&mut object);
            if object.is_empty() {
                Err(T::EXPECTED)
            } else {
                Ok(vec![item(Value::Object(object))])
            }
        }
        _ => Err(T::EXPECTED),
    }
}

pub(super) fn write_many<T: ObjectValue>(values: Many<T>) -> Result<Vec<Value>, Expected> {
    let mut written = Vec::with_capacity(values.0.len());
    for value in values.0 {
        written.extend(write_one(value)?);
    }
    Ok(written)
}

/// One step of a chained list: an element and the catalog it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ChainedElement {
    /// The catalog.
    pub catalog_id: CatalogId,
    /// The element.
    pub catalog_element_id: CatalogElementId,
}

impl ChainedElement {
    /// The element `element` of the catalog `catalog`.
    pub fn new(catalog: impl Into<CatalogId>, element: impl Into<CatalogElementId>) -> Self {
        Self {
            catalog_id: catalog.into(),
            catalog_element_id: element.into(),
        }
    }
}

/// Steps stand in the item itself, not under `value`.
pub(super) fn read_chain(values: &[Value]) -> Result<Option<Vec<ChainedElement>>, Expected> {
    let step = |item: &Value| {
        Some(ChainedElement {
            catalog_id: part(item, "catalog_id").and_then(scalar_id)?,
            catalog_element_id: part(item, "catalog_element_id").and_then(scalar_id)?,
        })
    };
    let chain: Vec<ChainedElement> = values
        .iter()
        .map(step)
        .collect::<Option<_>>()
        .ok_or(Expected("catalog_id and catalog_element_id of every step"))?;
    Ok((!chain.is_empty()).then_some(chain))
}

pub(super) fn write_chain(chain: Many<ChainedElement>) -> Result<Vec<Value>, Expected> {
    const MAX_STEPS: usize = 5;
    if chain.0.len() > MAX_STEPS {
        return Err(Expected("at most five steps of a chained list"));
    }
    let write = |step: ChainedElement| json!({"catalog_id": step.catalog_id, "catalog_element_id": step.catalog_element_id});
    Ok(chain.0.into_iter().map(write).collect())
}

//! Adding entities, in batches that amoCRM accepts.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::page::Envelope;
use super::{Creatable, Entity, HasId, awaited};
use crate::client::Client;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::id::Id;
use crate::request::{Operation, Request};

/// Adds entities: *n* in, *n* out, in the order of the input.
///
/// The items are cut into requests of 250 and matched with the answers by `request_id`. amoCRM takes a request whole
/// or refuses it whole; if a later request fails, [`Error::created_ids`] has the ids of the earlier ones, and
/// [`Error::validation_errors`] counts items from the first of the whole call.
#[must_use = "nothing is created until it is awaited"]
pub struct Create<E: Creatable> {
    client: Client,
    path: String,
    items: Vec<E::New>,
}

/// What amoCRM tells of an entity it has just stored.
pub struct Created<E: Entity> {
    /// Its id.
    pub id: Id<E::Kind>,
}

impl<E: Creatable> Create<E> {
    pub(crate) fn new(
        client: Client,
        path: impl Into<String>,
        items: impl IntoIterator<Item = E::New>,
    ) -> Self {
        Self {
            client,
            path: path.into(),
            items: items.into_iter().collect(),
        }
    }

    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when an item cannot be written as JSON.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        self.items
            .chunks(E::BATCH)
            .map(|batch| {
                Request::post(E::CREATE, &self.path).json(&number_items(E::CREATE, batch)?)
            })
            .collect()
    }

    async fn run(self) -> Result<Vec<E::Created>> {
        let client = self.client.clone();
        let sizes: Vec<usize> = self.items.chunks(E::BATCH).map(<[_]>::len).collect();
        let mut created: Vec<E::Created> = Vec::with_capacity(self.items.len());
        for (request, size) in self.into_requests()?.into_iter().zip(sizes) {
            let batch = create_batch::<E>(&client, request, size).await;
            let batch = batch.map_err(|error| {
                error
                    .with_item_offset(created.len())
                    .with_created_ids(created.iter().map(HasId::raw_id).collect())
            })?;
            created.extend(batch);
        }
        Ok(created)
    }
}

async fn create_batch<E: Creatable>(
    client: &Client,
    request: Request,
    size: usize,
) -> Result<Vec<E::Created>> {
    let answer: Envelope<E, Identified<E::Created>> = client.expect(request).await?;
    in_input_order(E::CREATE, answer.into_items(), size)
}

/// The items with their position as `request_id`.
pub(crate) fn number_items(operation: Operation, items: &[impl Serialize]) -> Result<Vec<Value>> {
    let number = |(index, item)| numbered(operation, index, item).map(Value::Object);
    items.iter().enumerate().map(number).collect()
}

/// An item with its position as `request_id`.
pub(super) fn numbered(
    operation: Operation,
    index: usize,
    item: impl Serialize,
) -> Result<Map<String, Value>> {
    let refused = |why: String| {
        Error::invalid_input(format!("item {index} cannot be written: {why}"))
            .with_operation(operation.name)
    };
    match serde_json::to_value(item).map_err(|error| refused(error.to_string()))? {
        Value::Object(mut object) => {
            object.insert("request_id".to_owned(), Value::String(index.to_string()));
            Ok(object)
        }
        _ => Err(refused("it is no JSON object".to_owned())),
    }
}

/// An answer's item with the number it was sent under.
#[derive(Debug)]
pub(crate) struct Identified<T> {
    pub(crate) index: Option<usize>,
    pub(crate) value: T,
}

impl<'de, T: DeserializeOwned> serde::Deserialize<'de> for Identified<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        let index = match object.get("request_id") {
            Some(Value::String(text)) => text.parse().ok(),
            // `/leads/complex` answers with a list of the numbers that were folded into one lead.
            Some(Value::Array(numbers)) => numbers
                .first()
                .and_then(|number| number.as_str())
                .and_then(|text| text.parse().ok()),
            Some(other) => other
                .as_u64()
                .and_then(|number| usize::try_from(number).ok()),
            None => None,
        };
        let value =
            serde_json::from_value(Value::Object(object)).map_err(serde::de::Error::custom)?;
        Ok(Self { index, value })
    }
}

/// Puts answers back into the order of the input. amoCRM does not promise any order.
pub(crate) fn in_input_order<T>(
    operation: Operation,
    answers: Vec<Identified<T>>,
    size: usize,
) -> Result<Vec<T>> {
    let mismatch = |found: usize| {
        let message = format!("amoCRM answered for {found} of {size} items");
        // It has acted, but what is missing is unknown.
        Error::new(ErrorKind::Decode, Delivery::Answered, message).with_operation(operation.name)
    };
    if answers.len() != size {
        return Err(mismatch(answers.len()));
    }
    let mut slots: Vec<Option<T>> = std::iter::repeat_with(|| None).take(size).collect();
    let mut unnumbered = Vec::new();
    for answer in answers {
        match answer.index.and_then(|index| slots.get_mut(index)) {
            Some(slot @ None) => *slot = Some(answer.value),
            _ => unnumbered.push(answer.value),
        }
    }
    // Without numbers the order is the best guess there is.
    let mut rest = unnumbered.into_iter();
    let filled: Option<Vec<T>> = slots
        .into_iter()
        .map(|slot| slot.or_else(|| rest.next()))
        .collect();
    filled.ok_or_else(|| mismatch(0))
}

awaited!(Create<E> => Vec<E::Created> where E: Creatable);

impl<E: Creatable> fmt::Debug for Create<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Create")
            .field("path", &self.path)
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

impl<E: Entity> HasId for Created<E> {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl<'de, E: Entity> serde::Deserialize<'de> for Created<E> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(bound = "")]
        struct Wire<K> {
            id: Id<K>,
        }
        Wire::deserialize(deserializer).map(|wire| Self { id: wire.id })
    }
}

// Written by hand, because derives would ask the same of the entity.
impl<E: Entity> Clone for Created<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Entity> Copy for Created<E> {}

impl<E: Entity> PartialEq for Created<E> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<E: Entity> Eq for Created<E> {}

impl<E: Entity> fmt::Debug for Created<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("id", &self.id).finish()
    }
}

//! Adding entities, in batches that amoCRM accepts.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::page::Envelope;
use super::{Creatable, Entity, HasId, awaited};
use crate::batcher::{Destination, Verb};
use crate::client::Client;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::id::Id;
use crate::request::{Operation, Request};

/// Adds entities: *n* in, *n* out, in the order of the input.
///
/// The items are cut into requests of as many as amoCRM takes, mostly 250, and matched with the answers by `request_id`.
/// amoCRM takes a request whole or refuses it whole; if a later request fails, [`Error::created_ids`] has the ids of the earlier ones, and
/// [`Error::validation_errors`] counts items from the first of the whole call. A single item of a
/// [batcher](crate::batcher) travels in company.
#[must_use = "nothing is created until it is awaited"]
pub struct Create<E: Creatable> {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
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
            query: Vec::new(),
            items: items.into_iter().collect(),
        }
    }

    /// Sets a parameter of every request.
    pub(crate) fn query(mut self, key: &str, value: String) -> Self {
        self.query.retain(|(held, _)| held != key);
        self.query.push((key.to_owned(), value));
        self
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
                Request::post(E::CREATE, &self.path)
                    .queries(self.query.iter().cloned())
                    .json(&number_items(E::CREATE, batch)?)
            })
            .collect()
    }

    async fn run(self) -> Result<Vec<E::Created>> {
        let client = self.client.clone();
        // Items of one request share its parameters: what has some goes alone.
        if let (Some(batching), [item], []) = (
            client.batching(),
            self.items.as_slice(),
            self.query.as_slice(),
        ) {
            let destination = Destination {
                verb: Verb::Create,
                path: self.path,
                with: String::new(),
                operation: E::CREATE,
                key: E::KEY,
                limit: E::BATCH,
            };
            let item = numbered(E::CREATE, 0, item)?;
            let created = batching.send(&client, destination, None, item).await?;
            return Ok(vec![created]);
        }
        let sizes: Vec<usize> = self.items.chunks(E::BATCH).map(<[_]>::len).collect();
        create_in_batches(
            &client,
            E::CREATE,
            self.into_requests()?,
            sizes,
            Envelope::<E, _>::into_items,
        )
        .await
    }
}

/// Sends batch after batch; when one fails, the error tells what the ones before created. `items` takes the items out
/// of what the collection answers with.
pub(crate) async fn create_in_batches<A, T>(
    client: &Client,
    operation: Operation,
    requests: Vec<Request>,
    sizes: Vec<usize>,
    items: impl Fn(A) -> Vec<Identified<T>>,
) -> Result<Vec<T>>
where
    A: DeserializeOwned,
    T: Clone + HasId,
{
    let mut created: Vec<T> = Vec::with_capacity(sizes.iter().sum());
    for (request, size) in requests.into_iter().zip(sizes) {
        let answer = client.expect(request).await;
        let batch = answer.and_then(|answer| created_in_order(operation, items(answer), size));
        created.extend(batch.map_err(|error| {
            error
                .with_item_offset(created.len())
                .with_created_ids(created.iter().map(HasId::raw_id).collect())
        })?);
    }
    Ok(created)
}

/// As [`in_input_order`]; what was created is told even if it cannot be matched.
fn created_in_order<T: Clone + HasId>(
    operation: Operation,
    answers: Vec<Identified<T>>,
    size: usize,
) -> Result<Vec<T>> {
    let ids = answers.iter().map(|answer| answer.value.raw_id()).collect();
    in_input_order(operation, answers, size).map_err(|error| error.with_created_ids(ids))
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

/// An answer's item with the numbers it was sent under: several, if amoCRM folded items into one.
#[derive(Debug)]
pub(crate) struct Identified<T> {
    pub(crate) indexes: Vec<usize>,
    pub(crate) value: T,
}

impl<'de, T: DeserializeOwned> serde::Deserialize<'de> for Identified<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        let answer = Value::Object(object);
        let indexes = request_ids(&answer);
        let value = serde_json::from_value(answer).map_err(serde::de::Error::custom)?;
        Ok(Self { indexes, value })
    }
}

/// The numbers an answer's item was sent under.
pub(crate) fn request_ids(answer: &Value) -> Vec<usize> {
    match answer.get("request_id") {
        Some(Value::Array(numbers)) => numbers.iter().filter_map(position).collect(),
        Some(number) => position(number).into_iter().collect(),
        None => Vec::new(),
    }
}

fn position(number: &Value) -> Option<usize> {
    match number {
        Value::String(text) => text.parse().ok(),
        other => other
            .as_u64()
            .and_then(|number| usize::try_from(number).ok()),
    }
}

/// Puts answers back into the order of the input. amoCRM does not promise any order.
pub(crate) fn in_input_order<T: Clone>(
    operation: Operation,
    answers: Vec<Identified<T>>,
    size: usize,
) -> Result<Vec<T>> {
    let mut slots: Vec<Option<T>> = vec![None; size];
    let mut unnumbered = Vec::new();
    for Identified { indexes, value } in answers {
        let mut is_placed = false;
        for index in indexes {
            if let Some(slot @ None) = slots.get_mut(index) {
                *slot = Some(value.clone());
                is_placed = true;
            }
        }
        if !is_placed {
            unnumbered.push(value);
        }
    }
    // Without numbers the order is the best guess there is, if nothing is missing.
    let free = slots.iter().filter(|slot| slot.is_none()).count();
    if free != unnumbered.len() {
        let message = format!("amoCRM answered for {} of {size} items", size - free);
        return Err(Error::new(ErrorKind::Decode, Delivery::Answered, message)
            .with_operation(operation.name));
    }
    let mut rest = unnumbered.into_iter();
    Ok(slots
        .into_iter()
        .filter_map(|slot| slot.or_else(|| rest.next()))
        .collect())
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

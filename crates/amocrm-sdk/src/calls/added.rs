//! Adding calls: some of a batch may fail while others are added.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::NewCall;
use crate::client::Client;
use crate::de::{self, Loose};
use crate::entity::{Identified, MAX_BATCH, awaited, number_items};
use crate::error::{Delivery, Error, ErrorKind, Problem, Result};
use crate::events::EntityKind;
use crate::id::{AccountId, NoteId};
use crate::request::{Operation, Request, declare};

const CREATE: Operation = Operation::once("calls.create");

/// Adds calls: *n* in, *n* outcomes out, in the order of the input.
///
/// The call as a whole fails only if amoCRM refuses the request; [`Error::created_ids`](crate::Error::created_ids) then
/// has the notes of earlier batches.
#[derive(Clone)]
#[must_use = "nothing is added until it is awaited"]
pub struct CreateCalls {
    client: Client,
    path: &'static str,
    calls: Vec<NewCall>,
}

declare!(CreateCalls: CREATE);

impl CreateCalls {
    pub(super) fn new(
        client: Client,
        path: &'static str,
        calls: impl IntoIterator<Item = NewCall>,
    ) -> Self {
        Self {
            client,
            path,
            calls: calls.into_iter().collect(),
        }
    }

    /// The requests, one per batch of 250.
    ///
    /// # Errors
    ///
    /// None in practice: a call can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        self.calls
            .chunks(MAX_BATCH)
            .map(|batch| Request::post(CREATE, self.path).json(&number_items(CREATE, batch)?))
            .collect()
    }

    async fn run(self) -> Result<Vec<Outcome>> {
        let client = self.client.clone();
        let sizes: Vec<usize> = self.calls.chunks(MAX_BATCH).map(<[_]>::len).collect();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.calls.len());
        for (request, size) in self.into_requests()?.into_iter().zip(sizes) {
            let answer = match client.expect::<Answer>(request).await {
                // When no call of the batch found an entity, the status is 400 and the body the same.
                Err(error) if error.status() == Some(400) => {
                    let report = error.problem().and_then(Problem::report);
                    report
                        .and_then(|report| Answer::deserialize(report).ok())
                        .ok_or(error)
                }
                answer => answer,
            };
            let batch = answer.and_then(|answer| in_input_order(answer, size));
            outcomes.extend(batch.map_err(|error| {
                let added = outcomes
                    .iter()
                    .flatten()
                    .map(|call| call.id.get())
                    .collect();
                error
                    .with_item_offset(outcomes.len())
                    .with_created_ids(added)
            })?);
        }
        Ok(outcomes)
    }
}

/// What became of one call.
type Outcome = std::result::Result<AddedCall, CallError>;

awaited!(CreateCalls => Vec<std::result::Result<AddedCall, CallError>>);

/// A call that was added. It is a note now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AddedCall {
    /// The note.
    pub id: NoteId,
    /// The entity in whose feed it is.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub entity_id: Option<u64>,
    /// The type of that, in the singular.
    #[serde(default)]
    pub entity_type: Option<EntityKind>,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
}

/// Why a call was not added; mostly because nobody has its phone.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CallError {
    /// What is wrong: `Entity not found`.
    pub title: Option<String>,
    /// The explanation. It may repeat the phone: keep it out of logs.
    pub detail: Option<String>,
    /// amoCRM's code.
    pub code: Option<String>,
    /// amoCRM's number, such as 263. It is not an HTTP status.
    pub status: Option<u64>,
}

impl CallError {
    fn read(part: Loose<'_>) -> Self {
        Self {
            title: part.get("title").text(),
            detail: part.get("detail").text(),
            code: part.get("code").text(),
            status: part.get("status").number(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call was not added: ")?;
        f.write_str(self.title.as_deref().unwrap_or("amoCRM does not say why"))?;
        self.status
            .map_or(Ok(()), |status| write!(f, " ({status})"))
    }
}

/// The explanation may repeat the phone.
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallError")
            .field("title", &self.title)
            .field("code", &self.code)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for CallError {}

/// What amoCRM answers: some calls added, some not, in one body.
#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "de::list")]
    errors: Vec<Value>,
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Default, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::list")]
    calls: Vec<Identified<AddedCall>>,
}

/// Gives each call of a batch its outcome: by number, and the rest by elimination.
fn in_input_order(answer: Answer, size: usize) -> Result<Vec<Outcome>> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; size];
    let mut unnumbered: Vec<Outcome> = Vec::new();
    let notes = answer
        .embedded
        .calls
        .iter()
        .map(|call| call.value.id.get())
        .collect();
    let added = answer
        .embedded
        .calls
        .into_iter()
        .map(|Identified { indexes, value }| (indexes, Ok(value)));
    let refused = answer.errors.iter().map(|error| {
        let part = Loose::of(error);
        let number = part.get("request_id").number::<u64>();
        let index = number.and_then(|number| usize::try_from(number).ok());
        (index.into_iter().collect(), Err(CallError::read(part)))
    });
    for (indexes, outcome) in added.chain(refused) {
        match indexes.first().and_then(|index| outcomes.get_mut(*index)) {
            Some(slot @ None) => *slot = Some(outcome),
            _ => unnumbered.push(outcome),
        }
    }
    let free = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    // One error without a number speaks for every call that was not added.
    if let [Err(error)] = unnumbered.as_slice() {
        let error = error.clone();
        unnumbered.resize(free, Err(error));
    }
    // Without numbers, some added and some refused: nobody knows which.
    let is_mixed = unnumbered.iter().any(Result::is_ok) && unnumbered.iter().any(Result::is_err);
    if unnumbered.len() != free || is_mixed {
        let message = format!("amoCRM answered for {} of {size} calls", size - free);
        return Err(Error::new(ErrorKind::Decode, Delivery::Answered, message)
            .with_operation(CREATE.name)
            .with_created_ids(notes));
    }
    let mut rest = unnumbered.into_iter();
    Ok(outcomes
        .into_iter()
        .filter_map(|outcome| outcome.or_else(|| rest.next()))
        .collect())
}

impl fmt::Debug for CreateCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateCalls")
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

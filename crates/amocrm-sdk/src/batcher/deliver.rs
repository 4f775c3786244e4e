//! Sends a batch and tells everyone what became of their item.

use std::collections::BTreeSet;

use serde_json::Value;

use super::lane::{Address, Job, UnderWay, Verb};
use super::latest;
use crate::client::Client;
use crate::entity::request_ids;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::Departure;

/// Sends a batch, and parts of it again as long as amoCRM refuses it for some of its items.
pub(super) async fn deliver(
    client: Client,
    jobs: Vec<Job>,
    departure: Departure,
    under_way: UnderWay,
) {
    let address = under_way.address();
    // The part to be sent next is the last.
    let mut parts = vec![jobs];
    while let Some(mut jobs) = parts.pop() {
        match send(&client, address, &jobs, departure.clone()).await {
            Ok(answers) => settle(address, jobs, answers),
            Err(error) => match Blame::of(&error, address.verb, &jobs) {
                Blame::Everyone => {
                    for job in jobs {
                        job.answer(Err(error.clone()));
                    }
                }
                Blame::Items(refused) => {
                    let mut rest = Vec::with_capacity(jobs.len() - refused.len());
                    for (index, job) in jobs.into_iter().enumerate() {
                        if refused.contains(&index) {
                            let own = own_error(&error, address.verb, index, &job);
                            job.answer(Err(own));
                        } else {
                            rest.push(job);
                        }
                    }
                    parts.extend((!rest.is_empty()).then_some(rest));
                }
                Blame::Somebody => {
                    let second = jobs.split_off(jobs.len() / 2);
                    parts.push(second);
                    parts.push(jobs);
                }
            },
        }
    }
}

async fn send(
    client: &Client,
    address: &Address,
    jobs: &[Job],
    departure: Departure,
) -> Result<Vec<Value>> {
    let items: Vec<Value> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| {
            let mut item = job.item.clone();
            item.insert("request_id".to_owned(), Value::String(index.to_string()));
            if let Some(id) = job.id {
                item.insert("id".to_owned(), id.into());
            }
            Value::Object(item)
        })
        .collect();
    let request = address.request().json(&items)?;
    let answer = client
        .fetch_in_company(request, latest(jobs), departure)
        .await?;
    Ok(items_of(answer, address.key))
}

/// The items of a collection's answer.
pub(super) fn items_of(answer: Option<Value>, key: &str) -> Vec<Value> {
    let items = answer.and_then(|mut answer| {
        let items = answer.get_mut("_embedded")?.get_mut(key)?.take();
        match items {
            Value::Array(items) => Some(items),
            // PHP writes a list with gaps as an object.
            Value::Object(items) => Some(items.into_iter().map(|(_, item)| item).collect()),
            _ => None,
        }
    });
    items.unwrap_or_default()
}

/// Hands out the answers: by id where there is one, by `request_id`, or in the order of the input if nothing is missing.
fn settle(address: &Address, jobs: Vec<Job>, answers: Vec<Value>) {
    let mut slots: Vec<Option<Value>> = vec![None; jobs.len()];
    let mut unplaced = Vec::new();
    for answer in answers {
        let id = answer.get("id").and_then(Value::as_u64);
        let by_id = jobs.iter().position(|job| job.id.is_some() && job.id == id);
        let places = by_id.map_or_else(|| request_ids(&answer), |place| vec![place]);
        let mut is_placed = false;
        for place in places {
            if let Some(slot @ None) = slots.get_mut(place) {
                *slot = Some(answer.clone());
                is_placed = true;
            }
        }
        if !is_placed {
            unplaced.push(answer);
        }
    }
    let free = slots.iter().filter(|slot| slot.is_none()).count();
    let mut unplaced = unplaced.into_iter();
    let in_order = address.verb == Verb::Create && free == unplaced.len();
    for (job, slot) in jobs.into_iter().zip(slots) {
        let answer = slot.or_else(|| unplaced.next().filter(|_| in_order));
        job.answer(answer.ok_or_else(unanswered));
    }
}

fn unanswered() -> Error {
    let message = "amoCRM took the batch and did not say what became of this item";
    Error::new(ErrorKind::Decode, Delivery::Answered, message)
}

/// Whose fault a failure is.
enum Blame {
    /// It has nothing to do with the items, or there is only one.
    Everyone,
    /// Of these items, by position.
    Items(BTreeSet<usize>),
    /// Of some item that the refusal does not name.
    Somebody,
}

impl Blame {
    fn of(error: &Error, verb: Verb, jobs: &[Job]) -> Self {
        let is_about_items = match error.kind() {
            ErrorKind::Validation | ErrorKind::Rejected => true,
            // A missing entity; there is nothing missing about new ones but their collection.
            ErrorKind::NotFound => verb == Verb::Update,
            _ => false,
        };
        if !is_about_items || error.delivery() != Delivery::Answered {
            return Self::Everyone;
        }
        let refused = refused_items(error, verb, jobs);
        match (refused.is_empty(), jobs.len()) {
            (false, _) => Self::Items(refused),
            (true, 1) => Self::Everyone,
            (true, _) => Self::Somebody,
        }
    }
}

fn refused_items(error: &Error, verb: Verb, jobs: &[Job]) -> BTreeSet<usize> {
    let validated = error.validation_errors().iter().filter_map(|it| it.item);
    let by_rule = error
        .problem()
        .into_iter()
        .flat_map(crate::Problem::entity_errors)
        .filter_map(|(name, _)| {
            jobs.iter()
                .enumerate()
                .position(|(index, job)| name == name_of(verb, index, job))
        });
    validated
        .chain(by_rule)
        .filter(|index| *index < jobs.len())
        .collect()
}

/// What broken business rules call an item: changes by the entity's id, new ones by their `request_id`.
fn name_of(verb: Verb, index: usize, job: &Job) -> String {
    match (verb, job.id) {
        (Verb::Update, Some(id)) => id.to_string(),
        _ => index.to_string(),
    }
}

/// The refusal as a call with this item alone would have got it.
fn own_error(error: &Error, verb: Verb, index: usize, job: &Job) -> Error {
    let item = (verb == Verb::Create).then_some(0);
    let name = name_of(verb, index, job);
    let new_name = job.id.map_or_else(|| "0".to_owned(), |id| id.to_string());
    error.clone().for_item(index, item, &name, &new_name)
}

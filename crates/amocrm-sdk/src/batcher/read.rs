//! Reads a batch of entities in one request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::deliver::items_of;
use super::lane::{Address, Job, UnderWay};
use super::latest;
use crate::client::Client;
use crate::entity::MAX_BATCH;
use crate::error::{ErrorKind, Result};
use crate::layer::{Deadline, Departure};

/// Reads a batch, and one by one what the list does not name.
pub(super) async fn read(
    client: Client,
    jobs: Vec<Job>,
    departure: Departure,
    under_way: UnderWay,
) {
    let address = under_way.address();
    let ids: BTreeSet<u64> = jobs.iter().filter_map(|job| job.id).collect();
    let listed = match listed(&client, address, &ids, latest(&jobs), &departure).await {
        Ok(listed) => listed,
        Err(error) => {
            for job in jobs {
                job.answer(Err(error.clone()));
            }
            return;
        }
    };
    let mut missing: BTreeMap<u64, Vec<Job>> = BTreeMap::new();
    for job in jobs {
        let Some(id) = job.id else { continue };
        match listed.get(&id) {
            Some(entity) => job.answer(Ok(entity.clone())),
            None => missing.entry(id).or_default().push(job),
        }
    }
    for (id, jobs) in missing {
        if !jobs.iter().any(Job::is_wanted) {
            continue;
        }
        let outcome = alone(&client, address, id, latest(&jobs), &departure).await;
        for job in jobs {
            job.answer(outcome.clone());
        }
    }
}

/// Those of the entities that the list names; of a single one nothing is asked yet.
async fn listed(
    client: &Client,
    address: &Address,
    ids: &BTreeSet<u64>,
    until: Option<Deadline>,
    departure: &Departure,
) -> Result<BTreeMap<u64, Value>> {
    if ids.len() < 2 {
        return Ok(BTreeMap::new());
    }
    let filter = ids
        .iter()
        .map(|id| ("filter[id][]".to_owned(), id.to_string()));
    let request = address
        .request()
        .query("limit", MAX_BATCH)
        .queries(with(address))
        .queries(filter);
    let answer = client
        .fetch_in_company(request, until, departure.clone())
        .await?;
    Ok(items_of(answer, address.key)
        .into_iter()
        .filter_map(|entity| Some((entity.get("id")?.as_u64()?, entity)))
        // A filter that is not understood gives the whole collection.
        .filter(|(id, _)| ids.contains(id))
        .collect())
}

/// One entity, as a call of its own reads it; null if there is none.
async fn alone(
    client: &Client,
    address: &Address,
    id: u64,
    until: Option<Deadline>,
    departure: &Departure,
) -> Result<Value> {
    let request = address.request_to(id).queries(with(address));
    let answer = client
        .fetch_in_company(request, until, departure.clone())
        .await;
    match answer {
        Err(error) if error.kind() == ErrorKind::NotFound && error.status() == Some(404) => {
            Ok(Value::Null)
        }
        answer => answer.map(Option::unwrap_or_default),
    }
}

fn with(address: &Address) -> Option<(String, String)> {
    let with = &address.with;
    (!with.is_empty()).then(|| ("with".to_owned(), with.clone()))
}

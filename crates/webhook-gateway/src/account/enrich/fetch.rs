//! Fetching entities: many askers, few requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amocrm_sdk::{Operation, Request};
use chrono::{DateTime, Utc};
use connection::Crm;
use serde_json::Value;
use service_kit::clock::SharedClock;
use tokio::sync::watch;

/// How long a request waits for others to go along.
const GATHER: Duration = Duration::from_millis(30);
/// amoCRM's longest page (`01-auth-limits-webhooks.md` §4).
const PAGE: usize = 250;
/// Answers that are kept at most; a thousand leads are some megabytes.
const MOST_KEPT: usize = 2_000;

/// The entities that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Leads,
    Contacts,
    Companies,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Contacts => "contacts",
            Self::Companies => "companies",
        }
    }

    fn request(self) -> Request {
        let (operation, path) = match self {
            Self::Leads => ("gateway.enrich.leads", "/api/v4/leads"),
            Self::Contacts => ("gateway.enrich.contacts", "/api/v4/contacts"),
            Self::Companies => ("gateway.enrich.companies", "/api/v4/companies"),
        };
        let request = Request::get(Operation::idempotent(operation), path).query("limit", PAGE);
        match self {
            Self::Leads => request.query("with", "contacts"),
            Self::Contacts | Self::Companies => request,
        }
    }
}

/// What a batch of ids gave: the entities that there are, or why nobody knows.
type Answer = Result<Arc<BTreeMap<u64, Value>>, String>;

#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    state: Arc<Mutex<State>>,
    cache: Duration,
    clock: SharedClock,
}

#[derive(Debug, Default)]
struct State {
    /// Batches that have not gone out yet, by account and kind.
    gathering: HashMap<(String, Kind), Vec<Batch>>,
    kept: HashMap<(String, Kind, u64), Kept>,
}

#[derive(Debug)]
struct Batch {
    ids: BTreeSet<u64>,
    answer: watch::Receiver<Option<Answer>>,
}

#[derive(Debug)]
struct Kept {
    asked_at: DateTime<Utc>,
    /// `None`: there is no such entity.
    entity: Option<Value>,
}

impl Fetcher {
    pub(super) fn new(cache: Duration, clock: SharedClock) -> Self {
        Self {
            state: Arc::default(),
            cache,
            clock,
        }
    }

    /// The entities of these ids as they are now, those that there are. What was asked for before `since` is not used.
    pub(super) async fn get(
        &self,
        account: &str,
        crm: &Arc<Crm>,
        kind: Kind,
        ids: &[u64],
        since: Option<DateTime<Utc>>,
    ) -> Result<BTreeMap<u64, Value>, String> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        {
            let now = self.clock.now();
            let state = self.lock();
            for &id in ids {
                let kept = state.kept.get(&(account.to_owned(), kind, id));
                match kept.filter(|kept| self.is_fresh(kept, now, since)) {
                    Some(kept) => found.extend(kept.entity.clone().map(|entity| (id, entity))),
                    None => missing.push(id),
                }
            }
        }
        for page in missing.chunks(PAGE) {
            let mut answer = self.join(account, crm, kind, page);
            let answered = answer
                .wait_for(Option::is_some)
                .await
                .map_err(|_| "the request to amoCRM was given up".to_owned())?
                .clone();
            if let Some(answered) = answered {
                let answered = answered?;
                let of_page = page
                    .iter()
                    .filter_map(|id| Some((*id, answered.get(id)?.clone())));
                found.extend(of_page);
            }
        }
        Ok(found)
    }

    /// Goes along with the batch that is about to leave, or begins one.
    fn join(
        &self,
        account: &str,
        crm: &Arc<Crm>,
        kind: Kind,
        ids: &[u64],
    ) -> watch::Receiver<Option<Answer>> {
        let key = (account.to_owned(), kind);
        let mut state = self.lock();
        let batches = state.gathering.entry(key.clone()).or_default();
        if let Some(batch) = batches.last_mut()
            && batch.ids.len() + ids.len() <= PAGE
        {
            batch.ids.extend(ids);
            return batch.answer.clone();
        }
        let (sender, answer) = watch::channel(None);
        batches.push(Batch {
            ids: ids.iter().copied().collect(),
            answer: answer.clone(),
        });
        drop(state);
        let (fetcher, crm, joined) = (self.clone(), Arc::clone(crm), answer.clone());
        // A task of its own: whoever began may give up, the others wait on.
        tokio::spawn(async move {
            tokio::time::sleep(GATHER).await;
            let ids = fetcher.leave(&key, &joined);
            let answer = fetcher.ask(&key, &crm, &ids).await;
            sender.send_replace(Some(answer));
        });
        answer
    }

    /// Takes a batch out of those that others may join.
    fn leave(
        &self,
        key: &(String, Kind),
        answer: &watch::Receiver<Option<Answer>>,
    ) -> BTreeSet<u64> {
        let mut state = self.lock();
        let Some(batches) = state.gathering.get_mut(key) else {
            return BTreeSet::new();
        };
        let place = batches
            .iter()
            .position(|batch| batch.answer.same_channel(answer));
        let ids = place.map(|place| batches.remove(place).ids);
        if batches.is_empty() {
            state.gathering.remove(key);
        }
        ids.unwrap_or_default()
    }

    async fn ask(
        &self,
        (account, kind): &(String, Kind),
        crm: &Crm,
        ids: &BTreeSet<u64>,
    ) -> Answer {
        let asked_at = self.clock.now();
        let linked = crm.linked().await.map_err(|error| error.to_string())?;
        let pairs = ids
            .iter()
            .enumerate()
            .map(|(index, id)| (format!("filter[id][{index}]"), id.to_string()));
        let answer: Option<Value> = linked
            .client
            .fetch(kind.request().queries(pairs))
            .await
            .map_err(|error| error.to_string())?;
        let mut answer = answer.unwrap_or_default();
        let entities = match answer["_embedded"][kind.name()].take() {
            Value::Array(entities) => entities,
            _ => Vec::new(),
        };
        // amoCRM ignores a filter that it does not understand, and then gives others.
        let found: BTreeMap<u64, Value> = entities
            .into_iter()
            .filter_map(|entity| Some((entity["id"].as_u64()?, entity)))
            .filter(|(id, _)| ids.contains(id))
            .collect();
        self.keep(account, *kind, ids, &found, asked_at);
        Ok(Arc::new(found))
    }

    fn keep(
        &self,
        account: &str,
        kind: Kind,
        ids: &BTreeSet<u64>,
        found: &BTreeMap<u64, Value>,
        asked_at: DateTime<Utc>,
    ) {
        if self.cache.is_zero() {
            return;
        }
        let now = self.clock.now();
        let mut state = self.lock();
        if state.kept.len() + ids.len() > MOST_KEPT {
            state.kept.retain(|_, kept| self.is_fresh(kept, now, None));
        }
        if state.kept.len() + ids.len() > MOST_KEPT {
            state.kept.clear();
        }
        for id in ids {
            let entity = found.get(id).cloned();
            let kept = Kept { asked_at, entity };
            state.kept.insert((account.to_owned(), kind, *id), kept);
        }
    }

    fn is_fresh(&self, kept: &Kept, now: DateTime<Utc>, since: Option<DateTime<Utc>>) -> bool {
        let age = (now - kept.asked_at).to_std();
        age.is_ok_and(|age| age < self.cache) && since.is_none_or(|since| kept.asked_at >= since)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Taking webhooks: the bodies, their events, what tells them from others, and the jobs, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::rows::{AskedRow, EventRow, KeyRow, RequestRow, RouteRow, hex, json, plain};
use super::{Acceptance, Gateway, NewEvent, NewRequest, Route, Routed, Taken, job_kind, tallies};
use crate::arrivals::join;
use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::jobs::depth_counter;

/// How long the outcome of a commit is asked for after its answer was lost.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) type Accepting = Vec<Arc<NewRequest>>;

impl Gateway {
    /// Stores a webhook, its events and the jobs that deliver them.
    ///
    /// An event is a duplicate if its key was seen within its window, or if the same body came under the same request
    /// id, however long ago. One that tells no time and was undone since, a `delete` by a `restore` or the reverse, is
    /// none. It is noted at the request and makes no job.
    ///
    /// # Errors
    ///
    /// Nothing is stored then, with one exception: when PostgreSQL goes away in the middle of the commit and does not
    /// come back at once, nobody knows. Answer 503: amoCRM sends it again, and what was stored is a duplicate then.
    pub async fn accept(&self, new: NewRequest, registry_version: i64) -> Result<Acceptance> {
        for event in &new.events {
            if event.event_id.is_empty() || event.event_id.contains('\0') {
                return Err(StoreError::invalid("an event needs an id"));
            }
        }
        let new = Arc::new(new);
        let routed = Routed::new(Arc::clone(&new), registry_version);
        match join(&self.inner, routed).await {
            // The commit may have happened although its answer was lost.
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                match timeout(LOOK_AGAIN, self.find(&new)).await {
                    Ok(Ok(Some(acceptance))) => Ok(acceptance),
                    _ => Err(error),
                }
            }
            outcome => outcome,
        }
    }

    /// What became of a webhook whose transaction was not answered. `None`: nothing, or there was nothing new in it.
    async fn find(&self, new: &NewRequest) -> Result<Option<Acceptance>> {
        let mut request = None;
        let mut events = Vec::with_capacity(new.events.len());
        for event in &new.events {
            let found = self.event(&event.event_id).await?;
            if let Some(found) = &found {
                request = Some(found.request);
            }
            events.push(Taken {
                event_id: event.event_id.clone(),
                duplicate: found.is_none(),
            });
        }
        Ok(request.map(|request| Acceptance::Stored { request, events }))
    }
}

/// Webhooks that were routed by the same registry.
pub(super) struct Accept {
    requests: Accepting,
    version: i64,
    /// The number of the only webhook, if it is kept already and its events are all that is new.
    kept: Option<i64>,
}

impl Accept {
    pub(super) fn new(requests: Accepting, version: i64) -> Self {
        Self {
            requests,
            version,
            kept: None,
        }
    }

    /// A webhook that is kept under this number.
    pub(super) fn kept(request: i64, new: Arc<NewRequest>, version: i64) -> Self {
        Self {
            requests: vec![new],
            version,
            kept: Some(request),
        }
    }
}

/// Tells the registry and the instant, finds requests that were here before, and takes the keys of the others. A key
/// that somebody has comes back with his event. On PostgreSQL who comes second waits here until the first has
/// committed; keys are taken in one order by everybody. By an outdated registry nothing is taken. A request that was not
/// understood then may be now: its repetition is no repeat.
const RESERVE: Sql = Sql::either(
    "SELECT 'registry' AS what, $1 AS number, version AS value, NULL AS key, NULL AS event_id
     FROM gateway_registry WHERE id = 1;
     SELECT 'repeat' AS what, a.value->>'n' AS number, r.id AS value, NULL AS key, e.event_id
     FROM json_each($3) AS a
     CROSS JOIN gateway_requests AS r ON r.account = a.value->>'account' AND r.request_id = a.value->>'request_id'
         AND r.digest = a.value->>'digest' AND r.problem IS NULL
     LEFT JOIN gateway_events AS e ON e.request = r.id
     WHERE (SELECT version FROM gateway_registry WHERE id = 1) = $2;
     INSERT INTO gateway_dedup (key, event_id, expires_at)
     SELECT unhex(k.value->>'key'), k.value->>'event_id', $1 + (k.value->>'window')
     FROM json_each($4) AS k
     WHERE (SELECT version FROM gateway_registry WHERE id = 1) = $2
       AND NOT EXISTS (SELECT 1 FROM json_each($3) AS a
           CROSS JOIN gateway_requests AS r ON r.account = a.value->>'account' AND r.request_id = a.value->>'request_id'
               AND r.digest = a.value->>'digest' AND r.problem IS NULL
           WHERE a.key = k.value->>'n')
     ON CONFLICT (key) DO UPDATE SET
         event_id = CASE WHEN gateway_dedup.expires_at <= $1 THEN excluded.event_id ELSE gateway_dedup.event_id END,
         expires_at = CASE WHEN gateway_dedup.expires_at <= $1 THEN excluded.expires_at
             ELSE gateway_dedup.expires_at END
     RETURNING 'key' AS what, 0 AS number, 0 AS value, lower(hex(key)) AS key, event_id",
    "WITH moment AS MATERIALIZED (
         SELECT coalesce($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now, version
         FROM gateway_registry WHERE id = 1),
     repeats AS MATERIALIZED (
         SELECT a.n, r.id
         FROM json_to_recordset($3::json) AS a (n bigint, account text, request_id text, digest text)
         JOIN moment ON moment.version = $2
         JOIN gateway_requests AS r ON r.account = a.account AND r.request_id = a.request_id
             AND r.request_id IS NOT NULL AND r.digest = a.digest AND r.problem IS NULL),
     taken AS (
         INSERT INTO gateway_dedup (key, event_id, expires_at)
         SELECT decode(k.key, 'hex'), k.event_id, moment.now + k.\"window\"
         FROM json_to_recordset($4::json) AS k (n bigint, key text, event_id text, \"window\" bigint)
         JOIN moment ON moment.version = $2
         WHERE NOT EXISTS (SELECT 1 FROM repeats WHERE repeats.n = k.n)
         ORDER BY k.key COLLATE \"C\"
         ON CONFLICT (key) DO UPDATE SET
             event_id = CASE WHEN gateway_dedup.expires_at <= (SELECT now FROM moment)
                 THEN excluded.event_id ELSE gateway_dedup.event_id END,
             expires_at = CASE WHEN gateway_dedup.expires_at <= (SELECT now FROM moment)
                 THEN excluded.expires_at ELSE gateway_dedup.expires_at END
         RETURNING encode(key, 'hex') AS key, event_id)
     SELECT 'registry' AS what, now AS number, version AS value, NULL AS key, NULL AS event_id FROM moment
     UNION ALL
     SELECT 'repeat', repeats.n, repeats.id, NULL, e.event_id
     FROM repeats LEFT JOIN gateway_events AS e ON e.request = repeats.id
     UNION ALL
     SELECT 'key', 0, 0, key, event_id FROM taken",
);

/// Takes away the keys of those for whom the opposite has happened since: what was deleted, restored and is deleted again
/// is no repetition. Events that tell their time need this not; their contents differ.
const FORGET: Sql = Sql::either(
    "DELETE FROM gateway_dedup WHERE key IN (
         SELECT d.key FROM json_each($1) AS k
         CROSS JOIN gateway_dedup AS d ON d.key = unhex(k.value->>'key')
         CROSS JOIN gateway_events AS seen ON seen.event_id = d.event_id
         CROSS JOIN gateway_events AS undone ON undone.subject = seen.subject AND undone.id > seen.id
         WHERE undone.account = seen.account AND undone.kind = k.value->>'undone_by')",
    "DELETE FROM gateway_dedup WHERE key IN (
         SELECT d.key FROM json_to_recordset($1::json) AS k (key text, undone_by text)
         JOIN gateway_dedup AS d ON d.key = decode(k.key, 'hex')
         JOIN gateway_events AS seen ON seen.event_id = d.event_id
         JOIN gateway_events AS undone ON undone.subject = seen.subject AND undone.id > seen.id
         WHERE undone.account = seen.account AND undone.kind = k.undone_by)",
);

/// What undoes an event that does not tell when its entity changed.
pub(super) fn undone_by(event: &NewEvent) -> Option<String> {
    let (entity, action) = event.kind.split_once('.')?;
    let opposite = match action {
        _ if event.occurred_at.is_some() => return None,
        "delete" => "restore",
        "restore" => "delete",
        _ => return None,
    };
    Some(format!("{entity}.{opposite}"))
}

/// Everything that was not here before. Events and jobs are numbered after the lanes are locked, so that numbers within a
/// lane are given in the order of commits: a replay goes by those of the events. On SQLite the numbers of a statement's rows are consecutive, and nobody else
/// writes: so they are known from the last.
const STORE: Sql = Sql::either(
    "INSERT INTO gateway_requests (account, request_id, content_type, body, digest, problem, duplicate_of, received_at)
     SELECT r.value->>'account', r.value->>'request_id', r.value->>'content_type',
         coalesce(CAST(r.value->>'text' AS BLOB), unhex(r.value->>'hex')), r.value->>'digest', r.value->>'problem',
         r.value->>'duplicate_of', $1
     FROM json_each($2) AS r ORDER BY r.key;
     INSERT INTO gateway_events (request, event_id, account, kind, subject, account_id, pipeline_id, status_id,
         occurred_at, received_at, envelope)
     SELECT coalesce(e.value->>'kept',
             (SELECT max(id) FROM gateway_requests) + 1 - json_array_length($2) + (e.value->>'request')),
         e.value->>'event_id', e.value->>'account', e.value->>'kind', e.value->>'subject', e.value->>'account_id',
         e.value->>'pipeline_id', e.value->>'status_id', e.value->>'occurred_at', $1, e.value->>'envelope'
     FROM json_each($3) AS e ORDER BY e.key;
     INSERT INTO lanes (lane, depth)
     SELECT w.value->>'lane', w.value->>'many' FROM json_each($4) AS w WHERE w.value->>'nth' = 0
     ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + excluded.depth;
     INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
     SELECT 'gateway/' || (w.value->>'subscriber'), w.value->>'lane',
         CAST((SELECT max(id) FROM gateway_events) + 1 - json_array_length($3) + (w.value->>'event') AS TEXT),
         CASE WHEN w.value->>'nth' > 0 OR lanes.depth > w.value->>'many' THEN 1 ELSE 0 END, $1, $1
     FROM json_each($4) AS w CROSS JOIN lanes ON lanes.lane = w.value->>'lane' ORDER BY w.key;
     INSERT INTO gateway_deliveries (event, subscriber, job)
     SELECT (SELECT max(id) FROM gateway_events) + 1 - json_array_length($3) + (w.value->>'event'),
         w.value->>'subscriber', (SELECT max(id) FROM jobs) + 1 - json_array_length($4) + w.key
     FROM json_each($4) AS w;
     SELECT max(id) + 1 - json_array_length($2) AS id FROM gateway_requests",
    "WITH requests AS MATERIALIZED (
         SELECT nextval('gateway_requests_id_seq') AS id, asked.*
         FROM (SELECT * FROM json_to_recordset($2::json) AS r (n bigint, account text, request_id text,
                   content_type text, text text, hex text, digest text, problem text, duplicate_of text)
               ORDER BY n) AS asked),
     ways AS MATERIALIZED (
         SELECT * FROM json_to_recordset($4::json) AS w (n bigint, event bigint, subscriber text, lane text, nth bigint,
             many bigint)),
     heads AS (
         INSERT INTO lanes (lane, depth) SELECT lane, many FROM ways WHERE nth = 0 ORDER BY lane COLLATE \"C\"
         ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + excluded.depth
         RETURNING lane, depth),
     events AS MATERIALIZED (
         SELECT nextval('gateway_events_id_seq') AS id, told.*
         FROM (SELECT e.*, coalesce(e.kept, requests.id) AS request_row
               FROM json_to_recordset($3::json) AS e (n bigint, request bigint, kept bigint, event_id text, account text, kind text,
                   subject text, account_id bigint, pipeline_id bigint, status_id bigint, occurred_at bigint,
                   envelope text)
               LEFT JOIN requests ON requests.n = e.request
               WHERE (SELECT count(*) FROM heads) >= 0 ORDER BY e.n) AS told),
     work AS MATERIALIZED (
         SELECT nextval('jobs_id_seq') AS id, way.*
         FROM (SELECT ways.*, events.id AS event_row, heads.depth
               FROM ways JOIN heads ON heads.lane = ways.lane JOIN events ON events.n = ways.event
               ORDER BY ways.n) AS way),
     kept AS (
         INSERT INTO gateway_requests (id, account, request_id, content_type, body, digest, problem, duplicate_of,
             received_at)
         SELECT id, account, request_id, content_type, coalesce(convert_to(text, 'UTF8'), decode(hex, 'hex')), digest,
             problem, duplicate_of, $1
         FROM requests),
     made AS (
         INSERT INTO gateway_events (id, request, event_id, account, kind, subject, account_id, pipeline_id, status_id,
             occurred_at, received_at, envelope)
         SELECT id, request_row, event_id, account, kind, subject, account_id, pipeline_id, status_id, occurred_at, $1,
             envelope
         FROM events),
     queued AS (
         INSERT INTO jobs (id, kind, lane, payload, waiting, due_at, created_at)
         SELECT id, 'gateway/' || subscriber, lane, event_row::text,
             CASE WHEN nth > 0 OR depth > many THEN 1 ELSE 0 END, $1, $1
         FROM work),
     sent AS (
         INSERT INTO gateway_deliveries (event, subscriber, job) SELECT event_row, subscriber, id FROM work)
     SELECT id FROM requests ORDER BY n",
);

/// The places of an event: its request in the group, and its own in the request.
type Place = (usize, usize);

/// What the database said of the group before anything was stored.
#[derive(Default)]
struct Known {
    now: i64,
    version: i64,
    /// Requests that were here before, with the events that they made then.
    repeats: HashMap<usize, Vec<String>>,
    /// Whose each key is.
    owners: HashMap<String, String>,
}

impl Operation for Accept {
    type Output = Vec<Acceptance>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Acceptance>> {
        let known = self.reserve(tx).await?;
        if known.version != self.version {
            return Ok(vec![Acceptance::RegistryChanged; self.requests.len()]);
        }
        let taken = self.judge(&known);
        let mut fresh: Vec<(Place, &NewEvent)> = Vec::new();
        for (request, (new, taken)) in self.requests.iter().zip(&taken).enumerate() {
            for (place, (event, taken)) in new.events.iter().zip(taken).enumerate() {
                if !taken.duplicate {
                    fresh.push(((request, place), event));
                }
            }
        }
        let changes = self.changes(tx, known.now, &fresh).await?;
        let first = self.store(tx, &known, &taken, &fresh, &changes).await?;
        for (new, taken) in self.requests.iter().zip(&taken) {
            let duplicates = taken.iter().filter(|it| it.duplicate).count();
            let events = taken.len() - duplicates;
            let (events, duplicates) = (count(events), count(duplicates));
            if self.kept.is_some() {
                tallies::understood(tx, known.now, &new.account, events, duplicates);
                continue;
            }
            tallies::came(
                tx,
                known.now,
                &new.account,
                events,
                duplicates,
                new.problem.is_none(),
            );
        }
        Ok(first
            .into_iter()
            .zip(taken)
            .map(|(request, events)| Acceptance::Stored { request, events })
            .collect())
    }
}

fn count(many: usize) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}

impl Accept {
    async fn reserve(&self, tx: &mut Tx) -> Result<Known> {
        let now = tx.known_now().await?;
        let mut asked = Vec::new();
        // The first of a key takes it for all of the group; sorted, because everybody takes them in one order.
        let mut keys: BTreeMap<String, KeyRow<'_>> = BTreeMap::new();
        for (n, new) in self.requests.iter().enumerate() {
            if self.kept.is_none() {
                asked.push(AskedRow::of(n, new));
            }
            for event in &new.events {
                let key = hex(&event.dedup.key);
                keys.entry(key.clone()).or_insert(KeyRow {
                    n,
                    key,
                    event_id: &event.event_id,
                    window: micros(event.dedup.window),
                    undone_by: undone_by(event),
                });
            }
        }
        let keys: Vec<_> = keys.into_values().collect();
        let undoable: Vec<_> = keys.iter().filter(|key| key.undone_by.is_some()).collect();
        if !undoable.is_empty() {
            tx.query(FORGET).bind(json(&undoable)?).execute().await?;
        }
        let rows = tx
            .query(RESERVE)
            .bind(now)
            .bind(self.version)
            .bind(json(&asked)?)
            .bind(json(&keys)?)
            .fetch_all()
            .await?;
        let mut known = Known::default();
        for row in rows {
            match row.text("what")?.as_str() {
                "registry" => {
                    known.now = row.int("number")?;
                    known.version = row.int("value")?;
                }
                "repeat" => {
                    let request = usize::try_from(row.int("number")?).unwrap_or(usize::MAX);
                    let events = known.repeats.entry(request).or_default();
                    events.extend(row.opt_text("event_id")?);
                }
                _ => {
                    let owner = row.opt_text("event_id")?.unwrap_or_default();
                    known
                        .owners
                        .insert(row.opt_text("key")?.unwrap_or_default(), owner);
                }
            }
        }
        Ok(known)
    }

    /// What becomes of each event.
    fn judge(&self, known: &Known) -> Vec<Vec<Taken>> {
        let mut made = BTreeSet::new();
        let mut taken = Vec::with_capacity(self.requests.len());
        for (n, new) in self.requests.iter().enumerate() {
            let repeated = known.repeats.get(&n);
            let mut events = Vec::with_capacity(new.events.len());
            for (place, event) in new.events.iter().enumerate() {
                let owner = known.owners.get(&hex(&event.dedup.key));
                let is_owner = owner == Some(&event.event_id);
                // An id that is there twice would be a bug of the caller's; the second is a duplicate.
                if repeated.is_none() && is_owner && made.insert(&event.event_id) {
                    events.push(Taken {
                        event_id: event.event_id.clone(),
                        duplicate: false,
                    });
                    continue;
                }
                let original = match repeated {
                    Some(originals) if originals.len() == new.events.len() => originals.get(place),
                    Some(originals) => originals.first(),
                    None => owner,
                };
                events.push(Taken {
                    event_id: original.unwrap_or(&event.event_id).clone(),
                    duplicate: true,
                });
            }
            taken.push(events);
        }
        taken
    }

    async fn store(
        &self,
        tx: &mut Tx,
        known: &Known,
        taken: &[Vec<Taken>],
        fresh: &[(Place, &NewEvent)],
        changes: &HashMap<Place, BTreeSet<String>>,
    ) -> Result<Vec<i64>> {
        let mut requests = Vec::with_capacity(self.requests.len());
        for (n, (new, taken)) in self.requests.iter().zip(taken).enumerate() {
            let duplicates: Vec<&str> = taken
                .iter()
                .filter(|it| it.duplicate)
                .map(|it| it.event_id.as_str())
                .collect();
            if self.kept.is_none() {
                requests.push(RequestRow::of(n, new, &duplicates));
            }
        }
        let mut events = Vec::with_capacity(fresh.len());
        let mut routes: Vec<RouteRow<'_>> = Vec::new();
        for (n, &((request, place), event)) in fresh.iter().enumerate() {
            let account = &self.requests[request].account;
            events.push(EventRow::of(n, (request, self.kept), account, event));
            let mut subscribers = BTreeSet::new();
            for route in &event.routes {
                let is_wanted = is_wanted(route, changes.get(&(request, place)));
                if is_wanted && subscribers.insert(&route.subscriber) {
                    let (subscriber, lane) = (&route.subscriber, &route.lane);
                    routes.push(RouteRow::of(routes.len(), n, subscriber, lane));
                }
            }
        }
        line_up(&mut routes);
        for route in &routes {
            tx.count(depth_counter(&job_kind(&route.subscriber)), 1);
        }
        let rows = tx
            .query(STORE)
            .bind(known.now)
            .bind(json(&requests)?)
            .bind(json(&events)?)
            .bind(json(&routes)?)
            // All rows, so that all statements run.
            .fetch_all()
            .await?;
        if !routes.is_empty() {
            tx.work_is_due();
        }
        if let Some(kept) = self.kept {
            return Ok(vec![kept]);
        }
        let mut ids = rows
            .iter()
            .map(|row| row.int("id"))
            .collect::<Result<Vec<_>>>()?;
        if tx.is_sqlite()
            && let Some(&first) = ids.first()
        {
            ids = (first..).take(self.requests.len()).collect();
        }
        if ids.len() == self.requests.len() {
            Ok(ids)
        } else {
            Err(StoreError::internal(
                "a webhook was not stored with its group",
            ))
        }
    }

    /// Which fields of each event's entity are not as they were seen last; the present ones are kept. Nothing for events
    /// that tell no fields.
    async fn changes(
        &self,
        tx: &mut Tx,
        now: i64,
        fresh: &[(Place, &NewEvent)],
    ) -> Result<HashMap<Place, BTreeSet<String>>> {
        type Fields = BTreeMap<String, u64>;
        let mut entities: BTreeMap<[String; 2], Fields> = BTreeMap::new();
        let entity = |(request, _): &Place, subject: &str| {
            [&self.requests[*request].account, subject].map(|text| plain(text).into_owned())
        };
        for (place, event) in fresh {
            if let (Some(_), Some(subject)) = (&event.fields, &event.subject) {
                entities.insert(entity(place, subject), Fields::new());
            }
        }
        let mut changes = HashMap::new();
        if entities.is_empty() {
            return Ok(changes);
        }
        let places: Vec<_> = entities.keys().collect();
        let rows = tx
            .query(LOOK)
            .bind(json(&places)?)
            .bind(now)
            .fetch_all()
            .await?;
        for row in rows {
            let entity = [row.text("account")?, row.text("subject")?];
            if let Some(fields) = entities.get_mut(&entity) {
                *fields = row.json("fields")?;
            }
        }
        for (place, event) in fresh {
            let (Some(fields), Some(subject)) = (&event.fields, &event.subject) else {
                continue;
            };
            let Some(seen) = entities.get_mut(&entity(place, subject)) else {
                continue;
            };
            let names = seen.keys().chain(fields.keys());
            let differing = names.filter(|&name| seen.get(name) != fields.get(name));
            changes.insert(*place, differing.cloned().collect());
            seen.clone_from(fields);
        }
        let rows: Vec<_> = entities
            .into_iter()
            .map(|([account, subject], fields)| {
                [account, subject, serde_json::json!(fields).to_string()]
            })
            .collect();
        tx.query(KEEP).bind(json(&rows)?).execute().await?;
        Ok(changes)
    }
}

/// The entities' fields as they were; those of one that was never seen are none. On PostgreSQL their rows stay locked
/// until the commit, and are locked in one order by everybody.
const LOOK: Sql = Sql::either(
    "INSERT INTO gateway_entities (account, subject, fields, seen_at)
     SELECT e.value->>0, e.value->>1, '{}', $2 FROM json_each($1) AS e WHERE true
     ON CONFLICT (account, subject) DO UPDATE SET seen_at = excluded.seen_at
     RETURNING account, subject, fields",
    "INSERT INTO gateway_entities (account, subject, fields, seen_at)
     SELECT e.value->>0, e.value->>1, '{}', $2
     FROM json_array_elements($1::json) AS e (value)
     ORDER BY (e.value->>0) COLLATE \"C\", (e.value->>1) COLLATE \"C\"
     ON CONFLICT (account, subject) DO UPDATE SET seen_at = excluded.seen_at
     RETURNING account, subject, fields",
);

const KEEP: Sql = Sql::either(
    "UPDATE gateway_entities SET fields = e.value->>2 FROM json_each($1) AS e
     WHERE account = e.value->>0 AND subject = e.value->>1",
    "UPDATE gateway_entities SET fields = e.value->>2 FROM json_array_elements($1::json) AS e (value)
     WHERE account = e.value->>0 AND subject = e.value->>1",
);

fn is_wanted(route: &Route, changed: Option<&BTreeSet<String>>) -> bool {
    match changed {
        Some(changed) if !route.changed.is_empty() => {
            route.changed.iter().any(|field| changed.contains(field))
        }
        _ => true,
    }
}

/// Tells each job its place among those of its lane.
fn line_up(routes: &mut [RouteRow<'_>]) {
    let mut lanes: HashMap<String, usize> = HashMap::new();
    for route in routes.iter_mut() {
        let many = lanes.entry(route.lane.to_string()).or_default();
        route.nth = *many;
        *many += 1;
    }
    for route in routes.iter_mut() {
        route.many = lanes.get(route.lane.as_ref()).copied().unwrap_or(1);
    }
}

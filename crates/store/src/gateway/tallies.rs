//! Sums per hour, kept by the transactions that change the rows: what is shown and scraped counts no table.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Gateway;
use crate::clock::instant;
use crate::db::{Sql, Tx};
use crate::error::Result;

/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;

/// The longest range that is read: what [retention](Gateway::sweep) may keep, and a page can show.
const MAX_HOURS: u32 = 24 * 400;

/// The lags that are told apart, in milliseconds: each stands for those up to it and above the one before.
pub const LAGS_MS: [u64; 17] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
    7_200_000, 43_200_000, 86_400_000,
];

const REQUESTS: &str = "received";
const EVENTS: &str = "events";
const DUPLICATES: &str = "duplicates";
const UNPARSED: &str = "unparsed";
const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";
const DEAD: &str = "dead";
const LAG: &str = "lag";
/// One measure per lag, with its place in [`LAGS_MS`]; the last is for the longer ones.
const BUCKETS: [&str; LAGS_MS.len() + 1] = [
    "lag.00", "lag.01", "lag.02", "lag.03", "lag.04", "lag.05", "lag.06", "lag.07", "lag.08",
    "lag.09", "lag.10", "lag.11", "lag.12", "lag.13", "lag.14", "lag.15", "lag.16", "lag.17",
];

/// What a transaction adds to the sums: hour, measure, key.
pub(crate) type Hourly = BTreeMap<(i64, &'static str, String), i64>;

/// The sums of some hours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayTallies {
    /// When they were read.
    pub at: DateTime<Utc>,
    /// What came in, by hour and account, oldest first.
    pub accounts: Vec<AccountTally>,
    /// What went out, by hour and subscriber, oldest first.
    pub subscribers: Vec<SubscriberTally>,
}

/// What came from an account within an hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AccountTally {
    /// When the hour began.
    pub hour: DateTime<Utc>,
    /// Its name in the service's settings.
    pub account: String,
    /// Webhooks that were stored.
    pub received: u64,
    /// Events in them that were new.
    pub events: u64,
    /// Events in them that had been here before.
    pub duplicates: u64,
    /// Webhooks that were not understood, or not wholly.
    pub unparsed: u64,
}

/// What went to a subscriber within an hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SubscriberTally {
    /// When the hour began.
    pub hour: DateTime<Utc>,
    /// Its name.
    pub subscriber: String,
    /// Events that it has got.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Events that became dead letters.
    pub dead: u64,
    /// How long the delivered ones took from being accepted, added up.
    pub lag_sum: Duration,
    /// The delivered ones by how long they took: as many as [`LAGS_MS`], and the longer ones.
    pub lags: [u64; LAGS_MS.len() + 1],
}

impl Gateway {
    /// The sums of the last hours, the present one included: 1 to 9,600. Hours without any are left out.
    pub async fn tallies(&self, hours: u32) -> Result<GatewayTallies> {
        let mut tx = self.inner.db.read().await?;
        let now = tx.now().await?;
        let first = now.div_euclid(HOUR) - i64::from(hours.clamp(1, MAX_HOURS)) + 1;
        let rows = tx
            .query(
                "SELECT hour, measure, key, CAST(sum(value) AS BIGINT) AS value FROM gateway_tallies
                 WHERE hour >= $1 GROUP BY hour, measure, key ORDER BY hour, measure, key",
            )
            .bind(first)
            .fetch_all()
            .await?;
        let mut accounts: BTreeMap<(i64, String), AccountTally> = BTreeMap::new();
        let mut subscribers: BTreeMap<(i64, String), SubscriberTally> = BTreeMap::new();
        for row in rows {
            let (hour, measure) = (row.int("hour")?, row.text("measure")?);
            let place = (hour, row.text("key")?);
            let value = u64::try_from(row.int("value")?).unwrap_or(0);
            if [REQUESTS, EVENTS, DUPLICATES, UNPARSED].contains(&measure.as_str()) {
                accounts.entry(place).or_default().add(&measure, value);
            } else {
                subscribers.entry(place).or_default().add(&measure, value);
            }
        }
        Ok(GatewayTallies {
            at: instant(now),
            accounts: accounts
                .into_iter()
                .map(|((hour, account), tally)| AccountTally {
                    hour: instant(hour * HOUR),
                    account,
                    ..tally
                })
                .collect(),
            subscribers: subscribers
                .into_iter()
                .map(|((hour, subscriber), tally)| SubscriberTally {
                    hour: instant(hour * HOUR),
                    subscriber,
                    ..tally
                })
                .collect(),
        })
    }
}

impl AccountTally {
    fn add(&mut self, measure: &str, value: u64) {
        match measure {
            REQUESTS => self.received = value,
            EVENTS => self.events = value,
            DUPLICATES => self.duplicates = value,
            _ => self.unparsed = value,
        }
    }
}

impl SubscriberTally {
    fn add(&mut self, measure: &str, value: u64) {
        match measure {
            DELIVERED => self.delivered = value,
            FAILED => self.failed = value,
            DEAD => self.dead = value,
            LAG => self.lag_sum = Duration::from_micros(value),
            bucket => {
                if let Some(place) = BUCKETS.iter().position(|&it| it == bucket) {
                    self.lags[place] = value;
                }
            }
        }
    }
}

/// What a webhook adds to the sums of its account.
pub(super) fn came(
    tx: &mut Tx,
    now: i64,
    account: &str,
    events: i64,
    duplicates: i64,
    is_parsed: bool,
) {
    let hour = now.div_euclid(HOUR);
    tx.hourly(hour, REQUESTS, account, 1);
    tx.hourly(hour, EVENTS, account, events);
    tx.hourly(hour, DUPLICATES, account, duplicates);
    tx.hourly(hour, UNPARSED, account, i64::from(!is_parsed));
}

/// Notes events of a webhook that came long ago and is understood now.
pub(super) fn understood(tx: &mut Tx, now: i64, account: &str, events: i64, duplicates: i64) {
    let hour = now.div_euclid(HOUR);
    tx.hourly(hour, EVENTS, account, events);
    tx.hourly(hour, DUPLICATES, account, duplicates);
}

pub(super) fn delivered(tx: &mut Tx, now: i64, subscriber: &str, lag: i64) {
    let hour = now.div_euclid(HOUR);
    let lag = lag.max(0);
    let millis = u64::try_from(lag).unwrap_or(0).div_ceil(1000);
    let bucket = LAGS_MS.partition_point(|&up_to| up_to < millis);
    tx.hourly(hour, DELIVERED, subscriber, 1);
    tx.hourly(hour, LAG, subscriber, lag);
    tx.hourly(hour, BUCKETS[bucket], subscriber, 1);
}

pub(super) fn failed(tx: &mut Tx, now: i64, subscriber: &str) {
    tx.hourly(now.div_euclid(HOUR), FAILED, subscriber, 1);
}

/// Notes a dead letter, whoever has buried it.
pub(crate) fn dead(tx: &mut Tx, now: i64, subscriber: &str) {
    tx.hourly(now.div_euclid(HOUR), DEAD, subscriber, 1);
}

/// Writes the sums in one statement, in the order of their keys, as everybody does. Several rows per sum on PostgreSQL,
/// so that commits do not queue behind one row.
pub(crate) async fn flush(tx: &mut Tx, hourly: Hourly, shard: i64) -> Result<()> {
    let rows: Vec<_> = hourly
        .into_iter()
        .filter(|&(_, delta)| delta != 0)
        .map(|((hour, measure, key), delta)| {
            json!({"hour": hour, "measure": measure, "key": key, "value": delta})
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = Sql::either(
        "INSERT INTO gateway_tallies (hour, measure, key, shard, value)
         SELECT t.value->>'hour', t.value->>'measure', t.value->>'key', $2, t.value->>'value'
         FROM json_each($1) AS t WHERE true
         ON CONFLICT (hour, measure, key, shard) DO UPDATE SET value = gateway_tallies.value + excluded.value",
        "INSERT INTO gateway_tallies (hour, measure, key, shard, value)
         SELECT hour, measure, key, $2, value
         FROM json_to_recordset($1::json) AS t (hour bigint, measure text, key text, value bigint)
         ORDER BY hour, measure COLLATE \"C\", key COLLATE \"C\"
         ON CONFLICT (hour, measure, key, shard) DO UPDATE SET value = gateway_tallies.value + excluded.value",
    );
    tx.query(sql)
        .bind(serde_json::Value::from(rows).to_string())
        .bind(shard)
        .execute()
        .await?;
    Ok(())
}

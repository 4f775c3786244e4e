//! Sums that are kept while rows change, so that reading them costs nothing. See [`Tx::count`](crate::db::Tx::count).

use std::collections::BTreeMap;

use serde_json::json;

use crate::db::{Sql, Tx};
use crate::error::Result;

pub(crate) async fn read(tx: &mut Tx, name: &str) -> Result<u64> {
    let sum = tx
        .query(
            "SELECT CAST(coalesce(sum(value), 0) AS BIGINT) AS value FROM counters WHERE name = $1",
        )
        .bind(name)
        .fetch_one()
        .await?
        .int("value")?;
    Ok(u64::try_from(sum).unwrap_or(0))
}

/// Writes all of them in one statement, in the order of their names, as everybody does.
pub(crate) async fn flush(tx: &mut Tx, counts: BTreeMap<String, i64>, shard: i64) -> Result<()> {
    let rows: Vec<_> = counts
        .into_iter()
        .filter(|&(_, delta)| delta != 0)
        .map(|(name, delta)| json!({"name": name, "value": delta}))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = Sql::either(
        "INSERT INTO counters (name, shard, value)
         SELECT c.value->>'name', $2, c.value->>'value' FROM json_each($1) AS c WHERE true
         ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value",
        "INSERT INTO counters (name, shard, value)
         SELECT name, $2, value FROM json_to_recordset($1::json) AS c (name text, value bigint)
         ORDER BY name COLLATE \"C\"
         ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value",
    );
    tx.query(sql)
        .bind(serde_json::Value::from(rows).to_string())
        .bind(shard)
        .execute()
        .await?;
    Ok(())
}

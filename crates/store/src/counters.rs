//! Sums that are kept while rows change, so that reading them costs nothing. See [`Tx::count`](crate::db::Tx::count).

use crate::db::Tx;
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

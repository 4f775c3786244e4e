//! The parts that `GET /health` tells of.

use connection::{database_part, disk_part, float};
use service_kit::health::{Finding, Health};
use store::Store;

use crate::account::{Accounts, Standing, last_seen};

/// The database has to take writes, or webhooks cannot be taken: 503. Everything else may be away, events wait.
pub(crate) fn health(store: &Store, accounts: &Accounts) -> Health {
    let health = database_part(Health::new(), store);
    let (seen_store, accounts) = (store.clone(), accounts.clone());
    let health = health.uses("subscription", move || {
        let (store, accounts) = (seen_store.clone(), accounts.clone());
        async move { subscription(&store, &accounts).await }
    });
    disk_part(health, store)
}

/// What the last look at the subscriptions in amoCRM found; nobody is asked here.
async fn subscription(store: &Store, accounts: &Accounts) -> Result<Finding, Finding> {
    let mut bad = Vec::new();
    let mut active = 0;
    for account in accounts.iter() {
        match last_seen(store, &account.name).await {
            Ok(Some(seen)) if seen.standing == Standing::Active => active += 1,
            Ok(Some(seen)) => bad.push(format!("{}: {}", account.name, seen.detail)),
            // Whoever subscribes by hand, or has not begun, is told by the doctor.
            Ok(None) => {}
            Err(error) => return Err(Finding::new(error.to_string())),
        }
    }
    let figure = |finding: Finding| finding.figure("active", float(active));
    if bad.is_empty() {
        let text = match active {
            0 => "not watched: PUBLIC_URL is unset, or nothing was subscribed yet".to_owned(),
            active => format!("amoCRM sends from {active} accounts"),
        };
        return Ok(figure(Finding::new(text)));
    }
    Err(figure(Finding::new(bad.join("; "))))
}

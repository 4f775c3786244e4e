//! An export that is repeated: `cargo run --example export_changes`.
//!
//! The first run takes everything, the second only what has changed since. Store the cursor with the data.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::{Emulator, Seed};
use amocrm_sdk::Client;
use amocrm_sdk::entity::ExportCursor;
use amocrm_sdk::leads::NewLead;
use chrono::{DateTime, TimeDelta};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::builder().seed(Seed::Empty).start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    // Imported, so that they have changed an hour ago: what is younger than two seconds comes with the next export.
    let now = DateTime::from_timestamp(emulator.now(), 0).unwrap_or_default();
    let an_hour_ago = now - TimeDelta::hours(1);
    let leads = (0..300).map(|number| {
        NewLead::new()
            .name(format!("Заявка {number}"))
            .updated_at(an_hour_ago)
    });
    let leads = client.leads().create(leads).await?;

    let mut changes = client.leads().list().updated_since(ExportCursor::start());
    let mut count = 0;
    while let Some(_lead) = changes.try_next().await? {
        count += 1;
    }
    let cursor = changes.cursor().clone();
    println!("{count} leads, up to {:?}", cursor.updated_at());
    anyhow::ensure!(count == 300);

    let later = now - TimeDelta::minutes(10);
    let changed = client.leads().update(leads[7].id).price(125_000);
    changed.updated_at(later).await?;
    let mut changes = client.leads().list().updated_since(cursor);
    let mut changed = Vec::new();
    while let Some(lead) = changes.try_next().await? {
        changed.push(lead.id);
    }
    println!("changed since: {changed:?}");
    anyhow::ensure!(changed == [leads[7].id]);
    Ok(())
}

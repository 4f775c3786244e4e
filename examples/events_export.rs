//! What happened in the account, from its feed: `cargo run --example events_export`.
//!
//! The feed tells who changed what and when, with the values before and after.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::events::{EventFilter, EventType, EventValue};
use amocrm_sdk::leads::{NewLead, WON};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let lead = client
        .leads()
        .create([NewLead::new().name("Заявка")])
        .await?[0]
        .id;
    client.leads().update(lead).price(125_000).await?;
    client.leads().update(lead).status(WON).await?;

    let filter = EventFilter::new()
        .of(lead)
        .types([EventType::LeadAdded, EventType::LeadStatusChanged]);
    let mut events = client.events().list().filter(filter).stream();
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await? {
        println!(
            "{:?} {} by {:?}",
            event.created_at, event.event_type, event.created_by
        );
        if let Some(EventValue::LeadStatus { status_id, .. }) = event.value_after.first() {
            println!("  now in status {status_id}");
        }
        seen.push(event.event_type);
    }
    anyhow::ensure!(seen.contains(&EventType::LeadAdded));
    anyhow::ensure!(seen.contains(&EventType::LeadStatusChanged));
    Ok(())
}

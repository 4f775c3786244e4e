//! Filters, order and streams: `cargo run --example list_leads`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::entity::Direction;
use amocrm_sdk::leads::{LeadFilter, LeadOrder, LeadWith, NewLead};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    // 400 leads in two requests: amoCRM takes 250 at a time.
    let leads = (1..=400).map(|n| NewLead::new().name(format!("Заявка {n}")).price(n * 1_000));
    let created = client.leads().create(leads).await?;
    println!("created {} leads", created.len());

    // A list is streamed: pages are asked for while you read.
    let expensive = LeadFilter::new()
        .price(390_000..)
        .ids(created.iter().map(|lead| lead.id));
    let mut stream = client
        .leads()
        .list()
        .filter(expensive)
        .order(LeadOrder::Id, Direction::Descending)
        .with([LeadWith::Contacts])
        .stream();
    let mut count = 0;
    while let Some(lead) = stream.try_next().await? {
        count += 1;
        println!("{} {:>9} ₽ {}", lead.id, lead.price.unwrap_or(0), lead.name);
    }
    anyhow::ensure!(count == 11, "expected 11 expensive leads, read {count}");

    // An empty collection, which amoCRM answers with 204, is an empty list.
    let none = client
        .leads()
        .list()
        .filter(LeadFilter::new().price(..0))
        .all()
        .await?;
    println!("{} leads cost less than nothing", none.len());
    Ok(())
}

//! Many tasks, few requests: `cargo run --example batcher`.
//!
//! A thousand tasks change one lead each, as if each were alone; the batcher sends four requests.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::time::Duration;

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::batcher::BatchPolicy;
use amocrm_sdk::leads::NewLead;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let leads = (0..1_000).map(|number| NewLead::new().name(format!("Заявка {number}")));
    let leads = client.leads().create(leads).await?;
    emulator.clear_requests();

    // `client.batcher()` waits a few milliseconds for company. A full batch leaves at once, so a longer window costs nothing
    // here, and even a busy machine starts a thousand tasks in it.
    let policy = BatchPolicy::default().window(Duration::from_millis(500));
    let batcher = client.batcher_with(policy);
    let tasks: Vec<_> = leads
        .iter()
        .map(|lead| {
            let (leads, id) = (batcher.leads(), lead.id);
            tokio::spawn(async move { leads.update(id).price(1_000).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let requests = emulator.requests().len();
    println!("1000 updates, {requests} requests");
    anyhow::ensure!(requests == 4);
    Ok(())
}

//! What can go wrong, and what to do about it: `cargo run --example errors`.
//!
//! A lost answer, a refused item, a missing entity.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::{Emulator, Fault, Seed};
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::{Client, Delivery, ErrorKind, LeadId, PipelineId};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::builder().seed(Seed::Empty).start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    // amoCRM acts, and the answer gets lost: a create is not repeated by itself.
    emulator.fault(Fault::drop_after_commit());
    let lost = client.leads().create([NewLead::new().name("Заявка")]).await;
    let Err(lost) = lost else {
        anyhow::bail!("the answer was not lost")
    };
    println!("{lost}: {:?}", lost.delivery());
    anyhow::ensure!(lost.delivery() == Delivery::Unknown);
    let there = client.leads().list().all().await?;
    println!("so look first: leads there: {}", there.len());

    // A refusal names the item and the field; nothing of the batch is stored.
    let wrong = NewLead::new().name("Заявка").pipeline(PipelineId::new(1));
    let Err(refused) = client.leads().create([NewLead::new(), wrong]).await else {
        anyhow::bail!("a pipeline that is not there was taken")
    };
    println!("{refused}");
    anyhow::ensure!(refused.kind() == ErrorKind::Validation);
    anyhow::ensure!(!refused.is_transient() && refused.delivery() == Delivery::Answered);
    for error in refused.validation_errors() {
        println!("  {error:?}");
    }

    // What is not there is no error.
    anyhow::ensure!(client.leads().get(LeadId::new(1)).await?.is_none());
    Ok(())
}

//! From nothing to a deal in amoCRM: `cargo run --example quickstart`.
//!
//! It starts an emulated amoCRM by itself. For your own account leave the emulator out and give the client your domain
//! and a long-lived token.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::fields::{EMAIL, PHONE, UTM_SOURCE};
use amocrm_sdk::leads::{ComplexLead, LeadWith, WON};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let account = client.account().get().await?;
    println!("connected to {} (account {})", account.name, account.id);

    let anna = NewContact::new()
        .name("Анна Петрова")
        .field(&PHONE, "+79001234567")
        .field(&EMAIL, "anna@example.com");
    let lead = ComplexLead::new()
        .name("Заявка с сайта")
        .price(125_000)
        .field(&UTM_SOURCE, "google")
        .tag("сайт")
        .new_contact(anna);
    let created = client.leads().create_complex([lead]).await?.remove(0);
    println!(
        "created lead {} with contact {:?}, in one request",
        created.lead_id, created.contact_id
    );

    let lead = client
        .leads()
        .get(created.lead_id)
        .with([LeadWith::Contacts])
        .await?;
    let lead = lead.ok_or_else(|| anyhow::anyhow!("the lead is not there"))?;
    let source = lead.custom_fields_values.get(&UTM_SOURCE)?;
    println!(
        "read back: {}, {} ₽, from {}",
        lead.name,
        lead.price.unwrap_or(0),
        source.unwrap_or_default()
    );

    client.leads().update(lead.id).status(WON).await?;
    let won = client
        .leads()
        .get(lead.id)
        .await?
        .and_then(|lead| lead.closed_at);
    println!(
        "won at {}",
        won.ok_or_else(|| anyhow::anyhow!("the lead is still open"))?
    );
    Ok(())
}

//! Customers who buy again: `cargo run --example customers`.
//!
//! A customer in periodicity mode, a purchase of theirs, and bonus points.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::customers::{CustomersMode, NewCustomer, NewTransaction};
use chrono::{DateTime, TimeDelta};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    client
        .customers()
        .set_mode(CustomersMode::Periodicity, true)
        .await?;
    let now = DateTime::from_timestamp(emulator.now(), 0).unwrap_or_default();
    let anna = NewCustomer::new("Анна Петрова")
        .next_date(now + TimeDelta::days(30))
        .next_price(50_000);
    let anna = client.customers().create([anna]).await?[0].id;

    let purchases = client.customers().transactions_of(anna);
    purchases
        .create([NewTransaction::new(125_000).comment("Бронь виллы")])
        .await?;
    let bought = purchases.list().all().await?;
    println!("{} purchase of {:?}", bought.len(), bought[0].price);
    anyhow::ensure!(bought.len() == 1);

    let points = client.customers().bonus_points(anna);
    points.earn(100).await?;
    let left = points.redeem(30).await?;
    println!("{left} points left");

    let anna = client.customers().get(anna).await?;
    let anna = anna.ok_or_else(|| anyhow::anyhow!("no such customer"))?;
    println!("{} has bought for {:?}", anna.name, anna.ltv);
    Ok(())
}

//! Lists, products and invoices: `cargo run --example invoices`.
//!
//! An invoice is an element of the account's list of invoices, linked to a lead.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::catalogs::{CatalogType, NewCatalog, NewCatalogElement};
use amocrm_sdk::fields::{InvoiceItem, Payer, invoice};
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::links::NewLink;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let mut catalogs = client.catalogs().list().stream();
    let mut invoices = None;
    while let Some(catalog) = catalogs.try_next().await? {
        println!(
            "{} {} ({:?})",
            catalog.id, catalog.name, catalog.catalog_type
        );
        if catalog.catalog_type == Some(CatalogType::Invoices) {
            invoices = Some(catalog.id);
        }
    }
    let invoices = if let Some(id) = invoices {
        id
    } else {
        let invoices = NewCatalog::new("Счета").catalog_type(CatalogType::Invoices);
        client.catalogs().create([invoices]).await?[0].id
    };

    let nights = InvoiceItem {
        description: Some("Ночь".into()),
        unit_price: Some(5_000.into()),
        quantity: Some(7.into()),
        ..InvoiceItem::default()
    };
    let payer = Payer {
        name: Some("Анна".into()),
        ..Payer::default()
    };
    let elements = client.catalog_elements(invoices);
    let made = elements
        .create([NewCatalogElement::new("Счёт 1")
            .field(&invoice::STATUS, invoice::InvoiceStatus::Created)
            .field(&invoice::PAYER, payer)
            .field(&invoice::ITEMS, nights)
            .field(&invoice::PRICE, 35_000)])
        .await?[0]
        .id;
    let lead = client
        .leads()
        .create([NewLead::new().name("Вилла")])
        .await?[0]
        .id;
    client
        .links(lead)
        .link([NewLink::element(invoices, made)])
        .await?;

    let read = elements.get(made).await?;
    let read = read.ok_or_else(|| anyhow::anyhow!("no such invoice"))?;
    let says = read.invoice()?;
    println!(
        "{}: {:?}, {} position",
        read.name,
        says.status,
        says.items.len()
    );
    anyhow::ensure!(says.items.len() == 1);
    anyhow::ensure!(client.links(lead).list().all().await?.len() == 1);
    Ok(())
}

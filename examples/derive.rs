//! Custom fields as a struct of your own: `cargo run --example derive`.
//!
//! The schema finds the account's fields once, and says at once what does not fit.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::schema::{CustomFieldEnum, CustomFields, Schema};

#[derive(Debug, Clone, PartialEq, CustomFields)]
#[amo(entity = "leads")]
struct DealFields {
    #[amo(code = "UTM_SOURCE")]
    utm_source: Option<String>,
    #[amo(name = "Объект")]
    object: Option<Object>,
    #[amo(name = "Стоимость объекта")]
    price: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, CustomFieldEnum)]
enum Object {
    #[amo(value = "Вилла")]
    Villa,
    #[amo(value = "Апартаменты")]
    Apartment,
    #[amo(other)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, CustomFields)]
#[amo(entity = "leads")]
struct Missing {
    #[amo(name = "Цвет крыши")]
    roof: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let schema = Schema::<DealFields>::load(&client).await?;
    let before = DealFields {
        utm_source: Some("google".into()),
        object: Some(Object::Villa),
        price: Some(125_000),
    };
    let lead = NewLead::new()
        .name("Вилла на Пхукете")
        .fields(schema.write(&before));
    let id = client.leads().create([lead]).await?[0].id;

    // Only what has changed travels: the source is cleared, the price left alone.
    let after = DealFields {
        utm_source: None,
        object: Some(Object::Apartment),
        ..before.clone()
    };
    client
        .leads()
        .update(id)
        .fields(schema.changes(&before, &after))
        .await?;
    let lead = client.leads().get(id).await?;
    let read = schema.read(&lead.ok_or_else(|| anyhow::anyhow!("no such lead"))?)?;
    println!("{read:?}");
    anyhow::ensure!(read == after);

    // A field that the account does not have.
    let Err(error) = Schema::<Missing>::load(&client).await else {
        anyhow::bail!("a field that is not there was found")
    };
    println!("{error}");
    Ok(())
}

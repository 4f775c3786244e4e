//! Custom fields: define, write, read, clear. `cargo run --example custom_fields`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::custom_fields::{FieldOwner, NewCustomField};
use amocrm_sdk::fields::kind::{Checkbox, DateTime, Multiselect, Numeric, Select};
use amocrm_sdk::fields::{Field, FieldType};
use amocrm_sdk::leads::NewLead;
use chrono::{TimeZone, Utc};

// Codes are the same in every account, ids are not.
const OBJECT: Field<Select> = Field::code("OBJECT");
const EXTRAS: Field<Multiselect> = Field::code("EXTRAS");
const COMMISSION: Field<Numeric> = Field::code("COMMISSION");
const VIEWING: Field<DateTime> = Field::code("VIEWING");
const PAID: Field<Checkbox> = Field::code("PAID");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let definitions = client.custom_fields(FieldOwner::Leads);
    let made = definitions
        .create([
            NewCustomField::new("Объект", FieldType::Select)
                .code("OBJECT")
                .options(["Вилла", "Студия"]),
            NewCustomField::new("Дополнительно", FieldType::Multiselect)
                .code("EXTRAS")
                .options(["Бассейн", "Паркинг"]),
            NewCustomField::new("Комиссия", FieldType::Numeric).code("COMMISSION"),
            NewCustomField::new("Показ", FieldType::DateTime).code("VIEWING"),
            NewCustomField::new("Оплачено", FieldType::Checkbox).code("PAID"),
        ])
        .await?;
    for field in &made {
        println!("{} {} ({})", field.id, field.name, field.field_type);
    }

    let viewing = Utc
        .with_ymd_and_hms(2026, 12, 1, 9, 30, 0)
        .single()
        .ok_or_else(|| anyhow::anyhow!("no such time"))?;
    let lead = NewLead::new()
        .name("Вилла на Пхукете")
        .field(&OBJECT, "Вилла")
        .field(&EXTRAS, ["Бассейн", "Паркинг"])
        .field(&COMMISSION, "3.5")
        .field(&VIEWING, viewing)
        .field(&PAID, true);
    let id = client.leads().create([lead]).await?[0].id;

    let fields = read(&client, id).await?;
    println!(
        "object {:?}, commission {:?}, paid {:?}",
        fields.get(&OBJECT)?,
        fields.get(&COMMISSION)?,
        fields.get(&PAID)?
    );
    anyhow::ensure!(fields.get(&VIEWING)? == Some(viewing), "the viewing moved");

    // What is not mentioned keeps its value; what is mentioned is replaced; `clear_field` empties.
    client
        .leads()
        .update(id)
        .field(&OBJECT, "Студия")
        .clear_field(&COMMISSION)
        .await?;
    let fields = read(&client, id).await?;
    println!(
        "now {:?}, commission {:?}, extras {:?}",
        fields.get(&OBJECT)?,
        fields.get(&COMMISSION)?,
        fields.get(&EXTRAS)?
    );
    anyhow::ensure!(fields.get(&COMMISSION)?.is_none() && fields.get(&EXTRAS)?.is_some());

    // A value that its field cannot hold is refused before anything is sent, and named.
    let Err(error) = client.leads().update(id).field(&COMMISSION, "много").await else {
        anyhow::bail!("a word was taken for a number")
    };
    println!("{error}");
    Ok(())
}

async fn read(
    client: &Client,
    id: amocrm_sdk::LeadId,
) -> anyhow::Result<amocrm_sdk::fields::CustomFieldValues> {
    let lead = client
        .leads()
        .get(id)
        .await?
        .ok_or_else(|| anyhow::anyhow!("the lead is not there"))?;
    Ok(lead.custom_fields_values)
}

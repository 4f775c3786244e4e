//! A careful lead: find the contact, check what was found, create the deal, leave a note, mind errors.
//! `cargo run --example create_lead`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::contacts::{Contact, NewContact};
use amocrm_sdk::fields::{PHONE, UTM_CAMPAIGN, UTM_SOURCE};
use amocrm_sdk::leads::{ComplexLead, NewLead};
use amocrm_sdk::notes::NewNote;
use amocrm_sdk::{Client, Delivery, ErrorKind, StatusId};

const CLIENT_PHONE: &str = "+79001234567";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    for visit in 1..=2 {
        let lead = ComplexLead::new()
            .name(format!("Заявка {visit}"))
            .field(&UTM_SOURCE, "yandex")
            .field(&UTM_CAMPAIGN, "spring")
            .tag("сайт");
        let lead = match find_by_phone(&client, CLIENT_PHONE).await? {
            Some(contact) => lead.contact(contact.id),
            None => lead.new_contact(NewContact::new().name("Анна").field(&PHONE, CLIENT_PHONE)),
        };
        let created = client.leads().create_complex([lead]).await?.remove(0);
        client
            .notes(created.lead_id)
            .create([NewNote::common("Просила перезвонить после шести")])
            .await?;
        println!(
            "visit {visit}: lead {} for contact {:?}",
            created.lead_id, created.contact_id
        );
    }
    let contacts = client.contacts().list().search("9001234567").all().await?;
    anyhow::ensure!(
        contacts.len() == 1,
        "one person became {} contacts",
        contacts.len()
    );

    // A refusal names item, field and reason. Nothing of the batch is stored.
    let batch = [
        NewLead::new().name("хорошая"),
        NewLead::new().name("плохая").status(StatusId::new(77)),
    ];
    let Err(error) = client.leads().create(batch).await else {
        anyhow::bail!("a wrong status was accepted")
    };
    anyhow::ensure!(
        error.kind() == ErrorKind::Validation && error.delivery() == Delivery::Answered
    );
    for refused in error.validation_errors() {
        println!(
            "refused: item {:?}, {}: {}",
            refused.item, refused.path, refused.code
        );
    }
    Ok(())
}

/// `search` finds substrings in any field, so what it finds is checked.
async fn find_by_phone(client: &Client, phone: &str) -> anyhow::Result<Option<Contact>> {
    let last_ten = &phone[phone.len() - 10..];
    let mut found = client.contacts().list().search(last_ten).stream();
    while let Some(contact) = found.try_next().await? {
        let phones = contact
            .custom_fields_values
            .get(&PHONE)?
            .unwrap_or_default();
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        };
        if phones
            .iter()
            .any(|held| digits(&held.value).ends_with(last_ten))
        {
            return Ok(Some(contact));
        }
    }
    Ok(None)
}

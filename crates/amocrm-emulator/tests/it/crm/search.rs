//! `query=`: what is found, by what, and from when on.

use std::time::Duration;

use amocrm_emulator::{Emulator, Seed};
use serde_json::json;

use super::client::Crm;

#[tokio::test]
async fn query_finds_names_values_and_phones_by_their_digits() {
    let crm = Crm::empty().await;
    let contact = crm
        .create(
            "contacts",
            json!({"name": "Анна Петрова", "custom_fields_values": [
                {"field_code": "PHONE", "values": [{"value": "+7 (900) 111-22-33"}]},
                {"field_code": "EMAIL", "values": [{"value": "Anna.Petrova@example.org"}]},
            ]}),
        )
        .await;
    crm.create("contacts", json!({"name": "Другой"})).await;
    let lead = crm
        .create(
            "leads",
            json!({"name": "Кухня", "_embedded": {"contacts": [{"id": contact}]}}),
        )
        .await;
    for found in [
        "анна",
        "ПЕТРОВА",
        "petrova@EXAMPLE",
        "9001112233",
        "%2B7900111",
        "900%20111-22",
    ] {
        assert_eq!(
            crm.ids(&format!("contacts?query={found}")).await,
            [contact],
            "{found}"
        );
    }
    // The country prefix matters.
    assert_eq!(crm.get("contacts?query=89001112233").await.0, 204);
    assert_eq!(
        crm.ids("leads?query=9001112233").await,
        [lead],
        "a lead is found by the phone of its contact"
    );
    assert_eq!(
        crm.ids("leads?query=кухня&with=contacts&limit=1").await,
        [lead]
    );
    assert_eq!(crm.get("leads?query=кухня&filter[id]=1").await.0, 204);
}

#[tokio::test]
async fn the_search_index_may_lag_behind_while_reading_by_id_does_not() {
    let builder = Emulator::builder()
        .seed(Seed::Empty)
        .rate_limit(None)
        .index_delay(Duration::from_secs(5));
    let crm = Crm::with(builder.start().await.unwrap());
    let contact = crm.create("contacts", json!({"name": "Анна"})).await;
    assert_eq!(crm.get("contacts?query=анна").await.0, 204);
    assert_eq!(
        crm.ids(&format!("contacts?filter[id]={contact}")).await,
        [contact]
    );
    crm.emulator.advance(Duration::from_secs(5));
    assert_eq!(crm.ids("contacts?query=анна").await, [contact]);
    // A change is found late as well; until then the old text is.
    crm.change(&format!("contacts/{contact}"), json!({"name": "Борис"}))
        .await;
    assert_eq!(crm.ids("contacts?query=анна").await, [contact]);
    crm.emulator.advance(Duration::from_secs(5));
    assert_eq!(crm.get("contacts?query=анна").await.0, 204);
    assert_eq!(crm.ids("contacts?query=борис").await, [contact]);
}

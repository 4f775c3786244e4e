//! Answers with odd parts: one of them must not cost the page it is on.

use amocrm_sdk::account::Account;
use amocrm_sdk::companies::Company;
use amocrm_sdk::contacts::Contact;
use amocrm_sdk::leads::Lead;
use amocrm_sdk::notes::{Note, NoteType};
use amocrm_sdk::pipelines::Pipeline;
use amocrm_sdk::users::User;
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> T {
    serde_json::from_value(answer).unwrap()
}

#[test]
fn amounts_with_fractions_are_cut_towards_zero() {
    for price in [json!(1500.5), json!("1500.50"), json!("1500"), json!(1500)] {
        let lead: Lead = read(json!({
            "id": 7, "price": price, "price_with_minor_units": "1500.50", "score": "4.0", "labor_cost": 90.9,
        }));
        assert_eq!(
            (lead.price, lead.price_with_minor_units),
            (Some(1500), Some(1500.5))
        );
        assert_eq!((lead.score, lead.labor_cost), (Some(4), Some(90)));
    }
    let pipeline: Pipeline = read(json!({"id": 31, "sort": "10.0"}));
    assert_eq!(pipeline.sort, 10);
}

#[test]
fn types_that_are_numbers_are_kept_as_unknown() {
    let note: Note = read(json!({"id": 1, "note_type": 4, "params": {"text": "Старая"}}));
    assert_eq!(note.note_type, NoteType::Unknown("4".into()));
    assert_eq!(note.text(), Some("Старая"));
}

#[test]
fn nested_parts_come_as_null_false_or_not_at_all() {
    for nothing in [json!(null), json!([]), json!(false), json!("")] {
        let lead: Lead = read(json!({
            "id": 7, "custom_fields_values": nothing,
            "_embedded": {"tags": nothing, "contacts": nothing, "loss_reason": nothing, "source": nothing},
        }));
        assert!(lead.embedded.tags.is_empty() && lead.embedded.source.is_none());
        let user: User = read(json!({
            "id": 7, "rights": {"leads": nothing, "status_rights": nothing}, "_embedded": nothing,
        }));
        assert!(user.rights.status_rights.is_empty());
        let account: Account = read(json!({
            "id": 7, "invoices_settings": nothing,
            "_embedded": {"amojo_rights": nothing, "datetime_settings": nothing, "users_groups": nothing},
        }));
        assert!(account.embedded.datetime_settings.is_none());
        let pipeline: Pipeline = read(json!({"id": 31, "_embedded": {"statuses": nothing}}));
        assert!(pipeline.statuses().is_empty());
    }
}

#[test]
fn what_is_embedded_on_request_is_read() {
    for source in [
        json!({"id": "9", "name": "Лендинг"}),
        json!([{"id": 9, "name": "Лендинг"}]),
    ] {
        let lead: Lead = read(json!({"id": 7, "_embedded": {"source": source}}));
        let source = lead.embedded.source.unwrap();
        assert_eq!(
            (source.id.map(u64::from), source.name.as_str()),
            (Some(9), "Лендинг")
        );
    }
    let contact: Contact = read(json!({
        "id": 7, "_embedded": {"social_profiles": [{"id": 1, "name": "@secret"}]},
    }));
    assert_eq!(contact.embedded.social_profiles[0]["name"], "@secret");
    assert!(!format!("{:?}", contact.embedded).contains("secret"));
}

#[test]
fn debug_of_cards_shows_nobody() {
    let card = json!({
        "id": 7, "name": "+79000000001 secret", "first_name": "secret", "last_name": "secret", "status_id": 142,
        "updated_at": 1_769_000_000,
        "custom_fields_values": [{"field_code": "EMAIL", "values": [{"value": "secret@example.com"}]}],
        "_embedded": {"tags": [{"id": 1, "name": "secret"}]},
    });
    let lead: Lead = read(card.clone());
    let contact: Contact = read(card.clone());
    let company: Company = read(card);
    let shown = format!("{lead:?} {contact:?} {company:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("7900"),
        "{shown}"
    );
    assert!(
        shown.contains("id: 7") && shown.contains("status_id: Some(142)") && shown.contains("2026"),
        "{shown}"
    );
}

//! Tokens of widgets and bots. They were signed by Python's `hmac`, not by this crate.

use amocrm_sdk::links::EntityType;
use amocrm_sdk::oauth::{BotToken, Credentials, TokenRefused, WidgetToken};
use chrono::{DateTime, TimeZone, Utc};

const WIDGET: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjbWUtZGVtby5hbW9jcm0ucnUiLCJhdWQiOiJodHRwczovL2FwcC5leGFt",
    "cGxlIiwianRpIjoiMGYzYTFiMmMiLCJpYXQiOjE3NjkwMDAwMDAsIm5iZiI6MTc2OTAwMDAwMCwiZXhwIjoxNzY5MDAxODAwLCJhY2NvdW50X2lkIjoz",
    "MTAwMDAwMSwidXNlcl9pZCI6OTAwMDAwMSwic3ViZG9tYWluIjoiYWNtZS1kZW1vIiwiY2xpZW50X3V1aWQiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0",
    "NC01NTU1NTU1NTU1NTUifQ.CpVK4W6ZhnwH3ukIHp-o874EYbPqapZIMT5JGEu4oWg"
);
const BOT: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.eyJpc3MiOiJodHRwczovL2FjbWUtZGVtby5hbW9jcm0ucnUiLCJpYXQiOjE3NjkwMDAwMDAsImV4cCI6",
    "MTc2OTAwMTgwMCwiYWNjb3VudF9pZCI6MzEwMDAwMDEsInN1YmRvbWFpbiI6ImFjbWUtZGVtbyIsImNsaWVudF91dWlkIjoiMTExMTExMTEtMjIyMi00",
    "MzMzLTg0NDQtNTU1NTU1NTU1NTU1IiwiZW50aXR5X2lkIjo0MDAwMDAwMSwiZW50aXR5X3R5cGUiOjIsImJvdF90eXBlIjoic2FsZXNib3QifQ.",
    "wnfO0xM7nYRhDSnSFEQBqr19aTJEKIsNor_SQfxA79BSJvv6cOmcLP8a7427K9xKNE2uCbxJmfILD2-QE2QO4A"
);

fn at(seconds: i64) -> DateTime<Utc> {
    Utc.timestamp_opt(seconds, 0).unwrap()
}

fn keys(secret: &str, redirect_uri: &str) -> Credentials {
    Credentials::new(
        "11111111-2222-4333-8444-555555555555",
        secret.to_owned(),
        redirect_uri,
    )
}

fn ours() -> Credentials {
    keys(
        "demo-integration-secret",
        "https://app.example/amo/callback",
    )
}

#[test]
fn a_widget_shows_who_uses_it() {
    let token = WidgetToken::verify(WIDGET, &ours(), at(1_769_000_900)).unwrap();
    assert_eq!(
        (token.account_id.get(), token.user_id.get()),
        (31_000_001, 9_000_001)
    );
    assert_eq!(
        (token.subdomain.as_str(), token.is_admin),
        ("acme-demo", None)
    );
    assert_eq!(token.expires_at, Some(at(1_769_001_800)));
}

#[test]
fn a_bot_shows_what_it_works_on() {
    let token = BotToken::verify(BOT, &ours(), at(1_769_000_900)).unwrap();
    let entity = token.entity().unwrap();
    assert_eq!(
        (entity.entity_type, entity.id),
        (EntityType::Leads, 40_000_001)
    );
    assert_eq!(token.bot_type.as_deref(), Some("salesbot"));
}

#[test]
fn every_reason_to_refuse_has_its_name() {
    let noon = at(1_769_000_900);
    let refused =
        |token: &str, keys: &Credentials, at| WidgetToken::verify(token, keys, at).unwrap_err();
    assert_eq!(
        refused(WIDGET, &keys("other", "https://app.example/"), noon),
        TokenRefused::Signature
    );
    let changed = WIDGET.replacen("eyJpc3M", "eyJpc3N", 1);
    assert_eq!(refused(&changed, &ours(), noon), TokenRefused::Signature);
    let elsewhere = keys("demo-integration-secret", "https://app.example.evil/amo");
    assert_eq!(refused(WIDGET, &elsewhere, noon), TokenRefused::Audience);
    let mut other = ours();
    other.client_id = "22222222".to_owned();
    assert_eq!(refused(WIDGET, &other, noon), TokenRefused::Audience);
    for late in [at(1_769_001_800), at(1_768_999_999)] {
        assert_eq!(refused(WIDGET, &ours(), late), TokenRefused::Expired);
    }
    // A bot's token is no widget's, and a token does not choose its algorithm.
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", WIDGET.split('.').nth(1).unwrap());
    for garbage in [BOT, &unsigned, "", "a.b", "a.b.c", "a.b.c.d"] {
        assert_eq!(refused(garbage, &ours(), noon), TokenRefused::Malformed);
    }
}

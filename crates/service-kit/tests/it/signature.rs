//! Signed webhooks, checked against the scheme's own library.

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use secrecy::SecretString;
use service_kit::signature::{
    SignatureError, SigningKeys, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use standardwebhooks::Webhook;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BODY: &[u8] = "{\"id\": \"Привет\"}".as_bytes();

fn keys(secrets: &str) -> SigningKeys {
    SigningKeys::parse(&SecretString::from(secrets)).unwrap()
}

/// The oracle looks at the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the oracle has no other clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[test]
fn the_schemes_own_library_and_we_believe_each_other() {
    let now = now();
    for secret in [OLD, NEW] {
        let oracle = Webhook::new(secret).unwrap();
        let headers = keys(secret).headers("evt_1", now, BODY).unwrap();
        oracle.verify(BODY, &headers).unwrap();
        let theirs = oracle.sign("evt_2", now.timestamp(), BODY).unwrap();
        assert_eq!(theirs, keys(secret).sign("evt_2", now, BODY));
        let mut headers = HeaderMap::new();
        headers.insert(WEBHOOK_ID, "evt_2".parse().unwrap());
        headers.insert(WEBHOOK_TIMESTAMP, now.timestamp().into());
        headers.insert(WEBHOOK_SIGNATURE, theirs.parse().unwrap());
        assert_eq!(
            keys(secret).verify(&headers, BODY, now).unwrap().id,
            "evt_2"
        );
    }
    // What is signed with both keys is believed by whoever has one of them.
    let both = keys(&format!("{NEW}  {OLD}"));
    let headers = both.headers("evt_3", now, BODY).unwrap();
    for secret in [OLD, NEW] {
        Webhook::new(secret)
            .unwrap()
            .verify(BODY, &headers)
            .unwrap();
        keys(secret).verify(&headers, BODY, now).unwrap();
        let single = keys(secret).headers("evt_4", now, BODY).unwrap();
        both.verify(&single, BODY, now).unwrap();
    }
}

#[test]
fn whatever_is_changed_or_old_is_refused() {
    let now = DateTime::from_timestamp(1_795_219_200, 0).unwrap();
    let keys = keys(NEW);
    let good = keys.headers("evt_1", now, BODY).unwrap();
    let verdict = |headers: &HeaderMap, body: &[u8], seconds: i64| {
        keys.verify(headers, body, now + TimeDelta::seconds(seconds))
            .map(|signed| signed.id)
    };
    for seconds in [-300, 0, 300] {
        assert_eq!(verdict(&good, BODY, seconds), Ok("evt_1".to_owned()));
    }
    for seconds in [-301, 301, 400_000] {
        assert_eq!(
            verdict(&good, BODY, seconds),
            Err(SignatureError::Timestamp)
        );
    }
    assert_eq!(verdict(&good, b"{}", 0), Err(SignatureError::Signature));
    let other = super::signature::keys(OLD)
        .headers("evt_1", now, BODY)
        .unwrap();
    assert_eq!(verdict(&other, BODY, 0), Err(SignatureError::Signature));
    for (name, value, expected) in [
        (WEBHOOK_ID, "evt_2", SignatureError::Signature),
        (WEBHOOK_ID, "", SignatureError::Headers),
        (WEBHOOK_TIMESTAMP, "1795219201", SignatureError::Signature),
        (WEBHOOK_TIMESTAMP, "now", SignatureError::Headers),
        (
            WEBHOOK_TIMESTAMP,
            "9223372036854775807",
            SignatureError::Headers,
        ),
        (WEBHOOK_SIGNATURE, "v1,", SignatureError::Signature),
        (
            WEBHOOK_SIGNATURE,
            "v1,AAAA v1,%%",
            SignatureError::Signature,
        ),
    ] {
        let mut headers = good.clone();
        headers.insert(&name, value.parse().unwrap());
        assert_eq!(verdict(&headers, BODY, 0), Err(expected), "{name}: {value}");
    }
    // Another version of the scheme is not taken for ours.
    let mut headers = good.clone();
    let signature = good[WEBHOOK_SIGNATURE].to_str().unwrap();
    let asymmetric = signature.replace("v1,", "v1a,");
    headers.insert(WEBHOOK_SIGNATURE, asymmetric.parse().unwrap());
    assert_eq!(verdict(&headers, BODY, 0), Err(SignatureError::Signature));
    headers.insert(
        WEBHOOK_SIGNATURE,
        format!("{asymmetric} v2,x {signature}").parse().unwrap(),
    );
    assert!(verdict(&headers, BODY, 0).is_ok());
    for name in [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE] {
        let mut headers = good.clone();
        headers.remove(&name);
        assert_eq!(verdict(&headers, BODY, 0), Err(SignatureError::Headers));
    }
}

#[test]
fn a_short_or_odd_secret_is_refused_without_being_shown() {
    for secret in [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_not base64",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_c2hvcnQ=",
    ] {
        assert!(
            SigningKeys::parse(&SecretString::from(secret)).is_err(),
            "{secret}"
        );
    }
    assert_eq!(format!("{:?}", keys(OLD)), "SigningKeys(1)");
}

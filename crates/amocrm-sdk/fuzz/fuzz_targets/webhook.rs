//! Webhook bodies: whatever arrives is parsed or refused, and what is parsed can be used.

#![no_main]

use amocrm_sdk::webhook;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for payload in [webhook::parse(body), webhook::parse_json(body)].into_iter().flatten() {
        for event in &payload.events {
            let key = event.dedup_key(&payload.account);
            assert_eq!(key, event.dedup_key(&payload.account));
            let _ = (event.entity_id(), event.updated_at(), format!("{event:?}"));
            serde_json::to_string(event).expect("an event is JSON");
        }
    }
});

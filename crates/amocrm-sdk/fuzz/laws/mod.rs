//! What holds for every body.

use amocrm_sdk::webhook::{self, CloudEvent, Payload};

/// How a body was taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    /// It was understood.
    pub is_read: bool,
    /// Events in it.
    pub events: u64,
}

/// Whatever arrives is parsed or refused, and what is parsed can be used: stored, told apart, sent and read again.
pub fn hold(body: &[u8]) -> Taken {
    let mut taken = Taken::default();
    for payload in [webhook::parse(body), webhook::parse_json(body)].into_iter().flatten() {
        taken.is_read = true;
        taken.events += payload.events.len() as u64;
        use_it(&payload);
    }
    taken
}

fn use_it(payload: &Payload) {
    for event in &payload.events {
        let key = event.dedup_key(&payload.account);
        assert_eq!(key, event.dedup_key(&payload.account));
        let _ = (event.entity_id(), event.updated_at(), format!("{event:?}"));
        serde_json::to_string(event).expect("an event is JSON");
        let sent = CloudEvent::new("evt_1", event.clone(), payload.account.clone());
        let text = serde_json::to_vec(&sent).expect("an envelope is JSON");
        // An envelope may be longer than a webhook may: JSON escapes what a form does not.
        if let Ok(read) = CloudEvent::from_json(&text) {
            assert_eq!(read.event_type(), sent.event_type());
            assert_eq!(read.subject(), sent.subject());
        }
    }
}

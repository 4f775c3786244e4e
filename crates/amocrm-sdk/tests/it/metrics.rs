//! What the metrics hook hears: figures that agree with what happened, and nothing about people.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amocrm_emulator::Emulator;
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::metrics::Event;
use amocrm_sdk::oauth::{Credentials, MemoryTokenStore};
use amocrm_sdk::{Client, ErrorKind};

use crate::script::{Script, dropped, json};

type Heard = Arc<Mutex<Vec<Event>>>;

fn ear() -> (Heard, impl Fn(&Event) + Send + Sync + 'static) {
    let heard = Heard::default();
    let ear = Arc::clone(&heard);
    (heard, move |event: &Event| ear.lock().unwrap().push(*event))
}

/// Events as words, without durations.
fn words(heard: &Heard) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::Call {
            operation,
            outcome,
            attempts,
            ..
        } => {
            format!("call {operation} {} {attempts}", outcome.as_str())
        }
        Event::Attempt {
            operation, outcome, ..
        } => {
            format!(
                "attempt {operation} {:?} {}",
                outcome.status(),
                outcome.as_str()
            )
        }
        Event::Permit {
            operation,
            is_granted,
            ..
        } => format!("permit {operation} {is_granted}"),
        Event::Retry {
            operation, outcome, ..
        } => format!("retry {operation} {}", outcome.as_str()),
        Event::Pause {
            reason, duration, ..
        } => format!("pause {reason} {duration:?}"),
        Event::Batch {
            operation, items, ..
        } => format!("batch {operation} {items}"),
        Event::Renewal { outcome, .. } => format!("renewal {}", outcome.as_str()),
        other => format!("{other:?}"),
    };
    heard.lock().unwrap().iter().map(word).collect()
}

#[tokio::test(start_paused = true)]
async fn every_attempt_wait_and_retry_of_a_call_is_heard() {
    let wire = Script::new([json(429, "{}"), dropped()]);
    let (heard, ear) = ear();
    let client = wire.builder().metrics(ear).build().unwrap();
    client.account().get().await.unwrap();
    assert_eq!(
        words(&heard),
        [
            "permit account.get true",
            "attempt account.get Some(429) rate_limited",
            "pause throttled 1s",
            "retry account.get rate_limited",
            "permit account.get true",
            "attempt account.get None transport",
            "retry account.get transport",
            "permit account.get true",
            "attempt account.get Some(200) ok",
            "call account.get ok 3",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_tells_how_many_calls_it_answers_and_a_late_call_that_it_was_not_sent() {
    let wire = Script::then([], |_| json(402, "{}"));
    let (heard, ear) = ear();
    let client = wire
        .builder()
        .metrics(ear)
        .deadline(Duration::from_millis(100))
        .build()
        .unwrap();
    let batcher = client.batcher();
    let call = || async {
        batcher
            .leads()
            .create([NewLead::new().name("Анна +79000000001")])
            .await
    };
    let (one, two) = futures_util::join!(call(), call());
    assert_eq!(one.unwrap_err().kind(), ErrorKind::PaymentRequired);
    two.unwrap_err();
    let error = client
        .contacts()
        .create([NewContact::new().name("Анна")])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(
        words(&heard),
        [
            "batch leads.create 2",
            "permit leads.create true",
            "attempt leads.create Some(402) payment_required",
            "call leads.create payment_required 1",
            "permit contacts.create false",
            "call contacts.create deadline 1",
        ]
    );
    let told = format!("{:?}", heard.lock().unwrap());
    assert!(!told.contains("7900") && !told.contains("Анна"), "{told}");
}

#[tokio::test]
async fn renewals_are_heard_with_their_requests() {
    let emulator = Emulator::builder().rate_limit(None).start().await.unwrap();
    let known = emulator.credentials();
    let (heard, ear) = ear();
    let credentials = Credentials::new(
        &known.client_id,
        known.client_secret.as_str(),
        &known.redirect_uri,
    );
    let client = Client::builder(&known.subdomain)
        .transport(emulator.router())
        .oauth(credentials, Arc::new(MemoryTokenStore::new()))
        .metrics(ear)
        .build()
        .unwrap();
    client
        .oauth()
        .exchange_code(&emulator.code().into())
        .await
        .unwrap();
    emulator.expire_tokens();
    heard.lock().unwrap().clear();
    client.account().get().await.unwrap();
    let words = words(&heard);
    let position = |word: &str| words.iter().position(|it| it.contains(word)).unwrap();
    assert!(
        position("attempt account.get Some(401)") < position("attempt oauth."),
        "{words:?}"
    );
    assert!(
        position("attempt oauth.") < position("renewal ok"),
        "{words:?}"
    );
    assert_eq!(words.last().unwrap(), "call account.get ok 1");
}

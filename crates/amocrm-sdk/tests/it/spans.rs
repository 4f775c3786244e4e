//! What a log reader finds: a span per call, within it one per attempt, and nothing about people.

use std::io::Write;
use std::sync::{Arc, Mutex};

use amocrm_sdk::contacts::ContactFilter;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::script::{Script, json};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The spans that were closed, in that order.
    fn spans(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["fields"]["message"] == "close")
            .map(|line| line["span"].clone())
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_a_span_and_every_attempt_one_within_it() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(log.clone())
        .finish();
    let _reading = subscriber.set_default();

    let script = Script::then([json(429, "{}")], |_| {
        json(200, r#"{"_embedded":{"contacts":[]}}"#)
    });
    let named = ContactFilter::new().names(["Анна +79001234567".to_owned()]);
    let found = script.client().contacts().list().filter(named);
    assert!(found.all().await.unwrap().is_empty());
    assert_eq!(script.count(), 2);

    let spans = log.spans();
    let named = |name: &str| {
        let spans = spans.iter().filter(|span| span["name"] == name);
        spans.collect::<Vec<_>>()
    };
    let (attempts, calls) = (named("amocrm.attempt"), named("amocrm"));
    let statuses: Vec<_> = attempts
        .iter()
        .map(|span| span["http.status"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(429), Some(200)]);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["operation"], "contacts.list");
    assert_eq!(calls[0]["http.path"], "/api/v4/contacts");
    assert_eq!(
        (&calls[0]["attempts"], &calls[0]["http.status"]),
        (&2.into(), &200.into())
    );
    for private in ["7900", "Анна", "token"] {
        assert!(!log.text().contains(private), "{private} is in the log");
    }
}

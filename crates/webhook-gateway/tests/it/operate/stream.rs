//! `/api/stream`: what comes is told at once, and nothing is lost between two connections.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use store::{Acceptance, Dedup, NewEvent, NewRequest, Store};
use testkit::{PATIENCE, TestDatabase};

use super::harness::{Gateway, on_each};

/// A reader of the stream.
struct Reader {
    answer: reqwest::Response,
    text: String,
}

/// A message: its position and its data.
type Message = (String, serde_json::Value);

impl Reader {
    async fn open(gateway: &Gateway, query: &str, last: Option<&str>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http.get(format!("{}/api/stream{query}", gateway.url));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        let mut reader = Self {
            answer,
            text: String::new(),
        };
        // The greeting: from here on nothing is missed.
        reader.block().await.unwrap();
        reader
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.answer.chunk());
            let piece = piece.await.expect("the stream is silent").ok()??;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(str::to_owned)
            };
            if let Some(data) = field("data: ") {
                let data = serde_json::from_str(&data).unwrap();
                return Some((field("id: ").unwrap(), data));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_at_once_and_only_to_who_wants_it() {
    let gateway = Gateway::start(&[]).await;
    gateway.lead(1, "add").await;
    let mut all = Reader::open(&gateway, "", None).await;
    let mut contacts = Reader::open(&gateway, "?events=contacts.*,companies.add", None).await;
    let mut second = Reader::open(&gateway, "?account=second", None).await;
    let mut quickest = Duration::MAX;
    for lead in 2..=4 {
        let id = gateway.lead(lead, "add").await;
        let stored = Instant::now();
        let (_, told) = all.next().await.unwrap();
        quickest = quickest.min(stored.elapsed());
        assert_eq!(told["id"], id, "what came before is not told");
        assert_eq!(told["type"], "amocrm.leads.add.v1");
        assert_eq!(told["subject"], format!("leads/{lead}"));
    }
    // Not with the next sign of life, which comes after fifteen seconds.
    assert!(quickest < Duration::from_secs(5), "{quickest:?}");
    let contact = b"account[id]=5&contacts[add][0][id]=7&contacts[add][0][type]=contact";
    let id = gateway.webhook("second", contact, None).await.remove(0);
    assert_eq!(contacts.next().await.unwrap().1["id"], id);
    assert_eq!(second.next().await.unwrap().1["id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    on_each(true, async |gateway| {
        let mut ids = vec![gateway.lead(1, "add").await];
        let mut reader = Reader::open(&gateway, "?since=1h", None).await;
        let (last, told) = reader.next().await.unwrap();
        assert_eq!(told["id"], ids[0]);
        drop(reader);
        for lead in 2..=300 {
            ids.push(gateway.lead(lead, "add").await);
        }
        let mut reader = Reader::open(&gateway, "?latest=true", Some(&last)).await;
        for id in &ids[1..] {
            assert_eq!(reader.next().await.unwrap().1["id"], *id);
        }
        let mut latest = Reader::open(&gateway, "?latest=true", None).await;
        assert_eq!(latest.next().await.unwrap().1["id"], ids[299]);
        let mut after = Reader::open(&gateway, "?after=0", None).await;
        assert_eq!(after.next().await.unwrap().1["id"], ids[0]);

        // Nobody waits for a stream when the process stops.
        let stopping = tokio::spawn(gateway.stop());
        assert!(latest.next().await.is_none());
        assert!(reader.next().await.is_none());
        assert!(stopping.await.unwrap() < Duration::from_secs(10));
    })
    .await;
}

/// Stores an event of this id that nobody subscribes to.
async fn take(store: &Store, id: &'static str) {
    let event = NewEvent {
        event_id: id.to_owned(),
        kind: "leads.add".to_owned(),
        subject: Some("leads/77".to_owned()),
        account_id: None,
        pipeline_id: None,
        status_id: None,
        occurred_at: None,
        dedup: Dedup {
            key: [7; 32],
            window: Duration::from_hours(2),
        },
        envelope: json!({"id": id, "type": "amocrm.leads.add.v1"}).to_string(),
        fields: None,
        routes: Vec::new(),
    };
    let request = NewRequest {
        account: "main".to_owned(),
        request_id: None,
        content_type: None,
        body: "leads[add][0][id]=77".into(),
        problem: None,
        events: vec![event],
    };
    let version = store.gateway().registry_version().await.unwrap();
    let accepted = store.gateway().accept(request, version).await.unwrap();
    assert!(matches!(accepted, Acceptance::Stored { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_seen_after_younger_ones_is_told_once_to_everybody() {
    const LATE: &str = "evt_late";
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let one = Gateway::start_at(&database).await;
    let other = Gateway::start_at(&database).await;
    let id = async |reader: &mut Reader| -> String {
        let (_, told) = reader.next().await.unwrap();
        told["id"].as_str().unwrap().to_owned()
    };
    let first = one.lead(1, "add").await;
    let mut early = Reader::open(&other, "?latest=true", None).await;
    assert_eq!(id(&mut early).await, first);

    // An event has its number; its transaction does not end.
    let schema = database.schema().unwrap();
    let mut held = schema.hold_event(LATE).await.unwrap();
    let store = one.app.store().clone();
    let taking = tokio::spawn(async move { take(&store, LATE).await });
    let waits = async {
        while !held.is_waited_for().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits)
        .await
        .expect("nobody waits for it");
    let younger = join_all((2..8).map(|lead| other.lead(lead, "add"))).await;
    let younger: BTreeSet<String> = younger.into_iter().collect();
    let mut told = BTreeSet::new();
    let mut last = String::new();
    for _ in &younger {
        let (position, event) = early.next().await.unwrap();
        told.insert(event["id"].as_str().unwrap().to_owned());
        last = position;
    }
    assert_eq!(told, younger);
    // One who begins now, and one who comes back to another process.
    let mut fresh = Reader::open(&one, "", None).await;
    let mut back = Reader::open(&one, "", Some(&last)).await;
    held.release().await.unwrap();
    taking.await.unwrap();
    assert_eq!(id(&mut early).await, LATE);
    assert_eq!(id(&mut fresh).await, LATE);
    // It goes on before the missing one, and is told the last ones again.
    let mut told = BTreeSet::new();
    for _ in 0..=younger.len() {
        assert!(told.insert(id(&mut back).await));
    }
    assert!(told.remove(LATE));
    assert_eq!(told, younger);

    // Two that write at once: everything is told, and once.
    let writers = (100..160).map(|lead| {
        let gateway = if lead % 2 == 0 { &one } else { &other };
        gateway.lead(lead, "add")
    });
    let written: BTreeSet<String> = join_all(writers).await.into_iter().collect();
    for reader in [&mut early, &mut fresh, &mut back] {
        let mut told = BTreeSet::new();
        for _ in &written {
            assert!(told.insert(id(reader).await));
        }
        assert_eq!(told, written);
    }
    one.stop().await;
    other.stop().await;
    database.drop_schema().await;
}

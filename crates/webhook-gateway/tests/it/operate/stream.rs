//! `/api/stream`: what comes is told at once, and nothing is lost between two connections.

use std::time::{Duration, Instant};

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
    assert!(quickest < Duration::from_millis(300), "{quickest:?}");
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

//! F21 to F23: bodies that nobody in his right mind sends, and strangers.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::Value;
use store::throwaway::Locked;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::world::{FORM, Place, SECRET, World, moved};

const JSON: &str = "application/json";

/// What became of a body: refused, or kept, with events or as one that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Events(u64),
    Unread,
    Refused(u16),
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_kept_or_refused_at_once_and_break_nothing() {
    use Fate::{Events, Refused, Unread};

    let place = Place::sqlite();
    let world = World::start(&place).await;
    let deep = format!("leads{}=1", "[a]".repeat(5_000));
    let deep_json = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let many_keys = (0..10_001).map(|number| format!("k{number}="));
    let many_keys = many_keys.collect::<Vec<_>>().join("&");
    let many_items = (0..500).map(|number| format!("leads[add][{number}][id]={}", number + 1_000));
    let many_items = many_items.collect::<Vec<_>>().join("&");
    let long_id = format!("message[add][0][id]={}", "x".repeat(100_000));
    let full = format!("a={}", "x".repeat(1024 * 1024 - 2));
    let too_long = format!("{full}x");
    let table: Vec<(&str, &str, Vec<u8>, Fate)> = vec![
        ("nothing", FORM, vec![], Unread),
        (
            "half an escape",
            FORM,
            b"leads[add][0][id]=5&a=%2&b=%".to_vec(),
            Events(1),
        ),
        (
            "no UTF-8",
            FORM,
            b"leads[add][0][id]=6&leads[add][0][name]=%ff%fe\xc3\x28".to_vec(),
            Events(1),
        ),
        (
            "a zero byte",
            FORM,
            b"leads[add][0][id]=7&leads[add][0][name]=a%00b".to_vec(),
            Events(1),
        ),
        (
            "a zero byte in an id",
            FORM,
            b"message[add][0][id]=a%00b".to_vec(),
            Events(1),
        ),
        (
            "a large index",
            FORM,
            b"leads[add][999999999][id]=8".to_vec(),
            Events(1),
        ),
        (
            "a large number",
            FORM,
            b"leads[add][0][id]=99999999999999999999".to_vec(),
            Unread,
        ),
        (
            "a value and a group",
            FORM,
            b"leads=1&leads[add][0][id]=9".to_vec(),
            Unread,
        ),
        ("no id", FORM, b"leads[add][0][name]=x".to_vec(), Unread),
        (
            "an odd action",
            FORM,
            b"leads[<script>alert(1)</script>][0][id]=10".to_vec(),
            Events(1),
        ),
        (
            "an odd entity",
            FORM,
            b"rockets[launch][0][id]=11".to_vec(),
            Events(1),
        ),
        (
            "SQL",
            FORM,
            b"message[add][0][id]=';DROP TABLE jobs;--".to_vec(),
            Events(1),
        ),
        ("a long id", FORM, long_id.into_bytes(), Events(1)),
        ("depth", FORM, deep.into_bytes(), Unread),
        ("depth", JSON, deep_json.into_bytes(), Unread),
        ("many keys", FORM, many_keys.into_bytes(), Unread),
        ("many items", FORM, many_items.into_bytes(), Events(500)),
        ("1 MiB", FORM, full.into_bytes(), Unread),
        (
            "1 MiB and a byte",
            FORM,
            too_long.into_bytes(),
            Refused(413),
        ),
        ("a list", JSON, b"[]".to_vec(), Unread),
        ("half of JSON", JSON, b"{\"leads\":".to_vec(), Unread),
        (
            "a number that is none",
            JSON,
            b"{\"leads\":{\"add\":[{\"id\":1e999}]}}".to_vec(),
            Unread,
        ),
        (
            "JSON",
            JSON,
            br#"{"leads":{"add":[{"id":12}]}}"#.to_vec(),
            Events(1),
        ),
        (
            "another type",
            "text/xml",
            b"<lead/>".to_vec(),
            Refused(415),
        ),
        (
            "another type",
            "multipart/form-data",
            b"x".to_vec(),
            Refused(415),
        ),
    ];
    for (what, kind, body, fate) in table {
        let asked = Instant::now();
        let bytes = body.len();
        let path = format!("/webhooks/amocrm/{SECRET}");
        let answer = world
            .post(&path, &[("content-type", kind)], body.clone())
            .await;
        // 100 ms on a machine that does nothing else.
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "{what}: {:?}",
            asked.elapsed()
        );
        let found = match answer.status.as_u16() {
            200 if answer.json()["problem"] == Value::Null => Events(answer.counts().0),
            200 => Unread,
            status => Refused(status),
        };
        assert_eq!(
            found, fate,
            "{what} ({kind}, {bytes} bytes): {}",
            answer.text
        );
        if found != Refused(answer.status.as_u16()) {
            let request = answer.json()["request"].as_i64().unwrap();
            let kept = world
                .store()
                .gateway()
                .request(request)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(kept.problem.is_some(), found == Unread, "{what}");
            assert_eq!(&kept.body.unwrap()[..], &body[..], "{what}: byte for byte");
        }
    }
    // Compressed bodies, however small, may be any size once they are unpacked.
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let headers = [("content-type", FORM), ("content-encoding", encoding)];
        let path = format!("/webhooks/amocrm/{SECRET}");
        assert_eq!(
            world.post(&path, &headers, "x").await.status,
            415,
            "{encoding}"
        );
    }
    // It still works.
    assert_eq!(world.webhook(moved(40_000_001, 1)).await.counts(), (1, 0));
    let odd = world.events().await;
    let odd: Vec<_> = odd.iter().map(|event| event.kind.as_str()).collect();
    assert!(
        odd.contains(&"leads.other") && odd.contains(&"unknown"),
        "{odd:?}"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_end_and_one_that_trickles_are_cut_off() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    let address = world.url.strip_prefix("http://").unwrap().to_owned();
    let head = format!(
        "POST /webhooks/amocrm/{SECRET} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let status = async |mut stream: TcpStream| {
        let mut answer = vec![0; 64];
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut answer));
        let length = read.await.unwrap().unwrap_or(0);
        String::from_utf8_lossy(&answer[..length])
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse::<u16>().ok())
    };
    // As much as the gateway takes: it stops reading at a MiB.
    let mut endless = TcpStream::connect(&address).await.unwrap();
    endless.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..64 {
        if endless.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert!(matches!(status(endless).await, Some(413) | None));
    // A byte now and then.
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(b"1\r\na\r\n").await.unwrap();
    assert_eq!(status(slow).await, Some(408));
    // Someone who says that he will send a gigabyte is not waited for.
    let mut giant = TcpStream::connect(&address).await.unwrap();
    let head = head.replace("transfer-encoding: chunked", "content-length: 1073741824");
    giant.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(giant).await, Some(413));
    assert_eq!(world.events().await.len(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_meets_the_answer_of_an_address_that_does_not_exist() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    let shape = |answer: &super::world::Answer| {
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        (answer.status, names, answer.text.clone())
    };
    let nowhere = shape(
        &world
            .post("/nowhere", &[("content-type", FORM)], "a=1")
            .await,
    );
    assert_eq!(nowhere.0, 404);
    let long = "x".repeat(5_000);
    for path in [
        "/webhooks/amocrm/wrong-wrong-wrong".to_owned(),
        format!("/webhooks/amocrm/{SECRET}0"),
        format!("/webhooks/amocrm/{}", SECRET.to_uppercase()),
        format!("/webhooks/amocrm/{long}"),
        "/webhooks/amocrm".to_owned(),
        "/webhooks/amocrm?secret=".to_owned(),
        "/api/webhooks/amo/wrong-wrong-wrong".to_owned(),
        "/api/webhooks/amo?secret=wrong-wrong-wrong".to_owned(),
        "/webhook/amocrm/wrong-wrong-wrong".to_owned(),
        "/webhook/amocrm".to_owned(),
    ] {
        // Whatever else is wrong with it.
        for (kind, body) in [(FORM, "a=1"), ("text/xml", "<x/>")] {
            let answer = world.post(&path, &[("content-type", kind)], body).await;
            assert_eq!(shape(&answer), nowhere, "{path}");
        }
    }
    for path in ["/webhooks/amocrm", "/api/webhooks/amo", "/webhook/amocrm"] {
        let in_path = world
            .post(
                &format!("{path}/{SECRET}"),
                &[("content-type", FORM)],
                moved(1, 0),
            )
            .await;
        assert_eq!(in_path.status, 200, "{path}");
        let in_query = world
            .post(
                &format!("{path}?secret={SECRET}"),
                &[("content-type", FORM)],
                moved(1, 0),
            )
            .await;
        assert_eq!(in_query.status, 200, "{path}");
        // A person with a browser sees the same whether the secret is right or not.
        let pages = [
            format!("{path}/{SECRET}"),
            format!("{path}/wrong"),
            path.to_owned(),
        ];
        let pages = join_all(pages.iter().map(|path| world.get(path))).await;
        assert!(
            pages
                .iter()
                .all(|page| page.status == 200 && page.text == pages[0].text)
        );
        assert!(pages[0].text.contains("<!doctype html>") && !pages[0].text.contains(SECRET));
    }
    assert_eq!(world.events().await.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_is_answered_in_time_while_somebody_holds_the_database() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    assert_eq!(world.webhook(moved(1, 0)).await.counts(), (1, 0));
    let held = Locked::take(&place.file()).await.unwrap();
    // They are answered while it is held: nobody waits for the end of that. On a machine with nothing else to do within the
    // two seconds that amoCRM waits.
    let asked = Instant::now();
    let answers = join_all((0..20).map(|second| world.webhook(moved(2, second)))).await;
    let waited = asked.elapsed();
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    for answer in &answers {
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{}",
            answer.text
        );
        assert!(answer.headers.contains_key("retry-after"));
    }
    held.release().await.unwrap();
    // amoCRM comes again: each is there once, whether the first try was stored after all or not.
    let again = join_all((0..20).map(|second| world.webhook(moved(2, second)))).await;
    assert!(again.iter().all(|answer| answer.status == 200));
    assert_eq!(world.events().await.len(), 21);
    world.stop().await;
}

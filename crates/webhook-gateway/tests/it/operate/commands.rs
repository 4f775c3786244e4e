//! The commands, as processes.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::signature::SigningKeys;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::harness::{Gateway, TOKEN};

fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_webhook-gateway")));
    command
        .args(arguments)
        .env_clear()
        .envs(gateway.environment())
        .current_dir(gateway.database.folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end: whether it went well, and what it wrote.
async fn run(gateway: &Gateway, arguments: &[&str]) -> (bool, Vec<u8>, String) {
    let done = command(gateway, arguments).output();
    let done = tokio::time::timeout(Duration::from_mins(1), done)
        .await
        .unwrap()
        .unwrap();
    let errors = String::from_utf8(done.stderr).unwrap();
    (done.status.success(), done.stdout, errors)
}

pub(super) async fn told(gateway: &Gateway, arguments: &[&str]) -> String {
    let (is_fine, out, errors) = run(gateway, arguments).await;
    assert!(is_fine, "{arguments:?}: {errors}");
    String::from_utf8(out).unwrap()
}

async fn refused(gateway: &Gateway, arguments: &[&str]) -> String {
    let (is_fine, _, errors) = run(gateway, arguments).await;
    assert!(!is_fine, "{arguments:?}");
    errors
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_want_to_know_and_do_is_a_command() {
    let gateway = Gateway::at_rest().await;
    let added = told(
        &gateway,
        &[
            "subscribers",
            "add",
            "crm",
            "--url",
            "http://127.0.0.1:9/hook",
            "--events",
            "leads.*",
            "--allow-private",
            "--set",
            "concurrency=8",
        ],
    )
    .await;
    assert!(added.contains("secret: whsec_"), "{added}");
    told(&gateway, &["subscribers", "pause", "crm"]).await;
    let list = told(&gateway, &["subscribers", "list"]).await;
    assert!(
        list.contains("crm") && list.contains("paused") && !list.contains("whsec_"),
        "{list}"
    );
    told(
        &gateway,
        &["subscribers", "set", "crm", "--set", "retry_hours=5"],
    )
    .await;
    let shown = gateway.get("/api/subscribers/crm").await.json();
    assert_eq!(shown["settings"]["concurrency"], 8);
    assert_eq!(shown["settings"]["retry_hours"], 5);
    assert!(
        refused(
            &gateway,
            &["subscribers", "set", "crm", "--set", "retry_hours=5000"]
        )
        .await
        .contains("retry_hours")
    );
    assert!(
        refused(&gateway, &["subscribers", "add", "x", "--set", "ulr=1"])
            .await
            .contains("ulr")
    );
    let rotated = told(&gateway, &["subscribers", "rotate", "crm"]).await;
    assert!(rotated.contains("both signatures until"), "{rotated}");

    let body = b"account[id]=1&leads[add][0][id]=4&x=\x01\xff%20";
    let id = gateway.webhook("main", body, None).await.remove(0);
    gateway.deliver("crm").await;
    gateway.lead(5, "status").await;
    gateway.bury("crm", "the receiver refused it").await;
    let events = told(&gateway, &["events", "--type", "leads.status"]).await;
    assert!(
        events.contains("leads/5") && !events.contains("leads/4"),
        "{events}"
    );
    let (_, raw, _) = run(&gateway, &["event", &id, "--body"]).await;
    assert_eq!(raw, body);
    let event = told(&gateway, &["event", &id]).await;
    assert!(
        event.contains("leads/4") && event.contains("crm: delivered"),
        "{event}"
    );
    let deliveries = told(&gateway, &["deliveries", &id, "--json"]).await;
    let deliveries: serde_json::Value = serde_json::from_str(&deliveries).unwrap();
    assert_eq!(deliveries[0]["attempts"][0]["status"], 200);
    assert!(
        refused(&gateway, &["event", "evt_none"])
            .await
            .contains("there is no event evt_none")
    );

    let dry = told(&gateway, &["replay", &id, "--dry-run"]).await;
    assert_eq!(dry, "1 delivery would be put into the queue\n");
    assert!(
        told(&gateway, &["replay", &id])
            .await
            .contains("1 delivery put into the queue")
    );
    assert!(
        refused(&gateway, &["replay"])
            .await
            .contains("never everything by accident")
    );

    let letters = told(&gateway, &["dead-letters", "list"]).await;
    assert!(
        letters.contains("leads/5") && letters.contains("the receiver refused it"),
        "{letters}"
    );
    assert!(
        refused(&gateway, &["dead-letters", "retry"])
            .await
            .contains("--all")
    );
    assert!(
        told(&gateway, &["dead-letters", "retry", "--all"])
            .await
            .contains("1 letter put back")
    );
    assert!(
        told(&gateway, &["dead-letters", "list"])
            .await
            .contains("there are no dead letters")
    );
    gateway.deliver("crm").await;
    gateway.bury("crm", "again").await;
    assert!(
        refused(&gateway, &["dead-letters", "drop", "--all"])
            .await
            .contains("--yes")
    );
    assert!(
        told(&gateway, &["dead-letters", "drop", "--all", "--yes"])
            .await
            .contains("1 letter thrown away")
    );
    assert!(
        refused(&gateway, &["subscribers", "remove", "crm"])
            .await
            .contains("--yes")
    );
    told(&gateway, &["subscribers", "remove", "crm", "--yes"]).await;
    assert!(
        told(&gateway, &["subscribers", "list"])
            .await
            .contains("there are no subscribers")
    );
    gateway.half_read("main", "leads[add][0][id]=77", "").await;
    let counted = told(&gateway, &["replay", "--unread", "--dry-run"]).await;
    assert!(counted.contains("would be read: 1 in 1"), "{counted}");
    let read = told(&gateway, &["replay", "--unread"]).await;
    assert!(read.contains("were read: 1 in 1"), "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_prints_what_comes_plainly_when_it_is_piped() {
    let gateway = Gateway::start(&[("ADMIN_TOKEN", TOKEN)]).await;
    let body = b"account[id]=1&account[subdomain]=acme&leads[add][0][id]=4";
    let first = gateway.webhook("main", body, None).await.remove(0);
    let second = gateway.lead(5, "status").await;
    let lines = told(&gateway, &["tail", "--since", "1h", "-n", "2"]).await;
    assert!(!lines.contains('\u{1b}'), "{lines}");
    let lines: Vec<&str> = lines.lines().collect();
    assert!(
        lines[0].contains("leads.add") && lines[0].contains("acme") && lines[0].ends_with(&first),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("leads/5") && lines[1].ends_with(&second),
        "{lines:?}"
    );
    let painted = told(
        &gateway,
        &["tail", "--latest", "-n", "1", "--color", "always"],
    )
    .await;
    assert!(painted.contains("\u{1b}[36mleads.status"), "{painted}");
    let json = told(&gateway, &["tail", "--latest", "-n", "1", "--json"]).await;
    let envelope: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(envelope["id"], second);
    // Another gateway is not told our token.
    let other = ["tail", "-n", "1", "--gateway", &gateway.url];
    assert!(
        refused(&gateway, &other)
            .await
            .contains("needs its ADMIN_TOKEN")
    );
    let wrong = ["tail", "-n", "1", "--events", "leads"];
    assert!(refused(&gateway, &wrong).await.contains("leads.*"));
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A program that is developed: it refuses its first event.
async fn receiver() -> (String, Received) {
    let received = Received::default();
    let routes = Router::new()
        .route(
            "/hooks",
            post(
                |State(received): State<Received>, headers: HeaderMap, body: Bytes| async move {
                    let mut received = received.lock().unwrap();
                    received.push((headers, body));
                    if received.len() == 1 {
                        StatusCode::INTERNAL_SERVER_ERROR
                    } else {
                        StatusCode::OK
                    }
                },
            ),
        )
        .with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, received)
}

struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listening {
    fn start(gateway: &Gateway, arguments: &[&str]) -> Self {
        let mut child = command(gateway, arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line());
        line.await.expect("nothing is printed").unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_brings_every_event_signed_to_a_program_and_survives_the_gateways_restart() {
    let gateway = Gateway::start(&[("ADMIN_TOKEN", TOKEN)]).await;
    let (url, received) = receiver().await;
    let mut listen = Listening::start(
        &gateway,
        &["listen", "--forward", &url, "--events", "leads.*"],
    );
    let secret = listen.line().await;
    let secret = SecretString::from(secret.strip_prefix("signing secret: ").unwrap());
    let keys = SigningKeys::parse(&secret).unwrap();
    assert!(
        listen
            .line()
            .await
            .starts_with("forwarding http://127.0.0.1")
    );
    assert_eq!(listen.line().await, "connected");

    let mut ids = vec![gateway.lead(1, "add").await];
    let refused = listen.line().await;
    assert!(
        refused.contains("leads.add") && refused.contains("→ 500 in "),
        "{refused}"
    );
    let contact = b"account[id]=5&contacts[add][0][id]=7&contacts[add][0][type]=contact";
    gateway.webhook("main", contact, None).await;
    ids.push(gateway.lead(2, "status").await);
    assert!(listen.line().await.contains("→ 200 in "));

    let gateway = gateway.restart().await;
    for lead in 3..=5 {
        ids.push(gateway.lead(lead, "add").await);
    }
    while !listen.line().await.contains("leads/5") {}
    listen.child.start_kill().unwrap();

    let received = received.lock().unwrap();
    let mut seen = Vec::new();
    for (headers, body) in received.iter() {
        let signed = keys.verify(headers, body, SystemClock.now()).unwrap();
        let envelope: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(envelope["id"], signed.id);
        assert_eq!(headers["content-type"], "application/cloudevents+json");
        seen.push(signed.id);
    }
    assert_eq!(seen, ids, "each once, in order, the contact left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_says_what_is_wrong_and_ends() {
    let gateway = Gateway::start(&[("ADMIN_TOKEN", TOKEN)]).await;
    for (arguments, words) in [
        (&["listen", "--forward", "ftp://x"][..], "--forward"),
        (
            &["listen", "--forward", "http://127.0.0.1:9", "--secret", "x"],
            "whsec_",
        ),
        (
            &["listen", "--forward", "http://127.0.0.1:9", "--since", "x"],
            "--since",
        ),
        (
            &[
                "listen",
                "--forward",
                "http://127.0.0.1:9",
                "--token",
                "wrong-token-0123456",
            ],
            "ADMIN_TOKEN",
        ),
        (&["listen"], "--forward"),
    ] {
        let errors = refused(&gateway, arguments).await;
        assert!(errors.contains(words), "{arguments:?}: {errors}");
        assert!(!errors.contains(TOKEN));
    }
    // A receiver that is away is told of, and the next event is tried all the same.
    let mut listen = Listening::start(
        &gateway,
        &["listen", "--forward", "http://127.0.0.1:9/x", "-n", "2"],
    );
    while listen.line().await != "connected" {}
    for lead in 1..=2 {
        gateway.lead(lead, "add").await;
        assert!(listen.line().await.contains(" after "));
    }
    assert!(listen.child.wait().await.unwrap().success());
}

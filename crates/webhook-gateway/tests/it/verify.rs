//! Whoever receives a delivery can verify it: with the snippets of the guide, in three languages, and with the scheme's own
//! library.

// What the guide shows, as it stands there.
#[expect(unreachable_pub, reason = "people copy it into crates of their own")]
#[path = "../../../../docs/webhook-gateway/verify.rs"]
mod snippet;

use std::io::Write as _;
use std::process::{Command, Stdio};

use amocrm_sdk::webhook::{Action, Event};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use service_kit::config::Environment;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use webhook_gateway::{App, Config};

use crate::harness::is_all_required;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STRANGER: &str = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vyc3RyYW5nZXI=";
const FORM: &str = include_str!("../../../../fixtures/amocrm/webhooks/lead.status.form");

/// A delivery as a receiver got it.
#[derive(Debug, Clone)]
struct Delivery {
    headers: HeaderMap,
    body: Bytes,
}

impl Delivery {
    fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }
}

/// amoCRM posts to a gateway, and this is what its subscriber gets.
async fn delivery() -> Delivery {
    let (sender, mut deliveries) = mpsc::channel::<Delivery>(8);
    let take = |State(sender): State<mpsc::Sender<Delivery>>, headers: HeaderMap, body: Bytes| async move {
        sender.send(Delivery { headers, body }).await.unwrap();
        StatusCode::NO_CONTENT
    };
    let routes = Router::new().route("/hook", post(take)).with_state(sender);
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = receiver.local_addr().unwrap();
    let receiver = tokio::spawn(async move { axum::serve(receiver, routes).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let subscriber = format!(
        "[[subscriber]]\nname = \"mine\"\nurl = \"http://{address}/hook\"\nsecret_env = \"MY_SECRET\"\nallow_private = true\n"
    );
    std::fs::write(&file, subscriber).unwrap();
    let database = format!("sqlite://{}/gateway.db", folder.path().display());
    let environment = Environment::from_pairs([
        ("DATABASE_URL", database.as_str()),
        ("GATEWAY_FILE", file.to_str().unwrap()),
        ("GATEWAY_WEBHOOK_SECRET", "a-secret-that-amocrm-knows"),
        ("GATEWAY_WATCH_MINUTES", "0"),
        ("MY_SECRET", SECRET),
    ]);
    let app = App::open(Config::load(environment, None).unwrap())
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/webhooks/amocrm/a-secret-that-amocrm-knows",
        listener.local_addr().unwrap()
    );
    let shutdown = CancellationToken::new();
    let gateway = tokio::spawn({
        let (app, shutdown) = (app.clone(), shutdown.clone());
        async move { app.run_on(listener, shutdown).await }
    });
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = browser
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(FORM)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let delivery = deliveries.recv().await.unwrap();
    shutdown.cancel();
    gateway.await.unwrap().unwrap();
    receiver.abort();
    delivery
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_verified_in_rust_python_and_node_and_by_the_schemes_library() {
    let delivery = delivery().await;
    let event = snippet::verify(SECRET, &delivery.headers, &delivery.body).unwrap();
    assert_eq!(event.id, delivery.header("webhook-id"));
    assert!(event.id.starts_with("evt_"), "{}", event.id);
    assert!(matches!(&event.event, Event::Lead(lead) if lead.action == Action::Status));
    let library = standardwebhooks::Webhook::new(SECRET).unwrap();
    library.verify(&delivery.body, &delivery.headers).unwrap();

    let both = format!("{STRANGER} {SECRET}");
    let mut changed = delivery.clone();
    changed.body = Bytes::from([&delivery.body[..], b" "].concat());
    let now: f64 = delivery.header("webhook-timestamp").parse().unwrap();
    for (case, secrets, delivery, at, is_right) in [
        ("the secret", SECRET, &delivery, now, true),
        (
            "both secrets while one is changed",
            &both,
            &delivery,
            now,
            true,
        ),
        ("just in time", SECRET, &delivery, now + 300.0, true),
        ("a stranger's secret", STRANGER, &delivery, now, false),
        ("another body", SECRET, &changed, now, false),
        ("an old delivery", SECRET, &delivery, now + 301.0, false),
        ("one of tomorrow", SECRET, &delivery, now - 301.0, false),
    ] {
        // The library of Rust reads the clock itself.
        if at.to_bits() == now.to_bits() {
            let told = snippet::verify(secrets, &delivery.headers, &delivery.body);
            assert_eq!(told.is_ok(), is_right, "Rust: {case}");
        }
        let asked = asked(secrets, delivery, at);
        for (language, told) in [("Python", python(&asked)), ("Node", node(&asked))] {
            let Some(told) = told else { continue };
            let expected = is_right.then(|| event.id.clone());
            assert_eq!(told.ok(), expected, "{language}: {case}");
        }
    }
}

fn asked(secrets: &str, delivery: &Delivery, now: f64) -> Value {
    let headers: Map<String, Value> = delivery
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let body = std::str::from_utf8(&delivery.body).unwrap();
    json!({ "secrets": secrets, "headers": headers, "body": body, "now": now })
}

const SNIPPETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/webhook-gateway");

fn python(asked: &Value) -> Option<Result<String, String>> {
    let program = format!(
        "import json, sys; sys.path.insert(0, {SNIPPETS:?}); sys.dont_write_bytecode = True; import verify; \
         asked = json.load(sys.stdin); \
         print(verify.verify(asked['secrets'], asked['headers'], asked['body'].encode(), asked['now']), end='')"
    );
    run("python3", &["-c", &program], asked)
}

fn node(asked: &Value) -> Option<Result<String, String>> {
    let program = format!(
        "import {{ readFileSync }} from 'node:fs'; import {{ verify }} from 'file://{SNIPPETS}/verify.mjs'; \
         const {{ secrets, headers, body, now }} = JSON.parse(readFileSync(0)); \
         process.stdout.write(verify(secrets, headers, Buffer.from(body), now));"
    );
    run("node", &["--input-type=module", "-e", &program], asked)
}

/// What a program prints, or how it fails. `None`: it is not on this machine.
#[expect(clippy::print_stdout, reason = "a test that did not run should say so")]
fn run(program: &str, arguments: &[&str], asked: &Value) -> Option<Result<String, String>> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            assert!(!is_all_required(), "REQUIRE_ALL=1, but {program}: {error}");
            println!("skipped: {program} ({error})");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    })
}

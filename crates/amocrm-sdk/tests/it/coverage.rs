//! `docs/coverage.md` is true: every operation of the SDK has its row, and every row is lived through on the emulator.
//!
//! The stories in the submodules exercise the operations; a layer around the client records what reached amoCRM and
//! succeeded. A new operation without a row, without a story, or a row that nothing exercises fails here.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use amocrm_emulator::{Emulator, Seed};
use amocrm_sdk::layer::{HttpRequest, HttpResponse, HttpService};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{BoxError, Client, Operation};
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

mod activity;
mod catalogs;
mod chats;
mod core;
mod customers;
mod files;
mod office;
mod services;

/// An account to try things in, and what was tried.
pub struct Stage {
    pub emulator: Emulator,
    pub client: Client,
    pub recorder: Recorder,
}

impl Stage {
    async fn open(recorder: &Recorder) -> Self {
        let emulator = Emulator::builder()
            .seed(Seed::Empty)
            .rate_limit(None)
            .start()
            .await
            .unwrap();
        let client = Client::builder(&emulator.credentials().subdomain)
            .transport(emulator.router())
            .long_lived_token(emulator.long_lived_token())
            .limits(Limits::per_integration(2_000))
            .layer(recorder.clone())
            .build()
            .unwrap();
        Self {
            emulator,
            client,
            recorder: recorder.clone(),
        }
    }
}

/// What reached amoCRM and succeeded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    operation: String,
    method: String,
    path: String,
}

/// A layer that writes down the calls that succeeded.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<BTreeSet<Call>>>);

impl Layer<HttpService> for Recorder {
    type Service = Recording;

    fn layer(&self, inner: HttpService) -> Recording {
        Recording {
            inner,
            recorder: self.clone(),
        }
    }
}

#[derive(Clone)]
pub struct Recording {
    inner: HttpService,
    recorder: Recorder,
}

impl Service<HttpRequest> for Recording {
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<HttpResponse, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let call = Call {
            operation: request.extensions().get::<Operation>().unwrap().name.into(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
        };
        let answer = self.inner.call(request);
        let recorder = self.recorder.clone();
        Box::pin(async move {
            let answer = answer.await?;
            if answer.status().is_success() {
                recorder.0.lock().unwrap().insert(call);
            }
            Ok(answer)
        })
    }
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    endpoint: String,
    sdk: String,
    operation: String,
    emulator: bool,
    fixture: Option<String>,
    php: String,
}

impl Row {
    /// `| GET /api/v4/tasks | tasks().list() | tasks.list | ✓ | tasks_list.json | tasks()->get |`, with backticks.
    fn read(line: &str) -> Option<Self> {
        let cells: Vec<String> = line
            .strip_prefix('|')?
            .strip_suffix('|')?
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect();
        let [endpoint, sdk, operation, emulator, fixture, php] = cells.try_into().ok()?;
        let method = endpoint.split(' ').next()?;
        ["GET", "POST", "PUT", "PATCH", "DELETE"]
            .contains(&method)
            .then(|| Self {
                emulator: emulator == "✓",
                fixture: (fixture != "—").then_some(fixture),
                endpoint,
                sdk,
                operation,
                php,
            })
    }

    /// Whether this is the row of the call. A segment in braces stands for any; `{drive}` and `{amojo}` are hosts.
    fn is_of(&self, call: &Call) -> bool {
        let (method, path) = self.endpoint.split_once(' ').unwrap();
        let path = path
            .trim_start_matches("{drive}")
            .trim_start_matches("{amojo}");
        let (wanted, found): (Vec<_>, Vec<_>) = (
            path.split('/').collect::<Vec<_>>(),
            call.path.split('/').collect(),
        );
        method == call.method
            && self.operation == call.operation
            && wanted.len() == found.len()
            && wanted
                .iter()
                .zip(&found)
                .all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/coverage.md")).unwrap();
    text.lines().filter_map(Row::read).collect()
}

/// The accessors of the official PHP SDK, from the notes (§9.3).
const PHP_SERVICES: [&str; 38] = [
    "account",
    "leads",
    "contacts",
    "companies",
    "customers",
    "customersStatuses",
    "customersSegments",
    "customersBonusPoints",
    "transactions",
    "catalogs",
    "catalogElements",
    "products",
    "customFields",
    "customFieldGroups",
    "tags",
    "notes",
    "tasks",
    "events",
    "eventTypes",
    "calls",
    "links",
    "pipelines",
    "statuses",
    "lossReasons",
    "unsorted",
    "sources",
    "websiteButtons",
    "users",
    "roles",
    "webhooks",
    "widgets",
    "shortLinks",
    "talks",
    "entitySubscriptions",
    "currencies",
    "chatTemplates",
    "files",
    "entityFiles",
];

#[test]
fn the_table_names_every_operation_and_no_other() {
    let declared: BTreeSet<String> = amocrm_sdk::operations()
        .iter()
        .map(|operation| operation.name.to_owned())
        .collect();
    let told: BTreeSet<String> = table()
        .into_iter()
        .map(|row| row.operation)
        .filter(|operation| operation != "—")
        .collect();
    let untold: Vec<_> = declared.difference(&told).collect();
    let invented: Vec<_> = told.difference(&declared).collect();
    assert!(untold.is_empty(), "operations without a row: {untold:?}");
    assert!(
        invented.is_empty(),
        "rows without an operation: {invented:?}"
    );
}

#[test]
fn the_sdk_has_what_the_official_php_sdk_has() {
    let table = table();
    for row in table.iter().filter(|row| row.php != "—") {
        assert!(row.sdk != "—", "{} is empty", row.endpoint);
    }
    for service in PHP_SERVICES {
        let accessor = format!("{service}(");
        let is_told = table.iter().any(|row| row.php.starts_with(&accessor));
        assert!(is_told, "no row for {service}() of the PHP SDK");
    }
}

#[test]
fn every_fixture_of_the_table_exists() {
    for row in table() {
        for fixture in row.fixture.iter().flat_map(|names| names.split(", ")) {
            let path = root().join("fixtures/amocrm").join(fixture);
            assert!(path.exists(), "{}: {fixture} is missing", row.endpoint);
        }
    }
}

#[tokio::test]
async fn every_row_is_lived_through_on_the_emulator() {
    let recorder = Recorder::default();
    live(&recorder, core::account).await;
    live(&recorder, core::cards).await;
    live(&recorder, core::definitions).await;
    live(&recorder, core::pipelines).await;
    live(&recorder, core::tasks).await;
    live(&recorder, core::webhooks).await;
    live(&recorder, chats::chats).await;
    live(&recorder, files::files).await;
    live(&recorder, catalogs::lists).await;
    live(&recorder, catalogs::invoices).await;
    live(&recorder, customers::periodicity).await;
    live(&recorder, customers::segments).await;
    live(&recorder, office::users).await;
    live(&recorder, office::sources).await;
    live(&recorder, office::templates).await;
    live(&recorder, activity::notes).await;
    live(&recorder, activity::events).await;
    live(&recorder, activity::calls).await;
    live(&recorder, activity::unsorted).await;
    live(&recorder, activity::loss_reasons).await;
    live(&recorder, activity::followers).await;
    live(&recorder, services::bots).await;
    live(&recorder, services::widgets).await;
    live(&recorder, services::website_buttons).await;
    live(&recorder, services::short_links).await;
    live(&recorder, services::talks).await;

    let table = table();
    let calls = recorder.0.lock().unwrap().clone();
    let untold: Vec<_> = calls
        .iter()
        .filter(|call| !table.iter().any(|row| row.is_of(call)))
        .collect();
    let unlived: Vec<_> = table
        .iter()
        .filter(|row| row.emulator && !calls.iter().any(|call| row.is_of(call)))
        .map(|row| format!("{} ({})", row.endpoint, row.operation))
        .collect();
    assert!(untold.is_empty(), "calls without a row: {untold:#?}");
    assert!(
        unlived.is_empty(),
        "rows that nothing exercises: {unlived:#?}"
    );
}

/// Does what users of the account do: asks the emulator's control API, with a body to post or none to read.
async fn control(emulator: &Emulator, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let method = if body.is_null() { "GET" } else { "POST" };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/_emulator/{path}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let answer = tower::ServiceExt::oneshot(emulator.router(), request)
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap();
    serde_json::from_slice(&body).unwrap_or_default()
}

/// Plays a story in an account of its own.
async fn live<F: Future<Output = ()>>(recorder: &Recorder, story: impl FnOnce(Stage) -> F) {
    story(Stage::open(recorder).await).await;
}

//! amoCRM for this run: a real `amocrm-emulator` process, steered through its control API.

pub(crate) mod trouble;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::http::Http;
use crate::process::Program;
use crate::workshop::{Workshop, program};

/// The most amoCRM gives on a page.
const PAGE: usize = 250;
/// The same of its activity feed.
const FEED_PAGE: usize = 100;
/// How long people try, and how often.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(500);
/// How long it may take to start on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A running emulator; it ends with the value.
#[derive(Debug)]
pub(crate) struct Emulator {
    _process: Child,
    http: Http,
    pub(crate) known: Credentials,
    /// A token of another integration: looking does not use up the service's requests.
    token: String,
}

/// The account that it begins with.
#[derive(Debug)]
pub(crate) struct Account {
    /// Requests per second.
    pub(crate) budget: usize,
    /// How long the search does not find what was just made.
    pub(crate) index_delay: Duration,
    /// Where the service's integration comes back to.
    pub(crate) redirect_uri: String,
}

/// What the emulator says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) base_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uri: String,
}

/// A request as the emulator saw it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Arrival {
    #[serde(rename = "arrival_ms")]
    pub(crate) at_ms: f64,
    pub(crate) duration_ms: Option<f64>,
    /// By the clock on the wall, in seconds.
    pub(crate) at: f64,
    pub(crate) client_id: Option<String>,
    pub(crate) grant_type: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) fault: Option<String>,
}

impl Emulator {
    pub(crate) async fn start(
        http: &Http,
        workshop: &Workshop,
        account: Account,
    ) -> anyhow::Result<Self> {
        let program = Program {
            name: "amocrm".to_owned(),
            path: program("amocrm-emulator")?,
            arguments: [
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--seed",
                "empty",
                "--rate-limit",
                &account.budget.to_string(),
                "--index-delay-ms",
                &account.index_delay.as_millis().to_string(),
                "--redirect-uri",
                &account.redirect_uri,
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: BTreeMap::new(),
            directory: workshop.path().to_owned(),
        };
        let mut process = program.command()?.stdout(Stdio::piped()).spawn()?;
        let stdout = process
            .stdout
            .take()
            .context("the emulator has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START, lines.next_line())
            .await
            .context("the emulator does not start")??
            .context("the emulator ended")?;
        let known: Credentials = serde_json::from_str(&line)?;
        let token = second_integration(http, &known.base_url).await?;
        Ok(Self {
            _process: process,
            http: http.clone(),
            known,
            token,
        })
    }

    /// Plans trouble and gives its number.
    pub(crate) async fn plan(&self, fault: &Value) -> anyhow::Result<u64> {
        let planned = self
            .control(Method::POST, "/_emulator/faults", fault)
            .await?;
        planned["id"].as_u64().context("a fault has a number")
    }

    /// Forgets a planned fault; it may be used up already.
    pub(crate) async fn forget(&self, fault: u64) -> anyhow::Result<()> {
        let url = format!("{}/_emulator/faults/{fault}", self.known.base_url);
        self.http
            .send(Method::DELETE, &url, &[], &Value::Null)
            .await?;
        Ok(())
    }

    /// The rest of the run is without trouble.
    pub(crate) async fn calm(&self) -> anyhow::Result<()> {
        self.control(Method::DELETE, "/_emulator/faults", &Value::Null)
            .await?;
        Ok(())
    }

    /// From now on nobody is throttled.
    pub(crate) async fn lift_limits(&self) -> anyhow::Result<()> {
        let limits = json!({"integration": "off", "account": "off"});
        self.control(Method::POST, "/_emulator/limits", &limits)
            .await?;
        Ok(())
    }

    /// Lets the access tokens of the service's integration expire.
    pub(crate) async fn expire_tokens(&self) -> anyhow::Result<()> {
        let whose = json!({ "client_id": self.known.client_id });
        self.control(Method::POST, "/_emulator/tokens/expire", &whose)
            .await?;
        Ok(())
    }

    /// Waits until the webhooks due by now have been sent.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        self.control(Method::POST, "/_emulator/settle", &Value::Null)
            .await?;
        Ok(())
    }

    /// Every request of the service's integration.
    pub(crate) async fn journal(&self) -> anyhow::Result<Vec<Arrival>> {
        let journal = self
            .control(Method::GET, "/_emulator/requests", &Value::Null)
            .await?;
        let mut arrivals: Vec<Arrival> = serde_json::from_value(journal["requests"].clone())?;
        arrivals.retain(|arrival| arrival.client_id.as_deref() == Some(&*self.known.client_id));
        Ok(arrivals)
    }

    /// What `GET path` answers a person; `null` for 204. Who is throttled asks again.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.insist(Method::GET, path, &Value::Null).await
    }

    /// A person changes something.
    pub(crate) async fn patch(&self, path: &str, change: &Value) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, change).await
    }

    /// Something that may be done twice, until it is done: while amoCRM fails, people try again.
    pub(crate) async fn insist(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            match self.call(method.clone(), path, body).await {
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => sleep(PAUSE).await,
                done => return done,
            }
        }
    }

    /// All items of a list.
    pub(crate) async fn all(&self, path: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        self.pages(path, name, PAGE).await
    }

    /// The activity feed, the newest first.
    pub(crate) async fn feed(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/api/v4/events?filter[type][]={kind}");
        self.pages(&path, "events", FEED_PAGE).await
    }

    async fn pages(&self, path: &str, name: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        for page in 1.. {
            let join = if path.contains('?') { '&' } else { '?' };
            let answer = self
                .get(&format!("{path}{join}limit={limit}&page={page}"))
                .await?;
            let items = answer["_embedded"][name].as_array().cloned();
            let items = items.unwrap_or_default();
            let is_last = items.len() < limit;
            all.extend(items);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.known.base_url);
        let bearer = format!("Bearer {}", self.token);
        let answer = self
            .http
            .send(method, &url, &[("authorization", &bearer)], body)
            .await?;
        answer.good().with_context(|| path.to_owned())
    }

    async fn control(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.known.base_url);
        let answer = self.http.send(method, &url, &[], body).await?;
        answer.good().with_context(|| path.to_owned())
    }
}

/// Makes a second integration, by the way of the site button, and takes a long-lived token of it.
async fn second_integration(http: &Http, base_url: &str) -> anyhow::Result<String> {
    // Its secret is sent to whoever answers 200; nobody here needs it.
    let secrets = format!("{base_url}/_emulator/settle");
    let fields = [
        ("name", "Ledger"),
        ("redirect_uri", "http://127.0.0.1/"),
        ("secrets_uri", &secrets),
        ("scopes[]", "crm"),
        ("action", "allow"),
    ];
    let consent = http
        .post_form(&format!("{base_url}/oauth"), &fields)
        .await?;
    let location = consent.location.as_deref().unwrap_or_default();
    let client_id = Url::parse(location)
        .ok()
        .and_then(|url| {
            let mut pairs = url.query_pairs();
            pairs.find_map(|(name, value)| (name == "client_id").then(|| value.into_owned()))
        })
        .context("no second integration was made")?;
    let whose = json!({ "client_id": client_id });
    let answer = http
        .send(
            Method::POST,
            &format!("{base_url}/_emulator/tokens"),
            &[],
            &whose,
        )
        .await?
        .good()?;
    let token = answer["access_token"].as_str().map(str::to_owned);
    token.context("the emulator gives no token")
}

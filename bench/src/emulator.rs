//! The emulator in a process of its own: its memory and its computing are not the SDK's.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use amocrm_sdk::quota::{DEFAULT_INTEGRATION_RPS, Limits};
use amocrm_sdk::{Client, ClientBuilder, Operation, Request};
use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::canned::Unlimited;

const CONTROL: Operation = Operation::idempotent("emulator.control");

/// A running emulator; it ends with the value.
pub(crate) struct Emulator {
    process: Child,
    /// What it said of itself, for other programs.
    pub(crate) announcement: String,
    pub(crate) base_url: String,
    pub(crate) token: String,
    control: Client,
}

/// What reached the emulator since the last look.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    requests: Vec<Arrival>,
    pub(crate) counters: Counters,
}

#[derive(Debug, Deserialize)]
struct Arrival {
    #[serde(rename = "arrival_ms")]
    at_ms: f64,
    path: String,
    status: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Counters {
    pub(crate) peak_per_second: u32,
}

impl Seen {
    /// Requests to the API, whatever they were answered.
    fn api(&self) -> impl Iterator<Item = &Arrival> {
        self.requests
            .iter()
            .filter(|request| request.path.starts_with("/api/"))
    }

    pub(crate) fn requests(&self) -> usize {
        self.api().count()
    }

    pub(crate) fn throttled(&self) -> usize {
        let is_throttled = |request: &&Arrival| matches!(request.status, Some(429 | 403));
        self.api().filter(is_throttled).count()
    }

    /// Seconds from the first arrival to the last.
    pub(crate) fn span(&self) -> f64 {
        let arrivals = || self.api().map(|request| request.at_ms);
        let first = arrivals().fold(f64::MAX, f64::min);
        (arrivals().fold(0.0, f64::max) - first) / 1e3
    }
}

impl Emulator {
    /// Starts one that allows what amoCRM allows.
    pub(crate) fn start(program: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new(program)
            .args(["--json", "--listen", "127.0.0.1:0", "--tls-port", "0"])
            .arg("--tls-dir")
            .arg(std::env::temp_dir().join(format!("amocrm-bench-{}", std::process::id())))
            .args(["--rate-limit", &DEFAULT_INTEGRATION_RPS.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let mut announcement = String::new();
        let stdout = process
            .stdout
            .take()
            .context("the emulator has no output")?;
        BufReader::new(stdout).read_line(&mut announcement)?;
        let said: Value =
            serde_json::from_str(&announcement).context("the emulator did not start")?;
        let part = |name: &str| {
            said[name]
                .as_str()
                .map(str::to_owned)
                .context("an emulator of another time")
        };
        let (base_url, token) = (part("base_url")?, part("long_lived_token")?);
        let control = builder(&base_url, &token)
            .quota(Arc::new(Unlimited))
            .build()?;
        Ok(Self {
            process,
            announcement,
            base_url,
            token,
            control,
        })
    }

    /// A client as users build it, with the default budget.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(builder(&self.base_url, &self.token)
            .limits(Limits::default())
            .build()?)
    }

    /// A client that never waits, for what is not measured.
    pub(crate) fn unlimited(&self) -> Client {
        self.control.clone()
    }

    /// The authority of its TLS port.
    pub(crate) fn ca_file(&self) -> anyhow::Result<String> {
        let said: Value = serde_json::from_str(&self.announcement)?;
        let file = said["ca_file"].as_str().map(str::to_owned);
        file.context("the emulator has no TLS port")
    }

    /// Sets the requests per second of an integration; `None` is no limit.
    pub(crate) async fn allow(&self, rps: Option<u32>) -> anyhow::Result<()> {
        let integration = rps.map_or_else(|| json!("off"), Value::from);
        let limits = json!({"integration": integration, "account": "off"});
        self.control
            .send(Request::post(CONTROL, "/_emulator/limits").json(&limits)?)
            .await?;
        Ok(())
    }

    /// Forgets what was seen.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        self.control
            .send(Request::delete(CONTROL, "/_emulator/requests"))
            .await?;
        Ok(())
    }

    /// What was seen since the emulator forgot.
    pub(crate) async fn seen(&self) -> anyhow::Result<Seen> {
        let seen = self
            .control
            .fetch(Request::get(CONTROL, "/_emulator/requests"))
            .await?;
        seen.context("the emulator keeps no journal")
    }
}

/// A client of an emulator.
pub(crate) fn builder(base_url: &str, token: &str) -> ClientBuilder {
    Client::builder("acme-demo.amocrm.ru")
        .base_url(base_url)
        .long_lived_token(token.to_owned())
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

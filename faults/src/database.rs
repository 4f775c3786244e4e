//! Where the services keep their data, and how it goes away.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use store::throwaway::Schema;
use store::{Keyring, Options, Store};
use tokio::process::Command;
use tokio::time::{Instant, sleep, sleep_until};

use crate::plan::Outage;
use crate::workshop::Workshop;

/// A PostgreSQL server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
    control: Option<Control>,
}

/// How `xtask` says that its server is stopped and started.
#[derive(Debug, Clone, Deserialize)]
struct Control {
    /// `pg_ctl` and what stands before it.
    pg_ctl: Vec<String>,
    data: String,
    log: String,
    options: String,
}

/// How a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Rolls back what is open and says goodbye.
    Fast,
    /// As if the power had gone.
    Immediate,
}

impl Server {
    pub(crate) fn new(url: &str, control: Option<&str>) -> anyhow::Result<Self> {
        let control = control.map(serde_json::from_str).transpose();
        Ok(Self {
            url: url.to_owned(),
            control: control.context("--postgres-control")?,
        })
    }

    /// Stops the server and starts it again `down` later. `false` if it is not ours to stop.
    async fn restart(&self, how: Stop, down: Duration) -> anyhow::Result<bool> {
        let Some(control) = &self.control else {
            return Ok(false);
        };
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        control.run(&["-m", mode, "-w", "stop"]).await?;
        sleep(down).await;
        let start = [
            "-l",
            &control.log,
            "-o",
            &control.options,
            "-t",
            "60",
            "-w",
            "start",
        ];
        control.run(&start).await?;
        Ok(true)
    }
}

impl Control {
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let (program, before) = self.pg_ctl.split_first().context("pg_ctl is not named")?;
        // The server inherits these; a pipe would be held open by it.
        let status = Command::new(program)
            .args(before)
            .args(["-D", &self.data])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await?;
        anyhow::ensure!(status.success(), "pg_ctl {}: {status}", arguments.join(" "));
        Ok(())
    }
}

/// The database of a run.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) key: SecretString,
    postgres: Option<(Server, Schema)>,
}

impl Database {
    /// A file in the workshop, or a schema of the server.
    pub(crate) async fn create(
        workshop: &Workshop,
        server: Option<Server>,
    ) -> anyhow::Result<Self> {
        let key = Keyring::generate_key()?;
        let Some(server) = server else {
            let path = workshop.file("service.db");
            return Ok(Self {
                url: format!("sqlite://{}", path.display()),
                key,
                postgres: None,
            });
        };
        let schema = Schema::create(&server.url).await?;
        Ok(Self {
            url: schema.url(),
            key,
            postgres: Some((server, schema)),
        })
    }

    pub(crate) fn backend(&self) -> &'static str {
        match self.postgres {
            Some(_) => "postgres",
            None => "sqlite",
        }
    }

    /// The data as the services have them, to look at.
    pub(crate) async fn open(&self) -> anyhow::Result<Store> {
        let keyring = Keyring::parse(&self.key)?;
        let url = SecretString::from(self.url.as_str());
        let options = Options::new().keyring(keyring).postgres_connections(2);
        Ok(Store::open(&url, options).await?)
    }

    /// See [`Server::restart`]; nothing on SQLite.
    async fn restart(&self, how: Stop, down: Duration) -> anyhow::Result<bool> {
        match &self.postgres {
            Some((server, _)) => server.restart(how, down).await,
            None => Ok(false),
        }
    }

    /// Ends some of the services' connections, whatever they are at. Returns how many.
    async fn cut_connections(&self, at_most: u32) -> anyhow::Result<u64> {
        match &self.postgres {
            Some((_, schema)) => Ok(schema.cut_connections(at_most).await?),
            None => Ok(0),
        }
    }

    /// Fails by the plan. Returns how often it was restarted, and how many connections were cut.
    pub(crate) async fn suffer(
        &self,
        began: Instant,
        outages: Vec<(Duration, Outage)>,
    ) -> anyhow::Result<(usize, usize)> {
        let (mut restarts, mut cut) = (0, 0);
        for (at, outage) in outages {
            sleep_until(began + at).await;
            match outage {
                Outage::Restart(how, down) => {
                    restarts += usize::from(self.restart(how, down).await?);
                }
                Outage::Cut(connections) => {
                    cut += usize::try_from(self.cut_connections(connections).await?)?;
                }
            }
        }
        Ok((restarts, cut))
    }

    /// Nobody needs these data again.
    pub(crate) async fn drop(self) -> anyhow::Result<()> {
        if let Some((_, schema)) = self.postgres {
            schema.drop().await?;
        }
        Ok(())
    }

    pub(crate) fn secret(&self) -> String {
        self.key.expose_secret().to_owned()
    }
}

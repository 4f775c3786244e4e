//! `lead-intake provision`: creates what the account lacks, and changes nothing that is there.
//!
//! Every step looks before it writes, so a run that was killed is completed by the next one, and a run after that has
//! nothing to do. What was found is kept in the database by code and name; nobody writes a number of amoCRM's anywhere.

mod fields;
mod pipeline;
mod progress;
mod webhook;

use std::io::Write;
use std::time::Duration;

use amocrm_sdk::ErrorKind;
use clap::Args;
use connection::audit_command;
use store::{Lock, Locks, Store};
use tokio::time::Instant;

use self::progress::Progress;
pub(crate) use self::webhook::{Subscriptions, lacks};
use crate::App;
use crate::config::Config;
use crate::crm::{CrmError, Linked, Mapping};

/// How long a run holds the account without saying that it lives.
const LOCK_LIFE: Duration = Duration::from_secs(30);
const LOCK_RENEWAL: Duration = Duration::from_secs(10);
/// How often a second run looks whether the first has ended, and how long it does so at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(5);

/// Arguments of `lead-intake provision`.
#[derive(Debug, Clone, Default, Args)]
pub struct Arguments {
    /// Name of the pipeline; INTAKE_PIPELINE unless given.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Only tells what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// Creates the pipeline with its stages, the fields of deals and contacts and the webhook, as far as they are missing,
/// and writes a line about each to `out`. Of two runs at once one waits for the other.
///
/// # Errors
///
/// When amoCRM is not connected, does not answer, or the token is no administrator's. What was made until then is there,
/// and the next run goes on from it.
pub async fn run(
    app: &App,
    arguments: &Arguments,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut config = app.config().clone();
    if let Some(pipeline) = &arguments.pipeline {
        config.intake.pipeline.clone_from(pipeline);
    }
    let linked = app
        .crm()
        .linked()
        .await
        .map_err(|error| explain(error.into()))?;
    let mut provision = Provision {
        linked: &linked,
        config: &config,
        store: app.store(),
        progress: Progress::new(out, arguments.dry_run),
    };
    provision.progress.say("account", &linked.account)?;
    if arguments.dry_run {
        provision.all(app).await.map_err(explain)?;
    } else {
        audit_command(app.store(), "provision", "").await?;
        provision.alone(app).await?;
    }
    if config.intake.pipeline != app.config().intake.pipeline {
        provision.progress.look(
            "pipeline",
            &format!(
                "set INTAKE_PIPELINE='{}', or the service goes on using «{}»",
                config.intake.pipeline,
                app.config().intake.pipeline
            ),
        )?;
    }
    provision.progress.sum()
}

struct Provision<'a> {
    linked: &'a Linked,
    config: &'a Config,
    store: &'a Store,
    progress: Progress<'a>,
}

impl Provision<'_> {
    /// Does everything while nobody else does.
    async fn alone(&mut self, app: &App) -> anyhow::Result<()> {
        let locks = self.store.locks();
        let lock = self.lock(&locks).await?;
        let outcome = tokio::select! {
            outcome = self.all(app) => outcome.map_err(explain),
            error = keep(&locks, &lock) => Err(error),
        };
        // If it cannot be given back, it ends by itself.
        let _ = locks.release(&lock).await;
        outcome
    }

    async fn lock(&mut self, locks: &Locks) -> anyhow::Result<Lock> {
        let name = format!("provision/{}", self.linked.account);
        let started = Instant::now();
        let mut has_told = false;
        loop {
            if let Some(lock) = locks.take(&name, LOCK_LIFE).await? {
                return Ok(lock);
            }
            if started.elapsed() > PATIENCE {
                anyhow::bail!(
                    "another `lead-intake provision` has been at work for too long; run it again later"
                );
            }
            if !has_told {
                self.progress
                    .say("wait", "another `lead-intake provision` is at work")?;
                has_told = true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn all(&mut self, app: &App) -> anyhow::Result<()> {
        self.pipeline().await?;
        self.fields().await?;
        self.webhook().await?;
        if !self.progress.dry_run {
            // Workers of every process find the new numbers here. A mapping of another pipeline would only confuse them.
            Mapping::read(app.crm(), self.linked, &app.config().intake).await?;
        }
        Ok(())
    }
}

/// Renews the lock until that fails: then somebody else may have begun.
async fn keep(locks: &Locks, lock: &Lock) -> anyhow::Error {
    let mut kept_at = Instant::now();
    loop {
        tokio::time::sleep(LOCK_RENEWAL).await;
        match locks.extend(lock, LOCK_LIFE).await {
            Ok(true) => kept_at = Instant::now(),
            // One failure of the database is no reason yet: there is time for another try.
            Err(_) if kept_at.elapsed() + LOCK_RENEWAL < LOCK_LIFE => {}
            Ok(false) | Err(_) => {
                return anyhow::anyhow!(
                    "stopped, because another run may have begun: the database did not answer in time; run it again"
                );
            }
        }
    }
}

/// What a refusal of amoCRM means to somebody who provisions.
fn explain(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<CrmError>() {
        Some(CrmError::Sdk(refusal)) if refusal.kind() == ErrorKind::Forbidden => {
            anyhow::anyhow!(
                "amoCRM refuses to show or change the account's settings (403): the token is not an administrator's; let \
                 an administrator of the account open /api/auth/amo, then run this again ({refusal})"
            )
        }
        Some(CrmError::Sdk(refusal)) if refusal.kind() == ErrorKind::PaymentRequired => {
            anyhow::anyhow!(
                "the account's tariff does not have this (402): webhooks need the extended or the professional one \
                 ({refusal})"
            )
        }
        Some(CrmError::Sdk(refusal)) if refusal.is_transient() => {
            anyhow::anyhow!("{refusal}; run it again: it goes on from what was made")
        }
        _ => error,
    }
}

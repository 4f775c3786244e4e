//! `lead-intake doctor`: asks every neighbour and says what to do about each failure.

mod managers;

use std::io::Write;

use amocrm_sdk::fields::FieldType;
use store::{DeliveryState, Store};

use crate::App;
use crate::app::open_store;
use crate::config::Config;
use crate::crm::{CrmError, Linked, Mapping, read_fields};
use crate::lead::UTM_MARKS;
use crate::worker::KINDS;

/// Checks everything and writes a line about each to `out`. Returns whether all is well.
///
/// The configuration has been checked already: a wrong one does not get here.
///
/// # Errors
///
/// Only when `out` cannot be written to.
pub async fn run(config: Config, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
    let mut doctor = Doctor { out, is_well: true };
    doctor.good("configuration", "can be used")?;
    doctor.exposure(&config)?;
    let store = match open_store(&config).await {
        Ok(store) => store,
        Err(error) => {
            doctor.bad("database", &format!("{error:#}"))?;
            return Ok(false);
        }
    };
    if doctor.database(&store).await? {
        let app = App::with_store(
            config,
            store.clone(),
            service_kit::clock::SystemClock::shared(),
        );
        doctor.queue(&store).await?;
        doctor.account(&app).await?;
    }
    store.close().await;
    Ok(doctor.is_well)
}

struct Doctor<'a> {
    out: &'a mut (dyn Write + Send),
    is_well: bool,
}

impl Doctor<'_> {
    fn exposure(&mut self, config: &Config) -> anyhow::Result<()> {
        if config.server.is_loopback() {
            return self.good("address", "only this machine can reach the service");
        }
        if config.intake.webhook_secret.is_none() {
            return self.warn(
                "address",
                "INTAKE_WEBHOOK_SECRET is unset: anybody can post webhooks, for amoCRM does not sign them; make one with \
                 `openssl rand -hex 16` and run `lead-intake provision`",
            );
        }
        self.good(
            "address",
            "the administrator's endpoints and webhooks are guarded",
        )
    }

    async fn database(&mut self, store: &Store) -> anyhow::Result<bool> {
        if let Err(error) = store.ping().await {
            self.bad(
                "database",
                &format!("{error}; is DATABASE_URL right, and the server running?"),
            )?;
            return Ok(false);
        }
        match store.pending_migrations().await {
            Ok(pending) if pending.is_empty() => {}
            Ok(_) => {
                self.bad("database", "tables are missing: run `lead-intake migrate`")?;
                return Ok(false);
            }
            Err(error) => {
                self.bad("database", &error.to_string())?;
                return Ok(false);
            }
        }
        match store.check_integrity().await {
            Ok(findings) if findings.is_empty() => {
                self.good(
                    "database",
                    &format!("{} answers, its tables are up to date", store.backend()),
                )?;
                Ok(true)
            }
            Ok(findings) => {
                self.bad(
                    "database",
                    &format!(
                        "the file is damaged ({} findings): stop the service and restore a backup",
                        findings.len()
                    ),
                )?;
                Ok(false)
            }
            Err(error) => {
                self.bad("database", &error.to_string())?;
                Ok(false)
            }
        }
    }

    async fn queue(&mut self, store: &Store) -> anyhow::Result<()> {
        let mut waiting = 0;
        let mut dead = 0;
        for kind in KINDS {
            if let Ok(stats) = store.jobs().stats(kind).await {
                waiting += stats.depth;
                dead += stats.dead;
            }
        }
        let failed = store
            .leads()
            .count(DeliveryState::Failed)
            .await
            .unwrap_or(0);
        if dead > 0 || failed > 0 {
            return self.warn(
                "queue",
                &format!(
                    "{dead} jobs were given up, and {failed} leads are refused; GET /api/leads?state=failed says why; \
                     once that is mended: lead-intake retry"
                ),
            );
        }
        self.good("queue", &format!("{waiting} jobs are waiting"))
    }

    async fn account(&mut self, app: &App) -> anyhow::Result<()> {
        let linked = match app.crm().linked().await {
            Ok(linked) => linked,
            Err(error) => return self.bad("connection", &error.to_string()),
        };
        match linked.client.account().get().await {
            Ok(account) => {
                self.good(
                    "connection",
                    &format!("«{}» ({}) answers", account.name, linked.account),
                )?;
            }
            Err(error) => {
                let error = CrmError::from(error);
                return self.bad(
                    "connection",
                    &format!("{error}; is the account's address right?"),
                );
            }
        }
        self.clock(app).await?;
        self.fields(&linked).await?;
        self.pipeline(app, &linked).await?;
        self.managers(app, &linked).await
    }

    /// A clock that is wrong renews tokens too late.
    async fn clock(&mut self, app: &App) -> anyhow::Result<()> {
        let standing = match app.crm().standing().await {
            Ok(standing) => standing,
            Err(error) => return self.bad("clock", &error.to_string()),
        };
        let issued = standing
            .connection
            .and_then(|connection| Some((connection.obtained_at, connection.claims?.issued_at?)));
        let Some((obtained, issued)) = issued else {
            return self.good(
                "clock",
                "cannot be compared with amoCRM's, which is no harm",
            );
        };
        let off = (obtained - issued).num_seconds();
        if off.abs() > 120 {
            return self.warn(
                "clock",
                &format!("was {off} s away from amoCRM's when the token was made: let NTP set this machine's clock"),
            );
        }
        self.good("clock", "agrees with amoCRM's")
    }

    async fn fields(&mut self, linked: &Linked) -> anyhow::Result<()> {
        let (fields, intake_field) = match read_fields(&linked.client).await {
            Ok(read) => read,
            Err(error) => return self.bad("fields", &error.to_string()),
        };
        match intake_field {
            Some(id) => {
                let text = fields
                    .0
                    .iter()
                    .any(|field| field.id == id && field.kind == FieldType::Text.to_string());
                if !text {
                    return self.bad(
                        "fields",
                        "the field INTAKE_ID is not a text field: delete it, then run `lead-intake provision`",
                    );
                }
            }
            None => {
                return self.bad(
                    "fields",
                    "the field INTAKE_ID is missing: run `lead-intake provision`",
                );
            }
        }
        let missing: Vec<_> = UTM_MARKS
            .into_iter()
            .map(|mark| format!("utm_{mark}"))
            .filter(|name| fields.find(name).is_none())
            .collect();
        if missing.is_empty() {
            return self.good("fields", "INTAKE_ID and all UTM marks are there");
        }
        self.warn(
            "fields",
            &format!(
                "{} are missing: their values go into the deal's note",
                missing.join(", ")
            ),
        )
    }

    async fn pipeline(&mut self, app: &App, linked: &Linked) -> anyhow::Result<()> {
        let intake = &app.config().intake;
        let mapping = match Mapping::read(app.crm(), linked, intake).await {
            Ok(mapping) => mapping,
            Err(error) => return self.bad("pipeline", &error.to_string()),
        };
        if mapping.stages.is_fallback {
            return self.bad(
                "pipeline",
                &format!(
                    "«{}» does not exist, deals go to «{}»: run `lead-intake provision`, or set INTAKE_PIPELINE",
                    intake.pipeline, mapping.stages.pipeline_name
                ),
            );
        }
        let missing: Vec<_> = mapping
            .stages
            .missing()
            .into_iter()
            .map(|status| format!("«{}» ({status})", intake.stages.get(status)))
            .collect();
        if !missing.is_empty() {
            return self.bad(
                "pipeline",
                &format!(
                    "these stages are missing: {}; run `lead-intake provision`",
                    missing.join(", ")
                ),
            );
        }
        self.good(
            "pipeline",
            &format!("«{}» has all its stages", mapping.stages.pipeline_name),
        )
    }

    fn good(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "✔ {what:<14} {text}")?;
        Ok(())
    }

    fn warn(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "! {what:<14} {text}")?;
        Ok(())
    }

    fn bad(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        self.is_well = false;
        writeln!(self.out, "✘ {what:<14} {text}")?;
        Ok(())
    }
}

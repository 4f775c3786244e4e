//! `lead-intake provision`: creates what the account lacks, and changes nothing that is there.

use std::io::Write;

use amocrm_sdk::pipelines::{NewPipeline, NewStatus, Pipeline};
use amocrm_sdk::webhook::WebhookEvent;
use clap::Args;
use futures_util::TryStreamExt as _;
use secrecy::ExposeSecret as _;

use crate::App;
use crate::config::Config;
use crate::crm::{
    CrmError, INTAKE_FIELD_CODE, Linked, Mapping, Stages, create_intake_field, find_pipeline,
    read_fields,
};
use crate::lead::{LeadStatus, UTM_MARKS};

/// The events that a subscription needs: a deal that moves, and one that changes.
const EVENTS: [WebhookEvent; 3] = [
    WebhookEvent::StatusLead,
    WebhookEvent::UpdateLead,
    WebhookEvent::ResponsibleLead,
];

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

/// Creates the pipeline with its stages, the field for intake ids and the webhook, as far as they are missing, and
/// writes a line about each to `out`.
///
/// # Errors
///
/// When amoCRM is not connected, does not answer, or the token is no administrator's.
pub async fn run(
    app: &App,
    arguments: &Arguments,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut config = app.config().clone();
    if let Some(pipeline) = &arguments.pipeline {
        config.intake.pipeline.clone_from(pipeline);
    }
    let linked = app.crm().linked().await?;
    let mut provision = Provision {
        linked: &linked,
        config: &config,
        dry_run: arguments.dry_run,
        out,
    };
    writeln!(provision.out, "account  {}", linked.account)?;
    provision.pipeline().await?;
    provision.fields().await?;
    provision.webhook().await?;
    if !arguments.dry_run {
        // Workers of every process find the new numbers here.
        Mapping::read(app.crm(), &linked, &config.intake).await?;
    }
    if config.intake.pipeline != app.config().intake.pipeline {
        writeln!(
            provision.out,
            "note     set INTAKE_PIPELINE='{}', or the service goes on using «{}»",
            config.intake.pipeline,
            app.config().intake.pipeline
        )?;
    }
    Ok(())
}

struct Provision<'a> {
    linked: &'a Linked,
    config: &'a Config,
    dry_run: bool,
    out: &'a mut (dyn Write + Send),
}

impl Provision<'_> {
    async fn pipeline(&mut self) -> anyhow::Result<()> {
        let client = &self.linked.client;
        let intake = &self.config.intake;
        let pipelines: Vec<Pipeline> = client
            .pipelines()
            .list()
            .stream()
            .try_collect()
            .await
            .map_err(CrmError::from)?;
        let Some(pipeline) = find_pipeline(&pipelines, &intake.pipeline) else {
            if self.dry_run {
                return self.say("pipeline", &format!("would create «{}»", intake.pipeline));
            }
            let mut new = NewPipeline::new(&intake.pipeline)
                .unsorted(false)
                .won_name(intake.stages.get(LeadStatus::Completed))
                .lost_name(intake.stages.get(LeadStatus::Lost));
            for status in own_stages() {
                new = new.status(NewStatus::new(intake.stages.get(status)));
            }
            let created = client
                .pipelines()
                .create([new])
                .await
                .map_err(CrmError::from)?;
            let id = created.first().map_or(0, |pipeline| pipeline.id.get());
            self.say("pipeline", &format!("created «{}» ({id})", intake.pipeline))?;
            return self.stages().await;
        };
        let id = pipeline.id;
        self.say("pipeline", &format!("«{}» is there ({id})", pipeline.name))?;
        for status in Stages::of(pipeline, intake, false).missing() {
            let name = intake.stages.get(status);
            if self.dry_run {
                self.say("stage", &format!("would create «{name}» for {status}"))?;
                continue;
            }
            // Stages are ordered by place: a new one goes before the stage that follows it in our list.
            let place = own_stages()
                .position(|own| own == status)
                .and_then(|index| i64::try_from(index).ok())
                .unwrap_or(0);
            client
                .pipelines()
                .statuses(id)
                .create([NewStatus::new(name).sort((place + 2) * 10)])
                .await
                .map_err(CrmError::from)?;
            self.say("stage", &format!("created «{name}» for {status}"))?;
        }
        if self.dry_run {
            return Ok(());
        }
        self.stages().await
    }

    /// Tells which stage means what.
    async fn stages(&mut self) -> anyhow::Result<()> {
        let intake = &self.config.intake;
        let pipelines: Vec<Pipeline> = self
            .linked
            .client
            .pipelines()
            .list()
            .stream()
            .try_collect()
            .await
            .map_err(CrmError::from)?;
        let Some(pipeline) = find_pipeline(&pipelines, &intake.pipeline) else {
            return Ok(());
        };
        let stages = Stages::of(pipeline, intake, false);
        for (status, id) in stages.by_status {
            let name = pipeline
                .statuses()
                .iter()
                .find(|stage| stage.id.get() == id)
                .map_or("", |stage| stage.name.as_str());
            self.say("stage", &format!("{status} = «{name}» ({id})"))?;
        }
        Ok(())
    }

    async fn fields(&mut self) -> anyhow::Result<()> {
        let (fields, intake_field) = read_fields(&self.linked.client).await?;
        match intake_field {
            Some(id) => self.say("field", &format!("{INTAKE_FIELD_CODE} is there ({id})"))?,
            None if self.dry_run => {
                self.say("field", &format!("would create {INTAKE_FIELD_CODE}"))?;
            }
            None => {
                let id = create_intake_field(&self.linked.client).await?;
                self.say("field", &format!("created {INTAKE_FIELD_CODE} ({id})"))?;
            }
        }
        for mark in UTM_MARKS {
            let name = format!("utm_{mark}");
            match fields.find(&name) {
                Some(field) => {
                    self.say(
                        "field",
                        &format!("{name} = «{}» ({})", field.name, field.id),
                    )?;
                }
                None => self.say(
                    "field",
                    &format!("{name} is missing; its values go into the deal's note"),
                )?,
            }
        }
        Ok(())
    }

    async fn webhook(&mut self) -> anyhow::Result<()> {
        let Some(public) = self.config.server.public_url() else {
            return self.say(
                "webhook",
                "not subscribed: PUBLIC_URL is unset, so amoCRM cannot reach this service; statuses set in amoCRM are \
                 not followed",
            );
        };
        let base = public.as_str().trim_end_matches('/');
        let shown = format!("{base}/api/webhooks/amo");
        let destination = match &self.config.intake.webhook_secret {
            Some(secret) => format!("{shown}/{}", secret.expose_secret()),
            None => shown.clone(),
        };
        let client = &self.linked.client;
        let hooks: Vec<_> = client
            .webhooks()
            .list()
            .stream()
            .try_collect()
            .await
            .map_err(CrmError::from)?;
        let subscribed = hooks.iter().any(|hook| {
            hook.destination == destination
                && !hook.disabled
                && EVENTS.iter().all(|event| hook.settings.contains(event))
        });
        if subscribed {
            return self.say("webhook", &format!("{shown} is subscribed"));
        }
        if self.dry_run {
            return self.say("webhook", &format!("would subscribe {shown}"));
        }
        client
            .webhooks()
            .subscribe(destination, EVENTS)
            .await
            .map_err(CrmError::from)?;
        self.say("webhook", &format!("subscribed {shown}"))
    }

    fn say(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{what:<8} {text}")?;
        Ok(())
    }
}

/// The stages that are not amoCRM's own.
fn own_stages() -> impl Iterator<Item = LeadStatus> {
    LeadStatus::ALL
        .into_iter()
        .filter(|status| !matches!(status, LeadStatus::Completed | LeadStatus::Lost))
}

//! The pipeline with its stages.

use amocrm_sdk::Client;
use amocrm_sdk::pipelines::{NewPipeline, NewStatus, Pipeline, Status};
use futures_util::TryStreamExt as _;

use super::Provision;
use crate::crm::{CrmError, Stages, find_pipeline};
use crate::lead::LeadStatus;

/// amoCRM allows no more (`02-crm-entities.md` §12).
const MAX_PIPELINES: usize = 50;
/// The three of amoCRM's own included.
const MAX_STAGES: usize = 100;
/// Where amoCRM puts won; its own stages stand before.
const PLACE_OF_WON: i64 = 10_000;

impl Provision<'_> {
    /// Creates the pipeline, or the stages it lacks.
    pub(super) async fn pipeline(&mut self) -> anyhow::Result<()> {
        let intake = &self.config.intake;
        let pipelines = read(&self.linked.client).await?;
        let Some(pipeline) = find_pipeline(&pipelines, &intake.pipeline) else {
            if pipelines.len() >= MAX_PIPELINES {
                anyhow::bail!(
                    "the account has {} pipelines, and amoCRM allows {MAX_PIPELINES}: delete one, or name one that \
                     exists with --pipeline",
                    pipelines.len()
                );
            }
            return self.create_pipeline().await;
        };
        self.progress.say(
            "pipeline",
            &format!("«{}» is there ({})", pipeline.name, pipeline.id),
        )?;
        let missing: Vec<_> = own_stages()
            .filter(|status| {
                Stages::of(pipeline, intake, false)
                    .missing()
                    .contains(status)
            })
            .collect();
        if self.progress.dry_run {
            for status in missing {
                let name = intake.stages.get(status);
                self.progress
                    .would_make("stage", &format!("«{name}» for {status}"))?;
            }
            return Ok(());
        }
        if pipeline.statuses().len() + missing.len() > MAX_STAGES {
            anyhow::bail!(
                "«{}» would have more than {MAX_STAGES} stages, which amoCRM does not allow: delete some",
                pipeline.name
            );
        }
        let mut pipeline = pipeline.clone();
        for status in missing {
            pipeline = self.create_stage(&pipeline, status).await?;
        }
        self.tell_stages(&pipeline)
    }

    async fn create_pipeline(&mut self) -> anyhow::Result<()> {
        let intake = &self.config.intake;
        if self.progress.dry_run {
            return self
                .progress
                .would_make("pipeline", &format!("«{}»", intake.pipeline));
        }
        let mut new = NewPipeline::new(&intake.pipeline)
            .unsorted(false)
            .won_name(intake.stages.get(LeadStatus::Completed))
            .lost_name(intake.stages.get(LeadStatus::Lost));
        for status in own_stages() {
            new = new.status(NewStatus::new(intake.stages.get(status)));
        }
        self.linked
            .client
            .pipelines()
            .create([new])
            .await
            .map_err(CrmError::from)?;
        let pipelines = read(&self.linked.client).await?;
        let Some(pipeline) = find_pipeline(&pipelines, &intake.pipeline) else {
            anyhow::bail!("amoCRM made «{}», but does not list it", intake.pipeline);
        };
        self.progress.made(
            "pipeline",
            &format!("«{}» ({})", pipeline.name, pipeline.id),
        )?;
        self.tell_stages(pipeline)
    }

    /// Creates a stage behind the one it follows in our order, and gives the pipeline as it is then. Those that are
    /// there are not touched.
    async fn create_stage(
        &mut self,
        pipeline: &Pipeline,
        status: LeadStatus,
    ) -> anyhow::Result<Pipeline> {
        let intake = &self.config.intake;
        let name = intake.stages.get(status);
        let place = place(pipeline, &Stages::of(pipeline, intake, false), status);
        self.linked
            .client
            .pipelines()
            .statuses(pipeline.id)
            .create([NewStatus::new(name).sort(place)])
            .await
            .map_err(CrmError::from)?;
        // amoCRM numbers the stages anew: the next one is placed among them as they are now.
        let pipelines = read(&self.linked.client).await?;
        let Some(now) = pipelines.iter().find(|found| found.id == pipeline.id) else {
            anyhow::bail!("«{}» was deleted a moment ago; run it again", pipeline.name);
        };
        self.progress
            .made("stage", &format!("«{name}» for {status}"))?;
        Ok(now.clone())
    }

    /// Tells which stage means what, and where their order is not ours.
    fn tell_stages(&mut self, pipeline: &Pipeline) -> anyhow::Result<()> {
        let stages = Stages::of(pipeline, &self.config.intake, false);
        for (status, id) in &stages.by_status {
            let name = stage(pipeline, *id).map_or("", |stage| stage.name.as_str());
            self.progress
                .say("stage", &format!("{status} = «{name}» ({id})"))?;
        }
        let places: Vec<_> = own_stages()
            .filter_map(|status| stage(pipeline, *stages.by_status.get(&status)?))
            .map(|stage| stage.sort)
            .collect();
        if !places.is_sorted() {
            self.progress.look(
                "stage",
                "the stages stand in another order than the sale takes; drag them in amoCRM if that is not meant",
            )?;
        }
        Ok(())
    }
}

async fn read(client: &Client) -> anyhow::Result<Vec<Pipeline>> {
    Ok(client
        .pipelines()
        .list()
        .stream()
        .try_collect()
        .await
        .map_err(CrmError::from)?)
}

/// Where a new stage is put: behind the nearest of ours that goes before it, else in front of the nearest that follows,
/// else at the end.
fn place(pipeline: &Pipeline, stages: &Stages, status: LeadStatus) -> i64 {
    let sort_of = |status: LeadStatus| {
        let id = stages.by_status.get(&status)?;
        Some(stage(pipeline, *id)?.sort)
    };
    let before = own_stages()
        .filter(|other| *other < status)
        .filter_map(sort_of)
        .last();
    let after = own_stages()
        .filter(|other| *other > status)
        .find_map(sort_of);
    let last = || {
        pipeline
            .statuses()
            .iter()
            .map(|stage| stage.sort)
            .filter(|sort| *sort < PLACE_OF_WON)
            .max()
            .unwrap_or_default()
    };
    match (before, after) {
        (Some(before), _) => before + 1,
        (None, Some(after)) => after - 1,
        (None, None) => last() + 1,
    }
}

fn stage(pipeline: &Pipeline, id: u64) -> Option<&Status> {
    pipeline
        .statuses()
        .iter()
        .find(|stage| stage.id.get() == id)
}

/// The stages that are not amoCRM's own.
fn own_stages() -> impl Iterator<Item = LeadStatus> {
    LeadStatus::ALL
        .into_iter()
        .filter(|status| !matches!(status, LeadStatus::Completed | LeadStatus::Lost))
}

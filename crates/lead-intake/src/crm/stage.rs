//! Where a deal is, and moving it.

use amocrm_sdk::events::{EventFilter, EventType, EventValue};
use amocrm_sdk::leads::{LOST, Lead, WON};
use amocrm_sdk::{Client, ErrorKind, LeadId, PipelineId, StatusId};
use chrono::{DateTime, Utc};
use store::Stage;

use super::{CrmError, Mapping};
use crate::lead::LeadStatus;

/// A deal as amoCRM has it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DealNow {
    pub(crate) stage: Option<Stage>,
    /// When anything of it changed.
    pub(crate) changed_at: Option<DateTime<Utc>>,
    /// Who changed it; `0` is a robot.
    pub(crate) changed_by: Option<i64>,
    /// Who is responsible for it.
    pub(crate) manager: Option<i64>,
}

impl DealNow {
    /// `None`: it is in the trash.
    pub(crate) fn of(lead: &Lead) -> Option<Self> {
        if lead.is_deleted {
            return None;
        }
        let stage = |status: StatusId| Stage {
            pipeline_id: lead.pipeline_id.map(|id| raw(id.get())),
            status_id: raw(status.get()),
        };
        Some(Self {
            stage: lead.status_id.map(stage),
            changed_at: lead.updated_at,
            changed_by: lead.updated_by.map(|user| raw(user.get())),
            manager: lead.responsible_user_id.map(|user| raw(user.get())),
        })
    }
}

/// Reads a deal. `None`: it was deleted, or merged into another.
pub(crate) async fn read_deal(client: &Client, deal: LeadId) -> Result<Option<DealNow>, CrmError> {
    let lead = client.leads().get(deal).await?;
    Ok(lead.as_ref().and_then(DealNow::of))
}

/// Where a deal has to be for a status. The closing stages are in every pipeline: the deal stays in its own.
pub(crate) fn target(
    mapping: &Mapping,
    status: LeadStatus,
    now: &DealNow,
) -> Result<Stage, CrmError> {
    let stages = &mapping.stages;
    let own = now.stage.and_then(|stage| stage.pipeline_id);
    let (pipeline, stage) = match status {
        LeadStatus::Completed => (own, WON),
        LeadStatus::Lost => (own, LOST),
        _ => {
            let (pipeline, stage) = stages.stage(status).ok_or_else(|| {
                CrmError::Missing(format!(
                    "pipeline «{}» has no stage for `{status}`; make it with: lead-intake provision",
                    stages.pipeline_name
                ))
            })?;
            (Some(raw(pipeline.get())), stage)
        }
    };
    Ok(Stage {
        pipeline_id: pipeline.or_else(|| i64::try_from(stages.pipeline_id).ok()),
        status_id: raw(stage.get()),
    })
}

/// Moves a deal. Gives the time of the change by amoCRM's clock, if the answer tells it; `None` if the deal is gone.
pub(crate) async fn move_deal(
    client: &Client,
    deal: LeadId,
    stage: Stage,
) -> Result<Option<Option<DateTime<Utc>>>, CrmError> {
    let mut update = client
        .leads()
        .update(deal)
        .status(StatusId::new(unsigned(stage.status_id)));
    if let Some(pipeline) = stage.pipeline_id {
        update = update.pipeline(PipelineId::new(unsigned(pipeline)));
    }
    match update.await {
        Ok(updated) => Ok(Some(updated.updated_at)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// When a deal was moved to the stage it is at, and by whom, from the feed of events. `None` if the feed does not tell: it
/// lags, and not every tariff has it.
pub(crate) async fn last_move(
    client: &Client,
    deal: LeadId,
    stage: Stage,
) -> Option<(DateTime<Utc>, Option<i64>)> {
    let filter = EventFilter::new()
        .types([EventType::LeadStatusChanged])
        .of(deal);
    let newest = client
        .events()
        .list()
        .filter(filter)
        .limit(1)
        .stream()
        .try_next()
        .await
        .inspect_err(|error| tracing::debug!(deal.id = %deal, "no events are told: {error}"))
        .ok()??;
    let is_there = newest.value_after.iter().any(|value| {
        matches!(value, EventValue::LeadStatus { status_id, .. } if raw(status_id.get()) == stage.status_id)
    });
    let by = newest.created_by.map(|user| raw(user.get()));
    newest.created_at.filter(|_| is_there).map(|at| (at, by))
}

/// Numbers of amoCRM fit: they are below 2^53.
fn raw(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn unsigned(id: i64) -> u64 {
    u64::try_from(id).unwrap_or_default()
}

//! Where a lead stands: pipeline and stage as a pair, when it was closed, and why it was lost.

use crate::{
    api::{call::Context, reader::Reader},
    problem::Violations,
    world::{Account, LeadState, STATUS_LOST, is_closing},
};

/// The place a write puts a lead in.
#[derive(Debug)]
pub(super) struct Placing {
    pub(super) pipeline_id: u64,
    pub(super) status_id: u64,
    loss_reason_id: Option<u64>,
    closed_at: Option<i64>,
    /// A loss reason was given for a lead that is not lost.
    pub(super) is_reason_misplaced: bool,
}

/// Reads pipeline, stage, closing time and loss reason; `before` is the lead as it is, for a change.
pub(super) fn read_placing(
    cx: &Context<'_>,
    before: Option<&LeadState>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Placing> {
    let pipeline_id = item.id("pipeline_id", out);
    let status_id = item.id("status_id", out);
    let loss_reason_id = item.id("loss_reason_id", out);
    let closed_at = item.int("closed_at", out);
    if let Some(id) = loss_reason_id
        && !cx.account.loss_reasons.iter().any(|reason| reason.id == id)
    {
        out.choice(item.path("loss_reason_id"));
    }
    let (pipeline_id, status_id) =
        read_pair(cx.account, before, pipeline_id, status_id, item, out)?;
    Some(Placing {
        pipeline_id,
        status_id,
        loss_reason_id,
        closed_at,
        is_reason_misplaced: loss_reason_id.is_some() && status_id != STATUS_LOST,
    })
}

/// 142 and 143 are in every pipeline, so a stage is looked up in the pipeline given, the lead's own, or the main one.
fn read_pair(
    account: &Account,
    before: Option<&LeadState>,
    pipeline_id: Option<u64>,
    status_id: Option<u64>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<(u64, u64)> {
    let current = before.map(|lead| lead.pipeline_id);
    let pipeline = match pipeline_id.or(current) {
        Some(id) => account.pipeline(id),
        None => account.main_pipeline(),
    };
    let Some(pipeline) = pipeline else {
        out.choice(item.path("pipeline_id"));
        return None;
    };
    let status_id = match (status_id, before) {
        (Some(id), _) => {
            // The unsorted stage is entered through `/leads/unsorted` only.
            if pipeline.status(id).is_none_or(|status| status.kind == 1) {
                out.choice(item.path("status_id"));
            }
            id
        }
        (None, Some(lead)) if pipeline.id == lead.pipeline_id || is_closing(lead.status_id) => {
            lead.status_id
        }
        (None, _) => pipeline.first_stage(),
    };
    Some((pipeline.id, status_id))
}

impl Placing {
    /// Moves the lead. Entering 142 or 143 closes it; leaving them opens it again and forgets the reason.
    pub(super) fn apply(&self, lead: &mut LeadState, now: i64) {
        let was_closed = is_closing(lead.status_id) && lead.closed_at.is_some();
        lead.pipeline_id = self.pipeline_id;
        lead.status_id = self.status_id;
        if is_closing(self.status_id) {
            lead.closed_at = self.closed_at.or(if was_closed {
                lead.closed_at
            } else {
                Some(now)
            });
        } else {
            lead.closed_at = None;
        }
        if self.status_id == STATUS_LOST {
            lead.loss_reason_id = self.loss_reason_id.or(lead.loss_reason_id);
        } else {
            lead.loss_reason_id = None;
        }
    }
}

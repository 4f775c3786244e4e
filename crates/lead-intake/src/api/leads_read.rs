//! `GET /api/leads` and `GET /api/leads/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiPath, ApiQuery, Problem};
use store::{LeadFilter, Store};
use utoipa::IntoParams;

use super::error::ApiError;
use super::leads_status::HISTORY_PAGE;
use super::view::{Delivery, HistoryView, LeadPage, LeadView};
use crate::crm::{Crm, Team};
use crate::lead::LeadStatus;

/// Leads on a page unless asked otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 250;

/// Changes of a lead's manager that are told: the newest.
const MANAGER_CHANGES: u32 = 50;

/// Which leads.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
    /// Only leads whose delivery stands so.
    state: Option<Delivery>,
    /// Only leads of this status.
    status: Option<LeadStatus>,
}

/// Lists leads, newest first.
#[utoipa::path(
    get,
    path = "/api/leads",
    tag = "leads",
    params(Filter),
    responses(
        (status = 200, description = "A page", body = LeadPage),
        (status = 401, description = "ADMIN_TOKEN is needed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    ApiQuery(filter): ApiQuery<Filter>,
) -> Result<Json<LeadPage>, ApiError> {
    let limit = filter.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let mut wanted = LeadFilter::new().limit(limit + 1);
    if let Some(state) = filter.state {
        wanted = wanted.delivery(state.into());
    }
    if let Some(status) = filter.status {
        wanted = wanted.status(status.as_str());
    }
    if let Some(after) = filter.after {
        wanted = wanted.after(after);
    }
    let mut rows = store.leads().list(wanted).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.id).filter(|_| has_more);
    let site = crm.site().await?;
    let team = Team::last_known(&crm).await?;
    let leads = rows
        .into_iter()
        .map(|row| {
            let mut view = LeadView::of(row, &site);
            if let Some(manager) = &mut view.manager {
                manager.call_by_name(team.as_ref());
            }
            view
        })
        .collect();
    Ok(Json(LeadPage { leads, next }))
}

/// Shows a lead.
#[utoipa::path(
    get,
    path = "/api/leads/{id}",
    tag = "leads",
    params(("id" = i64, Path, description = "The lead's number")),
    responses(
        (status = 200, description = "The lead", body = LeadView),
        (status = 404, description = "There is no such lead", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    ApiPath(id): ApiPath<i64>,
) -> Result<Json<LeadView>, ApiError> {
    let row = store
        .leads()
        .get(id)
        .await?
        .ok_or(ApiError::NotFound("there is no such lead"))?;
    let lines = store.leads().history(id, None, HISTORY_PAGE).await?;
    let site = crm.site().await?;
    let mut view = LeadView::of(row, &site);
    if let Some(manager) = &mut view.manager {
        let team = Team::last_known(&crm).await?;
        let history = store.managers().history(id, MANAGER_CHANGES).await?;
        manager.call_by_name(team.as_ref());
        manager.tell(&history, team.as_ref());
    }
    let warnings = store.leads().warnings(id).await?;
    view.warnings = warnings.into_iter().map(Into::into).collect();
    view.history = Some(lines.into_iter().map(HistoryView::from).collect());
    let messages = store.funnels().messages_of(id).await?;
    view.messages = messages.into_iter().map(Into::into).collect();
    Ok(Json(view))
}

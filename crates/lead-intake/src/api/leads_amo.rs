//! `GET /api/leads/{id}/amo`: the lead as amoCRM has it now.

use std::sync::Arc;

use amocrm_sdk::{Client, ErrorKind, Operation, Request};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::http::{ApiPath, Problem};
use store::Store;
use utoipa::ToSchema;

use super::error::ApiError;
use super::view::AmoView;
use crate::crm::{Crm, CrmError};

const READ_DEAL: Operation = Operation::idempotent("leads.get");
const READ_CONTACT: Operation = Operation::idempotent("contacts.get");

/// A lead's deal and contact, as amoCRM tells them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct AmoLead {
    /// Where it is; `null` until it is delivered.
    pub amocrm: Option<AmoView>,
    /// The deal; `null` until it is delivered, or after it was deleted.
    #[schema(value_type = Option<Object>)]
    pub deal: Option<Value>,
    /// The contact.
    #[schema(value_type = Option<Object>)]
    pub contact: Option<Value>,
}

/// Shows a lead's deal and contact as amoCRM has them now.
#[utoipa::path(
    get,
    path = "/api/leads/{id}/amo",
    tag = "leads",
    params(("id" = i64, Path, description = "The lead's number")),
    responses(
        (status = 200, description = "What amoCRM has", body = AmoLead),
        (status = 404, description = "There is no such lead", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "amoCRM is not connected", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "amoCRM does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    ApiPath(id): ApiPath<i64>,
) -> Result<Json<AmoLead>, ApiError> {
    let row = store
        .leads()
        .get(id)
        .await?
        .ok_or(ApiError::NotFound("there is no such lead"))?;
    let site = crm.site().await?;
    let view = super::view::LeadView::of(row, &site);
    let Some(amocrm) = view.amocrm else {
        return Ok(Json(AmoLead {
            amocrm: None,
            deal: None,
            contact: None,
        }));
    };
    let linked = crm.linked().await?;
    let deal = Request::get(READ_DEAL, format!("/api/v4/leads/{}", amocrm.lead_id))
        .query("with", "contacts");
    let deal = read(&linked.client, deal).await?;
    let contact = match amocrm.contact_id {
        Some(id) => {
            let contact = Request::get(READ_CONTACT, format!("/api/v4/contacts/{id}"));
            read(&linked.client, contact).await?
        }
        None => None,
    };
    Ok(Json(AmoLead {
        amocrm: Some(amocrm),
        deal,
        contact,
    }))
}

async fn read(client: &Client, request: Request) -> Result<Option<Value>, CrmError> {
    match client.fetch(request).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        outcome => Ok(outcome?),
    }
}

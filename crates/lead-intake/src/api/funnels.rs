//! `/api/funnels`: how the funnels stand, and a letter that answered one.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiJson, FieldError, Problem};
use store::{MessageRow, MessageState, Store, StoreError};
use utoipa::ToSchema;

use super::error::ApiError;
use super::state::AppState;
use crate::funnel::hear_email;

/// How many messages are where.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageCounts {
    /// Waiting for their time, or for another attempt.
    pub pending: u64,
    /// On their way just now.
    pub sending: u64,
    /// Taken by the server.
    pub sent: u64,
    /// On their way when the answer was lost; not sent again.
    pub unknown: u64,
    /// Refused for good.
    pub failed: u64,
    /// Not sent, because something happened first.
    pub stopped: u64,
}

impl MessageCounts {
    async fn of(store: &Store, funnel: &str) -> Result<Self, StoreError> {
        let funnels = store.funnels();
        Ok(Self {
            pending: funnels.count(funnel, MessageState::Pending).await?,
            sending: funnels.count(funnel, MessageState::Sending).await?,
            sent: funnels.count(funnel, MessageState::Sent).await?,
            unknown: funnels.count(funnel, MessageState::Unknown).await?,
            failed: funnels.count(funnel, MessageState::Failed).await?,
            stopped: funnels.count(funnel, MessageState::Stopped).await?,
        })
    }
}

/// A funnel.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct FunnelView {
    /// Its name.
    pub name: String,
    /// The status that begins it.
    #[schema(example = "new")]
    pub on: String,
    /// How many messages it has.
    pub steps: usize,
    /// Its messages to all leads.
    pub messages: MessageCounts,
}

/// The funnels.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct FunnelList {
    /// Whether INTAKE_FUNNELS names a file.
    pub enabled: bool,
    /// In the order of the file.
    pub funnels: Vec<FunnelView>,
}

/// Shows the funnels and how many messages are where.
#[utoipa::path(
    get,
    path = "/api/funnels",
    tag = "funnels",
    responses((status = 200, description = "The funnels", body = FunnelList))
)]
pub(crate) async fn overview(State(state): State<AppState>) -> Result<Json<FunnelList>, ApiError> {
    let mut funnels = Vec::new();
    for funnel in state
        .config
        .funnels
        .iter()
        .flat_map(|funnels| &funnels.list)
    {
        funnels.push(FunnelView {
            name: funnel.name.clone(),
            on: funnel.on.to_string(),
            steps: funnel.steps.len(),
            messages: MessageCounts::of(&state.store, &funnel.name).await?,
        });
    }
    Ok(Json(FunnelList {
        enabled: state.config.funnels.is_some(),
        funnels,
    }))
}

/// A letter of a client, as a mailbox's filter tells it.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Letter {
    /// The sender's address.
    #[schema(example = "test@example.com")]
    from: Option<String>,
    /// The letter's header In-Reply-To.
    #[serde(alias = "in-reply-to")]
    in_reply_to: Option<String>,
}

/// What a letter did.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LetterReceipt {
    /// The leads it is from.
    pub leads: Vec<i64>,
    /// Messages that will not be sent.
    pub stopped: u64,
}

/// Takes a client's letter as an answer, which stops what an answer stops.
#[utoipa::path(
    post,
    path = "/api/funnels/reply",
    tag = "funnels",
    request_body = Letter,
    responses(
        (status = 200, description = "Heard", body = LetterReceipt),
        (status = 422, description = "Neither from nor in_reply_to is there", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reply(
    State(store): State<Store>,
    ApiJson(letter): ApiJson<Letter>,
) -> Result<Json<LetterReceipt>, ApiError> {
    let from = letter
        .from
        .as_deref()
        .map(str::trim)
        .filter(|from| !from.is_empty());
    if from.is_none() && letter.in_reply_to.is_none() {
        let wrong = FieldError::new("from", "expected the letter's sender, or in_reply_to");
        return Err(ApiError::Fields(vec![wrong]));
    }
    let from = match from {
        None => None,
        Some(from) => Some(connection::normalise_email(from).ok_or_else(|| {
            let wrong = FieldError::new(
                "from",
                "expected an e-mail address such as name@example.com",
            );
            ApiError::Fields(vec![wrong])
        })?),
    };
    let replied = hear_email(&store, from.as_deref(), letter.in_reply_to.as_deref()).await?;
    Ok(Json(LetterReceipt {
        leads: replied.leads,
        stopped: replied.stopped,
    }))
}

/// A message of a funnel to a lead.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageView {
    /// The funnel.
    pub funnel: String,
    /// The step; 1 is the first.
    pub step: i64,
    /// `email` or `whatsapp`.
    pub channel: String,
    /// `pending`, `sending`, `sent`, `unknown`, `failed` or `stopped`.
    pub state: String,
    /// Why it failed, was stopped, or is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was planned to be sent.
    pub due_at: chrono::DateTime<chrono::Utc>,
    /// When its outcome was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<chrono::DateTime<chrono::Utc>>,
    /// What the messenger said later: `delivered`, `read`, `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl From<MessageRow> for MessageView {
    fn from(row: MessageRow) -> Self {
        Self {
            channel: row.channel.as_str().to_owned(),
            state: row.state.as_str().to_owned(),
            funnel: row.funnel,
            step: row.step,
            reason: row.reason,
            due_at: row.due_at,
            ended_at: row.ended_at,
            receipt: row.receipt,
        }
    }
}

//! What templates have beside the usual: removing many, review.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::{ChatTemplateReview, ReviewStatus};
use crate::client::Client;
use crate::de;
use crate::entity::{MAX_BATCH, awaited};
use crate::error::Result;
use crate::id::ChatTemplateId;
use crate::request::{Operation, Request, declare};

const DELETE_MANY: Operation = Operation::idempotent("chat_templates.delete_many");
const SEND_ON_REVIEW: Operation = Operation::once("chat_templates.send_on_review");
const UPDATE_REVIEW: Operation = Operation::idempotent("chat_templates.update_review");

/// Removes many templates.
#[derive(Debug, Clone)]
#[must_use = "nothing is removed until it is awaited"]
pub struct DeleteChatTemplates {
    client: Client,
    path: String,
    ids: Vec<ChatTemplateId>,
}

declare!(DeleteChatTemplates: DELETE_MANY);

impl DeleteChatTemplates {
    pub(super) fn new(
        client: Client,
        path: &str,
        ids: impl IntoIterator<Item = ChatTemplateId>,
    ) -> Self {
        Self {
            client,
            path: path.to_owned(),
            ids: ids.into_iter().collect(),
        }
    }

    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// None in practice: ids can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        #[derive(Serialize)]
        struct Item {
            id: ChatTemplateId,
        }
        let request = |batch: &[ChatTemplateId]| {
            let items: Vec<Item> = batch.iter().map(|id| Item { id: *id }).collect();
            Request::delete(DELETE_MANY, &self.path).json(&items)
        };
        self.ids.chunks(MAX_BATCH).map(request).collect()
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for (batch, request) in self.into_requests()?.into_iter().enumerate() {
            let sent = client.send(request).await;
            sent.map_err(|error| error.with_item_offset(batch * MAX_BATCH))?;
        }
        Ok(())
    }
}

awaited!(DeleteChatTemplates => ());

/// Sends a template to its messengers for review; awaiting gives one review for each.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct SendOnReview {
    client: Client,
    path: String,
}

declare!(SendOnReview: SEND_ON_REVIEW);

impl SendOnReview {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }

    /// The request.
    pub fn into_request(self) -> Request {
        Request::post(SEND_ON_REVIEW, self.path)
    }

    async fn run(self) -> Result<Vec<ChatTemplateReview>> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
            embedded: Reviews,
        }
        #[derive(Default, Deserialize)]
        struct Reviews {
            #[serde(default, deserialize_with = "de::list")]
            reviews: Vec<ChatTemplateReview>,
        }
        let client = self.client.clone();
        let answer: Option<Answer> = client.fetch(self.into_request()).await?;
        Ok(answer.map_or_else(Vec::new, |answer| answer.embedded.reviews))
    }
}

awaited!(SendOnReview => Vec<ChatTemplateReview>);

/// Says what a messenger has decided about a template; awaiting gives the review.
#[derive(Debug, Clone)]
#[must_use = "nothing is said until it is awaited"]
pub struct UpdateReview {
    client: Client,
    path: String,
    decision: Decision,
}

#[skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
struct Decision {
    status: ReviewStatus,
    reject_reason: Option<String>,
}

declare!(UpdateReview: UPDATE_REVIEW);

impl UpdateReview {
    pub(super) fn new(client: Client, path: String, status: ReviewStatus) -> Self {
        Self {
            client,
            path,
            decision: Decision {
                status,
                reject_reason: None,
            },
        }
    }

    /// Says why it was rejected.
    pub fn reject_reason(mut self, reason: impl Into<String>) -> Self {
        self.decision.reject_reason = Some(reason.into());
        self
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the decision can always be written.
    pub fn into_request(self) -> Result<Request> {
        Request::post(UPDATE_REVIEW, self.path).json(&self.decision)
    }

    async fn run(self) -> Result<ChatTemplateReview> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(UpdateReview => ChatTemplateReview);

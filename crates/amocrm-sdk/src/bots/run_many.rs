//! Running bots on many entities.

use serde::Serialize;

use super::{RUN, Target};
use crate::client::Client;
use crate::entity::awaited;
use crate::error::Result;
use crate::id::BotId;
use crate::links::EntityRef;
use crate::request::Request;

/// Most runs of one request.
///
/// Source: <https://www.amocrm.ru/developers/content/digital_pipeline/salesbot>.
const BATCH: usize = 100;

/// Runs bots, a hundred per request. Each request is sent once; when one fails, those before it have been accepted:
/// [`ValidationError::item`](crate::ValidationError::item) counts from the first run of the whole call.
#[derive(Debug, Clone)]
#[must_use = "nothing runs until it is awaited"]
pub struct RunBots {
    client: Client,
    path: String,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Serialize)]
struct Run {
    bot_id: BotId,
    #[serde(flatten)]
    target: Target,
}

impl RunBots {
    pub(super) fn new(
        client: Client,
        path: String,
        runs: impl IntoIterator<Item = (BotId, EntityRef)>,
    ) -> Self {
        let run = |(bot_id, on)| Run {
            bot_id,
            target: Target::from(on),
        };
        Self {
            client,
            path,
            runs: runs.into_iter().map(run).collect(),
        }
    }

    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// None in practice: a run can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        self.runs
            .chunks(BATCH)
            .map(|batch| Request::post(RUN, &self.path).json(batch))
            .collect()
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for (batch, request) in self.into_requests()?.into_iter().enumerate() {
            client
                .send(request)
                .await
                .map_err(|error| error.with_item_offset(batch * BATCH))?;
        }
        Ok(())
    }
}

awaited!(RunBots => ());

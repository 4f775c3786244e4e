//! The messages of a chat.

use std::fmt;

use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::channel::HISTORY;
use super::{ChatChannel, Message, Person};
use crate::client::decode;
use crate::de;
use crate::error::Result;
use crate::request::Request;

/// Most messages of one page.
const MAX_PAGE: usize = 50;

/// Reads the messages of a chat: [`stream`](Self::stream) them, or take a [`page`](Self::page).
#[derive(Clone)]
#[must_use = "a list does nothing until it is streamed or a page of it is asked for"]
pub struct ListHistory {
    channel: ChatChannel,
    path: String,
    limit: usize,
}

/// A message of a chat's history.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct HistoryMessage {
    /// When it was written.
    #[serde(
        rename = "timestamp",
        default,
        deserialize_with = "de::opt_time::deserialize"
    )]
    pub sent_at: Option<DateTime<Utc>>,
    /// Who wrote it.
    #[serde(default)]
    pub sender: Person,
    /// Whom it was for. A client's message has none.
    #[serde(default)]
    pub receiver: Option<Person>,
    /// What it says.
    pub message: Message,
}

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "de::list")]
    messages: Vec<HistoryMessage>,
}

impl ListHistory {
    pub(super) fn new(channel: ChatChannel, path: String) -> Self {
        Self {
            channel,
            path,
            limit: MAX_PAGE,
        }
    }

    /// Messages per page, from 1 to 50. Default: 50.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, MAX_PAGE);
        self
    }

    /// The request for the messages after the first `offset`.
    pub fn into_request(self, offset: usize) -> Request {
        self.request(offset)
    }

    fn request(&self, offset: usize) -> Request {
        Request::get(HISTORY, &self.path)
            .query("offset", offset)
            .query("limit", self.limit)
    }

    /// The messages after the first `offset`. Past the end there are none.
    ///
    /// # Errors
    ///
    /// As [`Client::send`](crate::Client::send).
    pub async fn page(&self, offset: usize) -> Result<Vec<HistoryMessage>> {
        let answer = self.channel.send(self.request(offset)).await?;
        if answer.body().is_empty() {
            return Ok(Vec::new());
        }
        let answer: Answer = decode(HISTORY.name, answer.body())?;
        Ok(answer.messages)
    }

    /// All messages, page by page, the newest first.
    pub fn stream(self) -> impl Stream<Item = Result<HistoryMessage>> + Send + Unpin {
        stream::try_unfold((self, Some(0)), |(list, next)| async move {
            let Some(offset) = next else { return Ok(None) };
            let page = list.page(offset).await?;
            let next = (page.len() >= list.limit).then_some(offset + page.len());
            Ok::<_, crate::Error>(Some((stream::iter(page.into_iter().map(Ok)), (list, next))))
        })
        .try_flatten()
        .boxed()
    }
}

impl fmt::Debug for ListHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListHistory")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

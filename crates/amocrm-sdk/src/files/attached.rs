//! Files of one entity.

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::FileId;
use crate::client::Client;
use crate::de;
use crate::entity::{MAX_BATCH, awaited};
use crate::error::Result;
use crate::id::{CatalogId, Id, kind};
use crate::links::EntityRef;
use crate::request::{Operation, Request, declare};

const LIST: Operation = Operation::idempotent("entity_files.list");
const ATTACH: Operation = Operation::idempotent("entity_files.attach");
const DETACH: Operation = Operation::idempotent("entity_files.detach");

/// Id of the attachment of a file to an entity: what the list is paged by.
pub type AttachmentId = Id<kind::Attachment>;

/// Files of one entity: [`Client::entity_files`].
#[derive(Debug, Clone)]
pub struct EntityFiles {
    client: Client,
    path: String,
}

declare!(EntityFiles: LIST, ATTACH, DETACH);

impl Client {
    /// Files of a lead, contact, company or customer: `client.entity_files(lead_id)`.
    pub fn entity_files(&self, of: impl Into<EntityRef>) -> EntityFiles {
        EntityFiles {
            client: self.clone(),
            path: format!("{}/files", of.into().path()),
        }
    }

    /// Files of an element of a catalog. amoCRM has this only in its own client.
    pub fn element_files(
        &self,
        catalog: CatalogId,
        element: crate::CatalogElementId,
    ) -> EntityFiles {
        EntityFiles {
            client: self.clone(),
            path: format!("/api/v4/catalogs/{catalog}/{element}/files"),
        }
    }
}

impl EntityFiles {
    /// Reads which files there are, the newest first.
    pub fn list(&self) -> AttachedFiles {
        AttachedFiles {
            client: self.client.clone(),
            path: self.path.clone(),
            limit: MAX_BATCH,
        }
    }

    /// Attaches files. What is attached already stays so.
    pub fn attach(&self, ids: impl IntoIterator<Item = impl Into<FileId>>) -> AttachFiles {
        AttachFiles::new(self, ids, true)
    }

    /// Detaches files. They stay in the account.
    pub fn detach(&self, ids: impl IntoIterator<Item = impl Into<FileId>>) -> AttachFiles {
        AttachFiles::new(self, ids, false)
    }
}

/// A file of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AttachedFile {
    /// The file.
    pub file_uuid: FileId,
    /// The attachment.
    pub id: AttachmentId,
}

/// Reads the files of an entity: [`stream`](Self::stream) them, or take a [`page`](Self::page). amoCRM pages this
/// collection by "before this one" instead of by numbers.
#[derive(Debug, Clone)]
#[must_use = "a list does nothing until it is streamed or a page of it is asked for"]
pub struct AttachedFiles {
    client: Client,
    path: String,
    limit: usize,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Default, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::list")]
    files: Vec<AttachedFile>,
}

impl AttachedFiles {
    /// Files per page, from 1 to 250. Default: 250.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, MAX_BATCH);
        self
    }

    /// The request for the first page, or for the one before this attachment.
    pub fn into_request(self, before: Option<AttachmentId>) -> Request {
        self.request(before)
    }

    fn request(&self, before: Option<AttachmentId>) -> Request {
        let request = Request::get(LIST, &self.path).query("limit", self.limit);
        match before {
            Some(before) => request.query("before_id", before),
            None => request,
        }
    }

    /// The first page, or the one before this attachment. Past the end it is empty.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub async fn page(&self, before: Option<AttachmentId>) -> Result<Vec<AttachedFile>> {
        let answer: Option<Answer> = self.client.fetch(self.request(before)).await?;
        Ok(answer
            .map(|answer| answer.embedded.files)
            .unwrap_or_default())
    }

    /// All files, page by page.
    pub fn stream(self) -> impl Stream<Item = Result<AttachedFile>> + Send + Unpin {
        stream::try_unfold((self, Some(None)), |(list, next)| async move {
            let Some(before) = next else { return Ok(None) };
            let page = list.page(before).await?;
            // Ids go down; a page that does not begin below the last one would begin an endless round.
            let last = page.last().map(|file| file.id);
            let goes_on = page.len() >= list.limit && last.is_some() && last != before;
            let next = goes_on.then_some(last);
            Ok::<_, crate::Error>(Some((stream::iter(page.into_iter().map(Ok)), (list, next))))
        })
        .try_flatten()
        .boxed()
    }

    /// All files at once.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub async fn all(self) -> Result<Vec<AttachedFile>> {
        self.stream().try_collect().await
    }
}

/// Attaches files to an entity, or detaches them.
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it is awaited"]
pub struct AttachFiles {
    client: Client,
    path: String,
    ids: Vec<FileId>,
    attach: bool,
}

#[derive(Serialize)]
struct Named<'a> {
    file_uuid: &'a FileId,
}

impl AttachFiles {
    fn new(
        files: &EntityFiles,
        ids: impl IntoIterator<Item = impl Into<FileId>>,
        attach: bool,
    ) -> Self {
        Self {
            client: files.client.clone(),
            path: files.path.clone(),
            ids: ids.into_iter().map(Into::into).collect(),
            attach,
        }
    }

    /// The requests, one per 250 files.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        let (operation, method) = if self.attach {
            (ATTACH, http::Method::PUT)
        } else {
            (DETACH, http::Method::DELETE)
        };
        let batches = self.ids.chunks(MAX_BATCH).map(|batch| {
            let body: Vec<Named<'_>> = batch.iter().map(|file_uuid| Named { file_uuid }).collect();
            Request::new(operation, method.clone(), self.path.as_str()).json(&body)
        });
        batches.collect()
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for request in self.into_requests()? {
            client.send(request).await?;
        }
        Ok(())
    }
}

awaited!(AttachFiles => ());

//! Renaming, choosing a version, trash.

use std::fmt;

use serde::Serialize;

use super::{File, FileId, FileVersionId, PATH, path};
use crate::client::Client;
use crate::entity::{Entity, Envelope, MAX_BATCH, awaited};
use crate::error::Result;
use crate::request::{Host, Operation, Request};

pub(super) const RESTORE: Operation = Operation::idempotent("files.restore");

/// Changes a file: its name or its current version, of which amoCRM takes one at a time.
#[derive(Clone)]
#[must_use = "nothing is changed until it is awaited"]
pub struct UpdateFile {
    client: Client,
    path: String,
    change: Change,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Name(String),
    VersionUuid(FileVersionId),
}

impl UpdateFile {
    pub(super) fn rename(client: Client, id: &FileId, name: String) -> Self {
        Self {
            client,
            path: path(id),
            change: Change::Name(name),
        }
    }

    pub(super) fn version(client: Client, id: &FileId, version: FileVersionId) -> Self {
        Self {
            client,
            path: path(id),
            change: Change::VersionUuid(version),
        }
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn into_request(self) -> Result<Request> {
        Request::patch(File::UPDATE, self.path)
            .host(Host::Drive)
            .json(&self.change)
    }

    async fn run(self) -> Result<File> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(UpdateFile => File);

/// A file's name is its owner's business.
impl fmt::Debug for UpdateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateFile").finish_non_exhaustive()
    }
}

/// Moves files to the trash.
#[derive(Debug, Clone)]
#[must_use = "nothing is removed until it is awaited"]
pub struct RemoveFiles {
    client: Client,
    ids: Vec<FileId>,
}

/// Brings files back from the trash; awaiting gives them as amoCRM has them now.
#[derive(Debug, Clone)]
#[must_use = "nothing is restored until it is awaited"]
pub struct RestoreFiles {
    client: Client,
    ids: Vec<FileId>,
}

#[derive(Serialize)]
struct Named<'a> {
    uuid: &'a FileId,
}

fn in_batches(
    ids: &[FileId],
    request: impl Fn() -> Request,
) -> impl Iterator<Item = Result<Request>> {
    ids.chunks(MAX_BATCH).map(move |batch| {
        let body: Vec<Named<'_>> = batch.iter().map(|uuid| Named { uuid }).collect();
        request().host(Host::Drive).json(&body)
    })
}

impl RemoveFiles {
    pub(super) fn new(client: Client, ids: impl Iterator<Item = FileId>) -> Self {
        Self {
            client,
            ids: ids.collect(),
        }
    }

    /// The requests, one per 250 files.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        in_batches(&self.ids, || Request::delete(File::DELETE, PATH)).collect()
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for request in self.into_requests()? {
            client.send(request).await?;
        }
        Ok(())
    }
}

awaited!(RemoveFiles => ());

impl RestoreFiles {
    pub(super) fn new(client: Client, ids: impl Iterator<Item = FileId>) -> Self {
        Self {
            client,
            ids: ids.collect(),
        }
    }

    /// The requests, one per 250 files.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        let path = format!("{PATH}/restore");
        in_batches(&self.ids, || Request::post(RESTORE, path.as_str())).collect()
    }

    async fn run(self) -> Result<Vec<File>> {
        let client = self.client.clone();
        let mut restored = Vec::new();
        for request in self.into_requests()? {
            let envelope: Option<Envelope<File>> = client.fetch(request).await?;
            restored.extend(envelope.map(Envelope::into_items).unwrap_or_default());
        }
        Ok(restored)
    }
}

awaited!(RestoreFiles => Vec<File>);

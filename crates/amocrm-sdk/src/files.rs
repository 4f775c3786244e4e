//! Files of the account: uploaded in parts, listed, versioned, attached to leads, contacts, companies and customers.
//!
//! Files live at a host of their own, the account's `drive_url`. The client asks for it once; everything else is as
//! everywhere: the same token, budget and retries. The integration needs the scope for files, and another one to delete
//! them.
//!
//! ```no_run
//! # async fn example(client: amocrm_sdk::Client, lead: amocrm_sdk::LeadId) -> Result<(), amocrm_sdk::Error> {
//! let file = client.files().upload("offer.pdf", b"%PDF-1.7 ...".as_slice()).content_type("application/pdf").await?;
//! client.entity_files(lead).attach([&file.uuid]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Source: <https://www.amocrm.ru/developers/content/files/files-api>.

use chrono::{DateTime, Utc};

use crate::client::Client;
use crate::de::open_enum;
use crate::entity::{Entity, Get, List, Listable, Never, words};
use crate::id::{SourceId, UserId, kind};
use crate::path::segment;
use crate::request::{Host, Operation, declare};
use crate::text_id::text_id;

mod attached;
mod change;
mod download;
mod links;
mod model;
mod upload;

pub use self::attached::{AttachFiles, AttachedFile, AttachedFiles, AttachmentId, EntityFiles};
pub use self::change::{RemoveFiles, RestoreFiles, UpdateFile};
pub use self::download::Download;
pub use self::links::{FileLinks, LinkedEntity};
pub use self::model::{File, FileMetadata, FileUser, FileUserType, FileVersion, Preview};
pub use self::upload::{Progress, Upload, UploadBody};

const PATH: &str = "/v1.0/files";

/// Files per page. amoCRM documents no maximum for files; its own client asks for as many.
const PAGE: usize = 50;

text_id! {
    /// Id of a file. It stays the same from version to version.
    pub struct FileId;
    /// Id of one version of a file.
    pub struct FileVersionId;
}

/// Files of the account: [`Client::files`].
#[derive(Debug, Clone)]
pub struct Files {
    client: Client,
}

declare!(
    Files: File::LIST,
    File::GET,
    FileVersion::LIST,
    upload::OPEN,
    upload::PART,
    download::DOWNLOAD,
    File::UPDATE,
    File::DELETE,
    change::RESTORE,
    links::LINKS,
);

impl Client {
    /// Files of the account.
    pub fn files(&self) -> Files {
        Files {
            client: self.clone(),
        }
    }
}

impl Files {
    /// Reads files.
    pub fn list(&self) -> List<File> {
        List::new(self.client.clone(), PATH).limit(PAGE)
    }

    /// Reads one file.
    pub fn get(&self, id: impl Into<FileId>) -> Get<File> {
        Get::new(self.client.clone(), path(&id.into()))
    }

    /// Uploads a file: its name, and its bytes, or a stream or reader of them
    /// ([`UploadBody::stream`], [`UploadBody::reader`]).
    pub fn upload(&self, name: impl Into<String>, body: impl Into<UploadBody>) -> Upload {
        Upload::new(self.client.clone(), name.into(), body.into())
    }

    /// Downloads the current version of a file.
    pub fn download(&self, file: &File) -> Download {
        Download::new(self.client.clone(), file.download_link())
    }

    /// Downloads one version of a file.
    pub fn download_version(&self, version: &FileVersion) -> Download {
        Download::new(self.client.clone(), version.download_link())
    }

    /// Downloads a picture made of a file.
    pub fn download_preview(&self, preview: &Preview) -> Download {
        Download::new(self.client.clone(), preview.download_link.as_deref())
    }

    /// Gives a file another name.
    pub fn rename(&self, id: impl Into<FileId>, name: impl Into<String>) -> UpdateFile {
        UpdateFile::rename(self.client.clone(), &id.into(), name.into())
    }

    /// Makes one of a file's versions the current one.
    pub fn set_version(
        &self,
        id: impl Into<FileId>,
        version: impl Into<FileVersionId>,
    ) -> UpdateFile {
        UpdateFile::version(self.client.clone(), &id.into(), version.into())
    }

    /// Moves files to the trash, from where they can be restored for 30 days. The integration needs the scope for
    /// deleting files.
    pub fn delete(&self, ids: impl IntoIterator<Item = impl Into<FileId>>) -> RemoveFiles {
        RemoveFiles::new(self.client.clone(), ids.into_iter().map(Into::into))
    }

    /// Brings files back from the trash.
    pub fn restore(&self, ids: impl IntoIterator<Item = impl Into<FileId>>) -> RestoreFiles {
        RestoreFiles::new(self.client.clone(), ids.into_iter().map(Into::into))
    }

    /// Reads the versions of a file.
    pub fn versions(&self, id: impl Into<FileId>) -> List<FileVersion> {
        let path = format!("{}/versions", path(&id.into()));
        List::new(self.client.clone(), path).unpaged()
    }

    /// Reads what a file is attached to.
    pub fn links(&self, id: impl Into<FileId>) -> FileLinks {
        FileLinks::new(self.client.clone(), &id.into())
    }
}

fn path(id: &FileId) -> String {
    format!("{PATH}/{}", segment(id.as_str()))
}

impl Entity for File {
    type Kind = kind::File;
    const KEY: &'static str = "files";
    const HOST: Host = Host::Drive;
    const LIST: Operation = Operation::idempotent("files.list");
    const GET: Operation = Operation::idempotent("files.get");
    const CREATE: Operation = Operation::once("files.create");
    const UPDATE: Operation = Operation::idempotent("files.update");
    const DELETE: Operation = Operation::idempotent("files.delete");
}

impl Listable for File {
    type With = FileWith;
    type Filter = FileFilter;
    type Order = Never;
}

impl Entity for FileVersion {
    type Kind = kind::File;
    const KEY: &'static str = "versions";
    const HOST: Host = Host::Drive;
    const LIST: Operation = Operation::idempotent("file_versions.list");
    const GET: Operation = Operation::idempotent("file_versions.get");
    const CREATE: Operation = Operation::once("file_versions.create");
    const UPDATE: Operation = Operation::idempotent("file_versions.update");
    const DELETE: Operation = Operation::idempotent("file_versions.delete");
}

impl Listable for FileVersion {
    type With = Never;
    type Filter = Never;
    type Order = Never;
}

words! {
    /// What a read of files adds on request. amoCRM has these words only in its own client.
    pub enum FileWith {
        /// Files in the trash too.
        Deleted = "deleted",
        /// Files beyond what the account has paid for too.
        Unbilled = "unbilled",
    }
}

open_enum! {
    /// What a file is.
    pub enum FileType {
        /// A picture.
        Image = "image",
        /// A film.
        Video = "video",
        /// A recording.
        Audio = "audio",
        /// A document.
        Document = "document",
        /// Anything else.
        File = "file",
    }
}

words! {
    /// Which time of a file a filter looks at.
    pub enum FileDate {
        /// When it was uploaded.
        CreatedAt = "created_at",
        /// When it was changed last.
        UpdatedAt = "updated_at",
    }
}

words! {
    /// A period by name, in the account's time zone.
    pub enum DatePreset {
        /// Today.
        Day = "day",
        /// Tomorrow.
        Tomorrow = "tomorrow",
        /// Yesterday.
        Yesterday = "yesterday",
        /// This week.
        Week = "week",
        /// The week before.
        PreviousWeek = "previous_week",
        /// The week after.
        NextWeek = "next_week",
        /// This month.
        Month = "month",
        /// The month after.
        NextMonth = "next_month",
        /// The month before.
        PreviousMonth = "previous_month",
        /// This quarter.
        Quarter = "quarter",
        /// The quarter before.
        PreviousQuarter = "previous_quarter",
        /// The quarter after.
        NextQuarter = "next_quarter",
        /// The last three days.
        Last3Days = "last_3_days",
        /// The next three days.
        Next3Days = "next_3_days",
        /// The last six months.
        Last6Month = "last_6_month",
        /// This year.
        Year = "year",
    }
}

/// Who a filter of files looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileAuthor {
    /// A user of the account.
    User(UserId),
    /// A robot.
    Robot,
    /// A client, in a chat or a form.
    Client,
}

impl std::fmt::Display for FileAuthor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Robot => f.write_str("0"),
            Self::Client => f.write_str("-1"),
        }
    }
}

impl From<UserId> for FileAuthor {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

crate::entity::filter! {
    /// Which files a list keeps.
    pub struct FileFilter {
        /// With this name.
        one name "name": String,
        /// With these extensions: `pdf`, `png`.
        any extensions "extensions": String,
        /// Whose name, or the name of something they are attached to, has this in it.
        one term "term": String,
        /// That came from this source.
        one source "source_id": SourceId,
        /// Uploaded by these.
        any created_by "created_by": FileAuthor,
        /// Changed last by these.
        any updated_by "updated_by": FileAuthor,
    }
}

impl FileFilter {
    /// These files.
    pub fn ids(mut self, alternatives: impl IntoIterator<Item = impl Into<FileId>>) -> Self {
        let ids: Vec<String> = alternatives
            .into_iter()
            .map(|id| id.into().to_string())
            .collect();
        // One parameter with commas; without a file in it nothing can pass.
        if ids.is_empty() {
            self.0.any::<String>("uuid", []);
        } else {
            self.0.one("uuid", ids.join(","));
        }
        self
    }

    /// Files in the trash, and no others.
    pub fn deleted(mut self) -> Self {
        self.0.one("deleted", "");
        self
    }

    /// Of this size, in bytes: amoCRM's default unit.
    pub fn size(mut self, bytes: impl std::ops::RangeBounds<i64>) -> Self {
        self.0.range("size", &bytes);
        self
    }

    /// Uploaded, or changed, in this period.
    pub fn date(
        mut self,
        date: FileDate,
        period: impl std::ops::RangeBounds<DateTime<Utc>>,
    ) -> Self {
        self.0.one("date][type", date);
        self.0.period("date", &period);
        self
    }

    /// Uploaded, or changed, in a period by name.
    pub fn date_preset(mut self, date: FileDate, preset: DatePreset) -> Self {
        self.0.one("date][type", date);
        self.0.one("date][date_preset", preset);
        self
    }
}

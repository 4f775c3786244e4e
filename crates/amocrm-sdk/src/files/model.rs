//! What a file looks like.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{FileId, FileType, FileVersionId};
use crate::de;
use crate::de::open_enum;
use crate::id::{SourceId, UserId};

/// A file as amoCRM tells it. `Debug` shows neither its name nor its links.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct File {
    /// Its id.
    pub uuid: FileId,
    /// What it is.
    #[serde(rename = "type", default)]
    pub file_type: Option<FileType>,
    /// Its name without the extension.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its name in ASCII.
    #[serde(default, deserialize_with = "de::text")]
    pub sanitized_name: String,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "de::number")]
    pub size: u64,
    /// Whether it is in the trash.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_trashed: bool,
    /// The source it came from.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub source_id: Option<SourceId>,
    /// Its current version.
    #[serde(default)]
    pub version_uuid: Option<FileVersionId>,
    /// Whether there are others.
    #[serde(default, deserialize_with = "de::flag")]
    pub has_multiple_versions: bool,
    /// Extension and media type.
    #[serde(default, deserialize_with = "de::object")]
    pub metadata: FileMetadata,
    /// Pictures made of it, if asked for when it was uploaded.
    #[serde(default, deserialize_with = "de::list")]
    pub previews: Vec<Preview>,
    /// When it was uploaded.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// Who uploaded it.
    #[serde(default, deserialize_with = "de::opt_object")]
    pub created_by: Option<FileUser>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Who changed it last.
    #[serde(default, deserialize_with = "de::opt_object")]
    pub updated_by: Option<FileUser>,
    /// When it went to the trash.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who put it there.
    #[serde(default, deserialize_with = "de::opt_object")]
    pub deleted_by: Option<FileUser>,
    #[serde(rename = "_links", default, deserialize_with = "de::object")]
    links: Links,
}

impl File {
    /// Where its current version is downloaded from: people can open it, programs use
    /// [`Files::download`](super::Files::download).
    pub fn download_link(&self) -> Option<&str> {
        self.links.download.href.as_deref()
    }
}

/// One version of a file. `Debug` shows neither its name nor its links.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FileVersion {
    /// Its id.
    #[serde(alias = "version_uuid")]
    pub uuid: FileVersionId,
    /// The file.
    #[serde(default)]
    pub file_uuid: Option<FileId>,
    /// Whether it is the current version.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_main: bool,
    /// What it is.
    #[serde(rename = "type", default)]
    pub file_type: Option<FileType>,
    /// Its name without the extension.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "de::number")]
    pub size: u64,
    /// Extension and media type.
    #[serde(default, deserialize_with = "de::object")]
    pub metadata: FileMetadata,
    /// Pictures made of it.
    #[serde(default, deserialize_with = "de::list")]
    pub previews: Vec<Preview>,
    /// When it was uploaded.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// Who uploaded it.
    #[serde(default, deserialize_with = "de::opt_object")]
    pub created_by: Option<FileUser>,
    #[serde(rename = "_links", default, deserialize_with = "de::object")]
    links: Links,
}

impl FileVersion {
    /// Where it is downloaded from.
    pub fn download_link(&self) -> Option<&str> {
        let own = self.links.download_version.href.as_deref();
        own.or(self.links.download.href.as_deref())
    }
}

/// What a file's bytes are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FileMetadata {
    /// `pdf`.
    #[serde(deserialize_with = "de::opt_text")]
    pub extension: Option<String>,
    /// `application/pdf`.
    #[serde(deserialize_with = "de::opt_text")]
    pub mime_type: Option<String>,
}

/// A picture made of a file.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Preview {
    /// Where it is downloaded from.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub download_link: Option<String>,
    /// In pixels.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub width: Option<u32>,
    /// In pixels.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub height: Option<u32>,
}

/// Who did something with a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FileUser {
    /// Their id.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub id: Option<UserId>,
    /// Whether they are a user of the account.
    #[serde(rename = "type", default)]
    pub user_type: Option<FileUserType>,
}

open_enum! {
    /// What kind of user it is. amoCRM documents no list.
    pub enum FileUserType {
        /// A user of the account.
        Internal = "internal",
        /// A client.
        External = "external",
    }
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Links {
    #[serde(deserialize_with = "de::object")]
    download: Link,
    #[serde(deserialize_with = "de::object")]
    download_version: Link,
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Link {
    #[serde(deserialize_with = "de::opt_text")]
    href: Option<String>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("uuid", &self.uuid)
            .field("file_type", &self.file_type)
            .field("size", &self.size)
            .field("version_uuid", &self.version_uuid)
            .field("is_trashed", &self.is_trashed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FileVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileVersion")
            .field("uuid", &self.uuid)
            .field("file_uuid", &self.file_uuid)
            .field("size", &self.size)
            .field("is_main", &self.is_main)
            .finish_non_exhaustive()
    }
}

/// The link has the file's name in it.
impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

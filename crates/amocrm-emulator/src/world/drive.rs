//! Files: what was uploaded, in which versions, and to which cards it is attached.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Sequence;

/// Files stay in the trash for 30 days (03 §7.10).
const TRASH_SECONDS: i64 = 30 * 86_400;
/// An upload may take 24 hours (03 §7.10).
const SESSION_SECONDS: i64 = 86_400;
const FIRST_SESSION: u64 = 2_500_001;
const FIRST_LINK: u64 = 8_100_001;

/// The files of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Drive {
    /// By their uuid.
    pub(crate) files: BTreeMap<String, File>,
    /// Which file hangs on which card, in the order of attaching.
    pub(crate) attachments: Vec<Attachment>,
    /// Uploads that have not come to their end, by the secret of their address. They do not outlive the process.
    #[serde(skip)]
    pub(crate) uploads: BTreeMap<String, Upload>,
    session_ids: Sequence,
    link_ids: Sequence,
}

impl Drive {
    /// Forgets what is older than the trash and the sessions keep it.
    pub(crate) fn expire(&mut self, now: i64) {
        self.uploads
            .retain(|_, upload| now - upload.created_at < SESSION_SECONDS);
        let is_kept = |file: &File| file.deleted_at.is_none_or(|at| now - at < TRASH_SECONDS);
        self.files.retain(|_, file| is_kept(file));
        let files = &self.files;
        self.attachments
            .retain(|attachment| files.contains_key(&attachment.file_uuid));
    }

    pub(crate) fn next_session_id(&mut self, account_id: u64) -> u64 {
        self.session_ids.take(account_id, FIRST_SESSION)
    }

    /// Hangs a file on a card; once is enough.
    pub(crate) fn attach(&mut self, account_id: u64, card: &Card, file_uuid: &str) {
        let is_there = |known: &Attachment| known.card == *card && known.file_uuid == file_uuid;
        if !self.attachments.iter().any(is_there) {
            let id = self.link_ids.take(account_id, FIRST_LINK);
            self.attachments.push(Attachment {
                id,
                card: card.clone(),
                file_uuid: file_uuid.to_owned(),
            });
        }
    }

    /// A file that is not in the trash.
    pub(crate) fn live(&self, uuid: &str) -> Option<&File> {
        self.files
            .get(uuid)
            .filter(|file| file.deleted_at.is_none())
    }

    /// The contents that are in memory, by the uuid of their version.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let versions = self.files.values().flat_map(|file| &file.versions);
        versions.filter_map(|version| Some((version.uuid.as_str(), version.content.as_ref()?)))
    }

    /// Gives versions their contents back after a restart.
    pub(crate) fn restore_contents(&mut self, read: impl Fn(&str) -> Option<Bytes>) {
        for version in self.files.values_mut().flat_map(|file| &mut file.versions) {
            version.content = read(&version.uuid);
        }
    }
}

/// What a file can hang on: a word of the path (`leads`, `customers`, `catalogs:5001`) and a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) kind: String,
    pub(crate) id: u64,
}

/// A file on a card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// Its id; lists go back from the newest by it.
    pub(crate) id: u64,
    pub(crate) card: Card,
    pub(crate) file_uuid: String,
}

/// Who did something to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Author {
    pub(crate) id: i64,
    /// `internal` for users; others are kept as the client says them.
    pub(crate) kind: String,
}

/// A file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// Set when it came from a chat.
    pub(crate) source_id: Option<u64>,
    /// Oldest first; never empty.
    pub(crate) versions: Vec<FileVersion>,
    /// Which version is the current one.
    pub(crate) main_version: String,
    pub(crate) created_at: i64,
    pub(crate) created_by: Author,
    pub(crate) updated_at: i64,
    pub(crate) updated_by: Author,
    pub(crate) deleted_at: Option<i64>,
    pub(crate) deleted_by: Option<Author>,
}

impl File {
    /// The version with this uuid.
    pub(crate) fn version(&self, uuid: &str) -> Option<&FileVersion> {
        self.versions.iter().find(|version| version.uuid == uuid)
    }
}

impl fmt::Debug for File {
    /// Names of files are people's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("uuid", &self.uuid)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

/// One version of a file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FileVersion {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) mime_type: String,
    pub(crate) created_at: i64,
    pub(crate) created_by: Author,
    /// Kept beside the state file, not in it: the state is written as a whole at every change.
    #[serde(skip)]
    pub(crate) content: Option<Bytes>,
}

impl FileVersion {
    /// The part of the name after the last dot, in lower case.
    pub(crate) fn extension(&self) -> String {
        let (stem, extension) = self.name.rsplit_once('.').unwrap_or_default();
        if stem.is_empty() {
            String::new()
        } else {
            extension.to_lowercase()
        }
    }
}

impl fmt::Debug for FileVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileVersion")
            .field("uuid", &self.uuid)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// An upload under way.
pub(crate) struct Upload {
    pub(crate) session_id: u64,
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) mime_type: String,
    /// The file this becomes a new version of.
    pub(crate) file_uuid: Option<String>,
    pub(crate) author: Author,
    pub(crate) created_at: i64,
    pub(crate) received: Vec<u8>,
    /// Lengths of the parts so far: a part whose answer was lost may come again.
    pub(crate) parts: Vec<usize>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("session_id", &self.session_id)
            .field("size", &self.size)
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}

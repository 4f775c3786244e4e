//! Uploading in parts.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, ReadBuf};

use super::{File, FileId};
use crate::BoxError;
use crate::client::Client;
use crate::de;
use crate::entity::awaited;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::request::{Host, Operation, Request};

/// A session that gets no part leaves nothing behind, so it may be opened again.
pub(super) const OPEN: Operation = Operation::idempotent("files.upload");

/// The address of a part says which part it is, so sending it again does not append it twice.
pub(super) const PART: Operation = Operation::idempotent("files.upload_part");

/// The size of parts when the session does not say it: what amoCRM's documentation shows.
const DEFAULT_PART: usize = 512 * 1024;

/// No part is larger, whatever the session allows: it is kept in memory until it has arrived.
const LARGEST_PART: usize = 16 * 1024 * 1024;

/// How much a reader is asked for at once.
const READ: usize = 64 * 1024;

/// The bytes of a file to be uploaded: in memory, from a [`stream`](Self::stream), or from a [`reader`](Self::reader).
pub struct UploadBody {
    size: u64,
    pieces: BoxStream<'static, Result<Bytes, BoxError>>,
}

impl UploadBody {
    /// Bytes as they come, in pieces of any length: `size` of them in all, which amoCRM wants to know before. Only one
    /// part of the file is in memory at a time.
    pub fn stream<B, E>(
        size: u64,
        pieces: impl Stream<Item = Result<B, E>> + Send + 'static,
    ) -> Self
    where
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        let pieces = pieces.map(|piece| piece.map(Into::into).map_err(Into::into));
        Self {
            size,
            pieces: pieces.boxed(),
        }
    }

    /// Bytes of a reader, such as a `tokio::fs::File`: `size` of them in all.
    pub fn reader(size: u64, reader: impl AsyncRead + Send + 'static) -> Self {
        let reader = Box::pin(reader);
        Self {
            size,
            pieces: stream::unfold(Some(reader), |reader| async {
                let mut reader = reader?;
                match read(reader.as_mut()).await {
                    Ok(piece) if piece.is_empty() => None,
                    Ok(piece) => Some((Ok(piece), Some(reader))),
                    Err(error) => Some((Err(error.into()), None)),
                }
            })
            .boxed(),
        }
    }
}

async fn read(mut reader: Pin<&mut (impl AsyncRead + ?Sized)>) -> std::io::Result<Bytes> {
    let mut piece = vec![0; READ];
    let mut buffer = ReadBuf::new(&mut piece);
    poll_fn(|cx| reader.as_mut().poll_read(cx, &mut buffer)).await?;
    let filled = buffer.filled().len();
    piece.truncate(filled);
    Ok(piece.into())
}

impl From<Bytes> for UploadBody {
    fn from(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        Self::stream(size, stream::iter([Ok::<_, BoxError>(bytes)]))
    }
}

impl From<Vec<u8>> for UploadBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static [u8]> for UploadBody {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl fmt::Debug for UploadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadBody")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that amoCRM has.
    pub sent: u64,
    /// Bytes of the file.
    pub total: u64,
}

type Watch = Box<dyn FnMut(Progress) + Send>;

/// Uploads a file; awaiting gives it as amoCRM has it.
///
/// It travels in parts of the size that amoCRM asks for, one request each, with one part in memory at a time. A part that
/// fails is sent again, alone; parts that have arrived are not. Each part has the client's deadline to itself.
#[must_use = "nothing is uploaded until it is awaited"]
pub struct Upload {
    client: Client,
    session: NewSession,
    pieces: BoxStream<'static, Result<Bytes, BoxError>>,
    watch: Option<Watch>,
}

#[derive(Debug, Clone, Serialize)]
struct NewSession {
    file_name: String,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_uuid: Option<FileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_preview: Option<bool>,
}

#[derive(Deserialize)]
struct Session {
    #[serde(default, deserialize_with = "de::text")]
    upload_url: String,
    #[serde(default, deserialize_with = "de::opt_number")]
    max_file_size: Option<u64>,
    #[serde(default, deserialize_with = "de::opt_number")]
    max_part_size: Option<u64>,
}

/// The answer to a part: where the next one goes, or, after the last, the file.
#[derive(Deserialize)]
struct Accepted {
    #[serde(default, deserialize_with = "de::opt_text")]
    next_url: Option<String>,
}

impl Upload {
    pub(super) fn new(client: Client, name: String, body: UploadBody) -> Self {
        Self {
            client,
            session: NewSession {
                file_name: name,
                file_size: body.size,
                content_type: None,
                file_uuid: None,
                with_preview: None,
            },
            pieces: body.pieces,
            watch: None,
        }
    }

    /// Sets the media type: `application/pdf`.
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.session.content_type = Some(media_type.into());
        self
    }

    /// Makes it a new version of this file, and the current one.
    pub fn version_of(mut self, id: impl Into<FileId>) -> Self {
        self.session.file_uuid = Some(id.into());
        self
    }

    /// Asks for a preview: [`File::previews`].
    pub fn with_preview(mut self) -> Self {
        self.session.with_preview = Some(true);
        self
    }

    /// Is told of every part that has arrived.
    pub fn on_progress(mut self, watch: impl FnMut(Progress) + Send + 'static) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }

    /// The first request, which opens the session. The parts go where its answer says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a file without a name or without a byte.
    pub fn into_request(self) -> Result<Request> {
        self.session.request()
    }

    async fn run(mut self) -> Result<File> {
        let client = self.client;
        let total = self.session.file_size;
        let session: Session = client.expect(self.session.request()?).await?;
        if session.max_file_size.is_some_and(|most| total > most) {
            let most = session.max_file_size.unwrap_or_default();
            return Err(invalid(format!(
                "the file has {total} bytes and amoCRM takes {most} at most"
            )));
        }
        let mut parts = Parts {
            pieces: self.pieces,
            size: part_size(session.max_part_size),
            left: total,
            buffer: BytesMut::new(),
        };
        let mut url = session.upload_url;
        let mut name = "upload_url";
        while let Some(part) = parts.next().await? {
            let path = client
                .drive_path(name, &url)
                .await
                .map_err(|error| error.with_operation(PART.name))?;
            let request = Request::post(PART, path)
                .host(Host::Drive)
                .private_path()
                .bytes(part);
            let answer = client.send(request).await.map_err(after_the_session)?;
            let sent = total - parts.left;
            if let Some(watch) = &mut self.watch {
                watch(Progress { sent, total });
            }
            if parts.left == 0 {
                parts.end().await?;
                return crate::client::decode(PART.name, answer.body());
            }
            let accepted: Accepted = crate::client::decode(PART.name, answer.body())?;
            url = accepted.next_url.ok_or_else(|| {
                let message = format!(
                    "amoCRM ended the upload after {sent} of {total} bytes without `next_url`"
                );
                Error::new(ErrorKind::Decode, Delivery::Answered, message).with_operation(PART.name)
            })?;
            name = "next_url";
        }
        Err(invalid("the file has no bytes".to_owned()))
    }
}

awaited!(Upload => File);

impl NewSession {
    fn request(&self) -> Result<Request> {
        if self.file_name.is_empty() {
            return Err(invalid("a file needs a name".to_owned()));
        }
        if self.file_size == 0 {
            return Err(invalid("a file needs at least one byte".to_owned()));
        }
        Request::post(OPEN, "/v1.0/sessions")
            .host(Host::Drive)
            .json(self)
    }
}

fn part_size(asked: Option<u64>) -> usize {
    asked
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
        .unwrap_or(DEFAULT_PART)
        .min(LARGEST_PART)
}

/// The session ends with the last part. If that part's answer was lost, the repetition finds no session.
fn after_the_session(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound && error.attempts() > 1 {
        return error.with_delivery(Delivery::Unknown).with_kind(
            ErrorKind::NotFound,
            "the upload session is over; the file may have arrived",
        );
    }
    error
}

fn invalid(message: String) -> Error {
    Error::invalid_input(message).with_operation(OPEN.name)
}

/// Cuts pieces of any length into parts of one length.
struct Parts {
    pieces: BoxStream<'static, Result<Bytes, BoxError>>,
    size: usize,
    left: u64,
    buffer: BytesMut,
}

impl Parts {
    /// The next part; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = self.size.min(left);
        if wanted == 0 {
            return Ok(None);
        }
        while self.buffer.len() < wanted {
            let Some(piece) = self.piece().await? else {
                let missing = self.left - self.buffer.len() as u64;
                return Err(invalid(format!(
                    "the file ended {missing} bytes before its announced size"
                )));
            };
            self.buffer.extend_from_slice(&piece);
        }
        self.left -= wanted as u64;
        Ok(Some(self.buffer.split_to(wanted).freeze()))
    }

    /// After the last part nothing may follow.
    async fn end(&mut self) -> Result<()> {
        let mut surplus = !self.buffer.is_empty();
        while !surplus && let Some(piece) = self.piece().await? {
            surplus = !piece.is_empty();
        }
        if surplus {
            let message =
                "the file is longer than its announced size; what was announced is stored";
            return Err(invalid(message.to_owned()).with_delivery(Delivery::Answered));
        }
        Ok(())
    }

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.pieces.next().await.transpose().map_err(|source| {
            invalid("the file's bytes could not be read".to_owned()).with_source(source)
        })
    }
}

/// A file's name is its owner's business.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("size", &self.session.file_size)
            .field("version_of", &self.session.file_uuid)
            .finish_non_exhaustive()
    }
}

//! Downloading.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;

use crate::client::{BodyStream, Client};
use crate::entity::awaited;
use crate::error::{Error, Result};
use crate::request::{Host, Operation, Request};

pub(super) const DOWNLOAD: Operation = Operation::idempotent("files.download");

/// Downloads a file: awaiting gives its bytes, [`stream`](Self::stream) gives them as they come.
///
/// Only links of the account's own file service are followed: the token goes nowhere else.
#[derive(Clone)]
#[must_use = "nothing is downloaded until it is awaited or streamed"]
pub struct Download {
    client: Client,
    link: Option<String>,
}

impl Download {
    pub(super) fn new(client: Client, link: Option<&str>) -> Self {
        Self {
            client,
            link: link.map(str::to_owned),
        }
    }

    /// The bytes as they come, in constant memory. The request is repeated until its answer begins; after that each
    /// piece has to arrive within the time of one attempt.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the link leads to another host.
    pub async fn stream(self) -> Result<BodyStream> {
        let link = self
            .link
            .ok_or_else(|| Error::invalid_input("amoCRM gave no link to download this from"))
            .map_err(|error| error.with_operation(DOWNLOAD.name))?;
        let path = self
            .client
            .drive_path("_links.download", &link)
            .await
            .map_err(|error| error.with_operation(DOWNLOAD.name))?;
        let request = Request::get(DOWNLOAD, path)
            .host(Host::Drive)
            .private_path();
        self.client.open(request).await
    }

    async fn run(self) -> Result<Bytes> {
        let pieces = self.stream().await?;
        let whole = pieces
            .try_fold(BytesMut::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            })
            .await?;
        Ok(whole.freeze())
    }
}

awaited!(Download => Bytes);

/// The link has the file's name in it.
impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").finish_non_exhaustive()
    }
}

//! Where the account's files live.

use std::future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use url::Url;

use super::Client;
use super::body::{BodySlot, BodyStream};
use crate::account::AccountWith;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::Base;
use crate::request::{Host, Request};

impl Client {
    /// The file service of the account. It is asked for once; clones share the answer.
    pub(super) async fn drive(&self) -> Result<&Base> {
        self.inner
            .drive
            .get_or_try_init(|| async {
                let asks = Self {
                    context_user: None,
                    ..self.clone()
                };
                let account = asks.account().get().with([AccountWith::DriveUrl]).await?;
                let named = account
                    .drive_url
                    .ok_or_else(|| unusable("the account names no `drive_url`".to_owned()))?;
                let base = Url::parse(&named)
                    .ok()
                    .and_then(|url| Base::of(&url).ok())
                    .ok_or_else(|| unusable("the account's `drive_url` is not a URL".to_owned()))?;
                // An override is where everything goes, and the one who set it answers for it.
                if !base.is_https() && !self.inner.endpoint.is_overridden() {
                    let message = format!(
                        "the account's `drive_url` at {} is not https: the token does not go there",
                        base.host()
                    );
                    return Err(unusable(message));
                }
                Ok(base)
            })
            .await
    }

    /// Path and query of a link of the file service. A link to anywhere else is an error, because the token would go
    /// there.
    pub(crate) async fn drive_path(&self, name: &str, link: &str) -> Result<String> {
        let drive = self.drive().await?;
        drive.path_of(link).ok_or_else(|| {
            unusable(format!(
                "`{name}` leads away from the file service {}: the token does not go there",
                drive.host()
            ))
        })
    }

    /// Sends a request and leaves the body of its answer to be read piece by piece. Each piece has to arrive within the
    /// time of one attempt.
    pub(crate) async fn open(&self, request: Request) -> Result<BodyStream> {
        let operation = request.operation().name;
        let patience = self.inner.timeout;
        let slot = BodySlot::default();
        let answer = self
            .dispatch(request, self.next_deadline(), |extensions| {
                extensions.insert(slot.clone());
            })
            .await?;
        let body = slot.take().unwrap_or_else(|| {
            // A layer of the user's answered by itself.
            let whole = answer.into_body();
            stream::once(future::ready(Ok(whole))).boxed()
        });
        Ok(within(body, patience, operation))
    }
}

/// Ends a body whose next piece does not come in time.
fn within(body: BodyStream, patience: Duration, operation: &'static str) -> BodyStream {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        let piece: Option<Result<Bytes>> = match timeout(patience, body.next()).await {
            Ok(piece) => piece,
            Err(_) => Some(Err(Error::new(
                ErrorKind::Timeout,
                Delivery::Answered,
                "the rest of the body did not come in time",
            ))),
        };
        match piece? {
            Ok(piece) => Some((Ok(piece), Some(body))),
            Err(error) => Some((Err(error.with_operation(operation)), None)),
        }
    })
    .boxed()
}

fn unusable(message: String) -> Error {
    Error::new(ErrorKind::Decode, Delivery::Answered, message)
}

impl Host {
    /// The origin of the host, where it is not the account itself.
    pub(super) async fn base(self, client: &Client) -> Result<Option<&Base>> {
        match self {
            Self::Account => Ok(None),
            Self::Drive => Box::pin(client.drive()).await.map(Some),
        }
    }
}

//! The wire: reqwest, or any tower service that speaks HTTP bodies.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
#[cfg(feature = "reqwest")]
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::body::BodySlot;
#[cfg(feature = "reqwest")]
use super::body::BodyStream;
use crate::BoxError;
use crate::error::{Delivery, Error, ErrorKind};
use crate::layer::{Deadline, HttpRequest, HttpResponse, HttpService, ServiceFuture, from_now};

/// Boxes a transport that speaks HTTP bodies (an axum `Router`, a hyper client) as the bottom of the stack.
pub(crate) fn from_body_service<S, B>(service: S, timeout: Duration) -> HttpService
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    HttpService::new(Timed {
        inner: BodyTransport(service),
        timeout,
    })
}

#[derive(Clone)]
struct BodyTransport<S>(S);

impl<S, B> Service<HttpRequest> for BodyTransport<S>
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            let slot = BodySlot::of(&request);
            let answer = service
                .oneshot(request.map(Full::new))
                .await
                .map_err(|error| broken(error.into()))?;
            let (parts, body) = answer.into_parts();
            if let Some(slot) = slot.filter(|_| parts.status.is_success()) {
                let pieces = Box::pin(body).into_data_stream().map(|piece| {
                    let mut piece = piece.map_err(|error| broken_body(error.into()))?;
                    Ok(piece.copy_to_bytes(piece.remaining()))
                });
                slot.put(pieces.boxed());
                return Ok(http::Response::from_parts(parts, Bytes::new()));
            }
            let body = body
                .collect()
                .await
                .map_err(|error| broken(error.into()))?
                .to_bytes();
            Ok(http::Response::from_parts(parts, body))
        })
    }
}

/// reqwest over rustls: the default transport.
#[cfg(feature = "reqwest")]
pub(crate) fn from_reqwest(client: reqwest::Client, timeout: Duration) -> HttpService {
    HttpService::new(Timed {
        inner: ReqwestTransport(client),
        timeout,
    })
}

#[cfg(feature = "reqwest")]
#[derive(Clone)]
struct ReqwestTransport(reqwest::Client);

#[cfg(feature = "reqwest")]
impl Service<HttpRequest> for ReqwestTransport {
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let slot = BodySlot::of(&request);
            let request = reqwest::Request::try_from(request).map_err(reqwest_error)?;
            let answer = client.execute(request).await.map_err(reqwest_error)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = match slot.filter(|_| status.is_success()) {
                Some(slot) => {
                    slot.put(pieces(answer));
                    Bytes::new()
                }
                None => answer.bytes().await.map_err(reqwest_error)?,
            };
            let mut response = http::Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}

#[cfg(feature = "reqwest")]
fn pieces(answer: reqwest::Response) -> BodyStream {
    stream::unfold(Some(answer), |answer| async {
        let mut answer = answer?;
        match answer.chunk().await {
            Ok(piece) => Some((Ok(piece?), Some(answer))),
            Err(error) => Some((Err(broken_body(error.without_url().into())), None)),
        }
    })
    .boxed()
}

/// The answer had begun: amoCRM's state is what it says.
fn broken_body(source: BoxError) -> Error {
    broken(source).with_delivery(Delivery::Answered)
}

#[cfg(feature = "reqwest")]
fn reqwest_error(error: reqwest::Error) -> Error {
    // The URL of the error may hold a phone in its query.
    let error = error.without_url();
    if error.is_connect() {
        return Error::new(
            ErrorKind::Connect,
            Delivery::NotSent,
            "no connection to amoCRM",
        )
        .with_source(error);
    }
    if error.is_builder() {
        return Error::invalid_input("the request cannot be sent").with_source(error);
    }
    if error.is_timeout() {
        return timed_out();
    }
    broken(error.into())
}

/// An error of the user's own transport may be one of ours, made with [`Error::from_transport`].
fn broken(source: BoxError) -> Error {
    let source = match source.downcast::<Error>() {
        Ok(own) => return *own,
        Err(foreign) => foreign,
    };
    Error::new(
        ErrorKind::Transport,
        Delivery::Unknown,
        "the connection to amoCRM broke",
    )
    .with_source(source)
}

fn timed_out() -> Error {
    Error::new(
        ErrorKind::Timeout,
        Delivery::Unknown,
        "amoCRM did not answer in time",
    )
}

/// One attempt, from the first byte sent to the last byte read, within `timeout`.
#[derive(Clone)]
struct Timed<S> {
    inner: S,
    timeout: Duration,
}

impl<S> Service<HttpRequest> for Timed<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError, Future = ServiceFuture>,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let limit = from_now(self.timeout);
        let limit = Deadline::of(&request).map_or(limit, |deadline| deadline.0.min(limit));
        let call = self.inner.call(request);
        Box::pin(async move {
            tokio::time::timeout_at(limit, call)
                .await
                .unwrap_or_else(|_| Err(timed_out().into()))
        })
    }
}

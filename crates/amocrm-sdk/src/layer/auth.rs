//! Puts the access token on the request, and a fresh one after a 401.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use tower::{Layer, Service, ServiceExt};

use super::{Deadline, HttpRequest, HttpResponse, ServiceFuture};
use crate::BoxError;
use crate::chats::Signer;
use crate::error::{Error, Result};
use crate::oauth::Renewer;

/// Where access tokens come from.
#[derive(Debug, Clone)]
pub(crate) enum TokenSource {
    /// A long-lived token: it cannot be renewed.
    Fixed(SecretString),
    /// An OAuth grant: the token is renewed by itself.
    Renewed(Arc<Renewer>),
    /// A channel of the chat service: every request is signed.
    Signed(Signer),
    /// The transport does it, or nobody needs to.
    None,
}

#[derive(Debug, Clone)]
pub(crate) struct AuthLayer(pub(crate) TokenSource);

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth {
            source: self.0.clone(),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Auth<S> {
    source: TokenSource,
    inner: S,
}

impl<S> Service<HttpRequest> for Auth<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        let spare = self.inner.clone();
        // The clone may not be ready; the one that was polled is.
        let mut inner = std::mem::replace(&mut self.inner, spare.clone());
        let source = self.source.clone();
        Box::pin(async move {
            let renewer = match source {
                TokenSource::None => return inner.call(request).await,
                TokenSource::Signed(signer) => {
                    signer.sign(&mut request)?;
                    return inner.call(request).await;
                }
                TokenSource::Fixed(token) => {
                    authorize(&mut request, &token)?;
                    return inner.call(request).await;
                }
                TokenSource::Renewed(renewer) => renewer,
            };
            let deadline = Deadline::of(&request);
            let token = renewer
                .access_token(deadline)
                .await
                .map_err(Error::before_the_call)?;
            authorize(&mut request, &token)?;
            let answer = inner.call(request.clone()).await?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            let fresh = renewer
                .replace(&token, deadline)
                .await
                .map_err(Error::before_the_call)?;
            authorize(&mut request, &fresh)?;
            let answer = spare.oneshot(request).await?;
            if answer.status() == StatusCode::UNAUTHORIZED {
                renewer.give_up_on(&fresh);
            }
            Ok(answer)
        })
    }
}

fn authorize(request: &mut HttpRequest, token: &SecretString) -> Result<()> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
            Error::invalid_input("the access token holds characters that no HTTP header may hold")
        })?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

//! A client without a network: every request gets the same answer at once, and the budget is never empty.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use amocrm_sdk::quota::{PauseReason, Permit, Quota};
use amocrm_sdk::{BoxError, Client};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use tower::Service;

/// A transport that has one answer.
#[derive(Debug, Clone)]
pub(crate) struct Canned(Bytes);

impl Canned {
    pub(crate) fn new(body: impl Into<Bytes>) -> Self {
        Self(body.into())
    }

    /// A client over it, with all its layers.
    pub(crate) fn client(self) -> anyhow::Result<Client> {
        Ok(Client::builder("acme.amocrm.ru")
            .transport(self)
            .long_lived_token("token")
            .quota(Arc::new(Unlimited))
            .build()?)
    }
}

impl Service<http::Request<Full<Bytes>>> for Canned {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(http::Response::new(Full::new(self.0.clone()))))
    }
}

/// A budget without a limit, for what is measured in CPU time.
#[derive(Debug)]
pub(crate) struct Unlimited;

#[async_trait]
impl Quota for Unlimited {
    async fn try_acquire(&self) -> Result<Permit, BoxError> {
        Ok(Permit::Granted)
    }

    async fn pause(&self, _: Duration, _: PauseReason) -> Result<(), BoxError> {
        Ok(())
    }

    async fn resume(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

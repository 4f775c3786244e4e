//! A call of the chat service.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::ChatChannel;
use crate::client::decode;
use crate::entity::awaited;
use crate::error::Result;
use crate::request::Request;

/// A call of the chat service; awaiting sends it.
#[must_use = "nothing is sent until it is awaited"]
pub struct ChatCall<T> {
    channel: ChatChannel,
    request: Result<Request>,
    answer: PhantomData<fn() -> T>,
}

impl<T> ChatCall<T> {
    pub(super) fn new(channel: &ChatChannel, request: Result<Request>) -> Self {
        Self {
            channel: channel.clone(),
            request,
            answer: PhantomData,
        }
    }

    /// The request, not yet signed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when something required is missing.
    pub fn into_request(self) -> Result<Request> {
        self.request
    }
}

/// Something that the chat service answers with.
pub trait Answer: Sized + Send + 'static {
    #[doc(hidden)]
    fn read(operation: &'static str, body: &[u8]) -> Result<Self>;
}

/// Where an empty body is the answer, or where what it says does not matter.
impl Answer for () {
    fn read(_: &'static str, _: &[u8]) -> Result<Self> {
        Ok(())
    }
}

/// For answers that are one JSON object.
pub(super) trait Decoded: DeserializeOwned + Send + 'static {}

impl<T: Decoded> Answer for T {
    fn read(operation: &'static str, body: &[u8]) -> Result<Self> {
        decode(operation, body)
    }
}

impl<T: Answer> ChatCall<T> {
    async fn run(self) -> Result<T> {
        let request = self.request?;
        let operation = request.operation().name;
        let answer = self.channel.send(request).await?;
        T::read(operation, answer.body())
    }
}

awaited!(ChatCall<T> => T where T: Answer);

impl<T> fmt::Debug for ChatCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatCall")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

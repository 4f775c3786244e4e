//! Bodies that are read piece by piece.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::layer::HttpRequest;

/// A body on its way.
pub(crate) type BodyStream = BoxStream<'static, crate::Result<Bytes>>;

/// Where the transport leaves the body of a successful answer instead of reading it to its end: the layers speak of
/// whole bodies, and a file need not fit into memory. Travels in the request's extensions.
#[derive(Clone, Default)]
pub(crate) struct BodySlot(Arc<Mutex<Option<BodyStream>>>);

impl BodySlot {
    /// The slot of a request that has one.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    pub(super) fn put(&self, body: BodyStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    pub(super) fn take(&self) -> Option<BodyStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for BodySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodySlot")
    }
}

//! Requests built without I/O.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::Serialize;

use crate::error::{Error, Result};

/// What a request does, so that every layer knows: it travels in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// `leads.create`, `account.get`: for logs, metrics and errors.
    pub name: &'static str,
    /// Whether sending it twice leaves amoCRM as sending it once: decides about retries after an unknown outcome.
    pub idempotent: bool,
}

impl Operation {
    /// An operation that may be repeated: reads, updates that set values, links, deletes.
    pub const fn idempotent(name: &'static str) -> Self {
        Self {
            name,
            idempotent: true,
        }
    }

    /// An operation that makes something new each time: it is never repeated after an unknown outcome.
    pub const fn once(name: &'static str) -> Self {
        Self {
            name,
            idempotent: false,
        }
    }
}

/// Something whose operations are known: what [`operations`](crate::operations) goes through.
pub(crate) trait Declared {
    /// The operations, each once or more.
    const OPERATIONS: &'static [Operation];
    /// Whether many changes go into one request, so that batchers may gather single ones.
    const TAKES_MANY: bool = false;
}

/// Says which operations a handle has beside those of `resource!`: `declare!(Links: Link::LIST, LINK, UNLINK)`.
macro_rules! declare {
    ($handle:ty: $($operation:expr),+ $(,)?) => {
        impl crate::request::Declared for $handle {
            const OPERATIONS: &'static [crate::Operation] = &[$($operation),+];
        }
    };
}
pub(crate) use declare;

/// Which of amoCRM's hosts a request is for.
///
/// A request cannot name a host of its own, so the access token never goes to a stranger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Host {
    /// The account: `acme.amocrm.ru`.
    #[default]
    Account,
    /// The file service that the account names: `drive-b.amocrm.ru`. The client asks for it once and remembers it.
    Drive,
}

/// A request of the API: what every builder's `into_request()` yields.
///
/// ```
/// # fn main() -> Result<(), amocrm_sdk::Error> {
/// use amocrm_sdk::{Operation, Request};
///
/// let request = Request::get(Operation::idempotent("talks.list"), "/api/v4/talks").query("limit", 50);
/// assert_eq!(request.target(), "/api/v4/talks?limit=50");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Request {
    operation: Operation,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Bytes>,
    content_type: &'static str,
    host: Host,
    has_private_path: bool,
}

/// Marks requests whose path is nobody's business: the layers do not log it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrivatePath;

/// What stands for a path that is not shown.
pub(crate) const HIDDEN_PATH: &str = "…";

/// The media type of nearly every body.
const JSON: &str = "application/json";

impl Request {
    /// A request with this method and absolute path (`/api/v4/leads`).
    pub fn new(operation: Operation, method: Method, path: impl Into<String>) -> Self {
        Self {
            operation,
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            content_type: JSON,
            host: Host::Account,
            has_private_path: false,
        }
    }

    /// A `GET`.
    pub fn get(operation: Operation, path: impl Into<String>) -> Self {
        Self::new(operation, Method::GET, path)
    }

    /// A `POST`.
    pub fn post(operation: Operation, path: impl Into<String>) -> Self {
        Self::new(operation, Method::POST, path)
    }

    /// A `PATCH`.
    pub fn patch(operation: Operation, path: impl Into<String>) -> Self {
        Self::new(operation, Method::PATCH, path)
    }

    /// A `DELETE`.
    pub fn delete(operation: Operation, path: impl Into<String>) -> Self {
        Self::new(operation, Method::DELETE, path)
    }

    /// Adds a query parameter. Brackets stay readable: `filter[id][]`.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and ids read better without a reference"
    )]
    pub fn query(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((key.into(), value.to_string()));
        self
    }

    /// Adds query parameters.
    #[must_use]
    pub fn queries(mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        self.query.extend(pairs);
        self
    }

    /// Sets a JSON body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the value cannot be written as JSON (a map
    /// with keys that are not strings).
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Result<Self> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            Error::invalid_input(format!("the request cannot be written: {error}"))
                .with_operation(self.operation.name)
        })?;
        self.body = Some(bytes.into());
        Ok(self)
    }

    /// Sets a body of bytes that are no JSON: a part of a file.
    #[must_use]
    pub(crate) fn bytes(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self.content_type = "application/octet-stream";
        self
    }

    /// Sends it to another of amoCRM's hosts. Default: [`Host::Account`].
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }

    /// Keeps the path out of logs and `Debug`: names of files, and addresses that let whoever has them write.
    #[must_use]
    pub(crate) fn private_path(mut self) -> Self {
        self.has_private_path = true;
        self
    }

    /// What the request does.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The HTTP method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Which host it is for.
    pub fn target_host(&self) -> Host {
        self.host
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Path and encoded query.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.query)
            .finish();
        format!("{}?{query}", self.path)
    }

    /// The decoded query parameters, in order.
    pub fn query_pairs(&self) -> &[(String, String)] {
        &self.query
    }

    /// The body, if there is one: JSON, or a part of a file.
    pub fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// As the layers take it. The host is filled in below, by the base-URI layer.
    pub(crate) fn into_http(self) -> Result<http::Request<Bytes>> {
        let operation = self.operation;
        // Anything else is read as a host, and the token would go there.
        if !self.path.starts_with('/') {
            let message = "the request's path has to begin with `/`: the host is the client's";
            return Err(Error::invalid_input(message));
        }
        let mut builder = http::Request::builder()
            .method(self.method.clone())
            .uri(self.target());
        if self.has_private_path {
            builder = builder.extension(PrivatePath);
        }
        if self.body.is_some() {
            builder = builder.header(
                header::CONTENT_TYPE,
                HeaderValue::from_static(self.content_type),
            );
        }
        builder
            .header(
                header::ACCEPT,
                HeaderValue::from_static("application/hal+json, application/json"),
            )
            .extension(operation)
            .body(self.body.unwrap_or_default())
            .map_err(|error| {
                Error::invalid_input("the request's path is not a valid URI").with_source(error)
            })
    }
}

/// Queries and bodies hold people's data.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.has_private_path {
            HIDDEN_PATH
        } else {
            self.path()
        };
        f.debug_struct("Request")
            .field("operation", &self.operation.name)
            .field("method", &self.method)
            .field("path", &path)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

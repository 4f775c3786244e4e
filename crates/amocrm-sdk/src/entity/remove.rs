//! Removing one thing.

use super::awaited;
use crate::client::Client;
use crate::error::Result;
use crate::request::{Operation, Request};

/// Removes one thing. Removing is repeated after an unknown outcome, so amoCRM may then answer that it is not there.
#[derive(Debug, Clone)]
#[must_use = "nothing is removed until it is awaited"]
pub struct Remove {
    client: Client,
    operation: Operation,
    path: String,
}

impl Remove {
    pub(crate) fn new(client: Client, operation: Operation, path: String) -> Self {
        Self {
            client,
            operation,
            path,
        }
    }

    /// The request.
    pub fn into_request(self) -> Request {
        Request::delete(self.operation, self.path)
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        client.send(self.into_request()).await.map(drop)
    }
}

awaited!(Remove => ());

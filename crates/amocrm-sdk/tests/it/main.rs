//! Integration tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails here, with the line"
)]
#![expect(unreachable_pub, reason = "nothing of a test binary is reachable")]

mod batcher;
mod chats;
mod coverage;
mod disposable;
mod entities;
mod exports;
mod fields;
mod files;
mod fixtures;
mod metrics;
mod oauth;
mod quota;
mod renewal;
mod retry;
#[cfg(feature = "derive")]
mod schema;
mod script;
mod spans;
mod transport;
mod webhook;

//! Integration tests.

mod entities;
mod fields;
mod oauth;
mod quota;
mod retry;
mod script;
mod transport;
mod webhook;

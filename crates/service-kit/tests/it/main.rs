//! Integration tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod config;
mod dashboard;
mod doctor;
mod http;
mod logs;
mod roles;
mod signature;

//! Stories: a visitor, an administrator, a manager in amoCRM, and what happens when machines fail.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod auth;
mod dashboard;
mod harness;
mod intake;
mod kill;
mod managers;
mod operations;
mod resilience;
mod secrets;
mod status;

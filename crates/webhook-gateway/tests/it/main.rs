//! Stories: amoCRM, the systems behind the gateway, and what happens when machines fail.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod delivery;
mod delivery_nats;
mod harness;
mod intake;
mod operate;
mod operations;
mod panics;
mod skew;
mod verify;

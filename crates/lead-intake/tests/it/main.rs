//! Stories: a visitor, an administrator, a manager in amoCRM, and what happens when machines fail.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]
#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a body is put together once, and should be easy to read"
)]

mod access;
mod alerts;
mod auth;
mod contacts;
mod contention;
mod dashboard;
mod dead_letters;
mod duplicates;
mod fields;
mod forms;
mod funnels;
mod funnels_kill;
mod funnels_people;
mod harness;
mod hostile;
mod intake;
mod kill;
mod managers;
mod operations;
mod pictures;
mod process;
mod provision;
mod rename;
mod resilience;
mod running;
mod secrets;
mod status;

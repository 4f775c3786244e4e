//! The documents' tests: what a student, the platform and an administrator see.
#![expect(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod alerts;
mod company;
mod dashboard;
mod documents;
mod finals;
mod guide;
mod harness;
mod interface;
mod kill;
mod outages;
mod pictures;
mod replay;
mod two_way;

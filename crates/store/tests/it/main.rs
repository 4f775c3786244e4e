//! One suite for both databases: the laws of the store.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed helper fails its test, and figures are printed"
)]

mod audit;
mod db;
mod faults;
mod funnels;
mod gateway;
mod gateway_model;
mod gateway_reading;
mod jobs;
mod jobs_model;
mod leads;
mod lessons;
mod lessons_follow_ups;
mod lessons_kept;
mod locks;
mod managers;
mod meta;
mod migrate;
mod quarantine;
mod quota;
mod retention;
mod status;
mod tallies;
mod tokens;
mod two_processes;

//! What people do with the gateway.

mod access;
mod api;
mod commands;
mod harness;
mod page;
mod pictures;
mod retention;
mod stream;
mod unread;

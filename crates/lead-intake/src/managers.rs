//! Who gets a lead: the rules, and what is said about a choice.
//!
//! Nothing here asks amoCRM or the database. `worker/manager.rs` brings lead, team and rules together; the choice itself,
//! and whose turn it is, is made by the store in the operation that writes it down.

mod explain;
mod rules;

pub(crate) use self::explain::explain;
pub(crate) use self::rules::{Circle, Plan, everybody_named};

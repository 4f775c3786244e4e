//! The edge: authorization, limits, faults, webhooks, hosts, and the program itself.

mod client;
mod control;
mod delivery;
mod external;
mod faults;
mod hosts;
mod limits;
mod nonsense;
mod oauth;
mod process;
pub(crate) mod subscriber;

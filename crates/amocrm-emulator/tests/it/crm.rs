//! The CRM itself: cards, fields, pipelines, links, and what the webhooks tell of them.

mod batches;
mod client;
mod definitions;
mod events;
mod feed;
mod lists;
mod pipelines;
mod relations;
mod robustness;
mod search;
mod seeds;
mod services;
mod shapes;
mod tasks;
mod values;

//! The CRM itself: cards, fields, pipelines, links, and what the webhooks tell of them.

mod batches;
mod calls;
mod catalogs;
mod client;
mod customers;
mod definitions;
mod events;
mod feed;
mod lists;
mod loss_reasons;
mod notes;
mod pipelines;
mod relations;
mod robustness;
mod sales_shapes;
mod search;
mod seeds;
mod services;
mod shapes;
mod short_links;
mod tasks;
mod unsorted;
mod values;
mod work_shapes;

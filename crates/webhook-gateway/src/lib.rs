//! webhook-gateway: amoCRM's webhooks in, an ordered, signed and dependable stream of events out.
//!
//! * [`Config::load`] reads the settings, [`App::open`] the database; [`App::router`] is the HTTP interface and
//!   [`App::run`] the whole service. [`doctor`] is for the first day and the bad days.
//! * What amoCRM posts is durable, with one job per event and subscriber, before amoCRM gets its answer. Workers of any
//!   number of processes deliver; the events of one entity reach a subscriber in the order in which they came.
//!
//! The thing a newcomer gets wrong: the part that takes webhooks does nothing else. It asks neither amoCRM nor a
//! subscriber, so that it answers within amoCRM's two seconds whatever they do.

mod account;
mod api;
mod app;
mod config;
mod delivery;
pub mod doctor;
mod figures;
mod gauges;
mod health;
mod ingest;
pub mod operate;
mod page;
mod routing;

pub use self::account::{Choice, Status, Subscribe};
pub use self::api::OPEN_ROUTES;
pub use self::app::App;
pub use self::config::{
    AccountConfig, Config, DASHBOARD_VARIABLES, DEFAULT_TOML, DELIVERY_VARIABLES, DeliveryConfig,
    Destination, ENRICHMENT_VARIABLES, Enrich, EnrichmentConfig, FileError, FileSubscriber,
    GATEWAY_VARIABLES, GatewayConfig, GatewayFile, OnFailure, RETENTION_VARIABLES, RetentionConfig,
    SubscriberSettings, is_name,
};
pub use self::delivery::Deliverer;
pub use self::figures::FIGURES;

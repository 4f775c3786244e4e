//! lead-intake: a site's lead in, an amoCRM contact and deal out, exactly once.
//!
//! * [`Config::load`] reads the settings, [`App::open`] the database; [`App::router`] is the HTTP interface and
//!   [`App::run`] the whole service. [`provision`], [`doctor`] and [`dead_letters`] are for the first day and the bad days.
//! * A lead is durable, together with the job that delivers it, before the visitor gets an answer. Workers of any number
//!   of processes deliver; see `worker` for how a lead arrives once although processes are killed and answers get lost.
//!
//! The thing a newcomer gets wrong: handlers do not talk to amoCRM (but for the three that exist to do it). They write
//! into the database, and what has to happen in amoCRM happens from the queue.

mod api;
mod app;
mod config;
mod crm;
mod dashboard;
pub mod dead_letters;
pub mod doctor;
mod figures;
mod funnel;
mod gauges;
mod health;
mod lead;
mod managers;
pub mod provision;
pub mod reconcile;
mod webhook_path;
mod worker;

pub use connection::{
    ALERT_VARIABLES, AlertsConfig, DeliveryConfig, FIGURES as CONNECTION_FIGURES,
};

pub use self::api::OPEN_ROUTES;
pub use self::app::App;
pub use self::config::{
    ACCESS_VARIABLES, AccessConfig, AssignmentStrategy, Config, DASHBOARD_VARIABLES, DEFAULT_TOML,
    FIELDS_VARIABLES, FUNNEL_VARIABLES, FieldsConfig, FunnelsConfig, INTAKE_VARIABLES,
    IntakeConfig, KeepClients, MANAGER_VARIABLES, ManagerRule, ManagersConfig, RETENTION_VARIABLES,
    RetentionConfig, STATUS_VARIABLES, StageNames, StatusConfig, UserList, WhatsappConfig,
};
pub use self::figures::FIGURES;
pub use self::funnel::{FileError, Funnels};
pub use self::lead::{DealField, LeadForm, LeadStatus, UTM_MARKS};

//! lesson-sync: a student finishes a lesson, and the deal in amoCRM moves to that lesson's stage.
//!
//! * [`Config::load`] reads the settings, [`App::open`] the database; [`App::router`] is the HTTP interface and
//!   [`App::run`] the whole service. [`commands`] and [`doctor`] are for the first day and the bad days.
//! * A finished lesson is durable before the platform gets its 202. One job per student brings the deal up to the
//!   highest finished lesson; see `sync` for what is done and what is left alone.
//!
//! The thing a newcomer gets wrong: nothing that a student waits for talks to amoCRM.

mod api;
mod app;
mod callbacks;
pub mod commands;
mod config;
mod dashboard;
mod dead_letters;
pub mod doctor;
mod failures;
mod figures;
mod finals;
mod sync;

pub use connection::{ALERT_VARIABLES, AlertsConfig};

pub use self::api::OPEN_ROUTES;
pub use self::app::App;
pub use self::config::{
    Callback, Config, DEFAULT_TOML, LESSON_VARIABLES, LessonsConfig, RetentionConfig,
    TWO_WAY_VARIABLES, TwoWayConfig,
};
pub use self::config::{Course, Courses, DealRule, FinalAction, FinalTask, Lesson, Named};
pub use self::figures::FIGURES;

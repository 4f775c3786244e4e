//! What every service of the house needs, and nothing about any domain.
//!
//! * [`config`]: sections read from compiled-in defaults, an optional file and the environment. This is the only place
//!   of the workspace that reads the environment.
//! * [`telemetry`], [`metrics`], [`health`]: what an operator sees.
//! * [`http`]: problem bodies, extractors, the middleware stack, administrator's access, the server itself.
//! * [`doctor`]: the frame of a service's self-examination.
//! * [`shutdown`]: from a signal to a token that everything watches.
//! * [`signature`]: webhooks signed by one service and checked by another.
//! * [`clock`]: time as a parameter.
//! * `egress` (a feature): posting to addresses that people have written, without reaching our own network.
//! * `mail` (a feature): e-mails by SMTP.
//! * `dashboard` (a feature): pages with charts, for people.
//!
//! The thing a newcomer gets wrong: a service never calls `std::env::var` or `Utc::now`. It asks for a section of the
//! configuration and for a [`clock::Clock`], so that a test owns both.

pub mod clock;
pub mod config;
#[cfg(feature = "dashboard")]
pub mod dashboard;
pub mod doctor;
#[cfg(feature = "egress")]
pub mod egress;
pub mod health;
mod hex;
pub mod http;
#[cfg(feature = "mail")]
pub mod mail;
pub mod metrics;
pub mod shutdown;
pub mod signature;
pub mod telemetry;

pub use self::hex::hex;

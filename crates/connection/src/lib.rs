//! How a service is connected to an account of amoCRM: tokens from the environment or a consent, their renewal, the
//! account's host, its standing, and the meter on every request.
//!
//! * [`Crm`] is the connection to one account; a service with several accounts has several. [`Crm::linked`] gives the
//!   client, or says why there is none; [`CrmError::verdict`] says what a failure means for the work that met it.
//! * [`auth_routes`] are the routes by which an administrator connects it and looks after it.
//! * [`audit_log`] and [`audit_command`] write down who is about to change what; [`audit_routes`] show it.
//! * [`Hands`] work on a queue of jobs that need the account, and hold it while amoCRM is away or refuses.
//! * [`read_webhook`] and [`read_signed_webhook`] read what amoCRM and webhook-gateway tell.
//! * [`add_marked_note`] and [`add_task_once`] find what an earlier attempt has made before they make it again.
//! * [`Alerts`] tell somebody, once, that failures, the queue's age or renewals have crossed a limit.
//! * [`Opening`] opens the database; [`doctor`], the parts of health and [`Queue::measure`] look at all of it.
//!
//! The invariant: nothing here knows what a service does with its account. Leads, lessons and webhooks are elsewhere.

mod alerts;
mod audit;
mod auth;
mod crm;
pub mod dashboard;
mod delivery;
pub mod doctor;
mod email;
mod error;
mod figures;
mod health;
mod hooks;
mod meter;
mod once;
mod open;
mod open_routes;
mod problem;
mod queue;
mod setup;
mod work;

pub use self::alerts::{ALERT_DEFAULTS, ALERT_VARIABLES, Alerts, AlertsConfig};
pub use self::audit::{AUDITED_READS, audit_command, audit_log, audit_routes};
pub use self::auth::{AUTH_OPEN, AUTH_OPERATOR, AUTH_VIEWER, auth_routes};
pub use self::crm::{Crm, KeysProbe, Linked, Standing};
pub use self::delivery::DeliveryConfig;
pub use self::email::normalise_email;
pub use self::error::{CrmError, Verdict};
pub use self::figures::FIGURES;
pub use self::health::{amocrm_part, database_part, disk_part, queue_part};
pub use self::hooks::{
    WEBHOOK_PATIENCE, WebhookHeard, check_webhook_account, is_signed_webhook, read_signed_webhook,
    read_webhook, refuse_webhook, webhook_too_slow,
};
pub use self::once::{add_marked_note, add_task_once};
pub use self::open::{Opening, patiently};
pub use self::open_routes::COMMON_OPEN;
pub use self::problem::{crm_problem, store_problem};
pub use self::queue::{Queue, float};
pub use self::setup::Setup;
pub use self::work::{Backoff, Gate, Hands, Pace, Work};

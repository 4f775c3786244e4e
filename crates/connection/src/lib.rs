//! How a service is connected to an account of amoCRM: tokens from the environment or a consent, their renewal, the
//! account's host, its standing, and the meter on every request.
//!
//! [`Crm`] is the connection to one account; a service with several accounts has several. [`Crm::linked`] gives the
//! client, or says why there is none; [`CrmError::verdict`] says what a failure means for the work that met it.
//!
//! The invariant: nothing here knows what a service does with its account. Leads, lessons and webhooks are elsewhere.

mod crm;
mod delivery;
mod error;
mod meter;
mod setup;

pub use self::crm::{Crm, KeysProbe, Linked, Standing};
pub use self::delivery::DeliveryConfig;
pub use self::error::{CrmError, Verdict};
pub use self::setup::Setup;

//! Funnels: when a lead enters a status, after a delay, an e-mail or a WhatsApp message goes to the client, once.
//!
//! * `file`: `funnels.toml`, checked at the start with every template in it; `template` fills in a lead's fields.
//! * `schedule`: delays, quiet hours and days. `person`: what a template may say about a lead, and in which language.
//! * `sender`: the loops that enrol leads and send; `service_kit::mail` and `whatsapp` are the two ways out.
//! * `link`: the signed address that unsubscribes. `reply`: what counts as an answer.
//!
//! The thing a newcomer gets wrong: a message must not be tried again when nobody knows whether it left. So a message's
//! beginning is stored before the byte that could make it arrive, and whoever finds one begun by somebody else notes that
//! its outcome is unknown.

mod check;
mod file;
mod link;
mod note;
mod person;
mod reply;
mod schedule;
mod sender;
mod template;
mod whatsapp;

pub(crate) use self::check::check;
pub use self::file::{FileError, Funnels};
pub(crate) use self::link::read_link;
pub(crate) use self::reply::{hear_amocrm, hear_email, hear_whatsapp};
pub(crate) use self::sender::Sender;

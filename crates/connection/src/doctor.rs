//! Checks of what every connected service needs, for its `doctor`.

mod account;
mod alerts;
mod command;
mod database;
mod placeholder;
mod public_address;

pub use self::account::{clock, connection, refusal, rights, token};
pub use self::alerts::{alerts, mail_server};
pub use self::command::{Arguments, misconfigured};
pub use self::database::{database, database_refused, dead_letters, disk, queue};
pub use self::placeholder::{SettingValue, is_placeholder};
pub use self::public_address::{WebhookAddress, reachable};

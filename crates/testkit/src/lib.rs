//! What the tests of the services share. A dev-dependency only: whatever cannot go on panics, and says where.
//!
//! What only one service has, its account, its forms, its subscribers, is in the `harness` of that service's tests.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod browser;
mod clock;
mod database;
mod doors;
mod environment;
mod eventually;
pub mod pictures;
mod program;
mod receiver;
mod smtp;

pub use self::browser::{Answer, browser};
pub use self::clock::TestClock;
pub use self::database::{TestDatabase, databases};
pub use self::doors::{Doors, TOKENS};
pub use self::environment::{is_all_required, neighbour, variable};
pub use self::eventually::{PATIENCE, eventually};
pub use self::program::Program;
pub use self::receiver::TestReceiver;
pub use self::smtp::{Letter, Mood, TestSmtp};

/// An `ENCRYPTION_KEY`.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

//! The few variables that chores look at.

use std::ffi::OsString;

/// A PostgreSQL for tests that is there already; otherwise one is started and told to the tests by this name.
pub(crate) const TEST_POSTGRES_URL: &str = "TEST_POSTGRES_URL";
/// A NATS server with JetStream for tests that is there already, as above.
pub(crate) const TEST_NATS_URL: &str = "TEST_NATS_URL";
/// The path of `nats-server`, for tests that start and end servers of their own.
pub(crate) const TEST_NATS_SERVER: &str = "TEST_NATS_SERVER";
/// Tells tests to fail where they would say "skipped".
pub(crate) const REQUIRE_ALL: &str = "REQUIRE_ALL";
/// Set by every CI system.
pub(crate) const CI: &str = "CI";

/// A variable's value, unless it is unset, empty or not Unicode.
#[expect(
    clippy::disallowed_methods,
    reason = "a chore has no configuration; this is its one reader of the environment"
)]
pub(crate) fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The directories of `PATH`.
pub(crate) fn search_path() -> Vec<std::path::PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

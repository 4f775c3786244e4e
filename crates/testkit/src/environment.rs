//! What the runner of the tests says.

/// Reads a variable: where PostgreSQL is, for example, and whether it may be missing.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by their runner, in this one place"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether a test fails where it would say "skipped".
pub fn is_all_required() -> bool {
    variable("REQUIRE_ALL").as_deref() == Some("1")
}

/// A neighbour that a variable names. `None` without it, which the test says, unless `REQUIRE_ALL=1` wants it.
#[expect(clippy::print_stdout, reason = "a test that did not run should say so")]
pub fn neighbour(name: &str, what: &str) -> Option<String> {
    let found = variable(name);
    if found.is_none() {
        assert!(!is_all_required(), "REQUIRE_ALL=1, but {name} is not set");
        println!("skipped: {what}");
    }
    found
}

//! The emulator seen from outside: as any HTTP client sees it.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml frees tests of the rule, but not the helpers they share"
)]

mod crm;
mod edge;

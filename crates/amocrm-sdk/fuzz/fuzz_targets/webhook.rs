//! Webhook bodies: whatever arrives is parsed or refused, and what is parsed can be used.

#![no_main]

#[path = "../laws/mod.rs"]
mod laws;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    laws::hold(body);
});

//! Everything that amoCRM can do wrong to lead-intake.

use fastrand::Rng;
use serde_json::json;

use crate::emulator::trouble::{Trouble, of_renewals};
use crate::plan::between;

const COMPLEX: &str = "/api/v4/leads/complex";

/// The kinds there are.
pub(super) fn kinds(chances: &mut Rng) -> Vec<Trouble> {
    let few = chances.u32(1..=4);
    let storm = between(chances, 1_500, 3_000);
    let outage = between(chances, 2_000, 4_500);
    let past_timeout = chances.u64(2_200..=2_600);
    let mut kinds = vec![
        Trouble::new(json!({"name": "throttle", "count": few})),
        Trouble::new(json!({"name": "throttle", "count": 2, "retry_after": 1})),
        Trouble::new(json!({"name": "throttle", "count": few, "html": true})),
        Trouble::during(json!({"name": "throttle"}), storm),
        Trouble::during(json!({"name": "throttle", "retry_after": 2}), storm),
        Trouble::new(json!({"name": "block"})),
        Trouble::new(json!({"name": "server_error", "count": few})),
        Trouble::new(json!({"name": "server_error", "status": 503, "path": COMPLEX, "count": few})),
        Trouble::during(json!({"name": "server_error", "status": 503}), outage),
        Trouble::new(json!({"name": "html_error", "status": 504, "count": few})),
        Trouble::during(json!({"name": "html_error"}), outage),
        Trouble::brief(json!({"name": "slow", "ms": past_timeout, "path": COMPLEX})),
        Trouble::brief(json!({"name": "slow", "ms": past_timeout, "method": "GET"})),
        Trouble::brief(json!({"name": "slow", "ms": 900, "count": few})),
        Trouble::brief(json!({"name": "slow_answer", "ms": past_timeout, "path": COMPLEX})),
        Trouble::brief(json!({"name": "slow_answer", "ms": past_timeout, "path": "/notes"})),
        Trouble::new(json!({"name": "drop_before", "count": few})),
        Trouble::new(json!({"name": "drop_after_commit", "path": COMPLEX, "count": few})),
        Trouble::new(json!({"name": "drop_after_commit", "path": COMPLEX, "count": 2})),
        Trouble::new(json!({"name": "drop_after_commit", "method": "POST", "path": "/notes"})),
        Trouble::new(json!({"name": "drop_after_commit", "method": "PATCH", "count": 2})),
        Trouble::new(json!({"name": "malformed", "path": COMPLEX, "count": 2})),
        Trouble::new(json!({"name": "malformed", "method": "GET", "count": few})),
        Trouble::new(json!({"name": "expire_token"})),
    ];
    kinds.extend(of_renewals());
    // The lost answer to the deal, and no look for it at first.
    kinds.push(Trouble::together([
        json!({"name": "drop_after_commit", "path": COMPLEX}),
        json!({"name": "server_error", "method": "GET", "path": "/api/v4/leads", "count": 6}),
    ]));
    kinds
}

//! Whatever is sent to the edge, it is answered, and not with a 5xx.

use amocrm_emulator::{Emulator, LimitSettings, Seed};
use axum::body::Body;
use proptest::prelude::*;
use tower::ServiceExt as _;

const PATHS: [&str; 13] = [
    "/oauth",
    "/oauth2/access_token",
    "/oauth2/account/subdomain",
    "/api/v4/account",
    "/_emulator/codes",
    "/_emulator/tokens",
    "/_emulator/tokens/expire",
    "/_emulator/clock/advance",
    "/_emulator/faults",
    "/_emulator/limits",
    "/_emulator/oauth",
    "/_emulator/accounts",
    "/_emulator/accounts/rename",
];

/// JSON-like and form-like noise finds more than noise does.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let key = "client_id|grant_type|code|refresh_token|seconds|name|ms|count|days|action|account|user|integration|subdomain";
    let value = prop_oneof![
        "-?[1-9][0-9]{0,20}",
        "\"[a-z]{0,8}\"",
        Just("null".to_owned()),
        Just("[]".to_owned())
    ];
    let members = || prop::collection::vec((key, value.clone()), 0..4);
    let json = members().prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    let form = members().prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        members.join("&").into_bytes()
    });
    prop_oneof![json, form, prop::collection::vec(any::<u8>(), 0..64)]
}

#[test]
fn no_request_brings_the_edge_down() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let start = Emulator::builder()
        .seed(Seed::Empty)
        .rate_limit(None)
        .start();
    let emulator = runtime.block_on(start).expect("an emulator");
    let mut settings = ProptestConfig::with_cases(400);
    settings.failure_persistence = None;
    let method = prop::sample::select(vec!["GET", "POST", "PATCH"]);
    let request = (
        prop::sample::select(PATHS.to_vec()),
        method,
        body(),
        "[ -~]{0,20}",
    );
    proptest!(settings, |((path, method, body, token) in request)| {
        // Planned faults would answer 5xx by right, and a limit of nothing would hide the rest.
        emulator.clear_faults();
        emulator.set_limits(LimitSettings::off());
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::from(body));
        let response = runtime.block_on(emulator.router().oneshot(request.expect("a request"))).expect("a response");
        prop_assert!(response.status().as_u16() < 500, "{} {}: {}", method, path, response.status());
    });
}

//! Who may call what.

use connection::AUTH_OPEN_ROUTES;
use service_kit::http::OpenRoute;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

/// The routes that anybody may call. Every other one needs ADMIN_TOKEN, whether it is thought of here or not.
pub const OPEN: &[OpenRoute] = &[
    open(
        "POST",
        "/api/leads",
        "visitors leave leads; limited per address and, if set, by INTAKE_FORM_KEY",
    ),
    AUTH_OPEN_ROUTES[0],
    AUTH_OPEN_ROUTES[1],
    open(
        "POST",
        "/api/webhooks/amo",
        "signed deliveries of webhook-gateway; unsigned webhooks only from this machine",
    ),
    open(
        "POST",
        "/api/webhooks/amo/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    open(
        "GET",
        "/api/webhooks/amo/test",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/api/webhooks/whatsapp",
        "WhatsApp's question when the webhook is set up; it knows WHATSAPP_VERIFY_TOKEN",
    ),
    open(
        "POST",
        "/api/webhooks/whatsapp",
        "WhatsApp's webhooks; their signature is checked",
    ),
    open(
        "GET",
        "/u/{token}",
        "a client's way out of messages; the link is signed",
    ),
    open(
        "POST",
        "/u/{token}",
        "a client's way out of messages; the link is signed",
    ),
    open(
        "GET",
        "/health",
        "load balancers ask; tells of the service, of no person",
    ),
    open("GET", "/health/live", "supervisors ask; tells nothing"),
    open("GET", "/", "leads to the documentation"),
    open(
        "GET",
        "/dashboard/style-*",
        "how pages look; the same for everybody",
    ),
    open("GET", "/docs", "describes the interface"),
    open("GET", "/docs/", "describes the interface"),
    open("GET", "/docs/{*rest}", "describes the interface"),
    open("GET", "/openapi.json", "describes the interface"),
];

/// The name of the administrator's token in the description.
const SCHEME: &str = "administrator";

const fn open(method: &'static str, path: &'static str, why: &'static str) -> OpenRoute {
    OpenRoute { method, path, why }
}

/// Says in the description which operations need the token.
pub(super) fn describe(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let is_open = OPEN
                .iter()
                .any(|route| route.is(path) && route.method == method);
            if !is_open && let Some(operation) = operation {
                operation.security =
                    Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
            }
        }
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("ADMIN_TOKEN"))
        .build();
    api.components
        .get_or_insert_default()
        .add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
}

fn operations(item: &mut PathItem) -> [(&'static str, &mut Option<Operation>); 5] {
    [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ]
}

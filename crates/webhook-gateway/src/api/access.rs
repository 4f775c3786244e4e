//! Who may call what.

use connection::AUTH_OPEN_ROUTES;
use service_kit::http::OpenRoute;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

/// The routes that anybody may call. Every other one needs ADMIN_TOKEN, whether it is thought of here or not.
pub const OPEN: &[OpenRoute] = &[
    AUTH_OPEN_ROUTES[0],
    AUTH_OPEN_ROUTES[1],
    open(
        "POST",
        "/webhooks/amocrm/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    open(
        "POST",
        "/api/webhooks/amo/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    open(
        "POST",
        "/webhook/amocrm/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    open(
        "POST",
        "/webhooks/amocrm",
        "amoCRM's webhooks; the query is the secret",
    ),
    open(
        "POST",
        "/api/webhooks/amo",
        "amoCRM's webhooks; the query is the secret",
    ),
    open(
        "POST",
        "/webhook/amocrm",
        "amoCRM's webhooks; the query is the secret",
    ),
    open(
        "GET",
        "/webhooks/amocrm/{secret}",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/api/webhooks/amo/{secret}",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/webhook/amocrm/{secret}",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/webhooks/amocrm",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/api/webhooks/amo",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/webhook/amocrm",
        "says only that the address is reachable",
    ),
    open(
        "GET",
        "/webhooks/amocrm/{secret}/disabled",
        "amoCRM's hook; its signature is checked",
    ),
    open(
        "POST",
        "/webhooks/amocrm/{secret}/disabled",
        "amoCRM's hook; its signature is checked",
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

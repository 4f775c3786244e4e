//! Who may call what.

use connection::AUTH_OPEN_ROUTES;
use service_kit::http::OpenRoute;

/// The routes that anybody may call. Every other one needs ADMIN_TOKEN, whether it is thought of here or not.
pub const OPEN: &[OpenRoute] = &[
    AUTH_OPEN_ROUTES[0],
    AUTH_OPEN_ROUTES[1],
    OpenRoute::new(
        "POST",
        "/webhooks/amocrm/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    OpenRoute::new(
        "POST",
        "/api/webhooks/amo/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    OpenRoute::new(
        "POST",
        "/webhook/amocrm/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    OpenRoute::new(
        "POST",
        "/webhooks/amocrm",
        "amoCRM's webhooks; the query is the secret",
    ),
    OpenRoute::new(
        "POST",
        "/api/webhooks/amo",
        "amoCRM's webhooks; the query is the secret",
    ),
    OpenRoute::new(
        "POST",
        "/webhook/amocrm",
        "amoCRM's webhooks; the query is the secret",
    ),
    OpenRoute::new(
        "GET",
        "/webhooks/amocrm/{secret}",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/api/webhooks/amo/{secret}",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/webhook/amocrm/{secret}",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/webhooks/amocrm",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/api/webhooks/amo",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/webhook/amocrm",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/webhooks/amocrm/{secret}/disabled",
        "amoCRM's hook; its signature is checked",
    ),
    OpenRoute::new(
        "POST",
        "/webhooks/amocrm/{secret}/disabled",
        "amoCRM's hook; its signature is checked",
    ),
    OpenRoute::new(
        "GET",
        "/health",
        "load balancers ask; tells of the service, of no person",
    ),
    OpenRoute::new("GET", "/health/live", "supervisors ask; tells nothing"),
    OpenRoute::new("GET", "/", "leads to the documentation"),
    OpenRoute::new(
        "GET",
        "/dashboard/style-*",
        "how pages look; the same for everybody",
    ),
    OpenRoute::new("GET", "/docs", "describes the interface"),
    OpenRoute::new("GET", "/docs/", "describes the interface"),
    OpenRoute::new("GET", "/docs/{*rest}", "describes the interface"),
    OpenRoute::new("GET", "/openapi.json", "describes the interface"),
];

//! Who may call what.

use connection::AUTH_OPEN_ROUTES;
use service_kit::http::OpenRoute;

/// The routes that anybody may call. Every other one needs ADMIN_TOKEN, whether it is thought of here or not.
pub const OPEN: &[OpenRoute] = &[
    OpenRoute::new(
        "POST",
        "/api/leads",
        "visitors leave leads; limited per address and, if set, by INTAKE_FORM_KEY",
    ),
    AUTH_OPEN_ROUTES[0],
    AUTH_OPEN_ROUTES[1],
    OpenRoute::new(
        "POST",
        "/api/webhooks/amo",
        "signed deliveries of webhook-gateway; unsigned webhooks only from this machine",
    ),
    OpenRoute::new(
        "POST",
        "/api/webhooks/amo/{secret}",
        "amoCRM's webhooks; the address is the secret",
    ),
    OpenRoute::new(
        "GET",
        "/api/webhooks/amo/test",
        "says only that the address is reachable",
    ),
    OpenRoute::new(
        "GET",
        "/api/webhooks/whatsapp",
        "WhatsApp's question when the webhook is set up; it knows WHATSAPP_VERIFY_TOKEN",
    ),
    OpenRoute::new(
        "POST",
        "/api/webhooks/whatsapp",
        "WhatsApp's webhooks; their signature is checked",
    ),
    OpenRoute::new(
        "GET",
        "/u/{token}",
        "a client's way out of messages; the link is signed",
    ),
    OpenRoute::new(
        "POST",
        "/u/{token}",
        "a client's way out of messages; the link is signed",
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

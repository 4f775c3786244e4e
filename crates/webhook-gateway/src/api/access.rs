//! Who may call what.

use connection::COMMON_OPEN;
use service_kit::http::{OpenRoute, Route, count_joined, joined};

/// The routes that anybody may call. Every other one needs a role, which is the administrator's
/// unless the route stands in one of the lists below.
pub const OPEN: &[OpenRoute] = &joined::<{ count_joined(LISTS) }>(LISTS);

const LISTS: &[&[OpenRoute]] = &[OWN, COMMON_OPEN];

/// Our own, with what protects them instead.
const OWN: &[OpenRoute] = &[
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
];

/// What viewers may read: events and what became of them, and how the gateway is. No bodies as they came.
pub(super) const VIEWER: &[Route] = &[
    ("GET", "/api/subscribers"),
    ("GET", "/api/subscribers/{name}"),
    ("GET", "/api/events"),
    ("GET", "/api/events/{id}"),
    ("GET", "/api/events/{id}/deliveries"),
    ("GET", "/api/requests"),
    ("GET", "/api/requests/{id}"),
    ("GET", "/api/dead-letters"),
    ("GET", "/api/stats"),
    ("GET", "/dashboard"),
    ("GET", "/dashboard/subscribers/{name}"),
];

/// What operators may do besides: what is done every day and loses nothing. They see webhooks as they came, and all events
/// as they come, to find out what went wrong.
pub(super) const OPERATOR: &[Route] = &[
    ("POST", "/api/subscribers/{name}/pause"),
    ("POST", "/api/subscribers/{name}/resume"),
    ("POST", "/api/subscribers/{name}/test"),
    ("POST", "/api/replay"),
    ("POST", "/api/replay/unread"),
    ("POST", "/api/dead-letters/retry"),
    ("GET", "/api/events/{id}/body"),
    ("GET", "/api/requests/{id}/body"),
    ("GET", "/api/stream"),
    ("GET", "/dashboard/events/{id}"),
    ("GET", "/dashboard/requests/{id}"),
    ("POST", "/dashboard/events/{id}/replay"),
    ("POST", "/dashboard/subscribers/{name}/{action}"),
    ("POST", "/dashboard/dead-letters/{id}/retry"),
];

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
        "/api/leads",
        "visitors leave leads; limited per address and, if set, by INTAKE_FORM_KEY",
    ),
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
];

/// What viewers may read: leads as the lists show them, and how the service is.
pub(super) const VIEWER: &[Route] = &[
    ("GET", "/api/leads"),
    ("GET", "/api/leads/{id}"),
    ("GET", "/api/leads/{id}/history"),
    ("GET", "/api/leads/{id}/amo"),
    ("GET", "/api/dead-letters"),
    ("GET", "/api/funnels"),
    ("GET", "/api/stats"),
];

/// What operators may do besides: what is done every day and loses nothing. Submissions in quarantine are shown as they
/// came, so they are for whoever decides about them.
pub(super) const OPERATOR: &[Route] = &[
    ("PUT", "/api/leads/{id}/status"),
    ("POST", "/api/dead-letters/{id}/retry"),
    ("GET", "/api/quarantine"),
    ("POST", "/api/quarantine/{id}/release"),
    ("POST", "/api/funnels/reply"),
];

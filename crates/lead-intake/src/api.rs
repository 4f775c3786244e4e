//! The HTTP interface.

mod access;
mod dead_letters;
mod error;
mod funnels;
mod leads;
mod leads_amo;
mod leads_erase;
mod leads_read;
mod leads_status;
mod quarantine;
mod reply;
mod state;
mod unsubscribe;
mod view;
mod view_manager;
mod visitor;
mod webhooks;
mod webhooks_answers;
mod webhooks_manager;
mod webhooks_whatsapp;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use connection::dashboard::{DASHBOARD_OPERATOR, DASHBOARD_VIEWER, dashboard_routes};
use connection::{AUDITED_READS, AUTH_OPERATOR, AUTH_VIEWER, audit_log, audit_routes, auth_routes};
use service_kit::dashboard::stylesheet;
use service_kit::health::Health;
use service_kit::http::{
    OPERATIONS_VIEWER, RouteGuard, StackConfig, WEBHOOK_BODY_LIMIT, documentation, operations,
    with_stack, without_trailing_slash,
};
use service_kit::metrics::Metrics;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::dashboard;

pub use self::access::OPEN as OPEN_ROUTES;
pub(crate) use self::error::ApiError;
pub(crate) use self::state::AppState;
pub(crate) use self::visitor::Visitors;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "lead-intake",
        description = "Takes leads from sites and delivers each to amoCRM exactly once.\n\n\
                       Принимает заявки с сайтов и доставляет каждую в amoCRM ровно один раз."
    ),
    tags(
        (name = "leads", description = "Leads / Заявки"),
        (name = "dead letters", description = "What nobody could do / Что не удалось сделать"),
        (name = "auth", description = "Connection to amoCRM / Подключение к amoCRM"),
        (name = "audit", description = "Who has changed what / Кто что менял"),
        (name = "funnels", description = "Messages to clients / Письма и сообщения клиентам"),
        (name = "webhooks", description = "Webhooks of amoCRM / Вебхуки amoCRM"),
    )
)]
struct ApiDoc;

/// All routes, with the middleware around them.
pub(crate) fn routes(state: &AppState, health: Health, metrics: Metrics) -> Router {
    let access = state.config.security.access();
    let hooks = OpenApiRouter::new()
        .routes(routes!(webhooks::receive))
        .routes(routes!(webhooks::receive_secret))
        .routes(routes!(webhooks::test))
        .routes(routes!(
            webhooks_whatsapp::verify,
            webhooks_whatsapp::receive
        ))
        .layer(DefaultBodyLimit::max(WEBHOOK_BODY_LIMIT));
    // `access` says who may call them.
    let (routes, mut api) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(leads::create))
        .routes(routes!(leads_read::list))
        .routes(routes!(leads_read::get))
        .routes(routes!(leads_erase::erase))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::release))
        .routes(routes!(quarantine::discard))
        .routes(routes!(leads_status::update))
        .routes(routes!(leads_status::history))
        .routes(routes!(leads_amo::get))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::retry))
        .routes(routes!(dead_letters::remove))
        .routes(routes!(dashboard::stats))
        .routes(routes!(funnels::overview))
        .routes(routes!(funnels::reply))
        .routes(routes!(unsubscribe::ask, unsubscribe::unsubscribe))
        .merge(auth_routes(Arc::clone(&state.crm)))
        .merge(audit_routes(&state.store))
        .merge(dashboard_routes::<AppState>())
        .merge(hooks)
        .with_state(state.clone())
        .split_for_parts();
    let guard = RouteGuard::new(access.clone(), access::OPEN)
        .viewer(OPERATIONS_VIEWER)
        .viewer(AUTH_VIEWER)
        .viewer(DASHBOARD_VIEWER)
        .viewer(access::VIEWER)
        .operator(AUTH_OPERATOR)
        .operator(DASHBOARD_OPERATOR)
        .operator(access::OPERATOR)
        .audit(audit_log(&state.store), AUDITED_READS);
    guard.describe(&mut api);
    let gauges_state = state.clone();
    let gauges = move || {
        let state = gauges_state.clone();
        async move { crate::gauges::measure(&state.store).await }
    };
    let routes = routes
        .merge(stylesheet())
        .merge(documentation(api))
        .merge(operations(health, metrics, access, gauges));
    without_trailing_slash(with_stack(
        routes,
        &StackConfig {
            request_timeout: state.config.server.request_timeout(),
            origins: state.config.server.frontend_origins(),
            guard,
        },
    ))
}

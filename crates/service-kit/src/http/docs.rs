//! The page that shows the API, from the binary itself: nothing is loaded from elsewhere.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::OpenRoute;

/// What the page needs: its own scripts, and styles and pictures inside the HTML.
const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The routes of [`documentation`], which anybody may call.
pub const DOCUMENTATION_OPEN: &[OpenRoute] = &[
    OpenRoute::new("GET", "/", "leads to the documentation"),
    OpenRoute::new("GET", "/docs", "describes the interface"),
    OpenRoute::new("GET", "/docs/", "describes the interface"),
    OpenRoute::new("GET", "/docs/{*rest}", "describes the interface"),
    OpenRoute::new("GET", "/openapi.json", "describes the interface"),
];

/// Routes `GET /docs`, to which `GET /` leads, and `GET /openapi.json`.
pub fn documentation<S>(api: OpenApi) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    // "none": the page would otherwise ask validator.swagger.io about our description.
    let config = Config::new(["/openapi.json"]).validator_url("none");
    Router::from(
        SwaggerUi::new("/docs")
            .url("/openapi.json", api)
            .config(config),
    )
    .layer(SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    ))
    .route("/", get(|| async { Redirect::to("/docs/") }))
}

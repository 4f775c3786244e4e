//! Which routes are open: the rest needs the administrator's token, and so does a route that nobody thought about.

use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

use super::admin::{AdminAccess, check};

/// The name of the administrator's token in the description of an interface.
const SCHEME: &str = "administrator";

/// A route that anybody may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRoute {
    /// The method; `GET` opens `HEAD` too.
    pub method: &'static str,
    /// The route's pattern, as the router knows it: `/api/leads/{id}`. With `*` at its end every pattern that begins so;
    /// for files whose names change with their content.
    pub path: &'static str,
    /// Why it is open, and what protects it instead.
    pub why: &'static str,
}

/// The rule for a whole router: what is not named as open needs the administrator's token.
///
/// It stands in front of every route at once, so a route that is added later is closed until somebody names it here.
/// Addresses without a route are not guarded: there is nothing behind them.
#[derive(Clone)]
pub struct RouteGuard {
    admin: AdminAccess,
    open: Arc<[OpenRoute]>,
}

impl RouteGuard {
    /// Opens these routes, and the others to whoever `admin` admits.
    pub fn new(admin: AdminAccess, open: &[OpenRoute]) -> Self {
        Self {
            admin,
            open: open.into(),
        }
    }

    fn is_open(&self, method: &Method, path: &str) -> bool {
        let method = match *method {
            Method::HEAD => "GET",
            _ => method.as_str(),
        };
        self.open
            .iter()
            .any(|route| route.method == method && route.is(path))
    }

    /// Says in the description of an interface which operations need the token.
    pub fn describe(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in operations(item) {
                if let Some(operation) = operation
                    && !self.is_open(&method, path)
                {
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
}

fn operations(item: &mut PathItem) -> [(Method, &mut Option<Operation>); 5] {
    [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
}

impl OpenRoute {
    /// A route, and why it is open.
    pub const fn new(method: &'static str, path: &'static str, why: &'static str) -> Self {
        Self { method, path, why }
    }

    /// Whether this is the route with that pattern.
    pub fn is(&self, pattern: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(beginning) => pattern.starts_with(beginning),
            None => self.path == pattern,
        }
    }
}

impl fmt::Debug for RouteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.open.iter()).finish()
    }
}

pub(super) async fn guard(
    State(guard): State<RouteGuard>,
    request: Request,
    next: Next,
) -> Response {
    let is_open = request
        .extensions()
        .get::<MatchedPath>()
        .is_none_or(|path| guard.is_open(request.method(), path.as_str()));
    if !is_open && let Err(refusal) = check(&guard.admin, request.method(), request.headers()) {
        return refusal;
    }
    next.run(request).await
}

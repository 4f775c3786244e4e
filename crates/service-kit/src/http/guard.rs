//! Which routes are open, and which role the others need: the administrator's, if nobody thought about a route.

use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

use super::Role;
use super::admin::{AdminAccess, check};
use super::audit::{AuditLog, audited, changes_something, write_down};
use super::stack::REQUEST_ID;

/// A method and a route's pattern, as the router knows it: `("GET", "/api/leads/{id}")`. `GET` is also `HEAD`.
pub type Route = (&'static str, &'static str);

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

/// The rule for a whole router: what is named neither as open nor for a role needs the administrator's token.
///
/// It stands in front of every route at once, so a route that is added later is closed until somebody names it here.
/// Addresses without a route are not guarded: there is nothing behind them.
#[derive(Clone)]
pub struct RouteGuard {
    access: AdminAccess,
    open: Arc<[OpenRoute]>,
    viewer: Arc<[Route]>,
    operator: Arc<[Route]>,
    noted: Arc<[Route]>,
    log: Option<Arc<dyn AuditLog>>,
}

impl RouteGuard {
    /// Opens these routes, and the others to administrators.
    pub fn new(access: AdminAccess, open: &[OpenRoute]) -> Self {
        Self {
            access,
            open: open.into(),
            viewer: [].into(),
            operator: [].into(),
            noted: [].into(),
            log: None,
        }
    }

    /// Lets viewers use these routes too, and whoever may do more.
    #[must_use]
    pub fn viewer(mut self, routes: &[Route]) -> Self {
        self.viewer = self.viewer.iter().chain(routes).copied().collect();
        self
    }

    /// Lets operators use these routes too, and administrators.
    #[must_use]
    pub fn operator(mut self, routes: &[Route]) -> Self {
        self.operator = self.operator.iter().chain(routes).copied().collect();
        self
    }

    /// Writes down every request that is about to change something on a route that is not open, and those of `more`, which
    /// change something though their method does not say so. What cannot be written down is not done.
    #[must_use]
    pub fn audit(mut self, log: Arc<dyn AuditLog>, more: &[Route]) -> Self {
        self.log = Some(log);
        self.noted = more.into();
        self
    }

    /// The least role that the route needs; `None`: it is open.
    fn needs(&self, method: &Method, path: &str) -> Option<Role> {
        let method = as_named(method);
        let is_in = |routes: &[Route]| routes.contains(&(method, path));
        if self
            .open
            .iter()
            .any(|route| route.method == method && route.is(path))
        {
            None
        } else if is_in(&self.viewer) {
            Some(Role::Viewer)
        } else if is_in(&self.operator) {
            Some(Role::Operator)
        } else {
            Some(Role::Admin)
        }
    }

    fn is_noted(&self, method: &Method, path: &str) -> bool {
        changes_something(method) || self.noted.contains(&(as_named(method), path))
    }

    /// Says in the description of an interface which operations need the token of which role.
    pub fn describe(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in operations(item) {
                if let Some(operation) = operation
                    && let Some(needed) = self.needs(&method, path)
                {
                    // One of these is enough; the first is the least.
                    let enough = Role::ALL.into_iter().filter(|role| *role >= needed);
                    let none = Vec::<String>::new;
                    operation.security = Some(
                        enough
                            .map(|role| SecurityRequirement::new(role.as_str(), none()))
                            .collect(),
                    );
                }
            }
        }
        let components = api.components.get_or_insert_default();
        for role in Role::ALL {
            let scheme = HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(role.variable()))
                .build();
            components.add_security_scheme(role.as_str(), SecurityScheme::Http(scheme));
        }
    }
}

/// The method as lists of routes name it.
fn as_named(method: &Method) -> &str {
    match *method {
        Method::HEAD => "GET",
        _ => method.as_str(),
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

/// How many routes these lists have together: the length that [`joined`] asks for.
pub const fn count_joined(lists: &[&[OpenRoute]]) -> usize {
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        count += lists[list].len();
        list += 1;
    }
    count
}

/// The open routes of a service in one list: its own, and those that it has from others.
///
/// ```
/// use service_kit::http::{DOCUMENTATION_OPEN, OPERATIONS_OPEN, OpenRoute, count_joined, joined};
///
/// const OURS: &[OpenRoute] = &[OpenRoute::new("POST", "/api/leads", "visitors leave leads")];
/// const LISTS: &[&[OpenRoute]] = &[OURS, OPERATIONS_OPEN, DOCUMENTATION_OPEN];
/// const OPEN: &[OpenRoute] = &joined::<{ count_joined(LISTS) }>(LISTS);
/// assert_eq!(OPEN[0].path, "/api/leads");
/// assert!(OPEN.iter().any(|route| route.path == "/health"));
/// ```
pub const fn joined<const COUNT: usize>(lists: &[&[OpenRoute]]) -> [OpenRoute; COUNT] {
    let mut all = [OpenRoute::new("", "", ""); COUNT];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut place = 0;
        while place < lists[list].len() {
            all[count] = lists[list][place];
            place += 1;
            count += 1;
        }
        list += 1;
    }
    all
}

impl fmt::Debug for RouteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteGuard")
            .field("open", &self.open)
            .field("viewer", &self.viewer)
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

pub(super) async fn guard(
    State(guard): State<RouteGuard>,
    request: Request,
    next: Next,
) -> Response {
    // An address without a route has nothing behind it.
    let Some(route) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    let Some(needed) = guard.needs(request.method(), route.as_str()) else {
        return next.run(request).await;
    };
    let role = match check(&guard.access, needed, request.method(), request.headers()) {
        Ok(role) => role,
        Err(refusal) => return refusal,
    };
    if let Some(log) = &guard.log
        && guard.is_noted(request.method(), route.as_str())
    {
        let line = audited(role, &route, &request, &REQUEST_ID);
        if let Err(refusal) = write_down(log, line).await {
            return refusal;
        }
    }
    next.run(request).await
}

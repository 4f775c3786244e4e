//! HTTP as every service speaks it.

mod admin;
mod audit;
mod client_address;
mod docs;
mod extract;
mod guard;
mod idempotency;
mod language;
mod operations;
mod page;
mod problem;
mod rate_limit;
mod role;
mod server;
mod stack;

pub use self::admin::{AdminAccess, require_role};
pub use self::audit::{AuditLog, AuditedRequest};
pub use self::client_address::{Client, TrustedProxies};
pub use self::docs::{DOCUMENTATION_OPEN, documentation};
pub use self::extract::{ApiJson, ApiPath, ApiQuery};
pub use self::guard::{OpenRoute, Route, RouteGuard, count_joined, joined};
pub use self::idempotency::idempotency_key;
pub use self::language::Language;
pub use self::operations::{OPERATIONS_OPEN, OPERATIONS_VIEWER, operations};
pub use self::page::{PAGE_STYLE, page, page_with_form};
pub use self::problem::{FieldError, PROBLEM_JSON, Problem};
pub use self::rate_limit::{Rate, RateLimit};
pub use self::role::Role;
pub use self::server::{bind, serve, serve_beside};
pub use self::stack::{
    FORM_BODY_LIMIT, StackConfig, WEBHOOK_BODY_LIMIT, with_stack, without_trailing_slash,
};

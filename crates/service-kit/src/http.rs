//! HTTP as every service speaks it.

mod admin;
mod docs;
mod extract;
mod operations;
mod problem;
mod server;
mod stack;

pub use self::admin::{AdminAccess, require_admin};
pub use self::docs::documentation;
pub use self::extract::{ApiJson, ApiPath, ApiQuery};
pub use self::operations::operations;
pub use self::problem::{FieldError, PROBLEM_JSON, Problem};
pub use self::server::{bind, serve};
pub use self::stack::{
    FORM_BODY_LIMIT, StackConfig, WEBHOOK_BODY_LIMIT, with_stack, without_trailing_slash,
};

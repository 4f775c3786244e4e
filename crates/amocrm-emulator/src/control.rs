//! The control API under `/_emulator/`: what a test or a person does to the emulator from outside. It is never throttled, never
//! faulted and not in the journal.

mod accounts;
mod catalogs;
mod chats;
mod crm;
mod customers;
mod duplicates;
mod handlers;
mod index;
mod input;
mod services;
mod team;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use axum::{Router, middleware};
use http::{Method, StatusCode};

pub(crate) use self::{
    accounts::rename, customers::set_customers_mode, duplicates::set_duplicate_control,
};
use crate::answer;
use crate::app::App;
use crate::oauth::TokenSelector;

/// The routes of the control API.
pub(crate) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(index::show))
        .route("/_emulator", get(index::show))
        .route("/_emulator/", get(index::show))
        .route("/_emulator/health", get(handlers::health))
        .route("/_emulator/codes", post(handlers::issue_code))
        .route("/_emulator/tokens", post(handlers::issue_long_lived))
        .route("/_emulator/tokens/pair", post(handlers::issue_pair))
        .route("/_emulator/tokens/expire", post(handlers::expire_tokens))
        .route("/_emulator/tokens/revoke", post(handlers::revoke_tokens))
        .route("/_emulator/clock", get(handlers::clock))
        .route("/_emulator/clock/advance", post(handlers::advance_clock))
        .route(
            "/_emulator/faults",
            get(handlers::faults)
                .post(handlers::plan_fault)
                .delete(handlers::clear_faults),
        )
        .route("/_emulator/faults/{id}", delete(handlers::remove_fault))
        .route(
            "/_emulator/requests",
            get(handlers::requests).delete(handlers::clear_requests),
        )
        .route("/_emulator/webhooks", get(handlers::webhooks))
        .route(
            "/_emulator/settle",
            get(handlers::settle).post(handlers::settle),
        )
        .route(
            "/_emulator/limits",
            get(handlers::limits).post(handlers::set_limits),
        )
        .route("/_emulator/block", post(handlers::block))
        .route("/_emulator/block/lift", post(handlers::lift_block))
        .route(
            "/_emulator/oauth",
            get(handlers::oauth_rules).post(handlers::set_oauth_rules),
        )
        .route("/_emulator/catalogs", post(handlers::cut_pages))
        .route("/_emulator/customers", post(handlers::switch_customers))
        .route("/_emulator/duplicates", post(handlers::switch_duplicates))
        .route("/_emulator/accounts", post(handlers::open_account))
        .route("/_emulator/accounts/rename", post(handlers::rename_account))
        .route(
            "/_emulator/integrations/disable",
            post(handlers::disable_integration),
        )
        .route(
            "/_emulator/integrations/install",
            post(handlers::install_integration),
        )
        .route("/_emulator/widgets", post(services::add_widget))
        .route("/_emulator/bots", post(services::add_bot))
        .route("/_emulator/bots/runs", get(services::bot_runs))
        .route("/_emulator/feed", post(handlers::set_feed))
        .route("/_emulator/followers", post(handlers::set_followers))
        .route("/_emulator/notes", post(handlers::add_note))
        .route("/_emulator/tasks/delete", post(handlers::delete_task))
        .route("/_emulator/unsorted", post(handlers::receive))
        .route(
            "/_emulator/chats/channels",
            get(chats::channels).post(chats::register),
        )
        .route("/_emulator/chats", get(chats::list))
        .route("/_emulator/chats/message", post(chats::write))
        .route("/_emulator/chats/typing", post(chats::start_typing))
        .route("/_emulator/chats/reaction", post(chats::react))
        .route("/_emulator/users/group", post(handlers::put_into_group))
        .route("/_emulator/users/remove", post(handlers::remove_user))
        .route("/_emulator/reset", post(handlers::reset))
        .route("/_emulator/{*rest}", any(unknown))
        .layer(middleware::from_fn_with_state(app.clone(), save))
}

async fn unknown() -> Response {
    answer::problem(
        StatusCode::NOT_FOUND,
        "There is no such control request; the README of amocrm-emulator lists them",
    )
}

/// Answers when what was changed is in the state file.
async fn save(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if !is_read {
        app.saved().await;
    }
    response
}

/// Lets the selected access tokens expire now. Returns how many.
pub(crate) fn expire_tokens(app: &App, selector: &TokenSelector) -> usize {
    let now = app.clock().now();
    let expired = app.with_world(|world| world.oauth.expire_access(selector, now));
    app.mark_changed();
    expired
}

/// Revokes the grants behind the selected tokens. Returns how many.
pub(crate) fn revoke_tokens(app: &App, selector: &TokenSelector) -> usize {
    let revoked = app.with_world(|world| world.oauth.revoke(selector));
    app.mark_changed();
    revoked
}

/// Moves the clock forward and wakes whoever waits for it.
pub(crate) fn advance(app: &App, by: Duration) {
    app.clock().advance(by);
    app.deliveries().release_held(app.clock().now_ms());
    app.deliveries().wake();
    app.mark_changed();
}

/// Forgets all planned faults; webhooks that were kept back are sent.
pub(crate) fn clear_faults(app: &App) {
    app.faults().clear();
    app.deliveries().release_held(app.clock().now_ms());
}

/// Forgets one planned fault; tells whether it was there.
pub(crate) fn remove_fault(app: &App, id: u64) -> bool {
    let was_there = app.faults().remove(id);
    app.deliveries().release_held(app.clock().now_ms());
    was_there
}

/// Waits until the webhooks due by now are through.
pub(crate) async fn settle(app: &App) {
    app.deliveries().settle(|| app.clock().now_ms()).await;
}

/// Blocks an account, the first one unless another is named. Returns whether it exists.
pub(crate) fn block(app: &App, account_id: Option<u64>, length: Option<Duration>) -> bool {
    let account = app.with_world(|world| {
        let mut accounts = world.accounts.iter().map(|account| account.id);
        accounts.find(|id| account_id.is_none_or(|wanted| wanted == *id))
    });
    if let Some(account) = account {
        app.limiter().block(account, length);
    }
    account.is_some()
}

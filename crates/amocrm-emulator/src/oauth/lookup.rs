//! Who owns a token, and under which name its account can be found today.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::answer;
use crate::app::App;
use crate::auth;
use crate::hosts::{Site, account_domain};
use crate::world::Account;

/// `GET /oauth2/account/subdomain` with a bearer token: usually asked at `www.`.
pub(crate) async fn by_access_token(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(token) = auth::bearer(&headers) else {
        return no_header();
    };
    let now = app.clock().now();
    let rules = app.oauth_rules();
    let document = app.with_world(|world| {
        let account_id = world
            .oauth
            .authenticate(token, now, &rules)?
            .grant
            .account_id;
        world
            .account(account_id)
            .map(|account| subdomain_document(account))
    });
    document.map_or_else(answer::unauthorized, |document| {
        axum::Json(document).into_response()
    })
}

/// `GET /oauth2/account/current/subdomain` with `X-Refresh-Token`: asked at the `api_domain` of the token's claims. Looking does
/// not use the refresh token up.
pub(crate) async fn by_refresh_token(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(token) = headers
        .get("x-refresh-token")
        .and_then(|value| value.to_str().ok())
    else {
        return no_header();
    };
    let now = app.clock().now();
    let document = app.with_world(|world| {
        let account_id = world.oauth.refresh_owner(token, now)?.account_id;
        world
            .account(account_id)
            .map(|account| subdomain_document(account))
    });
    document.map_or_else(answer::unauthorized, |document| {
        axum::Json(document).into_response()
    })
}

/// `GET /v3/user` with a bearer token: the "resource owner" of the vendor's OAuth package.
pub(crate) async fn resource_owner(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    headers: HeaderMap,
) -> Response {
    let now = app.clock().now();
    let rules = app.oauth_rules();
    let document = app.with_world(|world| {
        let grant = world
            .oauth
            .authenticate(auth::bearer(&headers)?, now, &rules)?
            .grant;
        if site
            .account_id()
            .is_some_and(|account| account != grant.account_id)
        {
            return None;
        }
        let user = world.account(grant.account_id)?.user(grant.user_id)?;
        Some(json!({ "id": user.id, "name": user.name, "email": user.email }))
    });
    document.map_or_else(answer::unauthorized, |document| {
        axum::Json(document).into_response()
    })
}

/// What both lookups answer.
pub(crate) fn subdomain_document(account: &Account) -> Value {
    json!({
        "id": account.id,
        "subdomain": account.subdomain,
        "domain": account_domain(account),
        "top_level_domain": account.tld,
    })
}

fn no_header() -> Response {
    let body = json!({
        "title": "Access denied",
        "type": "https://developers.amocrm.ru/v3/errors/AccessDenied",
        "status": 403,
        "detail": "You need an authorization header",
    });
    answer::problem_body(StatusCode::FORBIDDEN, &body)
}

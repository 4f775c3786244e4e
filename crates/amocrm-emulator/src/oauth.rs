//! The authorization server: consent page, token endpoint, lookup of a renamed account, and the hook of a disabled integration.

mod consent;
mod external;
mod hook;
mod issue;
mod jwt;
mod lookup;
mod refusal;
mod registration;
mod state;
mod token;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::hook::{HookError, disable_integration, install_from_widget};
pub(crate) use self::issue::IssueRequest;
pub(crate) use self::registration::Registration;
pub(crate) use self::state::{OauthState, TokenSelector};
pub(crate) use self::token::TokenRequest;
use crate::app::App;

/// Where codes and refresh tokens are exchanged.
pub(crate) const TOKEN_PATH: &str = "/oauth2/access_token";

/// What decoded tokens of real accounts allow.
pub(crate) const SCOPES: [&str; 5] = [
    "crm",
    "files",
    "files_delete",
    "notifications",
    "push_notifications",
];

/// The scopes of a grant that is not restricted.
pub(crate) fn all_scopes() -> Vec<String> {
    SCOPES.map(str::to_owned).to_vec()
}

/// The routes that need no bearer token.
pub(crate) fn routes() -> Router<App> {
    let consent = || get(consent::show).post(consent::decide);
    let mut router = Router::new()
        .route(TOKEN_PATH, post(token::exchange))
        .route("/oauth2/account/subdomain", get(lookup::by_access_token))
        .route(
            "/oauth2/account/current/subdomain",
            get(lookup::by_refresh_token),
        )
        .route("/v3/user", get(lookup::resource_owner))
        .route("/oauth", consent())
        .route("/oauth/", consent());
    // The site button opens the consent page under the path of its language.
    for locale in ["es", "br", "id", "ru", "en"] {
        router = router
            .route(&format!("/{locale}/oauth"), consent())
            .route(&format!("/{locale}/oauth/"), consent());
    }
    router
}

//! The bearer middleware in front of the API, and who it found behind the token.

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};

use crate::answer;
use crate::app::App;
use crate::hosts::{DRIVE_PREFIX, Site, Target};
use crate::world::World;

/// The scope of everything under `/api/v4`.
const CRM_SCOPE: &str = "crm";
/// The scope of the file service.
const FILES_SCOPE: &str = "files";
/// The one that lets files be thrown away there.
const FILES_DELETE_SCOPE: &str = "files_delete";
/// Lets an administrator's token act with another user's rights.
const CONTEXT_USER: &str = "x-context-user-id";

/// On whose behalf a request is made.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) account_id: u64,
    pub(crate) user_id: u64,
    /// The integration the token was given to.
    pub(crate) client_id: String,
    pub(crate) is_admin: bool,
    pub(crate) scopes: Vec<String>,
    /// Scheme and host as the caller used them: what links in answers begin with.
    pub(crate) base_url: String,
    /// Where the file service is.
    pub(crate) drive_url: String,
}

/// Lets requests with a good token pass and tells the handlers whose it is.
pub(crate) async fn require(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    mut request: Request,
    next: Next,
) -> Response {
    // One field report says that the shared hosts refuse API calls with a token that is good elsewhere.
    if matches!(site.target, Target::Www | Target::SharedApi) {
        return answer::unauthorized();
    }
    let now = app.clock().now();
    let rules = app.oauth_rules();
    let authenticated = app.with_world(|world| {
        let authenticated = world
            .oauth
            .authenticate(bearer(request.headers())?, now, &rules)?;
        let grant = &authenticated.grant;
        if site
            .account_id()
            .is_some_and(|account| account != grant.account_id)
        {
            return None;
        }
        // A token outlives the deactivation of its user, but not the account.
        let is_admin = world
            .account(grant.account_id)?
            .user(grant.user_id)
            .is_none_or(|user| user.is_admin);
        let principal = Principal {
            account_id: grant.account_id,
            user_id: grant.user_id,
            client_id: grant.client_id.clone(),
            is_admin,
            scopes: grant.scopes.clone(),
            base_url: site.base_url.clone(),
            drive_url: site.drive_url(),
        };
        Some((
            principal,
            authenticated.first_use,
            acting_user(world, request.headers(), grant.account_id),
        ))
    });
    let Some((mut principal, first_use, acting)) = authenticated else {
        return answer::unauthorized();
    };
    if first_use {
        app.mark_changed();
    }
    let needed = needed_scope(&request);
    if !principal.scopes.iter().any(|scope| scope == needed) {
        return answer::problem(
            StatusCode::FORBIDDEN,
            "Client doesn't have the required scope",
        );
    }
    match acting {
        Acting::Owner => {}
        Acting::User { id, is_admin } if principal.is_admin => {
            principal.user_id = id;
            principal.is_admin = is_admin;
        }
        Acting::User { .. } | Acting::Nobody => {
            let status =
                StatusCode::from_u16(rules.context_user_status).unwrap_or(StatusCode::FORBIDDEN);
            return answer::problem(status, "The user of X-Context-User-ID is not available");
        }
    }
    request.extensions_mut().insert(principal);
    next.run(request).await
}

/// What a token must be good for.
fn needed_scope(request: &Request) -> &'static str {
    if !request.uri().path().starts_with(DRIVE_PREFIX) {
        CRM_SCOPE
    } else if request.method() == Method::DELETE {
        FILES_DELETE_SCOPE
    } else {
        FILES_SCOPE
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whose rights a request asks for.
enum Acting {
    /// Those of the token's owner.
    Owner,
    /// Those of this user.
    User { id: u64, is_admin: bool },
    /// Those of somebody who is not there or may not log in.
    Nobody,
}

/// Reads `X-Context-User-ID`.
fn acting_user(world: &mut World, headers: &HeaderMap, account_id: u64) -> Acting {
    let Some(named) = headers.get(CONTEXT_USER) else {
        return Acting::Owner;
    };
    let user_id = named
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let user = user_id.and_then(|id| {
        world
            .account(account_id)?
            .user(id)
            .filter(|user| user.is_active)
    });
    user.map_or(Acting::Nobody, |user| Acting::User {
        id: user.id,
        is_admin: user.is_admin,
    })
}

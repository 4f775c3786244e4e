//! Who may use what is not open, and what he proves to be.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq as _;

use super::audit::changes_something;
use super::{Problem, Role};

/// The rule of access: a token of a [`Role`], or, as long as there is none, everybody on a loopback address who also calls
/// it by a name of this machine.
///
/// The name matters because a browser resolves the names of any page it shows: one that leads to 127.0.0.1 makes that page
/// a neighbour of ours (DNS rebinding). And a proxy or a tunnel on this machine brings the whole internet to loopback.
///
/// The token is given as `Authorization: Bearer TOKEN`, or by a browser as the password of HTTP Basic with any name.
#[derive(Debug, Clone, Default)]
pub struct AdminAccess {
    viewer: Option<SecretString>,
    operator: Option<SecretString>,
    admin: Option<SecretString>,
}

impl AdminAccess {
    /// With the administrator's token alone. With `None` everybody is administrator;
    /// [`check_exposure`](crate::config::ServerConfig::check_exposure) makes sure that this happens on loopback only.
    pub fn new(admin: Option<SecretString>) -> Self {
        Self {
            admin,
            ..Self::default()
        }
    }

    /// With the token of somebody who only reads. It counts only beside an administrator's.
    #[must_use]
    pub fn viewer(mut self, token: Option<SecretString>) -> Self {
        self.viewer = token;
        self
    }

    /// With the token of somebody who looks after the service. It counts only beside an administrator's.
    #[must_use]
    pub fn operator(mut self, token: Option<SecretString>) -> Self {
        self.operator = token;
        self
    }

    /// Whether these headers hold the token of this role or of one that may do more; without tokens to compare with, nobody's
    /// do.
    pub fn proves(&self, headers: &HeaderMap, role: Role) -> bool {
        self.admin.is_some() && self.role(headers).is_some_and(|proven| proven >= role)
    }

    /// What these headers prove. Without tokens everybody is administrator.
    pub fn role(&self, headers: &HeaderMap) -> Option<Role> {
        let Some(admin) = &self.admin else {
            return Some(Role::Admin);
        };
        let given = given_token(headers)?;
        let mut proven = None;
        // All are compared, so that the time does not tell which one is near. A comparison takes the same time wherever the
        // first difference is; only the length can be seen.
        for (token, role) in [
            (self.viewer.as_ref(), Role::Viewer),
            (self.operator.as_ref(), Role::Operator),
            (Some(admin), Role::Admin),
        ] {
            let is_it = token.is_some_and(|token| {
                bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes()))
            });
            if is_it {
                proven = Some(role);
            }
        }
        proven
    }
}

/// Middleware that lets through who proves this role or one that may do more.
pub async fn require_role(
    State((access, needed)): State<(AdminAccess, Role)>,
    request: Request,
    next: Next,
) -> Response {
    match check(&access, needed, request.method(), request.headers()) {
        Ok(_) => next.run(request).await,
        Err(refusal) => refusal,
    }
}

/// Says what the caller proves to be, if that is enough, or else why not.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, and is sent as it is"
)]
pub(super) fn check(
    access: &AdminAccess,
    needed: Role,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Role, Response> {
    if access.admin.is_none() && !is_called_locally(headers) {
        metrics::counter!("admin_refusals_total").increment(1);
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail("without ADMIN_TOKEN this endpoint answers to localhost only; set ADMIN_TOKEN to use it by another name")
            .into_response());
    }
    let Some(role) = access.role(headers) else {
        metrics::counter!("admin_refusals_total").increment(1);
        let mut response = Problem::new(StatusCode::UNAUTHORIZED)
            .detail(format!(
                "this endpoint needs {}: send the header Authorization: Bearer TOKEN",
                tokens_of(needed)
            ))
            .into_response();
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"administrator\", charset=\"UTF-8\""),
        );
        return Err(response);
    };
    if role < needed {
        metrics::counter!("admin_refusals_total").increment(1);
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail(format!(
                "this endpoint needs the role {needed}, and this token proves the role {role}: send {}",
                tokens_of(needed)
            ))
            .into_response());
    }
    // A browser sends a remembered password, or reaches a loopback address, on behalf of any page. It also says so. A
    // bearer token is never sent by itself: a page that has it was given it.
    if changes_something(method) && is_foreign(headers) && !is_bearer(headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail("this endpoint cannot be called from a page of another site")
            .into_response());
    }
    Ok(role)
}

/// The tokens that are enough.
fn tokens_of(needed: Role) -> String {
    let enough = Role::ALL.into_iter().filter(|role| *role >= needed);
    let names: Vec<_> = enough.map(Role::variable).collect();
    names.join(" or ")
}

fn given_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        return decoded
            .split_once(':')
            .map(|(_, password)| password.to_owned());
    }
    None
}

/// Whether the request was sent to a name of this machine. Every browser tells the name; what does not is no browser.
fn is_called_locally(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let authority = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        if let Ok(address) = name.parse::<IpAddr>() {
            return address.is_loopback();
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost")
    })
}

/// Whether a page of another origin sends this. `Sec-Fetch-Site` cannot be forged by a page; programs that are no browsers
/// do not send it. A browser too old to send it says at least where the page is from.
///
/// `same-site` is another origin: a neighbour under the same domain, which may be anybody's, or another port of this
/// machine.
fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let origin = headers.get(header::ORIGIN).and_then(|it| it.to_str().ok());
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    match (origin.and_then(|origin| origin.split_once("://")), host) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(host),
        // `Origin: null` is a page that hides where it is from.
        (None, _) => origin.is_some(),
        (Some(_), None) => false,
    }
}

fn is_bearer(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
}

//! Who may use the administrator's endpoints.

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

use super::Problem;

/// The rule of access: this token, or everybody on a loopback address who also calls it by a name of this machine.
///
/// The name matters because a browser resolves the names of any page it shows: one that leads to 127.0.0.1 makes that page
/// a neighbour of ours (DNS rebinding). And a proxy or a tunnel on this machine brings the whole internet to loopback.
///
/// The token is given as `Authorization: Bearer TOKEN`, or by a browser as the password of HTTP Basic with any name.
#[derive(Debug, Clone, Default)]
pub struct AdminAccess {
    token: Option<SecretString>,
}

impl AdminAccess {
    /// With `None` everybody is let in; [`check_exposure`](crate::config::ServerConfig::check_exposure) makes sure
    /// that this happens on loopback only.
    pub fn new(token: Option<SecretString>) -> Self {
        Self { token }
    }

    /// Whether these headers hold the token; without a token to compare with, nobody does.
    pub fn proves(&self, headers: &HeaderMap) -> bool {
        self.token.is_some() && self.admits(headers)
    }

    /// Whether these headers open the door.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        given_token(headers).is_some_and(|given| {
            // The comparison takes the same time wherever the first difference is; only the length can be seen.
            bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes()))
        })
    }
}

/// Middleware that lets only the administrator through.
pub async fn require_admin(
    State(access): State<AdminAccess>,
    request: Request,
    next: Next,
) -> Response {
    match check(&access, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal,
    }
}

/// Lets the administrator through, or says why not.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, and is sent as it is"
)]
pub(super) fn check(
    access: &AdminAccess,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Response> {
    if access.token.is_none() && !is_called_locally(headers) {
        metrics::counter!("admin_refusals_total").increment(1);
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail("without ADMIN_TOKEN this endpoint answers to localhost only; set ADMIN_TOKEN to use it by another name")
            .into_response());
    }
    if !access.admits(headers) {
        metrics::counter!("admin_refusals_total").increment(1);
        let mut response = Problem::new(StatusCode::UNAUTHORIZED)
            .detail("this endpoint needs ADMIN_TOKEN: send the header Authorization: Bearer TOKEN")
            .into_response();
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"administrator\", charset=\"UTF-8\""),
        );
        return Err(response);
    }
    // A browser sends a remembered password, or reaches a loopback address, on behalf of any page. It also says so. A
    // bearer token is never sent by itself: a page that has it was given it.
    if changes_something(method) && is_foreign(headers) && !is_bearer(headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail("this endpoint cannot be called from a page of another site")
            .into_response());
    }
    Ok(())
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

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
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

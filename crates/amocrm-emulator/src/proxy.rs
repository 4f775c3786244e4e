//! The plain port as a forward proxy for amoCRM's hosts: `CONNECT` tunnels end in the emulator's own TLS, absolute-form requests in
//! its router. Everything else is refused: the emulator opens no way to the outside.

use std::net::SocketAddr;

use axum::response::Response;
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use crate::answer;
use crate::hosts::{Via, is_crm_host, is_local};
use crate::server::Server;

/// The port of tunnels: everything inside them is TLS.
const HTTPS_PORT: u16 = 443;

/// Answers a `CONNECT`.
pub(crate) fn tunnel(server: Server, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let target = request
        .uri()
        .authority()
        .map(|authority| (authority.host(), authority.port_u16().unwrap_or(HTTPS_PORT)));
    match target {
        Some((host, HTTPS_PORT)) if is_crm_host(host) => {}
        _ => {
            return answer::problem(
                StatusCode::FORBIDDEN,
                "The emulator is a proxy for amoCRM's hosts on port 443 only",
            );
        }
    }
    if server.tls.is_none() {
        return answer::problem(
            StatusCode::FORBIDDEN,
            "The emulator was started without TLS; give it --tls-dir or --tls-port",
        );
    }
    let connections = server.connections.clone();
    connections.spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => {
                let stream = TokioIo::new(upgraded);
                server.tls_connection(stream, Via::Proxy, peer).await;
            }
            Err(error) => tracing::info!(%error, "a tunnel was not opened"),
        }
    });
    Response::default()
}

/// A request in the form servers know.
pub(crate) struct OriginForm {
    pub(crate) request: Request<Incoming>,
    pub(crate) via: Via,
    /// The caller said `https`: some clients send even that to a proxy in the open.
    pub(crate) is_secure: bool,
}

/// Reads absolute-form requests (`GET http://acme.amocrm.ru/…`), too. `None` for hosts of others.
pub(crate) fn to_origin_form(request: Request<Incoming>) -> Option<OriginForm> {
    let uri = request.uri();
    let Some(authority) = uri.authority() else {
        return Some(OriginForm {
            request,
            via: Via::Plain,
            is_secure: false,
        });
    };
    let via = match authority.host() {
        _ if is_local(uri) => Via::Plain,
        host if is_crm_host(host) => Via::Proxy,
        _ => return None,
    };
    let is_secure = uri.scheme() == Some(&Scheme::HTTPS);
    let host = HeaderValue::from_str(authority.as_str());
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let (mut parts, body) = request.into_parts();
    parts.uri = Uri::from(path);
    if let Ok(host) = host {
        parts.headers.insert(HOST, host);
    }
    Some(OriginForm {
        request: Request::from_parts(parts, body),
        via,
        is_secure,
    })
}

/// The answer to those who want to go elsewhere.
pub(crate) fn refusal() -> Response {
    answer::problem(
        StatusCode::FORBIDDEN,
        "The emulator is a proxy for amoCRM's hosts only",
    )
}

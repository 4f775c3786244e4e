//! The accept loops: plain HTTP (which is also a forward proxy) and TLS.
//!
//! axum's own `serve` can neither answer `CONNECT` nor close a connection without an answer, so connections are served by hand.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::answer::DropConnection;
use crate::hosts::{Origin, Via};
use crate::proxy::{self, OriginForm};
use crate::tls::Tls;

/// A TLS handshake takes no longer than this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (too many open files) the loop breathes before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
    pub(crate) stop: CancellationToken,
    pub(crate) connections: TaskTracker,
}

impl Server {
    /// Accepts plain connections until the server stops.
    pub(crate) async fn serve_plain(self, listener: TcpListener) {
        while let Some((stream, peer)) = self.accept(&listener).await {
            let server = self.clone();
            self.connections
                .spawn(async move { server.plain_connection(stream, peer).await });
        }
    }

    /// Accepts TLS connections until the server stops.
    pub(crate) async fn serve_tls(self, listener: TcpListener) {
        while let Some((stream, peer)) = self.accept(&listener).await {
            let server = self.clone();
            self.connections
                .spawn(async move { server.tls_connection(stream, Via::Tls, peer).await });
        }
    }

    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        // Small answers must not wait for the peer's acknowledgement.
                        let _ = stream.set_nodelay(true);
                        return Some((stream, peer));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    async fn plain_connection(self, stream: TcpStream, peer: SocketAddr) {
        let server = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let server = server.clone();
            async move {
                if request.method() == Method::CONNECT {
                    return Ok(proxy::tunnel(server, request, peer));
                }
                let Some(OriginForm {
                    request,
                    via,
                    is_secure,
                }) = proxy::to_origin_form(request)
                else {
                    return Ok(proxy::refusal());
                };
                server
                    .answer(
                        request,
                        Origin {
                            via,
                            is_secure,
                            peer,
                        },
                    )
                    .await
            }
        });
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    /// Serves one TLS connection, from the TLS port or out of a `CONNECT` tunnel.
    pub(crate) async fn tls_connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send,
        via: Via,
        peer: SocketAddr,
    ) {
        let Some(tls) = &self.tls else { return };
        let stream = tokio::select! {
            stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor.accept(stream)) => stream,
            () = self.stop.cancelled() => return,
        };
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(%error, "a TLS handshake failed; does the client trust the emulator's ca.pem?");
                return;
            }
            Err(_) => return,
        };
        let server = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let server = server.clone();
            async move {
                server
                    .answer(
                        request,
                        Origin {
                            via,
                            is_secure: true,
                            peer,
                        },
                    )
                    .await
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    /// Asks the router. An error makes hyper close the connection without an answer.
    async fn answer(
        &self,
        request: Request<Incoming>,
        origin: Origin,
    ) -> Result<Response, io::Error> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(origin);
        let response: Result<Response, Infallible> = self.router.clone().oneshot(request).await;
        let Ok(response) = response;
        if response.extensions().get::<DropConnection>().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the connection is dropped on demand",
            ));
        }
        Ok(response)
    }
}

//! Listening, and stopping without cutting anybody off.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long a client may take to send a request's head, and a connection may stay idle. Above the 60 s after which a
/// proxy such as nginx closes its idle connections, so that none of its requests meets a closed one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Pause after no connection could be accepted, because there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Takes the address.
///
/// # Errors
///
/// When it is taken or not ours; the text names the setting.
pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; is the service running already? Another SERVER_HOST and SERVER_PORT can be \
             chosen, for example SERVER_PORT=8100"
        )
    })
}

/// Serves until the token is cancelled, then lets requests in flight end for at most `drain`.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    serve_with(listener, routes, shutdown, drain, HEAD_TIMEOUT).await
}

/// Serves while the service's `work` goes on beside it. The token ends both, and so does a listener that fails.
///
/// # Errors
///
/// When the listener fails, or the work panics.
pub async fn serve_beside(
    work: impl Future<Output = ()> + Send + 'static,
    listener: TcpListener,
    routes: Router,
    shutdown: CancellationToken,
    drain: Duration,
) -> anyhow::Result<()> {
    let work = tokio::spawn(work);
    let served = serve(listener, routes, shutdown.clone(), drain).await;
    shutdown.cancel();
    work.await.context("the workers ended badly")?;
    served.context("the listener failed")
}

/// `axum::serve` sets no timeout for heads: a client that sends a byte now and then would hold a connection for ever.
async fn serve_with(
    listener: TcpListener,
    routes: Router,
    shutdown: CancellationToken,
    drain: Duration,
    head_timeout: Duration,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(server.address = %address, "listening");
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                let (routes, shutdown, cut) = (routes.clone(), shutdown.clone(), cut.clone());
                connections.spawn(async move {
                    let served = converse(stream, peer, routes, shutdown, head_timeout);
                    cut.run_until_cancelled(served).await;
                });
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::error!("no connection can be accepted: {error}");
                shutdown
                    .run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE))
                    .await;
            }
        }
    }
    // Whoever comes now is refused at once and can go to another instance.
    drop(listener);
    connections.close();
    if tokio::time::timeout(drain, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("requests were still in flight after the drain time; they are cut off");
        cut.cancel();
    }
    Ok(())
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    shutdown: CancellationToken,
    head_timeout: Duration,
) {
    // An answer is written at once; there is nothing to wait for. A failure only makes it slower.
    let _ = stream.set_nodelay(true);
    let service = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let service = service.map_err(|never: Infallible| match never {});
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection.with_upgrades());
    // How a connection ends is the client's affair, and requests tell for themselves.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;
    use tokio::time::Instant;

    use super::*;

    async fn start(
        routes: Router,
        drain: Duration,
    ) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let server = tokio::spawn(async move {
            serve_with(listener, routes, token, drain, Duration::from_millis(300))
                .await
                .unwrap();
        });
        (address, shutdown, server)
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_trickles_its_head_is_disconnected() {
        let routes = Router::new().route("/", get(|| async { "here" }));
        let (address, ..) = start(routes, Duration::ZERO).await;
        for beginning in ["", "GET / HT"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            let started = Instant::now();
            assert!(!rest(&mut stream).await.contains("200"));
            assert!(started.elapsed() < Duration::from_secs(20));
        }
    }

    #[tokio::test]
    async fn who_is_being_served_is_served_to_the_end_and_nobody_else() {
        let entered = Arc::new(Notify::new());
        let enters = Arc::clone(&entered);
        let routes = Router::new().route(
            "/",
            get(|| async move {
                enters.notify_one();
                tokio::time::sleep(Duration::from_millis(200)).await;
                "here"
            }),
        );
        let (address, shutdown, server) = start(routes, Duration::from_secs(20)).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        entered.notified().await;
        shutdown.cancel();
        assert!(rest(&mut busy).await.ends_with("here"));
        assert_eq!(rest(&mut idle).await, "");
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn who_hangs_is_cut_off_after_the_drain_time() {
        let routes = Router::new().route("/", get(std::future::pending::<()>));
        let (address, shutdown, server) = start(routes, Duration::from_millis(100)).await;
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        shutdown.cancel();
        assert_eq!(rest(&mut busy).await, "");
        server.await.unwrap();
    }
}

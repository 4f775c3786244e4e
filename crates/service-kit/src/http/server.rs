//! Listening, and stopping without cutting anybody off.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
    let address = listener.local_addr()?;
    tracing::info!(server.address = %address, "listening");
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let stopping = shutdown.clone();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = server => served,
        () = late => {
            tracing::warn!("requests were still in flight after the drain time; they are cut off");
            Ok(())
        }
    }
}

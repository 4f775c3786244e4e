//! Asking a running service of this machine how it is, for containers that have no other program to ask with.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::HealthReport;
use crate::config::ServerConfig;

/// Longer than a service waits for its own neighbours.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than any report takes.
const LONGEST: u64 = 64 * 1024;

/// Asks `GET /health` of the service that listens as `server` says.
///
/// # Errors
///
/// When nobody answers there, or somebody else does.
pub async fn probe(server: &ServerConfig) -> anyhow::Result<HealthReport> {
    let address = server.local_address();
    let asked = timeout(PATIENCE, ask(&address)).await;
    let answer = asked
        .map_err(|_| anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs()))
        .flatten();
    let answer = answer.with_context(|| format!("{address} does not answer"))?;
    let Some((_, body)) = answer.split_once("\r\n\r\n") else {
        bail!("{address} does not speak HTTP");
    };
    serde_json::from_str(body).with_context(|| format!("{address} is another program"))
}

/// HTTP/1.0: the end of the answer is the end of the connection.
async fn ask(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
    Ok(answer)
}

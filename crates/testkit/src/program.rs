//! A service as a process of its own, to be killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long it may take to listen.
const START: Duration = Duration::from_mins(1);
/// How long it may take to end what it is at.
const STOP: Duration = Duration::from_secs(25);

/// A program of ours, running. Who drops it ends it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Program {
    /// Starts it with these settings and no others; `SERVER_PORT=0` should be among them.
    pub async fn start(
        program: &str,
        settings: impl IntoIterator<Item = (String, String)>,
        folder: &Path,
    ) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .envs(settings)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The log says where it listens; it is read to its end, or the process would block.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let mut tell = Some(tell);
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, address)) = line.split_once("server.address=")
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(format!("http://{}", address.trim()));
                }
            }
        });
        let url = timeout(START, told).await.unwrap().unwrap();
        Self { child, url }
    }

    /// Kills it without warning.
    pub async fn kill(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    /// Sends it a signal: `STOP` freezes it, `CONT` thaws it.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill")
            .args([format!("-{name}"), id])
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    /// Ends it in good order.
    pub async fn stop(mut self) {
        self.signal("TERM").await;
        let ended = timeout(STOP, self.child.wait()).await;
        assert!(
            ended.unwrap().unwrap().success(),
            "SIGTERM ends it in good order"
        );
    }
}

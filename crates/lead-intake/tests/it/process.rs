//! The service as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{TestCrm, TestDatabase, all_settings, eventually};

/// The binary, running.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Service {
    pub(crate) async fn start(
        crm: &TestCrm,
        database: &TestDatabase,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut more = vec![("SERVER_PORT", "0"), ("LOG_DIR", "logs")];
        more.extend_from_slice(settings);
        let settings = all_settings(crm, database, "http://127.0.0.1:1", &more);
        let mut child = Command::new(Path::new(env!("CARGO_BIN_EXE_lead-intake")))
            .env_clear()
            .envs(settings)
            .current_dir(database.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The log says where it listens; it is read to its end, or the process would block.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, told) = tokio::sync::oneshot::channel();
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
        let url = tokio::time::timeout(Duration::from_secs(30), told)
            .await
            .unwrap()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, url, http }
    }

    pub(crate) async fn queue_is_empty(&self) {
        eventually("the queue runs empty", || async {
            let answer = self
                .http
                .get(format!("{}/metrics", self.url))
                .send()
                .await
                .unwrap();
            let text = answer.text().await.unwrap();
            let mut depths = text.lines().filter(|line| line.starts_with("queue_depth"));
            depths.all(|line| line.ends_with(" 0")).then_some(())
        })
        .await;
        let failed = format!("{}/api/leads?state=failed", self.url);
        let failed = self
            .http
            .get(failed)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let failed: Value = serde_json::from_str(&failed).unwrap();
        assert_eq!(failed["leads"], serde_json::json!([]));
    }

    /// Kills it without warning.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    /// Sends it a signal: `STOP` freezes it, `CONT` thaws it.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill")
            .args([format!("-{name}"), id])
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    pub(crate) async fn stop(mut self) {
        self.signal("TERM").await;
        let ended = tokio::time::timeout(Duration::from_secs(25), self.child.wait()).await;
        assert!(
            ended.unwrap().unwrap().success(),
            "SIGTERM ends it in good order"
        );
    }
}

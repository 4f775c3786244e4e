//! The service as a process of its own.

use serde_json::Value;
use testkit::{Program, TestDatabase, browser, eventually};

use crate::harness::{TestCrm, all_settings};

/// The binary, running.
#[derive(Debug)]
pub(crate) struct Service {
    program: Program,
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
        let program = env!("CARGO_BIN_EXE_lead-intake");
        let program = Program::start(program, settings, database.folder.path()).await;
        Self {
            url: program.url.clone(),
            program,
            http: browser(),
        }
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
        self.program.kill().await;
    }

    /// Sends it a signal: `STOP` freezes it, `CONT` thaws it.
    pub(crate) async fn signal(&self, name: &str) {
        self.program.signal(name).await;
    }

    pub(crate) async fn stop(self) {
        self.program.stop().await;
    }
}

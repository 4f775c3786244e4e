//! A NATS server of a test's own.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream;
use tempfile::TempDir;
use testkit::{eventually, neighbour};

/// A server that a test may end and start again.
#[derive(Debug)]
pub(crate) struct TestNats {
    program: String,
    port: u16,
    login: Option<(&'static str, &'static str)>,
    server: Child,
    storage: TempDir,
}

impl TestNats {
    /// `None` without the program of `TEST_NATS_SERVER`, unless `REQUIRE_ALL=1` wants it.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_for(None).await
    }

    /// One that lets nobody else in.
    pub(crate) async fn start_for(login: Option<(&'static str, &'static str)>) -> Option<Self> {
        let program = neighbour("TEST_NATS_SERVER", "NATS")?;
        let port = free_port();
        let (server, storage) = run(&program, port, login);
        let nats = Self {
            program,
            port,
            login,
            server,
            storage,
        };
        nats.client().await;
        Some(nats)
    }

    /// Without a name and a password.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends the server as a crash does.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again on the same port, with nothing that it knew.
    pub(crate) async fn start_empty(&mut self) {
        let (server, storage) = run(&self.program, self.port, self.login);
        (self.server, self.storage) = (server, storage);
        self.client().await;
    }

    pub(crate) async fn client(&self) -> jetstream::Context {
        let client = eventually("NATS takes connections", || async {
            let options = match self.login {
                Some((user, password)) => async_nats::ConnectOptions::with_user_and_password(
                    user.to_owned(),
                    password.to_owned(),
                ),
                None => async_nats::ConnectOptions::new(),
            };
            let connecting = options
                .connection_timeout(Duration::from_secs(1))
                .connect(self.url());
            connecting.await.ok()
        })
        .await;
        jetstream::new(client)
    }
}

impl Drop for TestNats {
    fn drop(&mut self) {
        let _ = self.server.kill().and_then(|()| self.server.wait());
    }
}

/// A port that the system gives to nobody by itself: it has to be there again after a restart.
fn free_port() -> u16 {
    let first = std::process::id() % 20_000;
    (0..20_000)
        .map(|step| u16::try_from(10_000 + (first + step) % 20_000).unwrap())
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

fn run(program: &str, port: u16, login: Option<(&str, &str)>) -> (Child, TempDir) {
    let storage = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    if let Some((user, password)) = login {
        command.args(["--user", user, "--pass", password]);
    }
    let server = command
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(storage.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (server, storage)
}

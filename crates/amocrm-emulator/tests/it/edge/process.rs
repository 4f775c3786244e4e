//! The program: its one line of JSON, its state file, its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{http, json_of};

struct Program {
    child: Child,
    line: Value,
}

impl Program {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_amocrm-emulator"))
            .args(["--listen", "127.0.0.1:0", "--json", "--rate-limit", "off"])
            .args(arguments)
            .env("RUST_LOG", "info")
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout"))
            .read_line(&mut line)
            .expect("a line");
        Self {
            child,
            line: serde_json::from_str(&line).expect("JSON"),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.line[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is missing: {}", self.line))
    }

    async fn leads(&self, token: &str) -> String {
        let answer = http()
            .get(format!("{}/api/v4/leads?limit=250", self.text("base_url")))
            .bearer_auth(token);
        let answer = answer.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        json_of(answer).await["_embedded"].to_string()
    }

    /// Ends the program as a service manager does and returns what it wrote to stderr.
    fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill");
        assert!(killed.success());
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .expect("stderr")
            .read_to_string(&mut log)
            .expect("a log");
        assert!(self.child.wait().expect("an end").success(), "{log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already ended, unless the test failed on the way.
        let _ = self.child.kill();
    }
}

#[tokio::test]
async fn what_a_client_did_survives_a_restart_and_no_secret_is_logged() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = [
        "--state",
        "state.json",
        "--tls-port",
        "0",
        "--redirect-uri",
        "http://127.0.0.1:1/callback",
    ];
    let first = Program::start(directory.path(), &arguments);
    assert!(Path::new(first.text("ca_file")).is_file());
    assert!(first.text("tls_base_url").starts_with("https://127.0.0.1:"));
    assert_eq!(first.text("redirect_uri"), "http://127.0.0.1:1/callback");
    let token = first.text("access_token").to_owned();
    let body =
        json!([{ "name": "kept", "_embedded": { "contacts": [{ "name": "Анна Петрова" }] } }]);
    let create = http().post(format!("{}/api/v4/leads/complex", first.text("base_url")));
    let created = create
        .header("content-type", "application/json")
        .bearer_auth(&token)
        .body(body.to_string());
    assert_eq!(
        created.send().await.expect("an answer").status(),
        StatusCode::OK
    );
    let (before, first_url) = (first.leads(&token).await, first.text("base_url").to_owned());
    let secrets = [
        "access_token",
        "refresh_token",
        "code",
        "client_secret",
        "long_lived_token",
    ]
    .map(|name| first.text(name).to_owned());
    let log = first.terminate();
    assert!(
        secrets.iter().all(|secret| !log.contains(secret.as_str())),
        "{log}"
    );
    let state = std::fs::read_to_string(directory.path().join("state.json")).expect("a state file");
    assert!(
        !state.contains(&secrets[0]) && !state.contains(&secrets[1]),
        "tokens are kept as digests"
    );

    let second = Program::start(directory.path(), &arguments);
    let after = second.leads(&token).await;
    assert_eq!(after.matches("\"kept\"").count(), 1);
    let unaddressed = |leads: &str, program: &str| leads.replace(program, "");
    assert_eq!(
        unaddressed(&before, &first_url),
        unaddressed(&after, second.text("base_url"))
    );
    second.terminate();
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = ["--state", "state.json", "--seed", "empty"];
    let mut program = Program::start(directory.path(), &arguments);
    let token = program.text("long_lived_token").to_owned();
    for number in 0..5 {
        let base = program.text("base_url").to_owned();
        let create = http().post(format!("{base}/api/v4/leads"));
        let body = json!([{ "name": format!("lead {number}") }]).to_string();
        let created = create.bearer_auth(&token).body(body).send().await;
        assert_eq!(created.expect("an answer").status(), StatusCode::OK);
        let code = http().post(format!("{base}/_emulator/codes")).send().await;
        let code = json_of(code.expect("an answer")).await;
        program.child.kill().expect("a kill");
        program.child.wait().expect("an end");

        program = Program::start(directory.path(), &arguments);
        assert_eq!(
            program.leads(&token).await.matches("\"lead ").count(),
            number + 1
        );
        let exchange = json!({
            "client_id": program.text("client_id"),
            "client_secret": program.text("client_secret"),
            "redirect_uri": program.text("redirect_uri"),
            "grant_type": "authorization_code",
            "code": code["code"],
        });
        let request = http().post(format!("{}/oauth2/access_token", program.text("base_url")));
        let pair = request.body(exchange.to_string()).send().await;
        assert_eq!(pair.expect("an answer").status(), StatusCode::OK);
    }
}

#[test]
fn a_broken_state_file_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("state.json");
    std::fs::write(&file, "{\"half\":").expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_amocrm-emulator"))
        .args(["--listen", "127.0.0.1:0", "--json", "--state"])
        .arg(&file)
        .output()
        .expect("a process");
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a state file"));
    assert_eq!(
        std::fs::read_to_string(&file).expect("a file"),
        "{\"half\":"
    );
}

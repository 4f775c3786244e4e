//! Log files: one a day, thirty of them, the newest under one name.

use std::fs;

use service_kit::config::{Environment, Loader, LogConfig};
use service_kit::telemetry;

#[test]
fn thirty_files_are_kept_and_the_newest_is_app_log() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for day in 1..=31 {
        for month in ["01", "03"] {
            fs::write(logs.join(format!("svc.2020-{month}-{day:02}.log")), "old").unwrap();
        }
    }
    fs::write(logs.join("notes.txt"), "somebody's").unwrap();
    let environment = Environment::from_pairs([
        ("LOG_DIR", logs.to_str().unwrap()),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "info"),
    ]);
    let settings = Loader::new(environment).load().unwrap();
    let mut problems = settings.problems();
    let config: LogConfig = settings.section(&mut problems);
    problems.into_result().unwrap();

    let guard = telemetry::init(&config, "svc").unwrap();
    tracing::info!(lead.id = 17, "lead accepted");
    for _ in 0..100 {
        tracing::warn!("the database cannot serve");
    }
    drop(guard);

    let names: Vec<_> = fs::read_dir(&logs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let files = names.iter().filter(|name| name.starts_with("svc.")).count();
    assert_eq!(files, 30, "{names:?}");
    assert!(names.iter().any(|name| name == "notes.txt"));
    let newest = fs::read_to_string(logs.join("app.log")).unwrap();
    let lines: Vec<serde_json::Value> = newest
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["lead.id"], &lines[0]["message"]),
        (&17.into(), &"lead accepted".into())
    );
    assert_eq!(lines.len(), 2, "one line per cause: {newest}");
}

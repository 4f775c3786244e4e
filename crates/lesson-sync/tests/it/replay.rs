//! Comparing with amoCRM again.

use lesson_sync::commands::{self, Replay};

use crate::harness::Academy;

async fn told(academy: &Academy, arguments: Replay) -> String {
    let mut out = Vec::new();
    commands::replay(&academy.app, &arguments, &mut out)
        .await
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_moves_what_has_fallen_behind_and_nothing_back() {
    let academy = Academy::open().await;
    let behind = academy.crm.applies("behind@example.com").await;
    let ahead = academy.crm.applies("ahead@example.com").await;
    academy.finishes("behind@example.com", 68).await;
    academy.finishes("ahead@example.com", 67).await;
    academy.log_has(2).await;
    academy.crm.move_to(behind, academy.crm.stages[0]).await;
    academy.crm.move_to(ahead, academy.crm.stages[3]).await;

    let counted = told(&academy, Replay::since("3d").dry_run()).await;
    assert!(counted.starts_with("2 lessons of 2 students"), "{counted}");
    assert_eq!(academy.log("").await.len(), 2, "it only counts");

    let done = told(&academy, Replay::since("3d")).await;
    assert!(done.starts_with("2 lessons of 2 students"), "{done}");
    academy.stage_becomes(behind, 2).await;
    let log = academy.log_has(4).await;
    let mut outcomes: Vec<_> = log[..2].iter().map(|row| row.1.as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["ahead", "moved"]);
    assert_eq!(academy.crm.stage_of(ahead).await, academy.crm.stages[3]);

    // Again: everything is where it was.
    academy.crm.emulator.clear_requests();
    told(&academy, Replay::since("3d")).await;
    academy.log_has(6).await;
    let requests = academy.crm.emulator.requests();
    assert!(requests.iter().all(|request| request.method == "GET"));

    let written = academy.app.store().audit().list(None, 10).await.unwrap();
    let commands: Vec<_> = written
        .iter()
        .map(|line| line.entry.route.as_str())
        .collect();
    assert_eq!(
        commands,
        ["replay", "replay"],
        "the count changes nothing and is not written down"
    );

    let wrong = commands::replay(&academy.app, &Replay::since("soon"), &mut Vec::new()).await;
    assert!(format!("{:#}", wrong.unwrap_err()).contains("--since"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_renews_the_tokens_by_hand_is_written_down() {
    let academy = Academy::open().await;
    // A long-lived token cannot be renewed; that somebody tried is known all the same.
    let renewed = commands::refresh_token(&academy.app, &mut Vec::new()).await;
    assert!(renewed.is_err());
    let written = academy.app.store().audit().list(None, 10).await.unwrap();
    assert_eq!(written[0].entry.route, "refresh-token");
}

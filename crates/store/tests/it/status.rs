//! A status that changes on both sides.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use store::{JobSpec, StatusChange, StatusChanged, StatusOrigin};

use crate::db::on_both;
use crate::leads::accept;

fn change(status: &str, stage: i64, at: DateTime<Utc>, origin: StatusOrigin) -> StatusChange {
    StatusChange {
        status: status.into(),
        amo_status_id: Some(stage),
        amo_pipeline_id: Some(1),
        changed_at: at,
        origin,
    }
}

fn name(outcome: &StatusChanged) -> &'static str {
    match outcome {
        StatusChanged::Applied(_) => "applied",
        StatusChanged::Unchanged(_) => "unchanged",
        StatusChanged::Stale(_) => "stale",
        StatusChanged::Echo(_) => "echo",
        StatusChanged::NotFound => "not found",
    }
}

on_both! {
    async fn the_newer_change_wins_and_echoes_are_not_changes(db: TestDb) {
        use StatusOrigin::{Api, Crm};
        let store = db.open().await;
        let leads = store.leads();
        let lead = accept(&store).await;
        let start = lead.created_at;
        let push = || JobSpec::new("lead.status", &lead.id).unwrap();
        db.hands.advance(Duration::from_secs(100));

        // (seconds after the start, status, stage, who, what becomes of it, the status then)
        let story = [
            (10, "contacted", 2, Crm, "applied", "contacted"),
            (10, "contacted", 2, Crm, "unchanged", "contacted"),
            (9, "new", 1, Crm, "stale", "contacted"),
            (11, "presentation", 3, Api, "applied", "presentation"),
            (12, "choice", 4, Api, "applied", "choice"),
            // amoCRM now repeats what it was told, late, and with its own times.
            (14, "presentation", 3, Crm, "echo", "choice"),
            (15, "choice", 4, Crm, "unchanged", "choice"),
            // The same again is no echo any more: a manager moved the deal back.
            (16, "presentation", 3, Crm, "applied", "presentation"),
            (5, "lost", 143, Api, "stale", "presentation"),
        ];
        for (second, status, stage, origin, expected, then) in story {
            let at = start + TimeDelta::seconds(second);
            let job = (origin == Api).then(push);
            let outcome = leads.set_status(lead.id, change(status, stage, at, origin), job).await.unwrap();
            assert_eq!(name(&outcome), expected, "{second} s: {status} by {origin}");
            let lead = leads.get(lead.id).await.unwrap().unwrap();
            assert_eq!(lead.local_status, then, "{second} s: {status} by {origin}");
        }
        // Only the two changes of ours that were applied go on to amoCRM.
        assert_eq!(store.jobs().stats("lead.status").await.unwrap().depth, 2);

        let history = leads.history(lead.id, 10).await.unwrap();
        let lines: Vec<_> = history.iter().map(|it| (it.from.as_str(), it.to.as_str(), it.origin)).collect();
        assert_eq!(lines, [
            ("new", "contacted", Crm),
            ("contacted", "presentation", Api),
            ("presentation", "choice", Api),
            ("choice", "presentation", Crm),
        ]);
        assert_eq!(leads.history(lead.id, 1).await.unwrap(), history[3..]);
        let missing = leads.set_status(lead.id + 1, change("new", 1, start, Crm), None).await.unwrap();
        assert_eq!(missing, StatusChanged::NotFound);
    }

    /// amoCRM cuts its times to seconds: a change within the second of ours may be newer.
    async fn a_report_from_the_same_second_is_believed(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = accept(&store).await;
        let at = lead.created_at + TimeDelta::milliseconds(10_700);
        db.hands.advance(Duration::from_secs(11));
        let ours = change("contacted", 2, at, StatusOrigin::Api);
        leads.set_status(lead.id, ours, None).await.unwrap();
        let second = lead.created_at + TimeDelta::seconds(10);
        let theirs = change("won", 142, second, StatusOrigin::Crm);
        let outcome = leads.set_status(lead.id, theirs, None).await.unwrap();
        let StatusChanged::Applied(lead) = outcome else { panic!("{outcome:?}") };
        // Time does not run backward in the row.
        assert_eq!((lead.local_status.as_str(), lead.status_changed_at), ("won", at));
    }
}

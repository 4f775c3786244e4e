//! The audit log: what is written stays as it is, for a year.

use std::time::Duration;

use store::{AUDIT_LIFE, GatewayRetention, NewAuditEntry};

use crate::db::on_both;

fn entry(number: u32) -> NewAuditEntry {
    NewAuditEntry {
        role: "operator".into(),
        method: "POST".into(),
        route: "/api/leads/{id}".into(),
        path: format!("/api/leads/{number}"),
        request_id: Some("abc-1".into()),
    }
}

on_both! {
    async fn lines_are_listed_by_key_newest_first(db: TestDb) {
        let audit = db.open().await.audit();
        for number in 1..=4 {
            audit.append(entry(number)).await.unwrap();
        }
        audit.append(NewAuditEntry::command("subscribers pause", "crm")).await.unwrap();
        let first = audit.list(None, 2).await.unwrap();
        assert_eq!(first[0].entry.role, "command line");
        assert_eq!(first[0].entry.path, "subscribers pause crm");
        assert_eq!(first[1].entry, entry(4));
        let rest = audit.list(Some(first[1].id), 9).await.unwrap();
        let rest: Vec<_> = rest.into_iter().map(|line| line.entry).collect();
        assert_eq!(rest, [entry(3), entry(2), entry(1)]);
    }

    async fn no_line_is_ever_rewritten(db: TestDb) {
        let store = db.open().await;
        store.audit().append(entry(1)).await.unwrap();
        let before = store.audit().list(None, 9).await.unwrap();
        let mut refused = vec!["UPDATE audit_log SET role = 'viewer'", "UPDATE audit_log SET at = 0 WHERE id = 1"];
        if !db.is_sqlite() {
            refused.push("TRUNCATE audit_log");
        }
        for text in refused {
            let error = db.try_execute(text).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{text}: {error}");
        }
        assert_eq!(store.audit().list(None, 9).await.unwrap(), before);
    }

    async fn a_line_is_kept_for_a_year_and_no_longer(db: TestDb) {
        let store = db.open().await;
        let audit = store.audit();
        for number in 0..250 {
            audit.append(entry(number)).await.unwrap();
        }
        db.hands.advance(Duration::from_hours(364 * 24));
        audit.append(entry(1_000)).await.unwrap();
        assert_eq!(audit.sweep().await.unwrap(), 0);
        db.hands.advance(Duration::from_hours(24));
        assert_eq!(audit.sweep().await.unwrap(), 200, "a batch");
        // Each service sweeps in its own way.
        assert_eq!(store.prune().await.unwrap(), 50);
        db.hands.advance(AUDIT_LIFE);
        let swept = store.gateway().sweep(&GatewayRetention::default()).await.unwrap();
        assert_eq!(swept.other, 1);
        assert!(audit.list(None, 9).await.unwrap().is_empty());
    }
}

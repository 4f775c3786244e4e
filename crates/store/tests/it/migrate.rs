//! Migrations with several processes and several releases about.

use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use store::StoreErrorKind;

use crate::db::TestDb;

async fn pretend_a_newer_release(db: &TestDb) {
    let text =
        "INSERT INTO schema_migrations (version, name, applied_at) VALUES (9999, '9999_future', 0)";
    if db.is_sqlite() {
        let mut conn = SqliteConnection::connect(&db.url).await.unwrap();
        sqlx::query(text).execute(&mut conn).await.unwrap();
    } else {
        let mut conn = PgConnection::connect(&db.url).await.unwrap();
        sqlx::query(text).execute(&mut conn).await.unwrap();
    }
}

/// The whole life of a schema, on a database without tables.
async fn live(db: TestDb) {
    let stores = join_all((0..6).map(|_| db.open())).await;
    let error = stores[0].meta().put("key", &1).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::SchemaMissing);
    let pending = stores[0].pending_migrations().await.unwrap();
    assert_eq!(pending.first(), Some(&"0001_foundation"));

    // All start at once: each migration is applied by one of them.
    let applied = join_all(stores.iter().map(store::Store::migrate)).await;
    let mut applied: Vec<_> = applied.into_iter().flat_map(Result::unwrap).collect();
    applied.sort_unstable();
    assert_eq!(applied, pending);
    stores[0].meta().put("key", &1).await.unwrap();
    assert!(stores[1].pending_migrations().await.unwrap().is_empty());

    pretend_a_newer_release(&db).await;
    let error = db.try_open(db.options()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::SchemaTooNew);
    assert!(error.to_string().contains("9999"), "{error}");
    assert_eq!(
        stores[0].migrate().await.unwrap_err().kind(),
        StoreErrorKind::SchemaTooNew
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_processes_migrate_once_and_a_newer_schema_is_refused_sqlite() {
    live(TestDb::sqlite_unmigrated()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_processes_migrate_once_and_a_newer_schema_is_refused_postgres() {
    if let Some(db) = TestDb::postgres_unmigrated().await {
        live(db.clone()).await;
        db.drop_schema().await;
    }
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_without_being_repeated() {
    use secrecy::SecretString;
    use store::{Options, Store};

    for url in [
        "mysql://root:hunter2@localhost/x",
        "postgres://user@localhost/x?pasword=hunter2",
        "sqlite::memory:",
        "sqlite://",
        "postgres://user:hunter2@[bad/x",
        "postgres://user:hunter2@127.0.0.1:1/x",
        "",
    ] {
        let error = Store::open(&SecretString::from(url), Options::new())
            .await
            .unwrap_err();
        let kind = if url.contains(":1/") {
            StoreErrorKind::Unavailable
        } else {
            StoreErrorKind::Invalid
        };
        assert_eq!(error.kind(), kind, "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

/// The tables of the first release with a lead on its way, as that release wrote them.
const FIRST_RELEASE: &str = "
    CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);
    INSERT INTO schema_migrations VALUES (1, '0001_foundation', 0);
    INSERT INTO leads (intake_id, account, name, phone, email, utm_source, payload, local_status, status_changed_at,
        delivery_state, amo_contact_id, amo_lead_id, attempts, attempt_started_at, created_at, updated_at, delivered_at)
    VALUES
        ('8c0f2b1e-5d0a-4d53-9b64-3a1f0f3f9d01', 'acme.amocrm.ru', 'Анна', '+79001234567', NULL, 'google', '{\"a\":1}',
         'contacted', 5, 'delivered', 50000001, 40000001, 1, 2, 1, 5, 4),
        ('8c0f2b1e-5d0a-4d53-9b64-3a1f0f3f9d02', 'acme.amocrm.ru', NULL, NULL, 'b@example.com', NULL, '{}',
         'new', 6, 'delivering', NULL, NULL, 3, 6, 6, 6, NULL);
    INSERT INTO lead_history (lead_id, from_status, to_status, origin, at)
    SELECT id, 'new', 'contacted', 'api', 5 FROM leads WHERE amo_lead_id IS NOT NULL;
    INSERT INTO lanes (lane, depth) VALUES ('lead/2', 1);
    INSERT INTO jobs (kind, lane, payload, waiting, due_at, fence, claims, attempts, worker, created_at)
    VALUES ('lead.deliver', 'lead/2', '2', 0, 7, 3, 1, 2, 'somebody/lead-intake', 6);
    INSERT INTO identities (account, kind, value, contact_id) VALUES ('acme.amocrm.ru', 'phone', '+79001234567', 50000001);
    INSERT INTO settings (key, value, updated_at) VALUES ('amocrm.account', '\"acme.amocrm.ru\"', 0);
";

async fn live_through_the_first_release(db: TestDb) {
    let tables = if db.is_sqlite() {
        include_str!("../../migrations/sqlite/0001_foundation.sql")
    } else {
        include_str!("../../migrations/postgres/0001_foundation.sql")
    };
    // The store makes the folder of the file.
    db.open().await.close().await;
    if db.is_sqlite() {
        let mut conn = SqliteConnection::connect(&db.url).await.unwrap();
        sqlx::raw_sql(tables).execute(&mut conn).await.unwrap();
        sqlx::raw_sql(FIRST_RELEASE)
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    } else {
        let mut conn = PgConnection::connect(&db.url).await.unwrap();
        sqlx::raw_sql(tables).execute(&mut conn).await.unwrap();
        sqlx::raw_sql(FIRST_RELEASE)
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    }

    let store = db.open().await;
    let pending = store.pending_migrations().await.unwrap();
    assert!(!pending.contains(&"0001_foundation") && !pending.is_empty());
    assert_eq!(store.migrate().await.unwrap(), pending);
    assert!(store.check_integrity().await.unwrap().is_empty());

    let leads = store.leads();
    let delivered = leads.get(1).await.unwrap().unwrap();
    assert_eq!(
        (
            delivered.name.as_deref(),
            delivered.phone.as_deref(),
            delivered.utm.source.as_deref()
        ),
        (Some("Анна"), Some("+79001234567"), Some("google"))
    );
    assert_eq!(
        (delivered.amo_lead_id, &*delivered.local_status),
        (Some(40_000_001), "contacted")
    );
    assert_eq!(delivered.payload["a"], 1);
    let waiting = leads.get(2).await.unwrap().unwrap();
    assert_eq!(waiting.attempt_started_at.unwrap().timestamp_micros(), 6);
    let account: Option<String> = store.meta().get("amocrm.account").await.unwrap();
    assert_eq!(account.as_deref(), Some("acme.amocrm.ru"));
    // The work goes on where the old release left it, and is known to have been in somebody's hands.
    let lease = std::time::Duration::from_mins(1);
    let jobs = store.jobs();
    let claimed = jobs
        .worker("w")
        .claim(&["lead.deliver"], 5, lease)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].fence(), claimed[0].attempts()), (4, 2));
    assert!(claimed[0].taken_over());
    assert!(jobs.complete(&claimed[0]).await.unwrap().is_recorded());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_of_the_first_release_stay_whole_sqlite() {
    live_through_the_first_release(TestDb::sqlite_unmigrated()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_of_the_first_release_stay_whole_postgres() {
    if let Some(db) = TestDb::postgres_unmigrated().await {
        live_through_the_first_release(db.clone()).await;
        db.drop_schema().await;
    }
}

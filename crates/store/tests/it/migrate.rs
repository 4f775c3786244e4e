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

    // All start at once: one migrates, the others find it done.
    let applied = join_all(stores.iter().map(store::Store::migrate)).await;
    let applied: Vec<_> = applied.into_iter().flat_map(Result::unwrap).collect();
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

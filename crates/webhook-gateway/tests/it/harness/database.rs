//! A database of a test's own, on either backend.

use secrecy::SecretString;
use store::throwaway::Schema;
use store::{Options, Store};
use tempfile::TempDir;

/// Reads a variable: where PostgreSQL is, and whether it may be missing.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by their runner, in this one place"
)]
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether a test fails where it would say "skipped".
pub(crate) fn is_all_required() -> bool {
    env("REQUIRE_ALL").as_deref() == Some("1")
}

/// Where a test keeps its data.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// Deleted with the test.
    _folder: TempDir,
    schema: Option<Schema>,
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}/var/gateway.db", folder.path().display()),
            _folder: folder,
            schema: None,
        }
    }

    #[expect(clippy::print_stdout, reason = "a test that did not run should say so")]
    /// A schema on the server of `TEST_POSTGRES_URL`; `None` without one, unless `REQUIRE_ALL=1` wants it.
    pub(crate) async fn postgres() -> Option<Self> {
        let Some(server) = env("TEST_POSTGRES_URL") else {
            assert!(
                env("REQUIRE_ALL").as_deref() != Some("1"),
                "REQUIRE_ALL=1, but TEST_POSTGRES_URL is not set"
            );
            println!("skipped: PostgreSQL");
            return None;
        };
        let schema = Schema::create(&server).await.unwrap();
        Some(Self {
            url: schema.url(),
            _folder: tempfile::tempdir().unwrap(),
            schema: Some(schema),
        })
    }

    /// The schema on the server; `None` on SQLite.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The database itself, migrated.
    pub(crate) async fn open(&self, options: Options) -> Store {
        let store = Store::open(&SecretString::from(self.url.as_str()), options)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }

    pub(crate) async fn drop_schema(&self) {
        if let Some(schema) = &self.schema {
            schema.drop().await.unwrap();
        }
    }
}

/// One of each kind that this machine has.
pub(crate) async fn databases() -> Vec<TestDatabase> {
    let postgres = TestDatabase::postgres().await;
    [Some(TestDatabase::sqlite()), postgres]
        .into_iter()
        .flatten()
        .collect()
}

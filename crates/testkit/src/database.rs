//! A database of a test's own, on either backend.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use store::throwaway::Schema;
use store::{Options, Store};
use tempfile::TempDir;

use crate::environment::neighbour;

/// The file of SQLite, in a folder that the service has to make.
const FILE: &str = "var/test.db";

/// Where a test keeps its data. Clones are the same place.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Its `DATABASE_URL`.
    pub url: String,
    /// For whatever else there is to keep. It is deleted with the last clone.
    pub folder: Arc<TempDir>,
    schema: Option<Schema>,
}

impl TestDatabase {
    /// A file.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}", folder.path().join(FILE).display()),
            folder: Arc::new(folder),
            schema: None,
        }
    }

    /// A schema on the server of `TEST_POSTGRES_URL`; `None` without one, unless `REQUIRE_ALL=1` wants it.
    pub async fn postgres() -> Option<Self> {
        let server = neighbour("TEST_POSTGRES_URL", "PostgreSQL")?;
        let schema = Schema::create(&server).await.unwrap();
        Some(Self {
            url: schema.url(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            schema: Some(schema),
        })
    }

    /// The schema on the server; `None` on SQLite.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The database itself, migrated.
    pub async fn open(&self, options: Options) -> Store {
        let store = Store::open(&SecretString::from(self.url.as_str()), options)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// The file of SQLite.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Puts a file beside it; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Leaves nothing on the server.
    pub async fn drop_schema(&self) {
        if let Some(schema) = &self.schema {
            schema.drop().await.unwrap();
        }
    }
}

/// One of each kind that this machine has.
pub async fn databases() -> Vec<TestDatabase> {
    let postgres = TestDatabase::postgres().await;
    [Some(TestDatabase::sqlite()), postgres]
        .into_iter()
        .flatten()
        .collect()
}

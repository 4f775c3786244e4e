//! The disk: a full one, imitated by the number of pages that the writer may use, and when it is waited for.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;

use super::{Operation, Tx};
use crate::error::Result;
use crate::{JobSpec, Options, Store, StoreErrorKind};

/// The database `s.db` of the folder.
async fn open(folder: &Path) -> Store {
    let url = format!("sqlite://{}/s.db", folder.display());
    Store::open(&SecretString::from(url), Options::new())
        .await
        .unwrap()
}

/// 1 MiB.
const SMALL_DISK: Disk = Disk("PRAGMA max_page_count = 256");
const LARGE_DISK: Disk = Disk("PRAGMA max_page_count = 1000000");

struct Disk(&'static str);

impl Operation for Disk {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        tx.query(self.0).execute().await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writing_only_and_heals_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.migrate().await.unwrap();
    store.inner.db.write(SMALL_DISK).await.unwrap();

    let jobs = store.jobs();
    let big = "x".repeat(20_000);
    let add = || jobs.enqueue(JobSpec::new("work", &big).unwrap());
    let mut stored = 0;
    let held = async {
        stored += join_all((0..8).map(|_| add())).await.len() as u64;
        let worker = jobs.worker("w");
        worker.claim(&["work"], 8, Duration::from_mins(1)).await
    };
    let held = held.await.unwrap();

    // In groups, so that one is torn down in the middle and its members are tried alone.
    let error = loop {
        let group = join_all((0..8).map(|_| add())).await;
        stored += group.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        if let Some(error) = group.into_iter().find_map(Result::err) {
            break error;
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert!(error.is_temporary());

    // Reads go on, and what was acknowledged is there.
    store.ping().await.unwrap();
    assert_eq!(jobs.stats("work").await.unwrap().depth, stored);

    // Work that is finished makes room.
    for job in &held {
        assert!(jobs.complete(job).await.unwrap().is_recorded());
    }
    add().await.unwrap();
    while add().await.is_ok() {}

    // Somebody frees space.
    store.inner.db.write(LARGE_DISK).await.unwrap();
    add().await.unwrap();
    assert!(store.check_integrity().await.unwrap().is_empty());
}

struct ReadPragmas;

impl Operation for ReadPragmas {
    type Output = (i64, String, i64);

    async fn run(&self, tx: &mut Tx) -> Result<Self::Output> {
        Ok((
            tx.query("PRAGMA synchronous")
                .fetch_one()
                .await?
                .int("synchronous")?,
            tx.query("PRAGMA journal_mode")
                .fetch_one()
                .await?
                .text("journal_mode")?,
            tx.query("PRAGMA foreign_keys")
                .fetch_one()
                .await?
                .int("foreign_keys")?,
        ))
    }
}

/// `FULL` is 2: the log is synced before every acknowledgement. Permits need no more than `NORMAL`, which is 1.
#[tokio::test]
async fn only_permits_do_not_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let db = &store.inner.db;
    assert_eq!(db.write(ReadPragmas).await.unwrap(), (2, "wal".into(), 1));
    assert_eq!(
        db.write_quota(ReadPragmas).await.unwrap(),
        (1, "wal".into(), 1)
    );
}

/// Less than what would make the writer do it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_reaches_the_file_beside_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = open(folder.path()).await;
    store.migrate().await.unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    let big = "x".repeat(1_000_000);
    let job = JobSpec::new("work", &big).unwrap();
    store.jobs().enqueue(job).await.unwrap();
    let copied = async {
        while size() < before + 1_000_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), copied)
        .await
        .unwrap();
    store.close().await;
}

/// The log's header counts its beginnings: bytes 12 to 15, https://www.sqlite.org/fileformat2.html#walformat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_begins_anew_while_writes_never_pause() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.migrate().await.unwrap();
    let path = folder.path().join("s.db-wal");
    let begun = || std::fs::read(&path).unwrap()[12..16].to_vec();
    let first = begun();
    let writing = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let job = JobSpec::new("work", &"x".repeat(50_000)).unwrap();
            while store.jobs().enqueue(job.clone()).await.is_ok() {}
        })
    });
    let writing: Vec<_> = writing.collect();
    let anew = async {
        while begun() == first {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), anew)
        .await
        .unwrap();
    // By itself SQLite would have begun anew at 256 MiB.
    assert!(std::fs::metadata(&path).unwrap().len() < 200 << 20);
    for task in writing {
        task.abort();
    }
    store.close().await;
}

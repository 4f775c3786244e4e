//! What happens to a store: `kill -9`, a locked file, a server that goes away.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use secrecy::SecretString;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use store::{DeadLetterFilter, JobSpec, Options, Store, StoreErrorKind};

use crate::db::{TestDb, env, on_both};

const CHILD_URL: &str = "STORE_TEST_CHILD_URL";

/// Not a test: the process that the next tests kill. It says what was acknowledged, and claims some of it.
#[test]
#[ignore = "run by the tests that kill it"]
fn child() {
    let Some(url) = env(CHILD_URL) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = SecretString::from(url);
        let store = Store::open(&url, Options::new()).await.unwrap();
        let jobs = store.jobs();
        let worker = jobs.worker("victim");
        let lease = Duration::from_secs(3);
        join_all((0..16).map(|_| async {
            loop {
                let id = jobs
                    .enqueue(JobSpec::new("work", &0).unwrap())
                    .await
                    .unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {id}").unwrap();
                drop(out);
                if id % 20 == 0 {
                    worker.claim(&["work"], 1, lease).await.unwrap();
                }
            }
        }))
        .await;
    });
}

/// Starts the child, lets it acknowledge `count` jobs, kills it and returns what it said.
fn kill_after(url: &str, count: usize) -> BTreeSet<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::child", "--ignored", "--nocapture"])
        .env(CHILD_URL, url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BTreeSet::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        if let Some(id) = line.unwrap().strip_prefix("acknowledged ") {
            said.insert(id.parse().unwrap());
        }
        if said.len() == count {
            // SIGKILL: no destructor runs, nothing is flushed.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    // The last line may be cut in the middle; such a one was read as far as its newline or not at all.
    said
}

on_both! {
    async fn a_killed_process_loses_nothing_that_it_acknowledged(db: TestDb) {
        let mut acknowledged = BTreeSet::new();
        for round in 1..=3 {
            let url = db.url.clone();
            let said = tokio::task::spawn_blocking(move || kill_after(&url, 150 * round)).await.unwrap();
            assert!(said.len() >= 150 * round);
            acknowledged.extend(said);
        }

        let store = db.open_in_real_time().await;
        assert!(store.check_integrity().await.unwrap().is_empty());
        let jobs = store.jobs();
        let depth = jobs.stats("work").await.unwrap().depth;
        if db.is_sqlite() {
            // The kernel knows that they are dead, so their jobs need not wait for the end of their leases.
            assert!(jobs.reclaim_from_the_dead(Duration::ZERO).await.unwrap() > 0);
            assert_eq!(jobs.reclaim_from_the_dead(Duration::ZERO).await.unwrap(), 0);
        }
        let worker = jobs.worker("survivor");
        let mut found = BTreeSet::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while (found.len() as u64) < depth && Instant::now() < deadline {
            jobs.wait_for_work(&["work"], Duration::from_secs(5)).await.unwrap();
            for job in worker.claim(&["work"], 500, Duration::from_mins(1)).await.unwrap() {
                assert!(found.insert(job.id()), "claimed twice");
            }
        }
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "lost {lost:?}");
        // The counters went through the same commits.
        assert_eq!(found.len() as u64, depth);
        assert!(jobs.dead_letters(DeadLetterFilter::kind("work")).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_living_are_not_robbed() {
    let db = TestDb::sqlite().await;
    let (here, there) = (db.open().await, db.open().await);
    here.jobs()
        .enqueue(JobSpec::new("work", &0).unwrap())
        .await
        .unwrap();
    let lease = Duration::from_mins(1);
    let job = here
        .jobs()
        .worker("w")
        .claim(&["work"], 1, lease)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        there
            .jobs()
            .reclaim_from_the_dead(Duration::ZERO)
            .await
            .unwrap(),
        0
    );
    assert!(here.jobs().complete(&job).await.unwrap().is_recorded());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_reported_in_time_and_heals_by_itself() {
    let db = TestDb::sqlite().await;
    let store = db.open().await;
    let mut other = SqliteConnection::connect(&db.url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();

    // They are told while the lock is held: nobody waits for its end.
    let began = Instant::now();
    let jobs = store.jobs();
    let outcomes = join_all((0..20).map(|_| jobs.enqueue(JobSpec::new("work", &0).unwrap()))).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    assert_eq!(store.jobs().stats("work").await.unwrap().depth, 0);

    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    jobs.enqueue(JobSpec::new("work", &0).unwrap())
        .await
        .unwrap();
}

/// Somebody else claims the job while it is given up: only one of both may have been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_claimed_while_it_is_buried_leaves_no_letter() {
    let Some(db) = TestDb::postgres().await else {
        return;
    };
    let store = db.open_in_real_time().await;
    let jobs = store.jobs();
    jobs.enqueue(JobSpec::new("work", &0).unwrap())
        .await
        .unwrap();
    let worker = jobs.worker("w");
    let minute = Duration::from_mins(1);
    let job = worker.claim(&["work"], 1, minute).await.unwrap().remove(0);
    let mut other = PgConnection::connect(&db.url).await.unwrap();
    sqlx::raw_sql("BEGIN; UPDATE jobs SET fence = fence + 1")
        .execute(&mut other)
        .await
        .unwrap();
    let bury = tokio::spawn({
        let (jobs, job) = (jobs.clone(), job.clone());
        async move { jobs.bury(&job, "hopeless", None).await }
    });
    let mut admin = PgConnection::connect(&db.url).await.unwrap();
    let is_waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE pg_backend_pid() <> pid AND cardinality(pg_blocking_pids(pid)) > 0
            AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'jobs'::regclass)";
    loop {
        let waiting: i64 = sqlx::query_scalar(is_waiting)
            .fetch_one(&mut admin)
            .await
            .unwrap();
        if waiting > 0 {
            break;
        }
        assert!(!bury.is_finished(), "it did not wait for the other one");
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert!(!bury.await.unwrap().unwrap().is_recorded());
    let stats = jobs.stats("work").await.unwrap();
    assert_eq!((stats.depth, stats.dead), (1, 0));
    db.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_by_the_server_lose_nothing() {
    let Some(db) = TestDb::postgres().await else {
        return;
    };
    let store = db.open_in_real_time().await;
    let jobs = store.jobs();
    let mut admin = PgConnection::connect(&env("TEST_POSTGRES_URL").unwrap())
        .await
        .unwrap();
    let cuts = AtomicUsize::new(0);
    let until = Instant::now() + Duration::from_secs(2);
    let late = until + Duration::from_mins(1);
    let is_on = || {
        let now = Instant::now();
        now < until || (now < late && cuts.load(Ordering::Relaxed) == 0)
    };
    let load = join_all((0..8).map(|_| async {
        let mut acknowledged = Vec::new();
        while is_on() {
            match jobs
                .enqueue(JobSpec::new("work", &0).unwrap().lane("one"))
                .await
            {
                Ok(id) => acknowledged.push(id),
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}"),
            }
        }
        acknowledged
    }));
    let cut = async {
        while is_on() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Only those of this test's schema: the others run beside it.
            let cut = sqlx::query(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
                 WHERE l.relation = to_regclass($1) AND a.pid <> pg_backend_pid() LIMIT 1",
            )
            .bind(format!("{}.jobs", db.url.rsplit('=').next().unwrap()))
            .fetch_all(&mut admin)
            .await
            .unwrap()
            .len();
            cuts.fetch_add(cut, Ordering::Relaxed);
        }
    };
    let (acknowledged, ()) = tokio::join!(load, cut);
    let cut = cuts.into_inner();
    let acknowledged: BTreeSet<i64> = acknowledged.into_iter().flatten().collect();
    println!("{} acknowledged, {cut} connections cut", acknowledged.len());
    assert!(cut > 0);

    // Everything acknowledged is there, in the order of the lane.
    let worker = jobs.worker("w");
    let mut order = Vec::new();
    while let Some(job) = worker
        .claim(&["work"], 1, Duration::from_mins(1))
        .await
        .unwrap()
        .pop()
    {
        order.push(job.id());
        assert!(jobs.complete(&job).await.unwrap().is_recorded());
    }
    assert!(order.is_sorted());
    let found: BTreeSet<i64> = order.into_iter().collect();
    assert!(acknowledged.is_subset(&found));
    assert_eq!(jobs.stats("work").await.unwrap().depth, 0);
    db.drop_schema().await;
}

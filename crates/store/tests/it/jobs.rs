//! The durable queue: leases, fences, lanes, dead letters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use store::{Ack, DeadLetterFilter, JobSpec, JobsOptions, RetryAfter, Store};

use crate::db::on_both;

const LEASE: Duration = Duration::from_mins(1);

fn job(number: u32) -> JobSpec {
    JobSpec::new("work", &number).unwrap()
}

fn soon(error: &str) -> RetryAfter {
    RetryAfter::new(Duration::ZERO, error)
}

on_both! {
    async fn a_late_outcome_is_refused(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let jobs = stores[0].jobs();
        let id = jobs.enqueue(job(1)).await.unwrap();
        let [late] = &jobs.worker("a").claim(&["work"], 10, LEASE).await.unwrap()[..] else { panic!() };
        assert_eq!((late.id(), late.payload::<u32>().unwrap(), late.attempts()), (id, 1, 0));
        assert!(stores[1].jobs().worker("b").claim(&["work"], 10, LEASE).await.unwrap().is_empty());

        // Extended, it lasts; then it ends and somebody else has the job.
        db.hands.advance(LEASE / 2);
        assert_eq!(jobs.extend(late, LEASE).await.unwrap(), Ack::Recorded);
        db.hands.advance(Duration::from_secs(59));
        assert!(stores[1].jobs().worker("b").claim(&["work"], 10, LEASE).await.unwrap().is_empty());
        db.hands.advance(Duration::from_secs(1));
        let [new] = &stores[1].jobs().worker("b").claim(&["work"], 10, LEASE).await.unwrap()[..] else { panic!() };
        assert!(new.fence() > late.fence());
        // Whoever takes it over knows that somebody may still be at it.
        assert_eq!((late.taken_over(), new.taken_over()), (false, true));

        assert_eq!(jobs.complete(late).await.unwrap(), Ack::Stale);
        assert_eq!(jobs.retry(late, soon("x")).await.unwrap(), Ack::Stale);
        assert_eq!(jobs.bury(late, "x", None).await.unwrap(), Ack::Stale);
        assert_eq!(jobs.extend(late, LEASE).await.unwrap(), Ack::Stale);
        assert_eq!(jobs.complete(new).await.unwrap(), Ack::Recorded);
        assert_eq!(jobs.complete(new).await.unwrap(), Ack::Stale);
        assert_eq!(jobs.stats("work").await.unwrap().depth, 0);
    }

    async fn a_text_that_one_database_cannot_hold_is_the_same_in_both(db: TestDb) {
        let store = db.open().await;
        let jobs = store.jobs();
        let id = jobs.enqueue(job(1)).await.unwrap();
        let [claimed] = &jobs.worker("a").claim(&["work"], 1, LEASE).await.unwrap()[..] else { panic!() };
        assert_eq!(jobs.bury(claimed, "no\0where", None).await.unwrap(), Ack::Recorded);
        assert_eq!(jobs.dead_letter(id).await.unwrap().unwrap().reason, "no\u{fffd}where");
    }

    async fn a_job_that_kills_its_workers_is_buried(db: TestDb) {
        let store = db.open_with(db.options().jobs(JobsOptions::default().max_claims(3))).await;
        let jobs = store.jobs();
        let id = jobs.enqueue(job(1).lane("entity")).await.unwrap();
        jobs.enqueue(job(2).lane("entity")).await.unwrap();
        let worker = jobs.worker("w");
        for claims in 1..=3 {
            let claimed = worker.claim(&["work"], 10, LEASE).await.unwrap();
            assert_eq!((claimed.len(), claimed[0].claims()), (1, claims));
            db.hands.advance(LEASE);
        }
        // The fourth claim finds it dead; its lane goes on.
        assert!(worker.claim(&["work"], 10, LEASE).await.unwrap().is_empty());
        let next = worker.claim(&["work"], 10, LEASE).await.unwrap();
        assert_eq!(next[0].payload::<u32>().unwrap(), 2);

        let letters = jobs.dead_letters(DeadLetterFilter::kind("work")).await.unwrap();
        assert_eq!((letters.len(), letters[0].id), (1, id));
        assert!(letters[0].reason.starts_with("claimed 3 times without an outcome"), "{}", letters[0].reason);
        assert_eq!(jobs.dead_letter(id).await.unwrap().unwrap().reason, letters[0].reason);
        let since = |at| jobs.dead_letters(DeadLetterFilter::new().since(at));
        assert_eq!(since(letters[0].died_at).await.unwrap().len(), 1);
        assert!(since(letters[0].died_at + LEASE).await.unwrap().is_empty());
        let stats = jobs.stats("work").await.unwrap();
        assert_eq!((stats.depth, stats.dead), (1, 1));
    }

    async fn a_replayed_letter_keeps_its_number_and_refuses_its_past(db: TestDb) {
        let jobs = db.open().await.jobs();
        let worker = jobs.worker("w");
        let id = jobs.enqueue(job(1)).await.unwrap();
        let first = worker.claim(&["work"], 1, LEASE).await.unwrap().remove(0);
        assert_eq!(jobs.bury(&first, "hopeless", Some("status 422")).await.unwrap(), Ack::Recorded);
        let letters = jobs.dead_letters(DeadLetterFilter::kind("work").after(id - 1).limit(5)).await.unwrap();
        assert_eq!(letters[0].last_error.as_deref(), Some("status 422"));

        assert!(jobs.replay(id).await.unwrap());
        assert!(!jobs.replay(id).await.unwrap());
        assert_eq!(jobs.complete(&first).await.unwrap(), Ack::Stale);
        let again = worker.claim(&["work"], 1, LEASE).await.unwrap().remove(0);
        assert_eq!((again.id(), again.attempts()), (id, 0));
        assert!(again.fence() > first.fence());
        assert_eq!(jobs.complete(&first).await.unwrap(), Ack::Stale);

        let _ = jobs.bury(&again, "hopeless", None).await.unwrap();
        assert!(jobs.discard(id).await.unwrap());
        assert!(!jobs.discard(id).await.unwrap());
        let stats = jobs.stats("work").await.unwrap();
        assert_eq!((stats.depth, stats.dead), (0, 0));
    }

    async fn what_is_given_back_on_shutdown_is_due_at_once_and_does_not_count(db: TestDb) {
        let jobs = db.open().await.jobs();
        for number in 0..3 {
            jobs.enqueue(job(number)).await.unwrap();
        }
        let leaving = jobs.worker("leaving");
        let held = leaving.claim(&["work"], 2, LEASE).await.unwrap();
        assert_eq!(leaving.release_all().await.unwrap(), 2);
        assert_eq!(jobs.complete(&held[0]).await.unwrap(), Ack::Stale);
        let claimed = jobs.worker("staying").claim(&["work"], 10, LEASE).await.unwrap();
        assert_eq!(claimed.len(), 3);
        assert!(claimed.iter().all(|job| job.claims() == 1));
    }

    async fn a_retry_waits_for_its_time_and_counts_unless_told_otherwise(db: TestDb) {
        let jobs = db.open().await.jobs();
        let worker = jobs.worker("w");
        jobs.enqueue(job(1).delay(Duration::from_secs(5))).await.unwrap();
        assert!(worker.claim(&["work"], 1, LEASE).await.unwrap().is_empty());
        db.hands.advance(Duration::from_secs(5));
        let mut claimed = worker.claim(&["work"], 1, LEASE).await.unwrap();

        let delay = Duration::from_secs(30);
        let throttled = RetryAfter::new(delay, "429").uncounted();
        assert_eq!(jobs.retry(&claimed[0], throttled).await.unwrap(), Ack::Recorded);
        assert_eq!(jobs.stats("work").await.unwrap().oldest_age, Duration::from_secs(5));
        for (advance, attempts) in [(delay, 0), (delay, 1)] {
            assert!(worker.claim(&["work"], 1, LEASE).await.unwrap().is_empty());
            db.hands.advance(advance);
            claimed = worker.claim(&["work"], 1, LEASE).await.unwrap();
            assert_eq!((claimed[0].attempts(), claimed[0].claims()), (attempts, 1));
            assert!(jobs.retry(&claimed[0], RetryAfter::new(delay, "503")).await.unwrap().is_recorded());
        }
    }

    async fn sleepers_wake_when_there_is_work(db: TestDb) {
        let patient = JobsOptions::default().poll_interval(Duration::from_secs(20));
        let here = db.open_with(store::Options::new().jobs(patient)).await;
        let there = db.open_in_real_time().await;
        let long = Duration::from_secs(20);
        let began = Instant::now();
        assert!(!here.jobs().wait_for_work(&["work"], Duration::from_millis(30)).await.unwrap());

        // Own work rings the bell; work of others is found by looking; scheduled work is met in time.
        let (mine, theirs) = (here.jobs(), there.jobs());
        let (woken, _) = tokio::join!(mine.wait_for_work(&["work"], long), mine.enqueue(job(1)));
        assert!(woken.unwrap());
        let (woken, _) = tokio::join!(theirs.wait_for_work(&["other"], long), async {
            here.jobs().enqueue(JobSpec::new("other", &1).unwrap()).await
        });
        assert!(woken.unwrap());
        let later = JobSpec::new("later", &1).unwrap().delay(Duration::from_millis(300));
        mine.enqueue(later).await.unwrap();
        assert!(mine.wait_for_work(&["later"], long).await.unwrap());
        assert_eq!(mine.worker("w").claim(&["later"], 1, LEASE).await.unwrap().len(), 1);
        assert!(began.elapsed() < long / 2, "{:?}", began.elapsed());
    }

    /// Eight workers of two processes on forty lanes, with failures, poison and workers that vanish: within a lane
    /// each job ends before the next begins, in the order in which they were added.
    async fn a_lane_is_strictly_ordered(db: TestDb) {
        const LANES: u32 = 40;
        const JOBS: u32 = 12;
        let stores = [db.open_in_real_time().await, db.open_in_real_time().await];
        join_all((0..LANES).map(|lane| {
            let jobs = stores[lane as usize % 2].jobs();
            async move {
                for number in 0..JOBS {
                    jobs.enqueue(job(number).lane(format!("entity {lane}"))).await.unwrap();
                }
            }
        }))
        .await;
        assert_eq!(stores[0].jobs().stats("work").await.unwrap().depth, u64::from(LANES * JOBS));

        let log: Arc<Mutex<BTreeMap<String, Vec<Event>>>> = Arc::default();
        join_all((0..8).map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(work(store, number, Arc::clone(&log)))
        }))
        .await
        .into_iter()
        .for_each(Result::unwrap);

        let log = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(log.len(), LANES as usize);
        for (lane, events) in &log {
            let mut next = 0;
            let mut running = None;
            for event in events {
                match *event {
                    Event::Begin(number) => {
                        assert_eq!(running, None, "{lane}: two at once: {events:?}");
                        assert_eq!(number, next, "{lane}: out of order: {events:?}");
                        running = Some(number);
                    }
                    Event::End(number, finished) => {
                        assert_eq!(running, Some(number), "{lane}: {events:?}");
                        running = None;
                        next += u32::from(finished);
                    }
                }
            }
            assert_eq!(next, JOBS, "{lane}");
        }
        let stats = stores[1].jobs().stats("work").await.unwrap();
        assert_eq!(stats.depth, 0);
        let buried = stores[0].jobs().dead_letters(DeadLetterFilter::kind("work").limit(1000)).await.unwrap();
        assert_eq!(stats.dead, buried.len() as u64);
        assert!(stats.dead > 0);
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Begin(u32),
    /// Whether it was the end of the job, not of an attempt.
    End(u32, bool),
}

/// As workers do: another process may write for longer than anybody waits, on a disk that is busy. Then nothing was done.
async fn patiently<T, F: Future<Output = store::Result<T>>>(act: impl Fn() -> F) -> T {
    loop {
        match act().await {
            Ok(done) => return done,
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
    }
}

async fn work(store: Store, number: usize, log: Arc<Mutex<BTreeMap<String, Vec<Event>>>>) {
    let jobs = store.jobs();
    let worker = jobs.worker(&format!("worker {number}"));
    let note = |lane: &str, event| {
        log.lock()
            .unwrap()
            .entry(lane.to_owned())
            .or_default()
            .push(event);
    };
    loop {
        let claimed = patiently(|| worker.claim(&["work"], 4, LEASE)).await;
        if claimed.is_empty() {
            if jobs.stats("work").await.unwrap().depth == 0 {
                return;
            }
            let nap = Duration::from_millis(100);
            jobs.wait_for_work(&["work"], nap).await.unwrap();
        }
        for job in claimed {
            let lane = job.lane().unwrap().to_owned();
            let payload = job.payload().unwrap();
            note(&lane, Event::Begin(payload));
            tokio::task::yield_now().await;
            // Noted before it is recorded: whoever gets the next job notes it after that.
            let ack = match (payload + u32::try_from(job.id()).unwrap() + job.attempts()) % 7 {
                0 => {
                    note(&lane, Event::End(payload, true));
                    patiently(|| jobs.bury(&job, "refused", None)).await
                }
                1 | 2 => {
                    note(&lane, Event::End(payload, false));
                    patiently(|| jobs.retry(&job, soon("failed"))).await
                }
                3 if number == 3 => {
                    // Leaves with everything it holds, as on a shutdown.
                    note(&lane, Event::End(payload, false));
                    patiently(|| worker.release_all()).await;
                    break;
                }
                _ => {
                    note(&lane, Event::End(payload, true));
                    patiently(|| jobs.complete(&job)).await
                }
            };
            assert_eq!(ack, Ack::Recorded);
        }
    }
}

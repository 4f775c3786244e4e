//! All students finish a lesson at once: how many requests it takes to move their deals, how long, and in what memory.

use std::time::{Duration, Instant};

use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::fields::EMAIL;
use amocrm_sdk::leads::ComplexLead;
use amocrm_sdk::quota::DEFAULT_INTEGRATION_RPS;
use amocrm_sdk::{Client, Operation, PipelineId, Request, StatusId};
use anyhow::{Context as _, ensure};
use chrono::DateTime;
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{LESSON_SYNC, Options, Store};

use super::Databases;
use super::service::{PIPELINE, STAGES, email, lesson, lesson_sync};
use crate::beside;
use crate::emulator::Emulator;
use crate::load::{Pace, Posted, Storm};
use crate::report::{Goal, Report};

/// Students, and those of a quick run.
const STUDENTS: u32 = 10_000;
const FEW_STUDENTS: u32 = 60;
/// Students who are moved one after the other.
const ALONE: u32 = 20;
const FEW_ALONE: u32 = 3;
/// Requests to amoCRM for a moved deal.
const GOAL: f64 = 0.1;
/// How long after the last lesson everything has to be moved.
const PATIENCE: Duration = Duration::from_mins(15);
/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Deals that amoCRM moves with a request, or tells of with one.
const MOVES: u32 = 250;
const READS: u32 = 100;
/// Leads of one request with their contacts.
const COMPLEX: u32 = 50;

const PIPELINES: Operation = Operation::once("bench.pipelines");

/// What a student's number makes a request.
type Tell = fn(u32) -> Posted;

pub(super) async fn run(
    report: &mut Report,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<()> {
    let name = databases.name;
    let (students, [first, second]): (u32, [Tell; 2]) = if quick {
        (
            FEW_STUDENTS,
            [lesson::<FEW_STUDENTS, 1>, lesson::<FEW_STUDENTS, 2>],
        )
    } else {
        (STUDENTS, [lesson::<STUDENTS, 1>, lesson::<STUDENTS, 2>])
    };
    let account = Account::open(students).await?;
    let service = account.served_by(&databases.storm, &[]).await?;
    for (figure, request, words) in [
        (
            "first",
            first,
            "finish their first lesson at once, their deals are not known",
        ),
        (
            "second",
            second,
            "finish their second, their deals are known",
        ),
    ] {
        report.heading(&format!("{name}: {students} students {words}"));
        let moved = service.storm(request, students, 16).await?;
        let tell = |report: &mut Report, what: &str, value, words, goal| {
            report.figure(&format!("{name}_{figure}_{what}"), value, words, goal);
        };
        tell(
            report,
            "requests_per_deal",
            moved.requests / f64::from(students),
            "requests to amoCRM for a moved deal",
            Goal::Below(GOAL),
        );
        tell(
            report,
            "drain_s",
            moved.took.as_secs_f64(),
            "from the first lesson to the last deal, s",
            Goal::None,
        );
        tell(
            report,
            "limit_s",
            limit(students, figure == "first"),
            "at least, with only full requests, 7 a second, s",
            Goal::None,
        );
        tell(
            report,
            "peak_rps",
            f64::from(moved.peak),
            "most requests of one second",
            Goal::AtMost(f64::from(DEFAULT_INTEGRATION_RPS)),
        );
    }
    match service.service.memory("VmHWM") {
        Some(kib) => report.figure(
            &format!("{name}_storm_kib"),
            kib,
            "memory at most, KiB",
            Goal::None,
        ),
        None => report.skipped(&format!("{name}_storm_kib"), "only Linux tells it"),
    }
    drop(service);
    drop(account);
    one_by_one(report, databases, quick).await
}

/// What everybody writes first: one student after the other.
async fn one_by_one(report: &mut Report, databases: &Databases, quick: bool) -> anyhow::Result<()> {
    let name = databases.name;
    let (students, request): (u32, fn(u32) -> Posted) = if quick {
        (FEW_ALONE, lesson::<FEW_ALONE, 1>)
    } else {
        (ALONE, lesson::<ALONE, 1>)
    };
    let account = Account::open(students).await?;
    let one = [("LESSON_WORKERS", "1")];
    let service = account.served_by(&databases.alone, &one).await?;
    report.heading(&format!("{name}: {students} students, one after the other"));
    let moved = service.storm(request, students, 1).await?;
    report.figure(
        &format!("{name}_alone_requests_per_deal"),
        moved.requests / f64::from(students),
        "requests to amoCRM for a moved deal",
        Goal::None,
    );
    Ok(())
}

/// Seconds that amoCRM needs if no request has room left: for the moves, the reading of the deals, and where they are not
/// known of the contacts, once from the list and once by their numbers.
fn limit(students: u32, is_first: bool) -> f64 {
    let known = students.div_ceil(MOVES) + students.div_ceil(READS);
    let unknown = if is_first { known } else { 0 };
    f64::from(known + unknown) / f64::from(DEFAULT_INTEGRATION_RPS)
}

/// An account in which students have applied.
struct Account {
    emulator: Emulator,
}

/// lesson-sync beside it.
struct Served<'a> {
    emulator: &'a Emulator,
    service: crate::service::Service,
    store: Store,
}

/// What a storm came to.
struct Moved {
    requests: f64,
    took: Duration,
    peak: u32,
}

impl Account {
    async fn open(students: u32) -> anyhow::Result<Self> {
        let emulator = Emulator::start(&beside("amocrm-emulator")?)?;
        emulator.allow(None).await?;
        let crm = emulator.unlimited();
        let (pipeline, stage) = pipeline(&crm).await?;
        let mut applied = 0;
        while applied < students {
            let some = applied..students.min(applied + COMPLEX);
            applied = some.end;
            let leads = some.map(|student| {
                let contact = NewContact::new().field(&EMAIL, email(student).as_str());
                ComplexLead::new()
                    .name("Заявка")
                    .stage(pipeline, stage)
                    .new_contact(contact)
            });
            crm.leads().create_complex(leads).await?;
        }
        emulator.allow(Some(DEFAULT_INTEGRATION_RPS)).await?;
        Ok(Self { emulator })
    }

    async fn served_by(
        &self,
        database: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Served<'_>> {
        let emulator = &self.emulator;
        let service = lesson_sync(database, &emulator.base_url, &emulator.token, settings)?;
        let store = Store::open(&SecretString::from(database), Options::new()).await?;
        Ok(Served {
            emulator,
            service,
            store,
        })
    }
}

/// The academy's pipeline and its first stage.
async fn pipeline(crm: &Client) -> anyhow::Result<(PipelineId, StatusId)> {
    let statuses: Vec<_> = (1..)
        .zip(STAGES)
        .map(|(place, name)| json!({"name": name, "sort": place * 10, "color": "#fffeb2"}))
        .collect();
    let new = json!([{
        "name": PIPELINE, "is_main": false, "is_unsorted_on": false, "sort": 500,
        "_embedded": {"statuses": statuses}
    }]);
    let request = Request::post(PIPELINES, "/api/v4/leads/pipelines").json(&new)?;
    let _: Option<Value> = crm.fetch(request).await?;
    let pipelines = crm.pipelines().list().all().await?;
    let ours = pipelines.iter().find(|pipeline| pipeline.name == PIPELINE);
    let ours = ours.context("the pipeline was not made")?;
    let mut statuses = ours.statuses().iter();
    let first = statuses.find(|status| status.name == STAGES[0]);
    Ok((ours.id, first.context("the stage was not made")?.id))
}

impl Served<'_> {
    /// Tells of a lesson of everybody and waits until all deals are moved.
    async fn storm(
        &self,
        request: fn(u32) -> Posted,
        students: u32,
        connections: u32,
    ) -> anyhow::Result<Moved> {
        let before = self.served().await?;
        // What made the account is not in the second that counts.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.emulator.forget().await?;
        let began = Instant::now();
        let told = Storm {
            address: self.service.address,
            request,
            connections: connections.min(students),
            pace: Pace::Closed,
            lasts: PATIENCE,
            most: students,
        };
        // Each connection has the same share, so a few may be told of a lesson that is known.
        told.send().await?;
        loop {
            let open = self.store.jobs().stats(LESSON_SYNC).await?.depth;
            if open == 0 {
                break;
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{open} students were not served"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let took = began.elapsed();
        let served = self.served().await? - before;
        ensure!(
            served == u64::from(students),
            "{served} of {students} deals were moved"
        );
        let seen = self.emulator.seen().await?;
        Ok(Moved {
            requests: f64::from(u32::try_from(seen.requests())?),
            took,
            peak: seen.counters.peak_per_second,
        })
    }

    /// Deals that are where they should be. One whose job lost its claim after the move is found there.
    async fn served(&self) -> anyhow::Result<u64> {
        let outcomes = self
            .store
            .lessons()
            .outcomes_since(DateTime::UNIX_EPOCH)
            .await?;
        Ok(outcomes
            .into_iter()
            .filter(|(outcome, _)| matches!(outcome.as_str(), "moved" | "ahead"))
            .map(|(_, times)| times)
            .sum())
    }
}

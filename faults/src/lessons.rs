//! Lessons through two lesson-sync processes on one database, while everything goes wrong.

mod academy;
mod ledger;
mod platform;
mod students;
mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use store::{LESSON_SYNC, Store};
use tokio::time::{Instant, sleep};

use self::academy::Academy;
use self::ledger::{Books, Ledger};
use self::platform::{Answered, Platform};
use self::students::{LESSONS, Plan};
use crate::calm::Metronome;
use crate::database::{Database, Server};
use crate::emulator::{Account, Emulator, trouble as troubles};
use crate::findings::Findings;
use crate::fleet::{Record, Slot, free_ports};
use crate::http::Http;
use crate::process::Program;
use crate::workshop::{Workshop, program};
use crate::{consent, journal, logs, plan};

/// Two is enough for every race, and what most academies will run.
const PROCESSES: usize = 2;
/// What amoCRM allows in a second; lesson-sync is told the same.
const BUDGET: usize = 7;
/// How much time there is for a student, and for everybody together at least.
const PER_STUDENT: Duration = Duration::from_millis(300);
const SHORTEST: Duration = Duration::from_secs(18);
/// How often something happens to a process, to amoCRM, to the database.
const BLOW_EVERY: Duration = Duration::from_secs(6);
/// In a small run as many blows come closer together.
const BLOWS: u32 = 8;
const TROUBLE_EVERY: Duration = Duration::from_secs(4);
const OUTAGE_EVERY: Duration = Duration::from_secs(11);

/// The times that are minutes for real people. Nothing the emulator does to a request takes longer than `SETTLE`.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(17);
const SETTLE: Duration = Duration::from_secs(4);
const BLOCK_PAUSE: Duration = Duration::from_secs(3);
/// How often a student who is not there yet is looked for.
const RECHECK_MINUTES: &str = "0.1";
/// How long the search does not find what was just made.
const INDEX_DELAY: Duration = Duration::from_secs(4);

/// How long the queue may take to run empty once everything is well again: the leases of the last killed, and the requests
/// that are left.
const DRAIN: Duration = Duration::from_mins(4);
const DRAIN_PER_STUDENT: Duration = Duration::from_millis(1_500);

/// What a run works with.
struct Run {
    workshop: Workshop,
    database: Database,
    emulator: Emulator,
    academy: Academy,
    platform: Platform,
    secrets: Vec<(String, String)>,
}

/// Runs the whole story on one database.
pub(crate) async fn run(
    seed: u64,
    students: u32,
    server: Option<Server>,
) -> anyhow::Result<Findings> {
    let began = Instant::now();
    let backend = match server {
        Some(_) => "postgres",
        None => "sqlite",
    };
    let length = (PER_STUDENT * students).max(SHORTEST);
    let plan = Plan::draw(seed, students as usize, length);
    let workshop = Workshop::open(&format!("lessons-{backend}"))?;
    let database = Database::create(&workshop, server).await?;
    let (run, slots) = set_up(workshop, database, &plan).await?;

    let metronome = Metronome::start();
    let storm = storm(&run, slots, seed, &plan).await?;
    println!(
        "  the storm is over after {:.0} s; the queue runs empty",
        began.elapsed().as_secs_f64()
    );
    let store = run.database.open().await?;
    let mut findings = Findings::default();
    if let Err(error) = queue_is_empty(&store, DRAIN + DRAIN_PER_STUDENT * students).await {
        findings.wrong(format!("{error:#}"));
    }
    let disturbances = metronome.stop();
    // What is looked at from here on is no longer part of the budget's law.
    run.emulator.lift_limits().await?;
    let journal = run.emulator.journal().await?;
    let mut records = join_all(storm.slots.into_iter().map(Slot::stop)).await;
    let books = Books::read(&run.emulator, &store).await?;
    let receipts: Vec<_> = storm
        .answers
        .iter()
        .flat_map(|answer| answer.receipts.iter().cloned())
        .collect();
    let ledger = Ledger {
        plan: &plan,
        academy: &run.academy,
        receipts: &receipts,
        books: &books,
    };
    let totals = ledger.check(&mut findings);
    let freezes: Vec<_> = records
        .iter()
        .flat_map(|record| record.freezes.iter().copied())
        .collect();
    let calm_peak = journal::calm_peak(&journal, &disturbances, &freezes);
    findings.expect(calm_peak <= BUDGET, || {
        format!("{calm_peak} requests within a second")
    });
    let kills = kills(&records);
    journal::check(&journal, &kills, BLOCK_PAUSE, &mut findings);
    let integrity = store.check_integrity().await?;
    findings.expect(integrity.is_empty(), || {
        format!("the database is damaged: {integrity:?}")
    });
    store.close().await;
    let mut secrets = run.secrets;
    secrets.extend(personal(&plan));
    logs::search(run.workshop.path(), &secrets, &mut findings)?;
    for record in &mut records {
        for what in std::mem::take(&mut record.wrong) {
            findings.wrong(what);
        }
    }

    let count = |part: fn(&Record) -> usize| records.iter().map(part).sum::<usize>();
    let hit = journal.iter().filter(|arrival| arrival.fault.is_some());
    let figures = &mut findings.figures;
    totals.count(figures, kills.len());
    figures.count(
        "faults",
        hit.count() + storm.restarts + storm.cut + storm.expired,
    );
    figures.count("freezes", count(|record| record.freezes.len()));
    figures.count("rolling", count(|record| record.stops));
    figures.count("restarts", storm.restarts);
    figures.count("cut", storm.cut);
    figures.count(
        "renewals",
        journal
            .iter()
            .filter(|it| it.grant_type.as_deref() == Some("refresh_token"))
            .count(),
    );
    figures.count("requests", journal.len());
    figures.peak("peak", calm_peak);
    figures.peak("peak_disturbed", journal::peak(&journal));
    figures.count("disturbances", disturbances.len());
    figures.count("told", receipts.len());
    let slowest = storm.answers.iter().map(|answer| answer.took).max();
    figures.peak(
        "slowest_ms",
        usize::try_from(slowest.unwrap_or_default().as_millis())?,
    );
    figures.count(
        "repeated",
        storm.answers.iter().map(|answer| answer.sent - 1).sum(),
    );
    figures.name("backend", run.database.backend());
    figures.name("seed", seed.to_string());
    figures.seconds("seconds", began.elapsed().as_secs_f64());
    run.database.drop().await?;
    Ok(findings)
}

/// Starts amoCRM, lets the students apply, starts the processes and connects the account.
async fn set_up(
    workshop: Workshop,
    database: Database,
    plan: &Plan,
) -> anyhow::Result<(Run, Vec<Slot>)> {
    let http = Http::new()?;
    let ports = free_ports(PROCESSES)?;
    let urls: Vec<String> = ports
        .iter()
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect();
    let account = Account {
        budget: BUDGET,
        index_delay: INDEX_DELAY,
        redirect_uri: format!("{}/api/auth/amo/callback", urls[0]),
    };
    let emulator = Emulator::start(&http, &workshop, account).await?;
    let academy = Academy::open(&emulator, &plan.students).await?;
    let admin_token = "canary-admin-token-5f0c1a".to_owned();
    let api_key = "canary-api-key-91e3b7".to_owned();
    let millis = |duration: Duration| duration.as_millis().to_string();
    let (ids, modules) = platform::names(LESSONS);
    let mut environment: BTreeMap<String, String> = [
        ("SERVER_HOST", "127.0.0.1".to_owned()),
        ("PUBLIC_URL", urls[0].clone()),
        ("DATABASE_URL", database.url.clone()),
        ("ENCRYPTION_KEY", database.secret()),
        ("ADMIN_TOKEN", admin_token.clone()),
        ("AMOCRM_BASE_URL", emulator.known.base_url.clone()),
        ("AMOCRM_CLIENT_ID", emulator.known.client_id.clone()),
        ("AMOCRM_CLIENT_SECRET", emulator.known.client_secret.clone()),
        ("AMOCRM_REDIRECT_URI", emulator.known.redirect_uri.clone()),
        ("AMOCRM_PIPELINE_ID", academy.pipeline.to_string()),
        ("LESSON_IDS", ids),
        ("LESSON_MODULE_IDS", modules),
        ("LESSON_API_KEY", api_key.clone()),
        ("LESSON_RETRY_BASE_MS", "200".to_owned()),
        ("LESSON_RETRY_MAX_MS", "2000".to_owned()),
        ("LESSON_RECHECK_MINUTES", RECHECK_MINUTES.to_owned()),
        ("LESSON_SETTLE_MS", millis(SETTLE)),
        ("LESSON_CALL_TIMEOUT_MS", millis(CALL_TIMEOUT)),
        ("LESSON_LEASE_MS", millis(LEASE)),
        ("LESSON_BLOCK_PAUSE_MS", millis(BLOCK_PAUSE)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for lesson in 1..=LESSONS {
        let stage = academy.stages[lesson as usize].to_string();
        environment.insert(format!("AMOCRM_STAGE_LESSON_{lesson}"), stage);
    }
    let secrets = [
        ("the client secret", emulator.known.client_secret.clone()),
        ("the encryption key", database.secret()),
        ("the admin token", admin_token.clone()),
        ("the platform's key", api_key.clone()),
        // What every token of amoCRM begins with.
        ("a token", "eyJ0".to_owned()),
    ];
    // Both at once on an empty database: one of them makes the tables.
    let mut slots = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        let mut environment = environment.clone();
        environment.insert("SERVER_PORT".to_owned(), port.to_string());
        slots.push(Slot::start(Program {
            name: format!("lessons-{}", index + 1),
            path: program("lesson-sync")?,
            arguments: Vec::new(),
            environment,
            directory: workshop.path().to_owned(),
        })?);
    }
    http.are_up(&urls).await?;
    consent::allow(&http, &urls[0], &admin_token).await?;
    let run = Run {
        workshop,
        database,
        emulator,
        academy,
        platform: Platform {
            http,
            urls,
            api_key,
        },
        secrets: secrets
            .into_iter()
            .map(|(name, secret)| (name.to_owned(), secret))
            .collect(),
    };
    Ok((run, slots))
}

/// What is left after the storm.
struct Storm {
    answers: Vec<Answered>,
    slots: Vec<Slot>,
    expired: usize,
    restarts: usize,
    cut: usize,
}

/// Lessons are told while processes, amoCRM and the database fail, all by the plan.
async fn storm(run: &Run, slots: Vec<Slot>, seed: u64, plan: &Plan) -> anyhow::Result<Storm> {
    let began = Instant::now();
    let every = |often: Duration| often.min(plan.length / BLOWS);
    let blows = plan::blows(seed, PROCESSES, plan.length, every(BLOW_EVERY), LEASE);
    let suffering = slots
        .into_iter()
        .zip(blows)
        .map(|(slot, blows)| slot.suffer(began, blows));
    let troubles = troubles::plan(seed, plan.length, every(TROUBLE_EVERY), trouble::kinds);
    let outages = match run.database.backend() {
        "postgres" => plan::outages(seed, plan.length, every(OUTAGE_EVERY)),
        _ => Vec::new(),
    };
    let telling = plan.calls.iter().map(|call| run.platform.tell(began, call));
    let arriving = plan
        .students
        .iter()
        .map(|student| run.academy.arrives(&run.emulator, began, student));
    let managing = plan.scripts.iter().map(async |script| {
        let mut answers = run.platform.tell_first(began, script).await?;
        let student = &plan.students[script.student];
        run.academy.manage(&run.emulator, student, script).await?;
        for call in &script.after {
            answers.push(run.platform.tell(began, call).await?);
        }
        anyhow::Ok(answers)
    });
    let (told, scripted, _, slots, expired, (restarts, cut)) = tokio::try_join!(
        try_join_all(telling),
        try_join_all(managing),
        try_join_all(arriving),
        try_join_all(suffering),
        troubles::happen(&run.emulator, began, troubles),
        run.database.suffer(began, outages),
    )?;
    Ok(Storm {
        answers: told
            .into_iter()
            .chain(scripted.into_iter().flatten())
            .collect(),
        slots,
        expired,
        restarts,
        cut,
    })
}

/// Waits until nothing is left to do for amoCRM.
async fn queue_is_empty(store: &Store, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let stats = store.jobs().stats(LESSON_SYNC).await?;
        if stats.depth + stats.dead == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the queue does not run empty: {} waiting, {} dead",
            stats.depth,
            stats.dead
        );
        sleep(Duration::from_millis(250)).await;
    }
}

fn kills(records: &[Record]) -> Vec<f64> {
    let mut kills: Vec<f64> = records
        .iter()
        .flat_map(|record| record.kills.iter().copied())
        .collect();
    kills.sort_by(f64::total_cmp);
    kills
}

/// What of the students must be in no log.
fn personal(plan: &Plan) -> Vec<(String, String)> {
    let emails = plan
        .students
        .iter()
        .flat_map(|student| student.emails.iter().chain(&student.written));
    emails
        .map(|email| ("an e-mail".to_owned(), email.clone()))
        .collect()
}

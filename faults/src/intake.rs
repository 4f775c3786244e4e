//! Leads through two lead-intake processes on one database, while everything goes wrong.

mod ledger;
mod people;
mod trouble;
mod visitor;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{join_all, try_join_all};
use serde_json::json;
use store::Store;
use tokio::time::{Instant, sleep};

use self::ledger::{Books, Ledger};
use self::people::{Person, Post};
use self::visitor::{Receipt, Site};
use crate::calm::Metronome;
use crate::database::{Database, Server};
use crate::emulator::{Account, Emulator, trouble as troubles};
use crate::findings::Findings;
use crate::fleet::{Record, Slot, free_ports};
use crate::http::Http;
use crate::process::Program;
use crate::workshop::{Workshop, program};
use crate::{consent, journal, logs, plan};

/// Two is enough for every race, and what most agencies will run.
const PROCESSES: usize = 2;
/// What amoCRM allows in a second; lead-intake is told the same.
const BUDGET: usize = 7;
/// How much time there is for a lead: its requests, those of the looks after unknown outcomes, and the pauses.
const PER_LEAD: Duration = Duration::from_millis(480);
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
/// How long the search does not find what was just made.
const INDEX_DELAY: Duration = Duration::from_secs(4);

/// How long the queue may take to run empty once everything is well again, on top of the leases of the last killed.
const DRAIN: Duration = Duration::from_mins(4);
/// The kinds of jobs that leads make.
const KINDS: [&str; 4] = ["lead.deliver", "lead.move", "lead.finish", "lead.contact"];

/// The schedule of a run.
struct Plan {
    persons: Vec<Person>,
    posts: Vec<Post>,
    length: Duration,
}

/// What a run works with.
struct Run {
    workshop: Workshop,
    database: Database,
    emulator: Emulator,
    site: Site,
    secrets: Vec<(String, String)>,
}

/// Runs the whole story on one database.
pub(crate) async fn run(seed: u64, leads: u32, server: Option<Server>) -> anyhow::Result<Findings> {
    let began = Instant::now();
    let backend = match server {
        Some(_) => "postgres",
        None => "sqlite",
    };
    let workshop = Workshop::open(&format!("intake-{backend}"))?;
    let database = Database::create(&workshop, server).await?;
    let (run, slots) = set_up(workshop, database).await?;
    let length = PER_LEAD * leads;
    let (persons, posts) = people::plan(seed, leads as usize, length.mul_f64(0.6));
    let plan = Plan {
        persons,
        posts,
        length,
    };

    let metronome = Metronome::start();
    let storm = storm(&run, slots, seed, &plan).await?;
    println!(
        "  the storm is over after {:.0} s; the queue runs empty",
        began.elapsed().as_secs_f64()
    );
    let store = run.database.open().await?;
    let mut findings = Findings::default();
    if let Err(error) = queue_is_empty(&store).await {
        findings.wrong(format!("{error:#}"));
    }
    // What is looked at from here on is no longer part of the budget's law.
    run.emulator.lift_limits().await?;
    let moved = managers_move(&run, &store, &storm.receipts, &mut findings).await?;
    let journal = run.emulator.journal().await?;
    let disturbances = metronome.stop();
    let mut records = join_all(storm.slots.into_iter().map(Slot::stop)).await;
    let books = Books::read(&run.emulator, &store).await?;
    let ledger = Ledger {
        persons: &plan.persons,
        receipts: &storm.receipts,
        books: &books,
        moved: &moved,
    };
    ledger.check(&mut findings);
    let freezes: Vec<_> = records
        .iter()
        .flat_map(|record| record.freezes.iter().copied())
        .collect();
    let calm_peak = journal::calm_peak(&journal, &disturbances, &freezes);
    findings.expect(calm_peak <= BUDGET, || {
        format!("{calm_peak} requests within a second")
    });
    journal::check(&journal, &kills(&records), BLOCK_PAUSE, &mut findings);
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
    ledger.count(figures);
    figures.count("kills", count(|record| record.kills.len()));
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
    let slowest = storm.receipts.iter().map(|receipt| receipt.took).max();
    figures.peak(
        "slowest_ms",
        usize::try_from(slowest.unwrap_or_default().as_millis())?,
    );
    figures.count(
        "repeated",
        storm.receipts.iter().map(|receipt| receipt.sent - 1).sum(),
    );
    figures.name("backend", run.database.backend());
    figures.name("seed", seed.to_string());
    figures.seconds("seconds", began.elapsed().as_secs_f64());
    run.database.drop().await?;
    Ok(findings)
}

/// Starts everything, connects the account and provisions it.
async fn set_up(workshop: Workshop, database: Database) -> anyhow::Result<(Run, Vec<Slot>)> {
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
    let admin_token = "canary-admin-token-5f0c1a".to_owned();
    let webhook_secret = "canary-webhook-secret-77aa".to_owned();
    let millis = |duration: Duration| duration.as_millis().to_string();
    let environment: BTreeMap<String, String> = [
        ("SERVER_HOST", "127.0.0.1".to_owned()),
        ("PUBLIC_URL", urls[0].clone()),
        ("DATABASE_URL", database.url.clone()),
        ("ENCRYPTION_KEY", database.secret()),
        ("ADMIN_TOKEN", admin_token.clone()),
        ("AMOCRM_BASE_URL", emulator.known.base_url.clone()),
        ("AMOCRM_CLIENT_ID", emulator.known.client_id.clone()),
        ("AMOCRM_CLIENT_SECRET", emulator.known.client_secret.clone()),
        ("AMOCRM_REDIRECT_URI", emulator.known.redirect_uri.clone()),
        ("INTAKE_WEBHOOK_SECRET", webhook_secret.clone()),
        ("INTAKE_SHORT_WAIT_MS", "300".to_owned()),
        ("INTAKE_RETRY_BASE_MS", "200".to_owned()),
        ("INTAKE_RETRY_MAX_MS", "2000".to_owned()),
        ("INTAKE_SETTLE_MS", millis(SETTLE)),
        ("INTAKE_CALL_TIMEOUT_MS", millis(CALL_TIMEOUT)),
        ("INTAKE_LEASE_MS", millis(LEASE)),
        ("INTAKE_BLOCK_PAUSE_MS", millis(BLOCK_PAUSE)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let secrets = [
        ("the client secret", emulator.known.client_secret.clone()),
        ("the encryption key", database.secret()),
        ("the admin token", admin_token.clone()),
        ("the webhook secret", webhook_secret),
        // What every token of amoCRM begins with.
        ("a token", "eyJ0".to_owned()),
    ];
    let service = |port: u16, name: String| -> anyhow::Result<Program> {
        let mut environment = environment.clone();
        environment.insert("SERVER_PORT".to_owned(), port.to_string());
        Ok(Program {
            name,
            path: program("lead-intake")?,
            arguments: Vec::new(),
            environment,
            directory: workshop.path().to_owned(),
        })
    };
    // Both at once on an empty database: one of them makes the tables.
    let mut slots = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        slots.push(Slot::start(service(
            port,
            format!("intake-{}", index + 1),
        )?)?);
    }
    let site = Site {
        http,
        urls,
        admin_token,
    };
    site.http.are_up(&site.urls).await?;
    consent::allow(&site.http, &site.urls[0], &site.admin_token).await?;
    service(0, "provision".to_owned())?
        .run(&["provision"])
        .await?;
    let run = Run {
        workshop,
        database,
        emulator,
        site,
        secrets: secrets
            .into_iter()
            .map(|(name, secret)| (name.to_owned(), secret))
            .collect(),
    };
    Ok((run, slots))
}

/// What is left after the storm.
struct Storm {
    receipts: Vec<Receipt>,
    slots: Vec<Slot>,
    expired: usize,
    restarts: usize,
    cut: usize,
}

/// Posts come in while processes, amoCRM and the database fail, all by the plan.
async fn storm(run: &Run, slots: Vec<Slot>, seed: u64, plan: &Plan) -> anyhow::Result<Storm> {
    let began = Instant::now();
    let every = BLOW_EVERY.min(plan.length / BLOWS);
    let blows = plan::blows(seed, PROCESSES, plan.length, every, LEASE);
    let suffering = slots
        .into_iter()
        .zip(blows)
        .map(|(slot, blows)| slot.suffer(began, blows));
    // The last is over before the wait for an empty queue begins.
    let troubles = troubles::plan(seed, plan.length, TROUBLE_EVERY, trouble::kinds);
    let posting = plan.posts.iter().cloned().map(|post| async move {
        let receipt = run.site.submit(began, post).await?;
        if let Some(status) = receipt.post.status {
            run.site.set_status(&receipt, status).await?;
        }
        anyhow::Ok(receipt)
    });
    let outages = match run.database.backend() {
        "postgres" => plan::outages(seed, plan.length, OUTAGE_EVERY),
        _ => Vec::new(),
    };
    let (receipts, slots, expired, (restarts, cut)) = tokio::try_join!(
        try_join_all(posting),
        try_join_all(suffering),
        troubles::happen(&run.emulator, began, troubles),
        run.database.suffer(began, outages),
    )?;
    Ok(Storm {
        receipts,
        slots,
        expired,
        restarts,
        cut,
    })
}

/// Waits until nothing is left to do for amoCRM.
async fn queue_is_empty(store: &Store) -> anyhow::Result<()> {
    let deadline = Instant::now() + DRAIN;
    loop {
        let mut left = Vec::new();
        let mut depth = 0;
        for kind in KINDS {
            let stats = store.jobs().stats(kind).await?;
            depth += stats.depth + stats.dead;
            left.push(format!(
                "{kind}: {} waiting, {} dead",
                stats.depth, stats.dead
            ));
        }
        if depth == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the queue does not run empty: {}",
            left.join("; ")
        );
        sleep(Duration::from_millis(250)).await;
    }
}

/// Managers move deals in amoCRM, whose webhooks come twice and out of order. Returns which leads, and to what.
async fn managers_move(
    run: &Run,
    store: &Store,
    receipts: &[Receipt],
    findings: &mut Findings,
) -> anyhow::Result<BTreeMap<i64, &'static str>> {
    let emulator = &run.emulator;
    let pipelines = emulator.all("/api/v4/leads/pipelines", "pipelines").await?;
    let stage = ledger::stages(&pipelines)
        .into_iter()
        .find(|(_, name)| name == "Презентация")
        .map(|(id, _)| id)
        .context("the pipeline has no stage «Презентация»")?;
    for fault in [
        json!({"name": "duplicate_webhook", "count": 3}),
        json!({"name": "reorder_webhooks", "count": 4}),
    ] {
        emulator.plan(&fault).await?;
    }
    let mut moved = BTreeMap::new();
    for receipt in receipts.iter().filter(|it| it.post.number % 12 == 6) {
        let Some(deal) = store
            .leads()
            .get(receipt.id)
            .await?
            .and_then(|row| row.amo_lead_id)
        else {
            continue;
        };
        let change = json!({"status_id": stage});
        emulator
            .patch(&format!("/api/v4/leads/{deal}"), &change)
            .await?;
        moved.insert(receipt.id, "presentation");
    }
    emulator.calm().await?;
    emulator.settle().await?;
    // What a webhook says is worked on after it was answered.
    let deadline = Instant::now() + Duration::from_secs(30);
    for (&lead, &status) in &moved {
        loop {
            let row = store.leads().get(lead).await?;
            if row.is_some_and(|row| row.local_status == status) {
                break;
            }
            if Instant::now() > deadline {
                findings.wrong(format!("lead {lead} did not follow its deal to {status}"));
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(moved)
}

fn kills(records: &[Record]) -> Vec<f64> {
    let mut kills: Vec<f64> = records
        .iter()
        .flat_map(|record| record.kills.iter().copied())
        .collect();
    kills.sort_by(f64::total_cmp);
    kills
}

/// What of the visitors must be in no log.
fn personal(plan: &Plan) -> Vec<(String, String)> {
    let mut secrets = Vec::new();
    for (index, person) in plan.persons.iter().enumerate() {
        secrets.push((format!("the name of person {index}"), person.name.clone()));
        for email in person.email.iter().chain(&person.more_emails) {
            secrets.push((format!("an e-mail of person {index}"), email.clone()));
        }
        if let Some(phone) = &person.phone {
            secrets.push((
                format!("the phone of person {index}"),
                phone[2..].to_owned(),
            ));
        }
    }
    for comment in plan.posts.iter().filter_map(|post| post.comment.as_ref()) {
        secrets.push(("a comment".to_owned(), comment.clone()));
    }
    secrets
}

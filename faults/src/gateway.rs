//! amoCRM's webhooks through webhook-gateway to the systems behind it, while everything goes wrong.
//!
//! On PostgreSQL two processes share the work; on SQLite there is one, which is killed and started again.

mod amocrm;
mod ledger;
mod subscriber;
mod trouble;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{join_all, try_join_all};
use store::{RequestFilter, Store};
use tokio::time::{Instant, sleep};

use self::amocrm::{Amocrm, Receipt};
use self::ledger::{Ledger, Missing, Reader};
use self::subscriber::Subscriber;
use self::webhooks::{Kind, Plan};
use crate::database::{Database, Server};
use crate::findings::Findings;
use crate::fleet::{Record, Slot, free_ports};
use crate::http::Http;
use crate::process::Program;
use crate::workshop::{Workshop, program};
use crate::{logs, plan};

/// Two is enough for every race.
const PROCESSES: usize = 2;
/// Webhooks per second: far more than an account has.
const PACE: u32 = 100;
/// How often something happens to a process, to the database, to a subscriber.
const BLOW_EVERY: Duration = Duration::from_secs(6);
const OUTAGE_EVERY: Duration = Duration::from_secs(11);
const TROUBLE_EVERY: Duration = Duration::from_secs(3);
/// In a small run as many of them come closer together.
const BLOWS: u32 = 8;
/// A small run is not over before anything could happen.
const SHORTEST: Duration = Duration::from_secs(24);

/// The times that are longer for real people.
const CALL_TIMEOUT: Duration = Duration::from_millis(1_500);
const LEASE: Duration = Duration::from_millis(16_500);

/// How long everything may take to arrive once all is well again, on top of the leases of the last killed.
const DRAIN: Duration = Duration::from_mins(6);
/// So often an operator resumes those who still wait, as the page's button does.
const RESUME_EVERY: Duration = Duration::from_secs(10);
/// A page of the stored webhooks.
const PAGE: u32 = 500;

/// Who wants what.
const SUBSCRIBERS: [Reader; 4] = [
    Reader {
        name: "everything",
        events: r#"["*"]"#,
        wants: |_| true,
    },
    Reader {
        name: "deals",
        events: r#"["leads.*"]"#,
        wants: |event| event.kind.starts_with("leads."),
    },
    Reader {
        name: "people",
        events: r#"["contacts.*", "companies.*"]"#,
        wants: |event| event.kind.starts_with("contacts.") || event.kind.starts_with("companies."),
    },
    Reader {
        name: "stages",
        events: r#"["leads.add", "leads.status"]"#,
        wants: |event| matches!(event.kind, "leads.add" | "leads.status"),
    },
];

/// What a run works with.
struct Run {
    workshop: Workshop,
    database: Database,
    amocrm: Amocrm,
    subscribers: Vec<Subscriber>,
    ledger: Arc<Mutex<Ledger>>,
    /// Runs the commands of an operator.
    operator: Program,
    secrets: Vec<(String, String)>,
}

/// Runs the whole story on one database.
pub(crate) async fn run(
    seed: u64,
    webhooks: u32,
    server: Option<Server>,
) -> anyhow::Result<Findings> {
    let began = Instant::now();
    let backend = match server {
        Some(_) => "postgres",
        None => "sqlite",
    };
    let length = (Duration::from_secs(1) * webhooks / PACE).max(SHORTEST);
    let plan = Plan::draw(seed, webhooks as usize, length.mul_f64(0.9));
    let workshop = Workshop::open(&format!("gateway-{backend}"))?;
    let database = Database::create(&workshop, server).await?;
    let (run, slots) = set_up(workshop, database, &plan).await?;

    let storm = storm(&run, slots, seed, &plan, length).await?;
    println!(
        "  the storm is over after {:.0} s; what waits is delivered",
        began.elapsed().as_secs_f64()
    );
    let mut findings = Findings::default();
    let left = everything_arrives(&run).await?;
    findings.expect(left.is_empty(), || {
        format!("not everything arrives: {left:?}")
    });
    let mut records = join_all(storm.slots.into_iter().map(Slot::stop)).await;
    let store = run.database.open().await?;
    let unstored = bodies_are_stored(&store, &plan, &mut findings).await?;
    no_dead_letters(&store, &mut findings).await?;
    let integrity = store.check_integrity().await?;
    findings.expect(integrity.is_empty(), || {
        format!("the database is damaged: {integrity:?}")
    });
    store.close().await;
    let mut secrets = run.secrets;
    for (name, text) in [
        ("the name of an entity", webhooks::MARK),
        ("a phone", webhooks::PHONE),
        ("the beginning of a phone in a body", "%2B7+916"),
    ] {
        secrets.push((name.to_owned(), text.to_owned()));
    }
    logs::search(run.workshop.path(), &secrets, &mut findings)?;
    for record in &mut records {
        for what in std::mem::take(&mut record.wrong) {
            findings.wrong(what);
        }
    }

    let count = |part: fn(&Record) -> usize| records.iter().map(part).sum::<usize>();
    let kills = count(|record| record.kills.len());
    // Every receiver has dropped its part of the books by now.
    drop(run.subscribers);
    let ledger = std::mem::replace(&mut *locked(&run.ledger), Ledger::new(&[], &[]));
    let totals = ledger.tell(storm.receipts.len(), &mut findings);
    let figures = &mut findings.figures;
    totals.count(figures, kills);
    figures.count("unstored", unstored);
    figures.count("freezes", count(|record| record.freezes.len()));
    figures.count("rolling", count(|record| record.stops));
    figures.count("restarts", storm.restarts);
    figures.count("cut", storm.cut);
    figures.count("troubles", storm.troubles);
    let again = storm.receipts.iter().map(|receipt| receipt.sent - 1).sum();
    figures.count("sent_again", again);
    let slowest = storm.receipts.iter().map(|receipt| receipt.took).max();
    figures.peak(
        "slowest_ms",
        usize::try_from(slowest.unwrap_or_default().as_millis())?,
    );
    figures.name("backend", run.database.backend());
    figures.name("seed", seed.to_string());
    figures.seconds("seconds", began.elapsed().as_secs_f64());
    run.database.drop().await?;
    Ok(findings)
}

/// Starts the systems behind the gateway, then the gateway.
async fn set_up(
    workshop: Workshop,
    database: Database,
    plan: &Plan,
) -> anyhow::Result<(Run, Vec<Slot>)> {
    let ledger = Arc::new(Mutex::new(Ledger::new(&plan.events, &SUBSCRIBERS)));
    let mut subscribers = Vec::new();
    let mut settings = String::new();
    let mut secrets = Vec::new();
    for (index, Reader { name, events, .. }) in SUBSCRIBERS.into_iter().enumerate() {
        let secret = signing_secret(index);
        let subscriber = Subscriber::start(index, secret.clone(), Arc::clone(&ledger)).await?;
        writeln!(
            settings,
            "[[subscriber]]\nname = \"{name}\"\nurl = \"http://{}/hook\"\nsecret = \"{secret}\"\nevents = {events}\n\
             allow_private = true\ntimeout_ms = {}\n",
            subscriber.address,
            CALL_TIMEOUT.as_millis()
        )?;
        secrets.push((format!("the secret of {name}"), secret));
        subscribers.push(subscriber);
    }
    let file = workshop.file("gateway.toml");
    fs::write(&file, settings)?;

    let processes = match database.backend() {
        "postgres" => PROCESSES,
        _ => 1,
    };
    let ports = free_ports(processes)?;
    let urls: Vec<String> = ports
        .iter()
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect();
    let admin_token = "canary-admin-token-5f0c1a".to_owned();
    let webhook_secret = "canary-webhook-secret-77aa".to_owned();
    let environment: BTreeMap<String, String> = [
        ("SERVER_HOST", "127.0.0.1".to_owned()),
        ("SERVER_PORT", ports[0].to_string()),
        ("DATABASE_URL", database.url.clone()),
        ("ENCRYPTION_KEY", database.secret()),
        ("ADMIN_TOKEN", admin_token.clone()),
        ("GATEWAY_FILE", file.display().to_string()),
        ("GATEWAY_WEBHOOK_SECRET", webhook_secret.clone()),
        ("GATEWAY_LEASE_MS", LEASE.as_millis().to_string()),
        // Nobody asks amoCRM for anything here.
        ("GATEWAY_WATCH_MINUTES", "0".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    secrets.extend([
        ("the encryption key".to_owned(), database.secret()),
        ("the admin token".to_owned(), admin_token),
        ("the webhook secret".to_owned(), webhook_secret.clone()),
    ]);
    let path = program("webhook-gateway")?;
    let service = |name: String, port: u16| {
        let mut environment = environment.clone();
        environment.insert("SERVER_PORT".to_owned(), port.to_string());
        Program {
            name,
            path: path.clone(),
            arguments: Vec::new(),
            environment,
            directory: workshop.path().to_owned(),
        }
    };
    let operator = service("operator".to_owned(), ports[0]);
    // All at once on an empty database: one of them makes the tables.
    let mut slots = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        slots.push(Slot::start(service(
            format!("gateway-{}", index + 1),
            port,
        ))?);
    }
    let http = Http::new()?;
    http.are_up(&urls).await?;
    let run = Run {
        workshop,
        database,
        amocrm: Amocrm {
            http,
            urls,
            secret: webhook_secret,
        },
        subscribers,
        ledger,
        operator,
        secrets,
    };
    Ok((run, slots))
}

/// A key of 32 bytes, of another letter for each.
fn signing_secret(index: usize) -> String {
    let letter = ["Q", "F", "M", "c"][index % 4];
    format!("whsec_{}E=", letter.repeat(42))
}

/// What is left after the storm.
struct Storm {
    receipts: Vec<Receipt>,
    slots: Vec<Slot>,
    troubles: usize,
    restarts: usize,
    cut: usize,
}

/// Webhooks come in while processes, the database and the systems behind the gateway fail, all by the plan.
async fn storm(
    run: &Run,
    slots: Vec<Slot>,
    seed: u64,
    plan: &Plan,
    length: Duration,
) -> anyhow::Result<Storm> {
    let began = Instant::now();
    let every = |often: Duration| often.min(length / BLOWS);
    let blows = plan::blows(seed, slots.len(), length, every(BLOW_EVERY), LEASE);
    let suffering = slots
        .into_iter()
        .zip(blows)
        .map(|(slot, blows)| slot.suffer(began, blows));
    let outages = match run.database.backend() {
        "postgres" => plan::outages(seed, length, every(OUTAGE_EVERY)),
        _ => Vec::new(),
    };
    let troubles = trouble::plan(seed, run.subscribers.len(), length, every(TROUBLE_EVERY));
    let (receipts, slots, troubles, (restarts, cut)) = tokio::try_join!(
        run.amocrm.send_all(began, plan),
        try_join_all(suffering),
        trouble::happen(&run.subscribers, began, troubles),
        run.database.suffer(began, outages),
    )?;
    Ok(Storm {
        receipts,
        slots,
        troubles,
        restarts,
        cut,
    })
}

/// Waits until every subscriber has answered everything with 2xx. Returns what is missing in the end.
async fn everything_arrives(run: &Run) -> anyhow::Result<Vec<Missing>> {
    let deadline = Instant::now() + DRAIN;
    let mut resume_at = Instant::now() + RESUME_EVERY;
    loop {
        let missing = locked(&run.ledger).missing();
        if missing.is_empty() || Instant::now() > deadline {
            return Ok(missing);
        }
        if Instant::now() > resume_at {
            // Nobody waits for the next hour of the schedule here.
            for one in &missing {
                run.operator
                    .run(&["subscribers", "resume", one.name])
                    .await?;
            }
            resume_at = Instant::now() + RESUME_EVERY;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Compares the bodies that were answered with 2xx to what is stored, byte for byte. Returns how many are missing.
async fn bodies_are_stored(
    store: &Store,
    plan: &Plan,
    findings: &mut Findings,
) -> anyhow::Result<usize> {
    let mut stored: HashSet<Vec<u8>> = HashSet::new();
    let mut unread: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut filter = RequestFilter::default();
    filter.limit = PAGE;
    loop {
        let page = store.gateway().requests(filter.clone()).await?;
        let Some(last) = page.last() else {
            break;
        };
        filter.after = Some(last.id);
        for listed in page {
            let request = store.gateway().request(listed.id).await?;
            let request = request.context("a webhook is gone that was listed")?;
            let body = request.body.context("a webhook without its body")?.to_vec();
            if request.problem.is_some() {
                unread.insert(body.clone());
            }
            stored.insert(body);
        }
    }
    let mut missing = 0;
    for webhook in &plan.webhooks {
        let body = webhook.body.as_bytes();
        missing += usize::from(!stored.contains(body));
        let is_broken = webhook.kind == Kind::Broken;
        findings.expect(is_broken == unread.contains(body), || {
            format!(
                "a body is held to be unreadable, or readable, that is not: {}",
                webhook.body
            )
        });
    }
    findings.expect(missing == 0, || {
        format!("{missing} bodies were answered with 2xx and are not stored as they came")
    });
    Ok(missing)
}

async fn no_dead_letters(store: &Store, findings: &mut Findings) -> anyhow::Result<()> {
    for Reader { name, .. } in SUBSCRIBERS {
        let stats = store.jobs().stats(&store::job_kind(name)).await?;
        findings.expect(stats.depth + stats.dead == 0, || {
            format!("{name}: {} wait, {} are dead", stats.depth, stats.dead)
        });
    }
    Ok(())
}

fn locked(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

//! From the visitor's lead to the deal, at five leads per second, through the emulator.
//!
//! Both instants are the service's own: when it stored the lead, and when amoCRM's answer about the deal was stored. The
//! deal exists a little before that.

use std::time::{Duration, Instant};

use anyhow::ensure;
use secrecy::SecretString;
use store::{DeliveryState, LeadFilter, LeadRow, Options, Store};

use super::service::{lead, lead_intake};
use crate::beside;
use crate::emulator::Emulator;
use crate::load::{Pace, Storm, percentile};
use crate::report::{Goal, Report};

const PACE: u32 = 5;
const GOAL_MS: f64 = 1_000.0;
/// How long after the last lead everything has to be delivered.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What amoCRM may grant to an integration on request: as many requests per second as to the whole account.
const RAISED_RPS: u32 = 50;

pub(super) async fn run(
    report: &mut Report,
    name: &str,
    database: &str,
    quick: bool,
) -> anyhow::Result<()> {
    let lasts = Duration::from_secs(if quick { 2 } else { 60 });
    let emulator = Emulator::start(&beside("amocrm-emulator")?)?;
    emulator.allow(Some(RAISED_RPS)).await?;
    let rps = RAISED_RPS.to_string();
    let settings = [
        ("AMOCRM_INTEGRATION_RPS", rps.as_str()),
        // The visitors of this part do not wait for their deals: they would come later than they are due.
        ("INTAKE_SHORT_WAIT_MS", "0"),
    ];
    let service = lead_intake(database, &emulator.base_url, &emulator.token, &settings)?;
    let visit = |lasts| Storm {
        address: service.address,
        request: lead,
        connections: 4,
        pace: Pace::PerSecond(PACE),
        lasts,
        most: 1_000_000,
    };
    let store = Store::open(&SecretString::from(database), Options::new()).await?;
    // The first lead reads the account's fields and stages.
    visit(Duration::from_millis(1)).send().await?;
    let first = delivered(&store).await?;
    emulator.forget().await?;
    report.heading(&format!("{name}: {PACE} leads per second to amoCRM"));
    visit(lasts).send().await?;
    let leads = delivered(&store).await?;
    let measured = leads.get(first.len()..).unwrap_or_default();
    ensure!(!measured.is_empty(), "no lead was delivered");
    let mut lags: Vec<Duration> = measured.iter().filter_map(lag).collect();
    lags.sort_unstable();
    let ms = |percent| percentile(&lags, percent).as_secs_f64() * 1e3;
    let seen = emulator.seen().await?;
    let requests = f64::from(u32::try_from(seen.requests())?);
    let count = u32::try_from(measured.len())?;
    report.figure(
        &format!("{name}_lag_leads"),
        count,
        "leads delivered",
        Goal::None,
    );
    report.figure(
        &format!("{name}_lag_requests_per_lead"),
        requests / f64::from(count),
        "requests to amoCRM for each",
        Goal::None,
    );
    report.figure(
        &format!("{name}_lag_p50_ms"),
        ms(50),
        "from lead to deal, p50, ms",
        Goal::None,
    );
    report.figure(
        &format!("{name}_lag_p99_ms"),
        ms(99),
        "p99, ms",
        Goal::Below(GOAL_MS),
    );
    report.figure(
        &format!("{name}_lag_max_ms"),
        ms(100),
        "the slowest, ms",
        Goal::None,
    );
    store.close().await;
    Ok(())
}

fn lag(lead: &LeadRow) -> Option<Duration> {
    (lead.delivered_at? - lead.created_at).to_std().ok()
}

/// All leads in order, once the last of them is delivered.
async fn delivered(store: &Store) -> anyhow::Result<Vec<LeadRow>> {
    let started = Instant::now();
    loop {
        let open = store.leads().count(DeliveryState::Queued).await?
            + store.leads().count(DeliveryState::Delivering).await?;
        if open == 0 {
            break;
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{open} leads were not delivered"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let mut leads = Vec::new();
    loop {
        let mut filter = LeadFilter::new();
        if let Some(last) = leads.last().map(|lead: &LeadRow| lead.id) {
            filter = filter.after(last);
        }
        let page = store.leads().list(filter).await?;
        if page.is_empty() {
            break;
        }
        leads.extend(page);
    }
    leads.sort_by_key(|lead| lead.id);
    Ok(leads)
}

//! Draws the pictures of the guide: a month of an agency, lived through in a minute, seen with a browser.
//!
//! ```text
//! cargo nextest run -p lead-intake --run-ignored only pictures
//! ```
//!
//! It needs `chromium`, and pngquant to make them small. `PICTURES` names another folder than `docs/lead-intake`, and gets more pictures: dark, for a
//! telephone, and of a year.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use amocrm_emulator::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use store::Clock;
use testkit::pictures::{DARK, Dice, TAKEN_AT, folder, photograph};
use testkit::{TestDatabase, eventually};

use crate::harness::TestApp;

const DAYS: i64 = 30;
/// While a lead is delivered here in a tenth of a second, the agency's clock shows two.
const PACE: i64 = 20;

/// Sources and how many of a hundred leads they bring.
const SOURCES: [(&str, u32); 10] = [
    ("google", 30),
    ("yandex", 22),
    ("instagram", 14),
    ("", 10),
    ("telegram", 8),
    ("vk", 6),
    ("facebook", 4),
    ("cian", 3),
    ("newsletter", 2),
    ("partner-bali-villas", 1),
];

/// Of a hundred leads at a stage so many go on to the next.
const STAGES: [(&str, u32); 6] = [
    ("contacted", 86),
    ("presentation", 64),
    ("selection", 58),
    ("reservation", 45),
    ("deal", 72),
    ("completed", 80),
];

fn source(dice: &mut Dice) -> &'static str {
    let mut rest = dice.roll(100);
    for (source, weight) in SOURCES {
        if rest < weight {
            return source;
        }
        rest -= weight;
    }
    ""
}

/// The agency's clock: it runs fast, and is set to the days that are to be lived through.
#[derive(Clone)]
struct Hands {
    ahead: Arc<AtomicI64>,
    started: Instant,
}

impl Hands {
    fn now(&self) -> DateTime<Utc> {
        let real = i64::try_from(self.started.elapsed().as_micros()).unwrap();
        DateTime::from_timestamp_micros(self.ahead.load(Ordering::SeqCst) + real * PACE).unwrap()
    }

    /// Never back.
    fn set(&self, to: DateTime<Utc>) {
        let by = (to - self.now()).num_microseconds().unwrap().max(0);
        self.ahead.fetch_add(by, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "draws the pictures of docs/lead-intake; needs chromium"]
async fn draw() {
    let end = DateTime::from_timestamp(TAKEN_AT, 0).unwrap();
    let hands = Hands {
        ahead: Arc::new(AtomicI64::new(
            (end - TimeDelta::days(DAYS)).timestamp_micros(),
        )),
        started: Instant::now(),
    };
    let clock = Clock::new({
        let hands = hands.clone();
        move || hands.now()
    });
    let settings = [("INTAKE_SHORT_WAIT_MS", "0")];
    let app = TestApp::start_by(TestDatabase::sqlite(), &settings, Some(clock)).await;
    app.connect().await;
    app.provision().await;

    let mut dice = Dice::default();
    let mut open: Vec<(i64, usize)> = Vec::new();
    for day in 0..DAYS {
        let morning = end - TimeDelta::days(DAYS - 1 - day) - TimeDelta::hours(10);
        hands.set(morning);
        let is_weekend = day % 7 > 4;
        let leads =
            6 + dice.roll(6) + if is_weekend { 0 } else { 5 } + u32::try_from(day / 5).unwrap();
        // Two bad days: amoCRM was away, or told us to wait.
        let bad_luck = match day {
            11 => Some(Fault::server_error(502).always()),
            21 => Some(Fault::throttle().times(6)),
            17 => Some(Fault::malformed().path("/leads/complex").times(2)),
            _ => None,
        };
        if let Some(fault) = bad_luck {
            app.crm.emulator.fault(fault);
        }
        for number in 0..leads {
            hands.set(morning + TimeDelta::minutes(i64::from(number) * 540 / i64::from(leads)));
            let body = json!({
                "name": "Тест Тестов", "email": format!("visitor{day}x{number}@example.com"),
                "utm_source": source(&mut dice),
            });
            open.push((app.submit(&body.to_string()).await.id(), 0));
            if day != 11 {
                app.queue_is_empty().await;
            } else if number == leads / 2 {
                // The client tries again by itself before it gives an attempt up.
                eventually("attempts fail", || async {
                    let figures = app.get("/api/stats?days=30").await.json();
                    let attempts = figures["failures"]["attempts"].as_u64();
                    (attempts > Some(6)).then_some(())
                })
                .await;
                app.crm.emulator.clear_faults();
                app.queue_is_empty().await;
            }
        }
        let mut still_open = Vec::new();
        for (lead, stage) in std::mem::take(&mut open) {
            let waits = dice.roll(100) < 45;
            let Some((status, of_hundred)) = STAGES.get(stage).filter(|_| !waits) else {
                still_open.extend((stage < STAGES.len()).then_some((lead, stage)));
                continue;
            };
            let goes_on = dice.roll(100) < *of_hundred;
            let status = if goes_on { status } else { "lost" };
            app.put(&format!("/api/leads/{lead}/status?status={status}"))
                .await;
            still_open.extend(goes_on.then_some((lead, stage + 1)));
        }
        open = still_open;
        app.queue_is_empty().await;
    }
    // Two that amoCRM refuses, and three that are on their way.
    let refusal = Fault::server_error(400).path("/leads/complex").times(2);
    app.crm.emulator.fault(refusal);
    for number in 0..2 {
        let body = json!({"email": format!("refused{number}@example.com"), "utm_source": "google"});
        let id = app.submit(&body.to_string()).await.id();
        app.lead_is(id, "/delivery/state", "failed").await;
    }
    app.crm.emulator.fault(Fault::server_error(503).always());
    for number in 0..3 {
        let body = json!({"email": format!("late{number}@example.com"), "utm_source": "yandex"});
        app.submit(&body.to_string()).await;
    }

    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lead-intake");
    for language in ["ru", "en"] {
        let page = format!("{}/dashboard?lang={language}&days=30", app.url);
        let target = folder().unwrap_or_else(|| guide.clone());
        photograph(
            &page,
            &target.join(format!("dashboard.{language}.png")),
            "940,2350",
            &[],
        )
        .await;
    }
    if let Some(folder) = folder() {
        let page = format!("{}/dashboard?lang=ru&days=", app.url);
        photograph(
            &format!("{page}30"),
            &folder.join("dark.png"),
            "1280,1900",
            &DARK,
        )
        .await;
        photograph(
            &format!("{page}30"),
            &folder.join("telephone.png"),
            "500,3400",
            &[],
        )
        .await;
        photograph(
            &format!("{page}365"),
            &folder.join("year.png"),
            "940,2330",
            &[],
        )
        .await;
        let html = app.get("/dashboard?lang=ru&days=30").await.text;
        std::fs::write(folder.join("page.html"), html).unwrap();
    }
}

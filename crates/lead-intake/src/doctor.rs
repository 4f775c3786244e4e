//! `lead-intake doctor`: asks every neighbour and says what to do about each failure.
//!
//! A topic that wants to be examined adds its check to `examine`: a name, what it needs to be well, and an asynchronous
//! function that reports findings.

mod account;
mod managers;
mod settings;
mod shared;
mod webhook;

use std::io::Write;
use std::sync::Arc;

use connection::doctor as checks;
use service_kit::clock::{SharedClock, SystemClock};
use service_kit::doctor::{Doctor, Report};

use crate::App;
use crate::config::Config;

pub use connection::doctor::{Arguments, misconfigured};

/// Checks everything and writes what was found to `out`.
///
/// # Errors
///
/// Only when `out` cannot be written to.
pub async fn run(
    config: Config,
    arguments: Arguments,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Report> {
    let report = examine(config).await;
    report.write(arguments.format(), out)?;
    Ok(report)
}

async fn examine(config: Config) -> Report {
    let clock: SharedClock = SystemClock::shared();
    let config = Arc::new(config);
    let mut doctor = Doctor::new();
    let settings = Arc::clone(&config);
    doctor = doctor.check("configuration", move || async move {
        settings::check(&settings)
    });
    let store = match config.opening().once(App::store_options(&config)).await {
        Ok(store) => store,
        Err(error) => {
            return doctor
                .check("database", move || async move {
                    vec![checks::database_refused("lead-intake", &error)]
                })
                .examine()
                .await;
        }
    };
    let app = App::with_store((*config).clone(), store.clone(), clock);
    macro_rules! check {
        ($name:literal, $after:expr, $check:path) => {{
            let app = app.clone();
            doctor = doctor.check_after($name, $after, move || async move { $check(&app).await });
        }};
    }
    check!("database", &[], shared::database);
    check!("disk", &["database"], shared::disk);
    check!("queue", &["database"], shared::queue);
    check!("dead letters", &["database"], shared::dead_letters);
    check!("access", &["database"], webhook::access);
    check!("connection", &["database"], shared::connection);
    check!("token", &["connection"], shared::token);
    check!("rights", &["connection"], shared::rights);
    check!("clock", &["connection"], shared::clock);
    check!("pipeline", &["connection"], account::pipeline);
    check!("fields", &["connection"], account::fields);
    check!("managers", &["connection"], managers::check);
    check!("funnels", &["database"], crate::funnel::check);
    check!("webhook", &["connection"], webhook::subscription);
    check!("alerts", &["database"], shared::alerts);
    check!("public address", &["database"], webhook::reachable);
    let report = doctor.examine().await;
    store.close().await;
    report
}

//! `webhook-gateway doctor`: asks every neighbour and says what to do about each failure.
//!
//! A topic that wants to be examined adds its check to `examine`: a name, what it needs to be well, and an asynchronous
//! function that reports findings.

mod accounts;
mod settings;
mod subscribers;

use std::io::Write;

use connection::doctor as checks;
use service_kit::clock::SystemClock;
use service_kit::doctor::{Doctor, Finding, Report};
use store::Options;

use crate::App;
use crate::app::opening;
use crate::config::Config;

pub use connection::doctor::{Arguments, misconfigured};

const SERVICE: &str = "webhook-gateway";

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
    let mut doctor = Doctor::new();
    let found = settings::check(&config);
    doctor = doctor.check("configuration", move || std::future::ready(found));
    let store = match opening(&config).once(Options::new()).await {
        Ok(store) => store,
        Err(error) => {
            return doctor
                .check("database", move || async move {
                    vec![checks::database_refused(SERVICE, &error)]
                })
                .examine()
                .await;
        }
    };
    let app = App::with_store(config, store.clone(), SystemClock::shared());
    macro_rules! check {
        ($name:literal, $after:expr, $check:path) => {{
            let app = app.clone();
            doctor = doctor.check_after($name, $after, move || async move { $check(&app).await });
        }};
    }
    check!("database", &[], database);
    check!("disk", &["database"], disk);
    check!("connection", &["database"], accounts::connection);
    check!("token", &["connection"], accounts::token);
    check!("rights", &["connection"], accounts::rights);
    check!("clock", &["connection"], accounts::clock);
    check!("webhook", &["connection"], accounts::subscription);
    check!("public address", &["database"], accounts::reachable);
    check!("subscribers", &["database"], subscribers::check);
    let report = doctor.examine().await;
    store.close().await;
    report
}

async fn database(app: &App) -> Vec<Finding> {
    checks::database(SERVICE, app.store()).await
}

async fn disk(app: &App) -> Vec<Finding> {
    checks::disk(app.store(), "webhooks").await
}

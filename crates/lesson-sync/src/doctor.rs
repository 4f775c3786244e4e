//! `lesson-sync doctor`: the checklist before production. Asks every neighbour and says what to do about each failure.

mod account;
mod settings;
mod two_way;

use std::io::Write;
use std::sync::Arc;

use connection::doctor as checks;
use service_kit::clock::{SharedClock, SystemClock};
use service_kit::doctor::{Doctor, Finding, Report};

use crate::App;
use crate::config::Config;
use crate::sync::QUEUE;

pub(crate) use self::two_way::destination;
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
    let settings = Arc::clone(&config);
    let mut doctor = Doctor::new().check("configuration", move || async move {
        settings::check(&settings)
    });
    let store = match config.opening().once(App::store_options(&config)).await {
        Ok(store) => store,
        Err(error) => {
            return doctor
                .check("database", move || async move {
                    vec![checks::database_refused("lesson-sync", &error)]
                })
                .examine()
                .await;
        }
    };
    let app = App::with_store((*config).clone(), store.clone(), clock);
    macro_rules! check {
        ($name:literal, $after:expr, |$app:ident| $check:expr) => {{
            let $app = app.clone();
            doctor = doctor.check_after($name, $after, move || async move { $check.await });
        }};
    }
    check!("database", &[], |app| checks::database(
        "lesson-sync",
        app.store()
    ));
    check!("disk", &["database"], |app| checks::disk(
        app.store(),
        "lessons"
    ));
    check!("queue", &["database"], |app| checks::queue(
        app.store(),
        QUEUE
    ));
    check!("dead letters", &["database"], |app| dead_letters(&app));
    check!("connection", &["database"], |app| checks::connection(
        app.crm()
    ));
    check!("token", &["connection"], |app| checks::token(app.crm()));
    check!("rights", &["connection"], |app| checks::rights(
        app.crm(),
        "it may be needed to move everybody's deals"
    ));
    check!("clock", &["connection"], |app| checks::clock(app.crm()));
    check!("stages", &["connection"], |app| account::stages(&app));
    check!("webhook", &["connection"], |app| two_way::webhook(&app));
    check!("callback", &["database"], |app| two_way::callback(&app));
    check!("alerts", &["database"], |app| {
        let config = app.config();
        checks::alerts(&config.alerts, &config.smtp)
    });
    let report = doctor.examine().await;
    store.close().await;
    report
}

async fn dead_letters(app: &App) -> Vec<Finding> {
    vec![match checks::dead_letters(app.store(), QUEUE).await {
        0 => Finding::good("none"),
        dead => Finding::warn(format!(
            "{dead} were given up: lessons of students, or what follows them"
        ))
        .remedy("GET /api/sync/log says why; once that is mended: `lesson-sync retry`"),
    }]
}

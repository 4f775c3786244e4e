//! `cargo xtask bench gateway`: how fast webhook-gateway takes webhooks and delivers events.
//!
//! webhook-gateway runs as the program that people run, with its logs on and one subscriber; beside it run a bare axum
//! handler that makes the same inserts into the same kind of database, and one that answers without storing anything. They
//! take turns, a second or two each, and a ratio is the median over the turns, so that a busy machine slows all of them.
//!
//! While accepting is measured the subscriber is away, so that nobody delivers meanwhile. Delivery is measured by itself, and
//! then what the answer to amoCRM costs while a subscriber hangs and a million events wait.

mod backlog;
mod bare;
mod delivery;
mod rate;
mod receiver;
mod service;

use store::throwaway::Schema;

use crate::place::Place;
use crate::report::Report;

/// What to measure of webhook-gateway.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// A PostgreSQL server to measure on as well; schemas are made in it and dropped.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Is the bare handler on this database, rather than the benchmark; `none` stores nothing.
    #[arg(long, value_name = "URL", hide = true)]
    bare: Option<String>,
    /// The bare handler commits for many requests at once.
    #[arg(long, requires = "bare", hide = true)]
    group: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(url) = &arguments.bare {
        return runtime.block_on(bare::serve(url, arguments.group));
    }
    let mut report = Report::default();
    runtime.block_on(measure(&mut report, arguments))?;
    report.print();
    Ok(())
}

async fn measure(report: &mut Report, arguments: &Arguments) -> anyhow::Result<()> {
    let place = Place::make()?;
    let sqlite = Databases {
        name: "sqlite",
        ours: place.sqlite("ours"),
        bare: place.sqlite("bare"),
        group: place.sqlite("group"),
        delivery: place.sqlite("delivery"),
        backlog: place.sqlite("backlog"),
    };
    on(report, &place, &sqlite, arguments.quick).await?;
    let Some(server) = &arguments.postgres else {
        report.heading("PostgreSQL");
        report.skipped("postgres", "there is no server: --postgres URL names one");
        return Ok(());
    };
    let mut schemas = Vec::new();
    for _ in 0..5 {
        schemas.push(Schema::create(server).await?);
    }
    let url = |index: usize| schemas.get(index).map(Schema::url).unwrap_or_default();
    let postgres = Databases {
        name: "postgres",
        ours: url(0),
        bare: url(1),
        group: url(2),
        delivery: url(3),
        backlog: url(4),
    };
    let measured = on(report, &place, &postgres, arguments.quick).await;
    for schema in &schemas {
        schema.drop().await?;
    }
    measured
}

async fn on(
    report: &mut Report,
    place: &Place,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<()> {
    rate::run(report, place, databases, quick).await?;
    delivery::run(report, place, databases, quick).await?;
    backlog::run(report, place, databases, quick).await
}

/// Where the contenders keep their data.
struct Databases {
    name: &'static str,
    ours: String,
    bare: String,
    group: String,
    delivery: String,
    backlog: String,
}

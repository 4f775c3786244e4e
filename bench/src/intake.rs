//! `cargo xtask bench intake`: how fast lead-intake takes leads, beside the least that a service could do.
//!
//! lead-intake runs as the program that people run, with its logs on; beside it runs a bare axum handler that reads the
//! same JSON and makes one durable insert into the same kind of database. They take turns, a second or two each, and a
//! ratio is the median over the turns, so that a busy machine slows both. The load comes from a thread of its own that
//! writes ready bytes and looks for the end of the answer.
//!
//! While this is measured amoCRM is away, so that nobody delivers meanwhile: that is when leads come fastest in practice,
//! and the answer is 202 at once. Delivery is measured by itself, at five leads per second, over the emulator.

mod bare;
mod lag;
mod outage;
mod rate;
mod service;

use store::throwaway::Schema;

use crate::place::Place;
use crate::report::Report;

/// What to measure of lead-intake.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// A PostgreSQL server to measure on as well; schemas are made in it and dropped.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Is the bare handler on this database, rather than the benchmark.
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
        lag: place.sqlite("lag"),
    };
    on(report, &sqlite, arguments.quick).await?;
    let Some(server) = &arguments.postgres else {
        report.heading("PostgreSQL");
        report.skipped("postgres", "there is no server: --postgres URL names one");
        return Ok(());
    };
    let mut schemas = Vec::new();
    for _ in 0..4 {
        schemas.push(Schema::create(server).await?);
    }
    let url = |index: usize| schemas.get(index).map(Schema::url).unwrap_or_default();
    let postgres = Databases {
        name: "postgres",
        ours: url(0),
        bare: url(1),
        group: url(2),
        lag: url(3),
    };
    let measured = on(report, &postgres, arguments.quick).await;
    for schema in &schemas {
        schema.drop().await?;
    }
    measured
}

async fn on(report: &mut Report, databases: &Databases, quick: bool) -> anyhow::Result<()> {
    let ours = rate::run(report, databases, quick).await?;
    outage::run(report, databases.name, ours, quick).await?;
    lag::run(report, databases.name, &databases.lag, quick).await
}

/// Where the contenders keep their data.
struct Databases {
    name: &'static str,
    ours: String,
    bare: String,
    group: String,
    lag: String,
}

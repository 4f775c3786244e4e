//! `cargo xtask bench lessons`: how fast lesson-sync takes lessons, and how few requests it moves deals with.
//!
//! Lessons are taken beside a bare handler that inserts the same rows: a student, a lesson and a job, in one transaction.
//! They take turns, and a ratio is the median over the turns. Meanwhile amoCRM is away, so that nobody moves deals.
//!
//! Moving is measured by itself, over the emulator with amoCRM's 7 requests a second: all students finish their first
//! lesson at once, when nobody knows their deals, and then the second, when their deals are known. What that costs one
//! student after the other is measured in the same run.

mod bare;
mod rate;
mod service;
mod storm;

use store::throwaway::Schema;

use crate::place::Place;
use crate::report::Report;

/// What to measure of lesson-sync.
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
        storm: place.sqlite("storm"),
        alone: place.sqlite("alone"),
    };
    on(report, &sqlite, arguments.quick).await?;
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
        storm: url(3),
        alone: url(4),
    };
    let measured = on(report, &postgres, arguments.quick).await;
    for schema in &schemas {
        schema.drop().await?;
    }
    measured
}

async fn on(report: &mut Report, databases: &Databases, quick: bool) -> anyhow::Result<()> {
    rate::run(report, databases, quick).await?;
    storm::run(report, databases, quick).await
}

/// Where the contenders keep their data.
struct Databases {
    name: &'static str,
    ours: String,
    bare: String,
    group: String,
    storm: String,
    alone: String,
}

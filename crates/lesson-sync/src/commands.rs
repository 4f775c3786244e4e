//! The commands beside `serve` and `doctor`.

mod replay;
mod subscribe;

use std::io::Write;

use anyhow::Context as _;
use chrono::{DateTime, FixedOffset, NaiveTime, Utc};
use clap::Args;
use connection::audit_command;
use service_kit::clock::read_since;
use store::{DeadLetterFilter, LESSON_SYNC};

pub use self::replay::{Replay, replay};
pub use self::subscribe::subscribe;
use crate::App;
use crate::dead_letters::revive;
use crate::sync::{QUEUE, explain, normalise, read_pipelines};

/// Letters read at once.
const PAGE: u32 = 200;

/// Arguments of `find-lead`.
#[derive(Debug, Clone, Args)]
pub struct FindLead {
    /// The student's e-mail.
    #[arg(value_name = "EMAIL")]
    email: String,
    /// The course, if there are several.
    #[arg(long)]
    course: Option<String>,
}

impl FindLead {
    /// The deal behind an e-mail, where there is one course.
    pub fn of(email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            course: None,
        }
    }
}

/// Arguments of `stats`.
#[derive(Debug, Clone, Default, Args)]
pub struct Stats {
    /// Since the office's midnight (LESSON_TIME_ZONE); the same without arguments.
    #[arg(long, conflicts_with = "since")]
    today: bool,
    /// Since then: 90m, 12h, 3d, 2026-11-20, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// Lists pipelines and stages.
///
/// # Errors
///
/// When amoCRM cannot be asked.
pub async fn pipelines(app: &App, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let linked = app.crm().linked().await?;
    for pipeline in read_pipelines(&linked.client).await? {
        writeln!(out, "{:>12}  «{}»", pipeline.id, pipeline.name)?;
        for status in pipeline.statuses() {
            writeln!(out, "{:>12}    {}", status.id, status.name)?;
        }
    }
    Ok(())
}

/// Says which deal a student's lessons would move, and why. `false`: none.
///
/// # Errors
///
/// When the arguments are wrong, or amoCRM cannot be asked.
pub async fn find_lead(
    app: &App,
    arguments: &FindLead,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let email = normalise(&arguments.email).context("EMAIL: expected an e-mail address")?;
    let courses = app.config().courses.all();
    let course = match &arguments.course {
        Some(name) => courses.iter().find(|course| course.name == *name),
        None => courses.first().filter(|_| courses.len() == 1),
    };
    let course = course.with_context(|| {
        let names: Vec<_> = courses.iter().map(|course| course.name.as_str()).collect();
        format!("--course: expected one of {}", names.join(", "))
    })?;
    let linked = app.crm().linked().await?;
    let ladder = app.syncer().ladder(&linked, &course.name).await?;
    explain(&linked.client, &email, &ladder, out).await
}

/// Renews the tokens.
///
/// # Errors
///
/// When there is nothing to renew, or amoCRM refuses it.
pub async fn refresh_token(app: &App, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    audit_command(app.store(), "refresh-token", "").await?;
    let connection = app.crm().renew().await?;
    writeln!(
        out,
        "the tokens were renewed; the access token lives until {}",
        connection.expires_at.format("%Y-%m-%d %H:%M UTC")
    )?;
    Ok(())
}

/// Puts every dead letter back into the queue.
///
/// # Errors
///
/// When the database fails. What was put back until then is.
pub async fn retry(app: &App, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    audit_command(app.store(), "retry", "").await?;
    let jobs = app.store().jobs();
    let mut total = 0;
    for kind in QUEUE.all() {
        let mut after = 0;
        loop {
            let filter = DeadLetterFilter::kind(kind).after(after).limit(PAGE);
            let page = jobs.dead_letters(filter).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.id;
            for letter in page {
                if revive(app.store(), &letter).await? {
                    total += 1;
                    writeln!(out, "{}  {}", letter.id, letter.reason)?;
                }
            }
        }
    }
    match total {
        0 => writeln!(out, "nothing was given up")?,
        _ => writeln!(
            out,
            "{total} put back into the queue; a running lesson-sync takes them at once"
        )?,
    }
    Ok(())
}

/// Counts what became of lessons.
///
/// # Errors
///
/// When the arguments are wrong, or the database fails.
pub async fn stats(
    app: &App,
    arguments: &Stats,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let now = app.crm().now();
    let since = match &arguments.since {
        Some(text) => read_since(text, now)
            .map_err(anyhow::Error::msg)
            .context("--since")?,
        None => midnight(app.config().dashboard.time_zone(), now),
    };
    let outcomes = app.store().lessons().outcomes_since(since).await?;
    writeln!(out, "since {}", since.format("%Y-%m-%d %H:%M UTC"))?;
    for (outcome, times) in &outcomes {
        writeln!(out, "{times:>8}  {outcome}")?;
    }
    let queue = app.store().jobs().stats(LESSON_SYNC).await?;
    writeln!(out, "{:>8}  students wait", queue.depth)?;
    writeln!(out, "{:>8}  were given up", queue.dead)?;
    Ok(())
}

/// When the office's day began.
fn midnight(zone: FixedOffset, now: DateTime<Utc>) -> DateTime<Utc> {
    let began = now
        .with_timezone(&zone)
        .date_naive()
        .and_time(NaiveTime::MIN);
    began
        .and_local_timezone(zone)
        .single()
        .map_or(now, |at| at.to_utc())
}

//! `lesson-sync replay`: comparing with amoCRM again what has ended.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use connection::audit_command;
use service_kit::clock::read_since;

use crate::App;

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// Lessons told since then: 90m, 12h, 3d, 2026-11-20, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: String,
    /// Only counts them.
    #[arg(long)]
    dry_run: bool,
}

impl Replay {
    /// All lessons told since then.
    pub fn since(since: impl Into<String>) -> Self {
        Self {
            since: since.into(),
            dry_run: false,
        }
    }

    /// Only counts them.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// Puts lessons that have ended back, so that their deals are looked at again. Deals only move forward, so doing it twice
/// changes nothing.
///
/// # Errors
///
/// When the arguments are wrong, or the database fails. What was put back until then is.
pub async fn replay(
    app: &App,
    arguments: &Replay,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let since = read_since(&arguments.since, app.crm().now())
        .map_err(anyhow::Error::msg)
        .context("--since")?;
    let lessons = app.store().lessons();
    let from = since.format("%Y-%m-%d %H:%M UTC");
    if arguments.dry_run {
        let ended = lessons.count_ended_since(since).await?;
        writeln!(
            out,
            "{} lessons of {} students have ended since {from} and would be looked at again",
            ended.lessons, ended.students
        )?;
        return Ok(());
    }
    audit_command(
        app.store(),
        "replay",
        &format!("since {}", since.to_rfc3339()),
    )
    .await?;
    let (mut students, mut put_back, mut after) = (0, 0, None);
    while let Some(page) = lessons.requeue_ended_since(since, after).await? {
        students += page.students;
        put_back += page.lessons;
        after = Some(page.last_student);
    }
    writeln!(
        out,
        "{put_back} lessons of {students} students since {from} put back into the queue; a running lesson-sync takes them \
         at once"
    )?;
    Ok(())
}

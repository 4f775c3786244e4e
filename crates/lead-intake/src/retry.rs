//! `lead-intake retry`: puts what amoCRM refused back into the queue, after a person has mended the cause.

use std::io::Write;

use serde_json::Value;
use store::{DeadLetter, DeadLetterFilter};

use crate::App;
use crate::worker::KINDS;

/// Puts every refused job back into the queue and writes a line about each to `out`. Whoever serves takes them from
/// there; a lead that did reach amoCRM is recognised, so that none arrives twice.
///
/// # Errors
///
/// When the database fails. What was written until then is in the queue.
pub async fn run(app: &App, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let jobs = app.store().jobs();
    let mut total = 0_u64;
    for kind in KINDS {
        let mut after = 0;
        loop {
            let page = jobs
                .dead_letters(DeadLetterFilter::kind(*kind).after(after))
                .await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for letter in page {
                if jobs.replay(letter.id).await? {
                    total += 1;
                    writeln!(out, "{}", line(&letter))?;
                }
            }
        }
    }
    match total {
        0 => writeln!(out, "nothing was refused")?,
        _ => writeln!(
            out,
            "{total} put back into the queue; a running lead-intake takes them at once"
        )?,
    }
    Ok(())
}

fn line(letter: &DeadLetter) -> String {
    let lead = match &letter.payload {
        Value::Object(fields) => fields.get("lead").cloned().unwrap_or_default(),
        number => number.clone(),
    };
    let why = letter.last_error.as_deref().unwrap_or(&letter.reason);
    format!("lead {lead}  {}  {why}", letter.kind)
}

//! `webhook-gateway tail`: the events as they come.

use std::io::Write;

use clap::Args;
use service_kit::clock::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use super::line::{Colour, Paint, plain};
use super::stream::{Heard, Source, Stream, Told};
use crate::config::Config;

/// Arguments of `tail`.
#[derive(Debug, Clone, Default, Args)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Writes the envelopes, one JSON object a line, instead of a line for people.
    #[arg(long)]
    json: bool,
    /// Ends after so many events.
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
    /// Whether lines are coloured.
    #[arg(long, value_enum, default_value_t)]
    color: Colour,
}

/// Prints events until the token is cancelled.
pub(super) async fn run(
    config: &Config,
    arguments: &Arguments,
    is_terminal: bool,
    shutdown: &CancellationToken,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let paint = Paint(arguments.color.is_on(is_terminal));
    let stream = Stream::new(&arguments.source, config, SystemClock.now())?;
    let gateway = stream.gateway();
    let mut left = arguments.count.unwrap_or(u64::MAX);
    if left == 0 {
        return Ok(());
    }
    let told = stream.read(shutdown, async |heard| {
        match heard {
            Heard::Connected => tracing::debug!(gateway, "the stream runs"),
            Heard::Lost(why) => {
                tracing::warn!(gateway, "the stream broke, it is tried again: {why}");
            }
            Heard::Event(told) => {
                if arguments.json {
                    writeln!(out, "{}", told.envelope)?;
                } else {
                    writeln!(out, "{}", line(&told, paint))?;
                }
                out.flush()?;
                left -= 1;
            }
        }
        Ok(left > 0)
    });
    silently(told.await)
}

/// A reader that went away, such as `head`, is the end and no failure.
pub(super) fn silently(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) => {
            let is_closed = error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
            if is_closed { Ok(()) } else { Err(error) }
        }
        fine => fine,
    }
}

/// `14:05:09.120  leads.status      leads/40000001        acme-demo  evt_…`
pub(super) fn line(told: &Told, paint: Paint) -> String {
    let head = &told.head;
    let at = head.receivedtime.as_deref().or(head.time.as_deref());
    // The time of day is enough for who watches; `--json` has the day.
    let time = at
        .and_then(|at| at.split_once('T'))
        .map_or("-", |(_, time)| {
            time.trim_end_matches('Z')
                .get(..12)
                .unwrap_or(time.trim_end_matches('Z'))
        });
    let kind = format!("{:<20}", plain(head.short_kind()));
    let subject = plain(head.subject.as_deref().unwrap_or("-"));
    let account = plain(head.amocrmsubdomain.as_deref().unwrap_or("-"));
    format!(
        "{}  {}  {subject:<24}  {account}  {}",
        paint.quiet(&format!("{:<12}", plain(time))),
        paint.entity(head.entity(), &kind),
        paint.quiet(&plain(&head.id)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_plain_unless_it_is_painted_and_obeys_nobody() {
        let envelope = r#"{"id":"evt_1","type":"amocrm.leads.status.v1","subject":"leads/4","receivedtime":"2026-11-21T14:05:09.120456Z","amocrmsubdomain":"a\u001b[2Jb"}"#;
        let told = Told {
            head: serde_json::from_str(envelope).unwrap(),
            envelope: envelope.to_owned(),
        };
        let text = line(&told, Paint(false));
        assert_eq!(
            text,
            "14:05:09.120  leads.status          leads/4                   a\\u{1b}[2Jb  evt_1"
        );
        assert!(line(&told, Paint(true)).contains("\u{1b}[36mleads.status"));
    }
}

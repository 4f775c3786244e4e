//! `lead-intake dead-letters`: what nobody could do, and what a person decides about it.
//!
//! A letter tells which lead it is about and why it is there, never who the lead is from.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use connection::audit_command;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::clock::read_since;
use store::{DeadLetter, DeadLetterFilter, Store, StoreError};
use utoipa::ToSchema;

use crate::App;
use crate::health::QUEUE;
use crate::worker::{DELIVER, MOVE};

/// Letters read at once.
const PAGE: u32 = 200;

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Lists them: number, kind, lead, attempts, age, reason.
    List(List),
    /// Puts them back into the queue; a lead that amoCRM has after all is recognised, and none arrives twice.
    Retry(Which),
    /// Throws them away for good.
    Drop(Drop),
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Clone, Default, Args)]
pub struct List {
    #[command(flatten)]
    filter: Filter,
    /// Writes a JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

/// Which letters, by number or by what they have in common.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// Numbers of letters.
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// All of them.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
}

/// Arguments of `dead-letters drop`.
#[derive(Debug, Clone, Default, Args)]
pub struct Drop {
    #[command(flatten)]
    which: Which,
    /// Really throws them away.
    #[arg(long)]
    yes: bool,
}

/// What letters have in common.
#[derive(Debug, Clone, Default, Args)]
struct Filter {
    /// Only jobs of this kind, such as lead.deliver.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those that died since: 90m, 12h, 3d, 2026-11-20, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

impl Which {
    /// All letters: what `lead-intake retry` means.
    pub fn all() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }
}

/// A dead letter as it is shown, without what it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Letter {
    /// Its number; a retry keeps it.
    pub(crate) id: i64,
    /// What was to be done: lead.deliver, lead.move, lead.finish, lead.contact.
    #[schema(example = "lead.deliver")]
    pub(crate) kind: String,
    /// The lead it is about.
    pub(crate) lead: Option<i64>,
    /// Why it is here.
    pub(crate) reason: String,
    /// What the last attempt said.
    pub(crate) error: Option<String>,
    /// How many attempts were made.
    pub(crate) attempts: u32,
    /// When the job was added.
    pub(crate) created_at: DateTime<Utc>,
    /// When it came here.
    pub(crate) died_at: DateTime<Utc>,
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let lead = lead_of(&letter);
        Self {
            id: letter.id,
            kind: letter.kind,
            lead,
            reason: letter.reason,
            error: letter.last_error,
            attempts: letter.attempts,
            created_at: letter.created_at,
            died_at: letter.died_at,
        }
    }
}

/// The lead that a letter is about. Jobs carry it, or their lane does: a bare number is a lead's for a delivery alone, for
/// others it is a message's or a note's.
fn lead_of(letter: &DeadLetter) -> Option<i64> {
    match &letter.payload {
        Value::Object(fields) => fields.get("lead")?.as_i64(),
        number if letter.kind == DELIVER => number.as_i64(),
        // `lead/7` and `funnel/7/welcome`.
        _ => letter.lane.as_deref()?.split('/').nth(1)?.parse().ok(),
    }
}

/// Does what the command says and writes about it to `out`.
///
/// # Errors
///
/// When the arguments name nothing, a letter is not there, or the database fails. What was done until then is done.
pub async fn run(app: &App, command: &Command, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let now = app.crm().now();
    match command {
        Command::List(list) => {
            let letters = matching(app.store(), list.filter.read(now)?).await?;
            if list.json {
                serde_json::to_writer_pretty(&mut *out, &letters)?;
                writeln!(out)?;
                return Ok(());
            }
            table(&letters, now, out)
        }
        Command::Retry(which) => {
            audit_command(app.store(), "dead-letters retry", "").await?;
            retry(app, which, out).await
        }
        Command::Drop(drop) => {
            let letters = chosen(app, &drop.which).await?;
            if !drop.yes {
                table(&letters, now, out)?;
                anyhow::bail!(
                    "this throws {} away for good, and leads that were never delivered stay so; add --yes to do it",
                    counted(letters.len())
                );
            }
            audit_command(app.store(), "dead-letters drop", "").await?;
            let mut dropped = 0;
            for letter in letters {
                if discard(app.store(), &letter).await? {
                    dropped += 1;
                }
            }
            writeln!(out, "{} thrown away", counted(dropped))?;
            Ok(())
        }
    }
}

/// Puts letters back into the queue and writes a line about each.
async fn retry(app: &App, which: &Which, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let mut total = 0;
    for letter in chosen(app, which).await? {
        if replay(app.store(), &letter).await? {
            total += 1;
            let lead = letter.lead.map_or("-".to_owned(), |lead| lead.to_string());
            let why = letter.error.as_deref().unwrap_or(&letter.reason);
            writeln!(out, "lead {lead}  {}  {why}", letter.kind)?;
        }
    }
    match total {
        0 => writeln!(out, "nothing was given up")?,
        _ => writeln!(
            out,
            "{total} put back into the queue; a running lead-intake takes them at once"
        )?,
    }
    Ok(())
}

/// Puts one letter back into the queue. `false` if it is not there any more.
pub(crate) async fn replay(store: &Store, letter: &Letter) -> Result<bool, StoreError> {
    let is_back = match letter.lead {
        Some(lead) if letter.kind == DELIVER => store.leads().retry_failed(lead, letter.id).await?,
        _ => store.jobs().replay(letter.id).await?,
    };
    if is_back {
        tracing::info!(
            letter.id = letter.id,
            job.kind = letter.kind,
            lead.id = letter.lead,
            "a dead letter was put back into the queue"
        );
    }
    Ok(is_back)
}

/// Throws one letter away, so that neither the lead nor anything that runs by the hour asks for it again. `false` if it is
/// not there any more.
pub(crate) async fn discard(store: &Store, letter: &Letter) -> Result<bool, StoreError> {
    let is_gone = match (letter.lead, letter.kind.as_str()) {
        (Some(lead), DELIVER) => store.leads().drop_failed(lead, letter.id).await?,
        (Some(lead), MOVE) => store.leads().drop_move(lead, letter.id).await?,
        _ => store.jobs().discard(letter.id).await?,
    };
    if is_gone {
        tracing::warn!(
            letter.id = letter.id,
            job.kind = letter.kind,
            lead.id = letter.lead,
            "a dead letter was thrown away"
        );
    }
    Ok(is_gone)
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.kind.is_none() && self.since.is_none()
    }

    fn read(&self, now: DateTime<Utc>) -> anyhow::Result<DeadLetterFilter> {
        let mut filter = match &self.kind {
            Some(kind) => DeadLetterFilter::kind(known_kind(kind).map_err(anyhow::Error::msg)?),
            None => DeadLetterFilter::new(),
        };
        if let Some(since) = &self.since {
            let at = read_since(since, now).map_err(anyhow::Error::msg);
            filter = filter.since(at.context("--since")?);
        }
        Ok(filter)
    }
}

/// The kind of this name; the part before the point may be left out.
pub(crate) fn known_kind(name: &str) -> Result<&'static str, String> {
    QUEUE
        .all()
        .find(|kind| *kind == name || kind.split_once('.').is_some_and(|(_, short)| short == name))
        .ok_or_else(|| {
            let known: Vec<_> = QUEUE.all().collect();
            format!("kind: expected one of {}", known.join(", "))
        })
}

async fn chosen(app: &App, which: &Which) -> anyhow::Result<Vec<Letter>> {
    let store = app.store();
    if which.ids.is_empty() {
        if !which.all && which.filter.is_empty() {
            anyhow::bail!("name letters by their numbers, or take --all, --kind or --since");
        }
        return Ok(matching(store, which.filter.read(app.crm().now())?).await?);
    }
    let mut letters = BTreeMap::new();
    for id in &which.ids {
        let letter = store.jobs().dead_letter(*id).await?;
        let letter = letter.with_context(|| format!("there is no dead letter {id}"))?;
        letters.insert(*id, letter.into());
    }
    Ok(letters.into_values().collect())
}

async fn matching(store: &Store, filter: DeadLetterFilter) -> Result<Vec<Letter>, StoreError> {
    let mut letters: Vec<Letter> = Vec::new();
    let mut after = 0;
    loop {
        let page = filter.clone().after(after).limit(PAGE);
        let page = store.jobs().dead_letters(page).await?;
        let Some(last) = page.last() else {
            return Ok(letters);
        };
        after = last.id;
        letters.extend(page.into_iter().map(Letter::from));
    }
}

fn table(
    letters: &[Letter],
    now: DateTime<Utc>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    if letters.is_empty() {
        writeln!(out, "there are no dead letters")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:>8}  {:<14}  {:>8}  {:>8}  {:>6}  REASON",
        "ID", "KIND", "LEAD", "ATTEMPTS", "AGE"
    )?;
    for letter in letters {
        let lead = letter.lead.map_or("-".to_owned(), |lead| lead.to_string());
        let error = letter
            .error
            .as_deref()
            .filter(|error| *error != letter.reason)
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        writeln!(
            out,
            "{:>8}  {:<14}  {lead:>8}  {:>8}  {:>6}  {}{error}",
            letter.id,
            letter.kind,
            letter.attempts,
            age(now - letter.died_at),
            letter.reason,
        )?;
    }
    Ok(())
}

/// `45s`, `12m`, `5h`, `3d`.
fn age(age: TimeDelta) -> String {
    let seconds = age.num_seconds().max(0);
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn counted(letters: usize) -> String {
    match letters {
        1 => "1 letter".to_owned(),
        letters => format!("{letters} letters"),
    }
}

//! The commands of people at a terminal. All but `tail` and `listen` work on the database itself, with the service's own
//! configuration, whether the service runs or not.

use std::io::{Read as _, Write};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use connection::audit_command;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use service_kit::clock::read_since;
use store::EventFilter;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, LetterOrder, MAX_PAGE, OVERLAP, ReplayOrder, UnreadOrder};
use super::line::{Table, age, moment, plain};
use super::view::{DeliveryView, EventView, Letter, SubscriberView};
use super::{listen, tail};
use crate::App;
use crate::config::{Config, SubscriberSettings};

/// What people do with a gateway at a terminal.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Lists, adds, changes, removes, pauses and resumes subscribers, and changes their secrets.
    #[command(subcommand)]
    Subscribers(Subscribers),
    /// Searches events, the newest first.
    Events(Events),
    /// Shows an event with its envelope and deliveries, or the webhook that brought it.
    Event(Event),
    /// Shows what became of an event, attempt by attempt.
    Deliveries(Deliveries),
    /// Delivers events again, under the same ids; or reads webhooks again that could not be read.
    Replay(Replay),
    /// Lists, retries or drops deliveries that were given up.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Prints events as they come.
    Tail(tail::Arguments),
    /// Forwards the events of a running gateway to a program on this machine, signed.
    Listen(listen::Arguments),
}

/// What to do with subscribers.
#[derive(Debug, Clone, Subcommand)]
pub enum Subscribers {
    /// Lists them: state, what waits, where events go.
    List(Json),
    /// Adds one. Its secret is printed, this once.
    Add(Add),
    /// Changes the settings of one; what is not given stays.
    Set(Set),
    /// Removes one; what waits for it is thrown away.
    Remove(Remove),
    /// Stops deliveries to one. Its events wait.
    Pause(Name),
    /// Goes on with deliveries to one, also if it was disabled.
    Resume(Name),
    /// Gives one a new secret, which is printed, this once.
    Rotate(Rotate),
}

/// Whether JSON is written.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Json {
    /// Writes JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Which subscriber.
#[derive(Debug, Clone, Args)]
pub struct Name {
    /// Its name.
    name: String,
}

/// Settings of a subscriber. Those that have no flag of their own are given with `--set`.
#[derive(Debug, Clone, Default, Args)]
struct Settings {
    /// The HTTP(S) endpoint that events are posted to.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The beginning of JetStream subjects.
    #[arg(long, value_name = "SUBJECT")]
    nats: Option<String>,
    /// Writes events to the gateway's standard output.
    #[arg(long)]
    stdout: bool,
    /// Which events: leads.*, contacts.update; several with commas between.
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    events: Vec<String>,
    /// Of which accounts, by name; several with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    accounts: Vec<String>,
    /// Lets the address be one of this machine or of a private network.
    #[arg(long)]
    allow_private: bool,
    /// Another setting as in gateway.toml, a number, a text or JSON: `--set concurrency=8`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    more: Vec<String>,
}

/// Arguments of `subscribers add`.
#[derive(Debug, Clone, Args)]
pub struct Add {
    /// Letters, digits, `-` and `_`.
    name: String,
    #[command(flatten)]
    settings: Settings,
    /// Reads its secret, whsec_…, from the standard input instead of making one.
    #[arg(long)]
    secret_stdin: bool,
}

/// Arguments of `subscribers set`.
#[derive(Debug, Clone, Args)]
pub struct Set {
    /// Its name.
    name: String,
    #[command(flatten)]
    settings: Settings,
}

/// Arguments of `subscribers remove`.
#[derive(Debug, Clone, Args)]
pub struct Remove {
    /// Its name.
    name: String,
    /// Really removes it.
    #[arg(long)]
    yes: bool,
}

/// Arguments of `subscribers rotate`.
#[derive(Debug, Clone, Args)]
pub struct Rotate {
    /// Its name.
    name: String,
    /// For how many hours the old secret signs as well: 0 to 720.
    #[arg(long, value_name = "HOURS", default_value_t = OVERLAP.as_secs() / 3_600, value_parser = clap::value_parser!(u64).range(0..=720))]
    keep_old_hours: u64,
    /// Reads the new secret, whsec_…, from the standard input instead of making one.
    #[arg(long)]
    secret_stdin: bool,
}

/// Arguments of `events`.
#[derive(Debug, Clone, Default, Args)]
pub struct Events {
    /// Only this account's, by its name in the gateway.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only of this type, such as leads.status, or of all that begin so: leads.*.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only about this, such as leads/40000001.
    #[arg(long, value_name = "ENTITY/ID")]
    subject: Option<String>,
    /// Only those that were for this subscriber.
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    /// Only those that came since: 90m, 12h, 3d, a day, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those that came before.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    json: Json,
}

/// Arguments of `event`.
#[derive(Debug, Clone, Args)]
pub struct Event {
    /// Its id, evt_….
    id: String,
    /// Writes the body of the webhook that brought it, byte for byte, and nothing else.
    #[arg(long)]
    body: bool,
    #[command(flatten)]
    json: Json,
}

/// Arguments of `deliveries`.
#[derive(Debug, Clone, Args)]
pub struct Deliveries {
    /// The event's id, evt_….
    id: String,
    #[command(flatten)]
    json: Json,
}

/// Arguments of `replay`.
#[derive(Debug, Clone, Default, Args)]
pub struct Replay {
    /// These events, by id.
    #[arg(value_name = "EVENT")]
    events: Vec<String>,
    /// Events that came since: 90m, 12h, 3d, a day, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Events that came before.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only to this subscriber.
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    /// Only deliveries that were given up.
    #[arg(long)]
    dead_letters: bool,
    /// Reads the webhooks again that were kept because they could not be read, or not all of them, and delivers what is
    /// in them: after an upgrade that understands them.
    #[arg(long, conflicts_with_all = ["events", "since", "until", "subscriber", "dead_letters"])]
    unread: bool,
    /// Counts and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// At most so many deliveries, or webhooks, the oldest first [default: 1000].
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,
}

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetters {
    /// Lists them: number, subscriber, event, attempts, age, reason.
    List(ListLetters),
    /// Puts them back into the queue.
    Retry(Which),
    /// Throws them away for good.
    Drop(DropLetters),
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Clone, Default, Args)]
pub struct ListLetters {
    #[command(flatten)]
    filter: LetterFilter,
    #[command(flatten)]
    json: Json,
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
    filter: LetterFilter,
}

/// Arguments of `dead-letters drop`.
#[derive(Debug, Clone, Default, Args)]
pub struct DropLetters {
    #[command(flatten)]
    which: Which,
    /// Really throws them away.
    #[arg(long)]
    yes: bool,
}

/// What letters have in common.
#[derive(Debug, Clone, Default, Args)]
struct LetterFilter {
    /// Only those of this subscriber.
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    /// Only those that were given up since: 90m, 12h, 3d, a day, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

impl Command {
    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        matches!(self, Self::Tail(_) | Self::Listen(_))
    }

    /// The name of a command that is about to change something, and what it is about.
    fn changes(&self) -> Option<(&'static str, &str)> {
        Some(match self {
            Self::Subscribers(command) => match command {
                Subscribers::Add(it) => ("subscribers add", &it.name),
                Subscribers::Set(it) => ("subscribers set", &it.name),
                Subscribers::Remove(it) if it.yes => ("subscribers remove", &it.name),
                Subscribers::Pause(it) => ("subscribers pause", &it.name),
                Subscribers::Resume(it) => ("subscribers resume", &it.name),
                Subscribers::Rotate(it) => ("subscribers rotate", &it.name),
                Subscribers::List(_) | Subscribers::Remove(_) => return None,
            },
            Self::Replay(it) if it.dry_run => return None,
            Self::Replay(it) if it.unread => ("replay --unread", ""),
            Self::Replay(it) => ("replay", it.subscriber.as_deref().unwrap_or_default()),
            Self::DeadLetters(DeadLetters::Retry(it)) => ("dead-letters retry", it.about()),
            Self::DeadLetters(DeadLetters::Drop(it)) if it.yes => {
                ("dead-letters drop", it.which.about())
            }
            Self::DeadLetters(_)
            | Self::Events(_)
            | Self::Event(_)
            | Self::Deliveries(_)
            | Self::Tail(_)
            | Self::Listen(_) => return None,
        })
    }
}

/// Does what the command says and writes about it to `out`.
///
/// # Errors
///
/// When the arguments are wrong, something is not there, or the database fails. What was done until then is done.
pub async fn run(
    config: Config,
    command: &Command,
    is_terminal: bool,
    shutdown: &CancellationToken,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    // These two ask a running gateway, perhaps on another machine: there need be no database here.
    match command {
        Command::Tail(arguments) => {
            return tail::run(&config, arguments, is_terminal, shutdown, out).await;
        }
        Command::Listen(arguments) => {
            return listen::run(&config, arguments, is_terminal, shutdown, out).await;
        }
        _ => {}
    }
    let app = App::open(config).await?;
    let desk = app.desk();
    if let Some((name, about)) = command.changes() {
        audit_command(app.store(), name, about).await?;
    }
    match command {
        Command::Subscribers(command) => subscribers(desk, command, out).await,
        Command::Events(arguments) => events(desk, arguments, out).await,
        Command::Event(arguments) => event(desk, arguments, out).await,
        Command::Deliveries(arguments) => {
            let deliveries = desk.deliveries(&arguments.id).await?;
            if arguments.json.json {
                return json(&deliveries, out);
            }
            told(&deliveries, desk.now(), out)
        }
        Command::Replay(arguments) if arguments.unread => unread(desk, arguments, out).await,
        Command::Replay(arguments) => replay(desk, arguments, out).await,
        Command::DeadLetters(command) => dead_letters(desk, command, out).await,
        Command::Tail(_) | Command::Listen(_) => Ok(()),
    }
}

async fn subscribers(
    desk: &Desk,
    command: &Subscribers,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    match command {
        Subscribers::List(arguments) => {
            let subscribers = desk.subscribers().await?;
            if arguments.json {
                return json(&subscribers, out);
            }
            list_subscribers(desk, &subscribers, out).await
        }
        Subscribers::Add(arguments) => {
            let settings = arguments.settings.over(Map::new())?;
            let secret = arguments.secret_stdin.then(read_secret).transpose()?;
            let (subscriber, secret) = desk.create(&arguments.name, &settings, secret).await?;
            writeln!(
                out,
                "added {} → {}",
                subscriber.name,
                subscriber.destination()
            )?;
            show_once(&secret, out)
        }
        Subscribers::Set(arguments) => {
            let known = desk.subscriber(&arguments.name).await?.settings;
            let Value::Object(known) = serde_json::to_value(known)? else {
                anyhow::bail!("the settings of {} cannot be read", arguments.name);
            };
            let settings = arguments.settings.over(known)?;
            desk.replace(&arguments.name, &settings).await?;
            writeln!(out, "changed {}", arguments.name)?;
            Ok(())
        }
        Subscribers::Remove(arguments) => {
            let subscriber = desk.subscriber(&arguments.name).await?;
            if !arguments.yes {
                anyhow::bail!(
                    "this ends the subscription of {} and throws away what waits for it; add --yes to do it",
                    subscriber.name
                );
            }
            desk.remove(&arguments.name).await?;
            writeln!(out, "removed {}", arguments.name)?;
            Ok(())
        }
        Subscribers::Pause(arguments) => {
            desk.pause(&arguments.name).await?;
            writeln!(out, "paused {}; its events wait", arguments.name)?;
            Ok(())
        }
        Subscribers::Resume(arguments) => {
            desk.resume(&arguments.name).await?;
            writeln!(out, "resumed {}", arguments.name)?;
            Ok(())
        }
        Subscribers::Rotate(arguments) => {
            let secret = arguments.secret_stdin.then(read_secret).transpose()?;
            let keep_old = Duration::from_hours(arguments.keep_old_hours);
            let (subscriber, secret) = desk.rotate(&arguments.name, secret, keep_old).await?;
            match subscriber.old_secret_until {
                Some(at) => writeln!(
                    out,
                    "deliveries to {} carry both signatures until {} UTC",
                    subscriber.name,
                    moment(at)
                )?,
                None => writeln!(out, "the old secret of {} is void", subscriber.name)?,
            }
            show_once(&secret, out)
        }
    }
}

fn show_once(secret: &SecretString, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    writeln!(out, "secret: {}", secret.expose_secret())?;
    writeln!(out, "keep it: it is not shown again")?;
    Ok(())
}

/// A secret is given where no list of processes shows it.
fn read_secret() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin()
        .take(1_024)
        .read_to_string(&mut text)
        .context("the standard input cannot be read")?;
    Ok(SecretString::from(text.trim()))
}

impl Settings {
    /// These settings over what is known.
    fn over(&self, known: Map<String, Value>) -> anyhow::Result<SubscriberSettings> {
        let mut settings = known;
        let is_moved = self.url.is_some() || self.nats.is_some() || self.stdout;
        if is_moved {
            for name in ["url", "nats", "stdout"] {
                settings.remove(name);
            }
        }
        let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
        if let Some(url) = &self.url {
            set("url", Value::from(url.as_str()));
        }
        if let Some(nats) = &self.nats {
            set("nats", Value::from(nats.as_str()));
        }
        if self.stdout {
            set("stdout", Value::from(true));
        }
        if !self.events.is_empty() {
            set("events", Value::from(self.events.clone()));
        }
        if !self.accounts.is_empty() {
            set("accounts", Value::from(self.accounts.clone()));
        }
        if self.allow_private {
            set("allow_private", Value::from(true));
        }
        for pair in &self.more {
            let (name, value) = pair
                .split_once('=')
                .with_context(|| format!("--set: expected NAME=VALUE, not `{pair}`"))?;
            // What is no JSON is a text: --set skip_after=10m.
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            set(name.trim(), value);
        }
        super::settings::read(Value::Object(settings)).map_err(anyhow::Error::from)
    }
}

async fn list_subscribers(
    desk: &Desk,
    subscribers: &[SubscriberView],
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    if subscribers.is_empty() {
        writeln!(out, "there are no subscribers")?;
        return Ok(());
    }
    let mut table = Table::new([
        "NAME", "STATE", "WAITING", "LAG", "DEAD", "EVENTS", "TO", "FROM",
    ]);
    for subscriber in subscribers {
        let stats = desk
            .store()
            .jobs()
            .stats(&store::job_kind(&subscriber.name))
            .await?;
        let lag = chrono::TimeDelta::from_std(stats.lag).unwrap_or_default();
        table.row([
            subscriber.name.clone(),
            subscriber.state.clone(),
            stats.depth.to_string(),
            age(lag),
            stats.dead.to_string(),
            subscriber.settings.events.join(","),
            subscriber.destination(),
            subscriber.source.clone(),
        ]);
    }
    print(&table, out)
}

async fn events(
    desk: &Desk,
    arguments: &Events,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut filter = EventFilter::default();
    filter.account.clone_from(&arguments.account);
    filter.kind.clone_from(&arguments.kind);
    filter.subject.clone_from(&arguments.subject);
    filter.subscriber.clone_from(&arguments.subscriber);
    filter.since = when("--since", arguments.since.as_deref(), desk.now())?;
    filter.until = when("--until", arguments.until.as_deref(), desk.now())?;
    let mut events: Vec<EventView> = Vec::new();
    let wanted = arguments.limit as usize;
    while events.len() < wanted {
        let left = u32::try_from(wanted - events.len()).unwrap_or(MAX_PAGE);
        filter.limit = left.min(MAX_PAGE);
        let page = desk.events(filter.clone()).await?;
        events.extend(page.events);
        filter.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    if arguments.json.json {
        return json(&events, out);
    }
    if events.is_empty() {
        writeln!(out, "there are no such events")?;
        return Ok(());
    }
    let mut table = Table::new(["RECEIVED (UTC)", "TYPE", "SUBJECT", "ACCOUNT", "ID"]);
    for event in events {
        table.row([
            moment(event.received_at),
            event.kind,
            event.subject.unwrap_or_else(|| "-".to_owned()),
            event.account,
            event.id,
        ]);
    }
    print(&table, out)
}

async fn event(desk: &Desk, arguments: &Event, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    if arguments.body {
        let row = desk.event_row(&arguments.id).await?;
        let body = desk.body(row.request).await?;
        out.write_all(&body.bytes)?;
        out.flush()?;
        return Ok(());
    }
    let detail = desk.event(&arguments.id).await?;
    if arguments.json.json {
        return json(&detail, out);
    }
    let event = &detail.event;
    let dash = || "-".to_owned();
    let facts = [
        ("id", event.id.clone()),
        ("type", event.kind.clone()),
        ("subject", event.subject.clone().unwrap_or_else(dash)),
        ("account", event.account.clone()),
        ("happened", event.occurred_at.map_or_else(dash, moment)),
        ("received", moment(event.received_at)),
        ("request", event.request.to_string()),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:<10}{}", plain(&value))?;
    }
    match &detail.envelope {
        Some(envelope) => writeln!(out, "{}", serde_json::to_string_pretty(envelope)?)?,
        None => writeln!(out, "the envelope is not kept any more")?,
    }
    told(&detail.deliveries, desk.now(), out)
}

/// What became of an event, for people.
fn told(
    deliveries: &[DeliveryView],
    now: DateTime<Utc>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    if deliveries.is_empty() {
        writeln!(out, "nobody had subscribed to it")?;
    }
    for delivery in deliveries {
        let next = delivery
            .next_at
            .filter(|at| *at > now)
            .map(|at| format!(", next try in {}", age(at - now)))
            .unwrap_or_default();
        writeln!(
            out,
            "{}: {}{next}",
            plain(&delivery.subscriber),
            delivery.state
        )?;
        for attempt in &delivery.attempts {
            let status = attempt
                .status
                .map_or("-".to_owned(), |status| status.to_string());
            let reason = attempt.reason.as_deref().map(plain).unwrap_or_default();
            let line = format!(
                "  {}  {:<9}  {status:>3}  {:>6} ms  {reason}",
                moment(attempt.started_at),
                attempt.outcome,
                attempt.duration_ms,
            );
            writeln!(out, "{}", line.trim_end())?;
            if let Some(response) = attempt.response.as_deref().filter(|text| !text.is_empty()) {
                writeln!(
                    out,
                    "    {}",
                    plain(&service_kit::dashboard::cut(response, 200))
                )?;
            }
        }
    }
    Ok(())
}

async fn replay(
    desk: &Desk,
    arguments: &Replay,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let order = ReplayOrder {
        events: arguments.events.clone(),
        since: when("--since", arguments.since.as_deref(), desk.now())?,
        until: when("--until", arguments.until.as_deref(), desk.now())?,
        subscriber: arguments.subscriber.clone(),
        dead_letters: arguments.dead_letters,
        dry_run: arguments.dry_run,
        limit: arguments.limit,
    };
    let answer = desk.replay(&order).await?;
    let deliveries = match answer.count {
        1 => "1 delivery".to_owned(),
        count => format!("{count} deliveries"),
    };
    if answer.dry_run {
        writeln!(out, "{deliveries} would be put into the queue")?;
    } else {
        writeln!(
            out,
            "{deliveries} put into the queue; a running webhook-gateway takes them at once"
        )?;
    }
    Ok(())
}

async fn unread(
    desk: &Desk,
    arguments: &Replay,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let order = UnreadOrder {
        dry_run: arguments.dry_run,
        limit: arguments.limit,
    };
    let answer = desk.read_again(&order).await?;
    let verb = if answer.dry_run { "would be" } else { "were" };
    writeln!(
        out,
        "new events in webhooks that {verb} read: {} in {}; they had come otherwise: {}; webhooks that cannot be read \
         still, or not wholly: {}",
        answer.events, answer.webhooks, answer.duplicates, answer.unread
    )?;
    Ok(())
}

async fn dead_letters(
    desk: &Desk,
    command: &DeadLetters,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let now = desk.now();
    match command {
        DeadLetters::List(arguments) => {
            let mut order = arguments.filter.order(now)?;
            order.all = true;
            let letters = desk.chosen(&order).await?;
            if arguments.json.json {
                return json(&letters, out);
            }
            list_letters(&letters, now, out)
        }
        DeadLetters::Retry(which) => {
            let letters = desk.chosen(&which.order(now)?).await?;
            let count = desk.retry(&letters).await?;
            writeln!(
                out,
                "{} put back into the queue; a running webhook-gateway takes them at once",
                counted(count)
            )?;
            Ok(())
        }
        DeadLetters::Drop(arguments) => {
            let letters = desk.chosen(&arguments.which.order(now)?).await?;
            if !arguments.yes {
                list_letters(&letters, now, out)?;
                anyhow::bail!(
                    "this throws {} away for good: the subscribers never get these events; add --yes to do it",
                    counted(letters.len() as u64)
                );
            }
            let count = desk.discard(&letters).await?;
            writeln!(out, "{} thrown away", counted(count))?;
            Ok(())
        }
    }
}

impl LetterFilter {
    fn order(&self, now: DateTime<Utc>) -> anyhow::Result<LetterOrder> {
        Ok(LetterOrder {
            subscriber: self.subscriber.clone(),
            since: when("--since", self.since.as_deref(), now)?,
            ..LetterOrder::default()
        })
    }
}

impl Which {
    /// Whose letters, if they are one subscriber's.
    fn about(&self) -> &str {
        self.filter.subscriber.as_deref().unwrap_or_default()
    }

    fn order(&self, now: DateTime<Utc>) -> anyhow::Result<LetterOrder> {
        let order = LetterOrder {
            ids: self.ids.clone(),
            all: self.all,
            ..self.filter.order(now)?
        };
        if order == LetterOrder::default() {
            anyhow::bail!("name letters by their numbers, or take --all, --subscriber or --since");
        }
        Ok(order)
    }
}

fn list_letters(
    letters: &[Letter],
    now: DateTime<Utc>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    if letters.is_empty() {
        writeln!(out, "there are no dead letters")?;
        return Ok(());
    }
    let mut table = Table::new([
        "ID",
        "SUBSCRIBER",
        "TYPE",
        "SUBJECT",
        "ATTEMPTS",
        "AGE",
        "REASON",
    ]);
    let dash = || "-".to_owned();
    for letter in letters {
        let error = letter
            .error
            .as_deref()
            .filter(|error| *error != letter.reason);
        table.row([
            letter.id.to_string(),
            letter.subscriber.clone(),
            letter.kind.clone().unwrap_or_else(dash),
            letter.subject.clone().unwrap_or_else(dash),
            letter.attempts.to_string(),
            age(now - letter.died_at),
            error.map_or_else(
                || letter.reason.clone(),
                |error| format!("{}: {error}", letter.reason),
            ),
        ]);
    }
    print(&table, out)
}

fn counted(letters: u64) -> String {
    match letters {
        1 => "1 letter".to_owned(),
        letters => format!("{letters} letters"),
    }
}

fn when(
    name: &str,
    text: Option<&str>,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<DateTime<Utc>>> {
    text.map(|text| read_since(text, now))
        .transpose()
        .map_err(|message| anyhow::anyhow!("{name}: {message}"))
}

fn json(value: &(impl Serialize + ?Sized), out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

fn print(table: &Table, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    for line in table.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

//! The first page: what comes, what goes, and what somebody has to look at.

use std::time::Duration;

use askama::Template;
use chrono::{DateTime, FixedOffset, Utc};
use service_kit::dashboard::chart::{Columns, Label, Line, Lines, Scale, Series};
use service_kit::dashboard::{Choice, Frame, Markup, Swatch, Tile, cut, tiles};
use service_kit::http::Language;
use store::EventFilter;

use super::words::{self, Words};
use super::{PATH, RANGES, Reader, Shown, broken, footer, moment};
use crate::operate::{
    Came, Desk, EventView, Figures, Letter, OperateError, SubscriberFigures, Went, letter_filter,
};

/// Events on a page.
const EVENTS: u32 = 20;
/// Dead letters and unparsed requests on the page; the API has them all.
const LETTERS: u32 = 20;
const REQUESTS: u32 = 10;
/// A reason is told in so many letters.
const REASON_LENGTH: usize = 160;
/// Subscribers with a line of their own in the charts.
const LINES: usize = 8;
/// Ticks of the lags, in seconds.
const LAG_TICKS: [f64; 7] = [0.01, 0.1, 1.0, 10.0, 60.0, 3_600.0, 86_400.0];

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct Body {
    words: Words,
    language: &'static str,
    days: u32,
    notices: Vec<String>,
    tiles: Markup,
    rates: Markup,
    rate_legend: Vec<Swatch>,
    periods: Vec<PeriodRow>,
    subscribers: Vec<SubscriberRow>,
    lags: Markup,
    lag_legend: Vec<Swatch>,
    failures: Markup,
    failure_legend: Vec<Swatch>,
    search: Search,
    events: Vec<EventLine>,
    older: Option<String>,
    letters: Vec<LetterLine>,
    accounts: Vec<AccountLine>,
    requests: Vec<RequestLine>,
    facts: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct PeriodRow {
    name: String,
    figures: [String; 6],
}

#[derive(Debug)]
struct SubscriberRow {
    name: String,
    link: String,
    destination: String,
    state: (&'static str, String),
    reason: String,
    waiting: String,
    lag: String,
    delivered: String,
    failed: String,
    dead: String,
    action: Option<(String, &'static str)>,
}

#[derive(Debug)]
struct Search {
    kind: String,
    subject: String,
    account: String,
    subscriber: String,
}

#[derive(Debug)]
struct EventLine {
    received: String,
    link: String,
    kind: String,
    subject: String,
    account: String,
    deliveries: Vec<DeliveryMark>,
}

/// A delivery in a word, with a mark for those who do not see colours.
#[derive(Debug)]
struct DeliveryMark {
    subscriber: String,
    mark: &'static str,
    class: &'static str,
    word: String,
}

#[derive(Debug)]
struct LetterLine {
    subscriber: String,
    event: Option<(String, String)>,
    attempts: String,
    died: String,
    reason: String,
    retry: String,
}

#[derive(Debug)]
struct AccountLine {
    name: String,
    state: Option<(&'static str, &'static str)>,
    seen: String,
    taken: String,
    duplicates: String,
    unparsed: String,
}

#[derive(Debug)]
struct RequestLine {
    received: String,
    link: String,
    account: String,
    problem: String,
}

pub(super) async fn frame(
    desk: &Desk,
    shown: &Shown,
    reader: Reader,
) -> Result<Frame<'static>, OperateError> {
    let language = reader.language;
    let figures = desk.figures(reader.days).await?;
    let views = desk.subscribers().await?;
    let given = |text: &Option<String>| {
        text.clone()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let mut filter = EventFilter::default();
    filter.kind = given(&shown.kind);
    filter.subject = given(&shown.subject);
    filter.account = given(&shown.account);
    filter.subscriber = given(&shown.subscriber);
    filter.after = shown.after.as_deref().and_then(|after| after.parse().ok());
    filter.limit = EVENTS;
    let page = desk.events(filter).await?;
    let mut events = Vec::new();
    for event in &page.events {
        events.push(event_line(desk, event, reader).await?);
    }
    let letters = desk.letters(letter_filter(None, None), LETTERS).await?;
    let requests = desk.requests(None, true, None, REQUESTS).await?;
    let body = Body {
        words: Words::of(language),
        language: language.code(),
        days: reader.days,
        notices: notices(&figures, language),
        tiles: tiles(&first(&figures, language), language).map_err(broken)?,
        rates: rates(desk, &figures, language),
        rate_legend: rate_legend(&figures, language),
        periods: periods(desk, &figures, language),
        subscribers: views
            .iter()
            .zip(&figures.subscribers)
            .map(|(view, sums)| {
                let name = &view.name;
                let act =
                    |action: &str| reader.link(&format!("{PATH}/subscribers/{name}/{action}"));
                SubscriberRow {
                    name: name.clone(),
                    link: reader.link(&format!("{PATH}/subscribers/{name}")),
                    destination: view.destination(),
                    state: words::state(&view.state, language),
                    reason: cut(view.reason.as_deref().unwrap_or_default(), REASON_LENGTH),
                    waiting: language.count(sums.waiting),
                    lag: match sums.waiting {
                        0 => "–".to_owned(),
                        _ => seconds(language, sums.lag_seconds),
                    },
                    delivered: language.count(sums.delivered),
                    failed: language.count(sums.failed),
                    dead: language.count(sums.dead_letters),
                    action: Some(match view.state.as_str() {
                        "active" => (act("pause"), language.pick("Пауза", "Pause")),
                        _ => (act("resume"), language.pick("Продолжить", "Resume")),
                    }),
                }
            })
            .collect(),
        lags: lags(desk, &figures, language),
        lag_legend: legend(&figures, |sums| words::millis(language, sums.median_ms)),
        failures: failures(desk, &figures, language),
        failure_legend: legend(&figures, |sums| language.count(sums.failed)),
        older: page.next.map(|next| older(shown, reader, next)),
        search: Search {
            kind: given(&shown.kind).unwrap_or_default(),
            subject: given(&shown.subject).unwrap_or_default(),
            account: given(&shown.account).unwrap_or_default(),
            subscriber: given(&shown.subscriber).unwrap_or_default(),
        },
        events,
        letters: letters
            .dead_letters
            .iter()
            .map(|letter| letter_line(desk, letter, reader))
            .collect(),
        accounts: accounts(desk, &figures, reader).await?,
        requests: requests
            .requests
            .iter()
            .map(|request| RequestLine {
                received: moment(desk, language, request.received_at),
                link: reader.link(&format!("{PATH}/requests/{}", request.id)),
                account: request.account.clone(),
                problem: cut(
                    request.problem.as_deref().unwrap_or_default(),
                    REASON_LENGTH,
                ),
            })
            .collect(),
        facts: facts(desk, &figures, language),
    };
    let body = body.render().map_err(broken)?;
    Ok(Frame {
        service: "webhook-gateway",
        title: language.pick("Дашборд", "Dashboard"),
        path: PATH,
        language,
        choices: RANGES
            .into_iter()
            .map(|days| Choice {
                label: match (days, language) {
                    (1, Language::Russian) => "сутки".to_owned(),
                    (1, Language::English) => "day".to_owned(),
                    (days, Language::Russian) => format!("{days} дней"),
                    (days, Language::English) => format!("{days} days"),
                },
                value: days.to_string(),
                current: days == reader.days,
            })
            .collect(),
        query: Vec::new(),
        footer: footer(desk, language),
        body: Markup::from(body),
    })
}

async fn event_line(
    desk: &Desk,
    event: &EventView,
    reader: Reader,
) -> Result<EventLine, OperateError> {
    let deliveries = desk.states(&event.id).await?;
    Ok(EventLine {
        received: moment(desk, reader.language, event.received_at),
        link: reader.link(&format!("{PATH}/events/{}", event.id)),
        kind: cut(&event.kind, 60),
        subject: cut(event.subject.as_deref().unwrap_or("–"), 60),
        account: event.account.clone(),
        deliveries: deliveries
            .into_iter()
            .map(|(subscriber, state)| {
                let (class, word) = words::state(&state, reader.language);
                DeliveryMark {
                    subscriber,
                    mark: words::mark(&state),
                    class,
                    word,
                }
            })
            .collect(),
    })
}

fn letter_line(desk: &Desk, letter: &Letter, reader: Reader) -> LetterLine {
    let language = reader.language;
    let event = letter.event.as_ref().map(|id| {
        let told = match (&letter.kind, &letter.subject) {
            (Some(kind), Some(subject)) => format!("{kind} {subject}"),
            (Some(kind), None) => kind.clone(),
            _ => id.clone(),
        };
        (reader.link(&format!("{PATH}/events/{id}")), cut(&told, 80))
    });
    let reason = letter.error.as_deref().unwrap_or(&letter.reason);
    LetterLine {
        subscriber: letter.subscriber.clone(),
        event,
        attempts: language.count(u64::from(letter.attempts)),
        died: moment(desk, language, letter.died_at),
        reason: cut(reason, REASON_LENGTH),
        retry: reader.link(&format!("{PATH}/dead-letters/{}/retry", letter.id)),
    }
}

/// The link to the next page of events.
fn older(shown: &Shown, reader: Reader, next: i64) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let pairs = [
        ("type", &shown.kind),
        ("subject", &shown.subject),
        ("account", &shown.account),
        ("subscriber", &shown.subscriber),
    ];
    for (name, value) in pairs {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            query.append_pair(name, value);
        }
    }
    query.append_pair("after", &next.to_string());
    format!("{}&{}#events", reader.link(PATH), query.finish())
}

/// What somebody has to do, if anything.
fn notices(figures: &Figures, language: Language) -> Vec<String> {
    let mut notices = Vec::new();
    for subscriber in &figures.subscribers {
        let name = &subscriber.subscriber;
        match (subscriber.state.as_str(), language) {
            ("disabled", Language::Russian) => notices.push(format!(
                "Подписчик {name} отключён: его события ждут. Когда он готов, нажмите «Продолжить»."
            )),
            ("disabled", Language::English) => notices.push(format!(
                "Subscriber {name} is disabled: its events wait. Press Resume when it is ready."
            )),
            ("failing", Language::Russian) => notices.push(format!(
                "Подписчик {name} не отвечает: доставка приостановлена и пробуется снова."
            )),
            ("failing", Language::English) => notices.push(format!(
                "Subscriber {name} does not answer: deliveries pause and are tried again."
            )),
            _ => {}
        }
    }
    notices
}

fn first(figures: &Figures, language: Language) -> Vec<Tile> {
    let came = |of: fn(&Came) -> u64| figures.periods.iter().map(of).sum::<u64>();
    let went = |of: fn(&SubscriberFigures) -> u64| figures.subscribers.iter().map(of).sum::<u64>();
    let received = came(|it| it.received);
    let (duplicates, unparsed) = (came(|it| it.duplicates), came(|it| it.unparsed));
    let events = came(|it| it.events);
    let waiting = went(|it| it.waiting);
    let dead = went(|it| it.dead_letters);
    let lag = figures
        .subscribers
        .iter()
        .map(|it| it.lag_seconds)
        .fold(0.0, f64::max);
    let tile = |name, figure: String, note: String| Tile {
        name,
        figure,
        note,
        is_bad: false,
    };
    vec![
        tile(
            language.pick("Вебхуков", "Webhooks"),
            language.count(received),
            language.pick("за период", "in this period").to_owned(),
        ),
        tile(
            language.pick("Событий", "Events"),
            language.count(events),
            format!(
                "{}: {}",
                language.pick("повторов", "duplicates"),
                language.count(duplicates)
            ),
        ),
        Tile {
            is_bad: unparsed > 0,
            ..tile(
                language.pick("Не разобрано", "Unparsed"),
                language.count(unparsed),
                language.share(unparsed, received),
            )
        },
        tile(
            language.pick("Доставлено", "Delivered"),
            language.count(went(|it| it.delivered)),
            format!(
                "{}: {}",
                language.pick("неудач", "failures"),
                language.count(went(|it| it.failed))
            ),
        ),
        tile(
            language.pick("В очереди", "Waiting"),
            language.count(waiting),
            match waiting {
                0 => String::new(),
                _ => format!(
                    "{}: {}",
                    language.pick("отставание", "lag"),
                    seconds(language, lag)
                ),
            },
        ),
        Tile {
            is_bad: dead > 0,
            ..tile(
                language.pick("Не доставлено", "Given up"),
                language.count(dead),
                match dead {
                    0 => String::new(),
                    _ => language
                        .pick("нужен человек", "somebody has to look")
                        .to_owned(),
                },
            )
        },
    ]
}

/// A lag as people write it.
fn seconds(language: Language, seconds: f64) -> String {
    language.duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The time axis.
fn labels(desk: &Desk, figures: &Figures, language: Language) -> Vec<Label> {
    let zone: FixedOffset = desk.config().dashboard.time_zone();
    let step = figures.step_hours;
    figures
        .periods
        .iter()
        .map(|period| {
            let from: DateTime<FixedOffset> = period
                .from
                .unwrap_or(DateTime::<Utc>::MIN_UTC)
                .with_timezone(&zone);
            let date = from.date_naive();
            let hour = from.format("%H:%M").to_string();
            match step {
                24 => Label {
                    short: language.short_date(date),
                    full: language.date(date),
                },
                _ => Label {
                    short: if hour == "00:00" {
                        language.short_date(date)
                    } else {
                        hour.clone()
                    },
                    full: format!("{} {hour}", language.date(date)),
                },
            }
        })
        .collect()
}

fn rates(desk: &Desk, figures: &Figures, language: Language) -> Markup {
    let of = |of: fn(&Came) -> u64| figures.periods.iter().map(of).collect::<Vec<_>>();
    let series = |name: &str, values| Series {
        name: name.to_owned(),
        values,
    };
    let total: u64 = figures.periods.iter().map(|it| it.received).sum();
    let total = language.count(total);
    let description = match language {
        Language::Russian => format!("Всего вебхуков: {total}."),
        Language::English => format!("{total} webhooks in all."),
    };
    let columns = Columns {
        title: language.pick("Что пришло", "What came in"),
        description: &description,
        empty: language.pick("Вебхуков пока нет", "No webhooks yet"),
        language,
        labels: labels(desk, figures, language),
        series: vec![
            series(language.pick("события", "events"), of(|it| it.events)),
            series(
                language.pick("повторы", "duplicates"),
                of(|it| it.duplicates),
            ),
            series(
                language.pick("не разобрано", "unparsed"),
                of(|it| it.unparsed),
            ),
        ],
    };
    columns.draw("came")
}

/// What came and went, as a table, the newest first.
fn periods(desk: &Desk, figures: &Figures, language: Language) -> Vec<PeriodRow> {
    let went = |place: usize, of: fn(&Went) -> u64| {
        let subscribers = figures.subscribers.iter();
        let sums = subscribers.filter_map(|sums| sums.periods.get(place));
        sums.map(of).sum::<u64>()
    };
    labels(desk, figures, language)
        .into_iter()
        .zip(&figures.periods)
        .enumerate()
        .rev()
        .map(|(place, (label, came))| PeriodRow {
            name: label.full,
            figures: [
                came.received,
                came.events,
                came.duplicates,
                came.unparsed,
                went(place, |went| went.delivered),
                went(place, |went| went.failed),
            ]
            .map(|count| language.count(count)),
        })
        .collect()
}

fn rate_legend(figures: &Figures, language: Language) -> Vec<Swatch> {
    let of = |of: fn(&Came) -> u64| language.count(figures.periods.iter().map(of).sum());
    [
        (language.pick("события", "events"), of(|it| it.events)),
        (
            language.pick("повторы", "duplicates"),
            of(|it| it.duplicates),
        ),
        (
            language.pick("не разобрано", "unparsed"),
            of(|it| it.unparsed),
        ),
    ]
    .into_iter()
    .enumerate()
    .map(|(place, (name, figure))| Swatch {
        class: format!("s{place}"),
        name: name.to_owned(),
        figure,
    })
    .collect()
}

fn legend(figures: &Figures, figure: impl Fn(&SubscriberFigures) -> String) -> Vec<Swatch> {
    figures
        .subscribers
        .iter()
        .take(LINES)
        .enumerate()
        .map(|(place, sums)| Swatch {
            class: format!("s{place}"),
            name: cut(&sums.subscriber, 40),
            figure: figure(sums),
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "pictures are not that precise")]
fn lags(desk: &Desk, figures: &Figures, language: Language) -> Markup {
    let lines = figures.subscribers.iter().take(LINES).map(|sums| Line {
        name: sums.subscriber.clone(),
        values: sums
            .periods
            .iter()
            .map(|went| went.mean_lag_ms.map(|millis| millis as f64 / 1_000.0))
            .collect(),
    });
    let lines = Lines {
        title: language.pick("Время до доставки", "Time to delivery"),
        description: language.pick("Среднее по подписчикам.", "On average, by subscriber."),
        empty: language.pick("Доставок пока нет", "No deliveries yet"),
        labels: labels(desk, figures, language),
        lines: lines.collect(),
        scale: Scale::Logarithmic(LAG_TICKS.to_vec()),
        format: |language, value| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "ticks are small and above zero"
            )]
            let told = (value * 1_000.0) as u64;
            words::millis(language, Some(told))
        },
        language,
    };
    lines.draw("lag")
}

fn failures(desk: &Desk, figures: &Figures, language: Language) -> Markup {
    let series = figures.subscribers.iter().take(LINES).map(|sums| Series {
        name: sums.subscriber.clone(),
        values: sums.periods.iter().map(|went| went.failed).collect(),
    });
    let columns = Columns {
        title: language.pick("Неудачные попытки", "Failed attempts"),
        description: language.pick("По подписчикам.", "By subscriber."),
        empty: language.pick("Неудач не было", "Nothing failed"),
        language,
        labels: labels(desk, figures, language),
        series: series.collect(),
    };
    columns.draw("failed")
}

/// The accounts of the settings, and those that webhooks came from before.
async fn accounts(
    desk: &Desk,
    figures: &Figures,
    reader: Reader,
) -> Result<Vec<AccountLine>, OperateError> {
    let language = reader.language;
    let mut known = desk.accounts().await?;
    for sums in &figures.accounts {
        if !known.iter().any(|(name, _)| *name == sums.account) {
            known.push((sums.account.clone(), None));
        }
    }
    let lines = known.into_iter().map(|(name, seen)| {
        let sums = figures.accounts.iter().find(|sums| sums.account == name);
        let came = sums.map(|sums| sums.came.clone()).unwrap_or_default();
        AccountLine {
            state: seen
                .as_ref()
                .map(|seen| words::standing(seen.standing, language)),
            seen: seen
                .map(|seen| moment(desk, language, seen.at))
                .unwrap_or_default(),
            taken: language.count(came.received),
            duplicates: language.count(came.duplicates),
            unparsed: language.count(came.unparsed),
            name,
        }
    });
    Ok(lines.collect())
}

fn facts(desk: &Desk, figures: &Figures, language: Language) -> Vec<(&'static str, String)> {
    let retention = &desk.config().retention;
    let kept = |kept: Option<Duration>| match kept {
        None => language.pick("всегда", "for ever").to_owned(),
        Some(kept) => language.duration(kept),
    };
    let database = &figures.database;
    let mut facts = vec![
        (
            language.pick("События и тела", "Events and bodies"),
            kept(retention.payloads()),
        ),
        (
            language.pick("Попытки", "Attempts"),
            kept(retention.attempts()),
        ),
        (
            language.pick("База данных", "Database"),
            format!(
                "{}, {}",
                database.backend,
                words::bytes(language, database.bytes)
            ),
        ),
    ];
    if let Some(free) = database.free_bytes {
        facts.push((
            language.pick("Свободно на диске", "Free on the disk"),
            words::bytes(language, free),
        ));
    }
    facts
}

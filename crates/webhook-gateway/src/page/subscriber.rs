//! The page of a subscriber: how it does, what it answered last, and its buttons.

use askama::Template;
use service_kit::dashboard::chart::{Bar, Bars};
use service_kit::dashboard::{Frame, Markup, cut};
use service_kit::http::Language;

use super::event::AttemptRow;
use super::words::{self, Words};
use super::{PATH, Reader, Shown, broken, footer, moment};
use crate::operate::{Desk, OperateError, SubscriberFigures, SubscriberView};

/// Attempts on the page.
const ATTEMPTS: u32 = 30;
const ANSWER_LENGTH: usize = 200;

#[derive(Debug, Template)]
#[template(path = "subscriber.html")]
struct Body {
    words: Words,
    back: String,
    notice: Option<&'static str>,
    name: String,
    state: (&'static str, String),
    reason: String,
    facts: Vec<(&'static str, String)>,
    actions: Vec<(String, &'static str)>,
    lag: Markup,
    attempts: Vec<AttemptRow>,
}

pub(super) async fn frame(
    desk: &Desk,
    name: &str,
    shown: &Shown,
    reader: Reader,
) -> Result<Frame<'static>, OperateError> {
    let language = reader.language;
    let view = desk.subscriber(name).await?;
    let figures = desk.figures(reader.days).await?;
    let sums = figures
        .subscribers
        .iter()
        .find(|sums| sums.subscriber == name);
    let attempts = desk.attempts(name, ATTEMPTS).await?;
    let act = |action: &str| reader.link(&format!("{PATH}/subscribers/{name}/{action}"));
    let mut actions = vec![match view.state.as_str() {
        "active" => (act("pause"), language.pick("Пауза", "Pause")),
        _ => (act("resume"), language.pick("Продолжить", "Resume")),
    }];
    actions.push((act("test"), language.pick("Отправить тест", "Send a test")));
    if sums.is_some_and(|sums| sums.dead_letters > 0) {
        actions.push((
            act("retry"),
            language.pick("Повторить недоставленное", "Retry what was given up"),
        ));
    }
    let mut reason = view.reason.clone().unwrap_or_default();
    if let Some(at) = view.retry_at {
        let next = language.pick("следующая попытка", "next try");
        reason = format!("{reason} ({next}: {})", moment(desk, language, at));
    }
    let body = Body {
        words: Words::of(language),
        back: reader.link(PATH),
        notice: shown
            .done
            .as_deref()
            .and_then(|done| done_word(done, language)),
        name: view.name.clone(),
        state: words::state(&view.state, language),
        reason: cut(&reason, 400),
        facts: facts(desk, &view, sums, language),
        actions,
        lag: histogram(sums, language),
        attempts: attempts
            .iter()
            .map(|attempt| AttemptRow::new(desk, attempt, reader, ANSWER_LENGTH))
            .collect(),
    };
    let body = body.render().map_err(broken)?;
    Ok(Frame {
        service: "webhook-gateway",
        title: language.pick("Подписчик", "Subscriber"),
        path: "",
        language,
        choices: Vec::new(),
        query: vec![("days", reader.days.to_string())],
        footer: footer(desk, language),
        body: Markup::from(body),
    })
}

fn done_word(done: &str, language: Language) -> Option<&'static str> {
    let (russian, english) = match done {
        "pause" => (
            "Доставка приостановлена; события ждут.",
            "Deliveries pause; events wait.",
        ),
        "resume" => ("Доставка продолжается.", "Deliveries go on."),
        "retry" => (
            "Недоставленное снова в очереди.",
            "What was given up is in the queue again.",
        ),
        _ => return None,
    };
    Some(language.pick(russian, english))
}

fn facts(
    desk: &Desk,
    view: &SubscriberView,
    sums: Option<&SubscriberFigures>,
    language: Language,
) -> Vec<(&'static str, String)> {
    let settings = &view.settings;
    let all = || language.pick("все", "all").to_owned();
    let list = |texts: Vec<String>| {
        if texts.is_empty() {
            all()
        } else {
            cut(&texts.join(", "), 400)
        }
    };
    let numbers = |numbers: &[i64]| list(numbers.iter().map(i64::to_string).collect());
    let mut facts = vec![
        (language.pick("Куда", "To"), view.destination()),
        (
            language.pick("События", "Events"),
            list(settings.events.clone()),
        ),
        (
            language.pick("Аккаунты", "Accounts"),
            list(settings.accounts.clone()),
        ),
        (
            language.pick("Воронки", "Pipelines"),
            numbers(&settings.pipelines),
        ),
        (language.pick("Этапы", "Stages"), numbers(&settings.stages)),
        (
            language.pick("Записан в", "Written in"),
            match view.source.as_str() {
                "file" => "gateway.toml".to_owned(),
                _ => language.pick("API", "the API").to_owned(),
            },
        ),
        (
            language.pick("Создан", "Made"),
            moment(desk, language, view.created_at),
        ),
    ];
    if !settings.changed.is_empty() {
        facts.push((
            language.pick("Изменились поля", "Fields changed"),
            list(settings.changed.clone()),
        ));
    }
    if let Some(at) = view.old_secret_until {
        facts.push((
            language.pick("Прежний секрет действует до", "The old secret signs until"),
            moment(desk, language, at),
        ));
    }
    if let Some(at) = view.failing_since {
        facts.push((
            language.pick("Не отвечает с", "Failing since"),
            moment(desk, language, at),
        ));
    }
    if let Some(sums) = sums {
        facts.push((
            language.pick("Ждёт", "Waiting"),
            language.count(sums.waiting),
        ));
        facts.push((
            language.pick("Доставлено", "Delivered"),
            language.count(sums.delivered),
        ));
        facts.push((
            language.pick("Неудачных попыток", "Failed attempts"),
            language.count(sums.failed),
        ));
        facts.push((
            language.pick("Не доставлено", "Given up"),
            language.count(sums.dead_letters),
        ));
        facts.push((
            language.pick("Время до доставки", "Time to delivery"),
            format!(
                "{} {}, p95 {}",
                language.pick("медиана", "median"),
                words::millis(language, sums.median_ms),
                words::millis(language, sums.p95_ms)
            ),
        ));
    }
    facts
}

#[expect(clippy::cast_precision_loss, reason = "pictures are not that precise")]
fn histogram(sums: Option<&SubscriberFigures>, language: Language) -> Markup {
    let lags = sums.map(|sums| sums.lags.as_slice()).unwrap_or_default();
    let first = lags.iter().position(|lag| lag.events > 0).unwrap_or(0);
    let last = lags
        .iter()
        .rposition(|lag| lag.events > 0)
        .map_or(0, |place| place + 1);
    let delivered: u64 = lags.iter().map(|lag| lag.events).sum();
    let told = |millis| words::millis(language, Some(millis));
    let bars = lags
        .iter()
        .enumerate()
        .take(last)
        .skip(first)
        .map(|(place, lag)| {
            let above = place
                .checked_sub(1)
                .and_then(|before| lags[before].up_to_ms);
            let name = match (above, lag.up_to_ms) {
                (None, Some(up_to)) => format!("{} {}", language.pick("до", "up to"), told(up_to)),
                (Some(above), Some(up_to)) => format!("{} – {}", told(above), told(up_to)),
                (above, None) => format!(
                    "{} {}",
                    language.pick("дольше", "over"),
                    told(above.unwrap_or(0))
                ),
            };
            let figure = format!(
                "{} · {}",
                language.count(lag.events),
                language.share(lag.events, delivered)
            );
            Bar::new(name, lag.events as f64, figure)
        });
    let bars = Bars {
        title: language.pick(
            "Сколько событий за какое время",
            "How many events took how long",
        ),
        empty: language.pick("Доставок пока нет", "No deliveries yet"),
        bars: bars.collect(),
    };
    bars.draw("lags")
}

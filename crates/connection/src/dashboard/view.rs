//! The figures in words and pictures.

use std::time::Duration;

use askama::Template;
use chrono::{DateTime, FixedOffset, Utc};
use service_kit::dashboard::chart::{Bar, Bars};
use service_kit::dashboard::{Frame, Markup, PageError, Range, cut};
use service_kit::http::Language;

use super::{ConnectionFigures, QueueFigures, ReasonFigures};
use crate::float;

/// A reason is told in so many letters; the command has it whole.
const REASON_LENGTH: usize = 160;

/// For whom the figures are drawn.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Their language.
    pub language: Language,
    /// Their clock.
    pub zone: FixedOffset,
    /// When the figures were true.
    pub at: DateTime<Utc>,
}

/// Dead letters, for somebody to look at.
#[derive(Debug)]
pub struct Letters<'a> {
    /// What they are about, as the head of a column.
    pub subject: &'static str,
    /// The first of them.
    pub rows: Vec<LetterRow>,
    /// What is waiting, and how many were given up in all.
    pub queue: &'a [QueueFigures],
    /// What a button comes back to: [`Range::query`].
    pub query: String,
    /// The reader may press buttons.
    pub may_retry: bool,
    /// The command that retries all.
    pub command: &'a str,
}

/// A dead letter.
#[derive(Debug)]
pub struct LetterRow {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub subject: Option<String>,
    /// Where that is shown.
    pub link: Option<String>,
    /// What was to be done.
    pub job: String,
    /// When it was given up.
    pub died_at: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

service_kit::words! {
    struct Words;
    failures: "Неудачные попытки по причинам", "Failed attempts by reason";
    failures_note: "Почти все такие попытки повторяются сами и удаются.", "Nearly all of them are repeated and succeed.";
    failed: "Не получилось: нужен человек", "Given up: somebody has to look";
    failed_none: "Ничего такого нет.", "Nothing was given up.";
    more: "И ещё", "And more";
    died: "Отложено", "Given up";
    retry: "Повторить", "Retry";
    reason: "Причина", "Reason";
    retry_note: "Когда причина устранена, повторите; всё сразу:", "Retry once the cause is mended; all at once:";
    queue: "Очередь", "Queue";
    job: "Работа", "Work";
    depth: "Ждёт", "Waiting";
    oldest: "Старшему", "Oldest";
    next: "Следующая попытка", "Next try";
    dead: "Отложено", "Given up";
    connection: "Подключение к amoCRM", "Connection to amoCRM";
}

#[derive(Debug, Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    text: &'a str,
}

#[derive(Debug, Template)]
#[template(path = "failures.html")]
struct Failures {
    words: Words,
    chart: Markup,
}

#[derive(Debug, Template)]
#[template(path = "letters.html")]
struct LettersCard<'a> {
    words: Words,
    letters: &'a Letters<'a>,
    more: u64,
    rows: Vec<LetterLine<'a>>,
}

#[derive(Debug)]
struct LetterLine<'a> {
    row: &'a LetterRow,
    died: String,
    reason: String,
}

#[derive(Debug, Template)]
#[template(path = "queue.html")]
struct QueueCard {
    words: Words,
    rows: Vec<QueueLine>,
}

#[derive(Debug)]
struct QueueLine {
    name: String,
    depth: String,
    oldest: String,
    next: String,
    dead: String,
}

#[derive(Debug, Template)]
#[template(path = "standing.html")]
struct StandingCard {
    words: Words,
    facts: Vec<(&'static str, String)>,
    badge: (&'static str, &'static str),
}

impl View {
    /// An instant, as the reader's clock shows it.
    pub fn moment(&self, at: DateTime<Utc>) -> String {
        self.language.moment(&at.with_timezone(&self.zone))
    }

    /// The page of these figures, of so many days.
    pub fn frame<'a>(&self, service: &'a str, path: &'a str, days: u32, body: Markup) -> Frame<'a> {
        let (language, zone) = (self.language, self.zone);
        let at = self.moment(self.at);
        Frame {
            service,
            title: language.pick("Дашборд", "Dashboard"),
            path,
            language,
            choices: Range::choices(days, language),
            query: Vec::new(),
            footer: match language {
                Language::Russian => format!("Показано на {at} ({zone})."),
                Language::English => format!("As of {at} ({zone})."),
            },
            body,
        }
    }

    /// What an administrator has to do while amoCRM is not connected; nothing while it is. `waits` says what that means
    /// for the service: "leads are taken and wait in the queue".
    pub fn notice(&self, connection: &ConnectionFigures, waits: &str) -> Result<Markup, PageError> {
        if connection.connected {
            return Ok(Markup::default());
        }
        let text = match self.language {
            Language::Russian => {
                format!("amoCRM не подключена: {waits}. Администратору аккаунта: откройте")
            }
            Language::English => {
                format!("amoCRM is not connected: {waits}. An administrator of the account opens")
            }
        };
        Ok(Markup::from(Notice { text: &text }.render()?))
    }

    /// Why attempts failed: a card.
    pub fn failures(&self, reasons: &[ReasonFigures]) -> Result<Markup, PageError> {
        let words = Words::of(self.language);
        let bars = reasons.iter().map(|it| {
            let name = reason_name(&it.reason, self.language);
            Bar::new(name, float(it.attempts), self.language.count(it.attempts))
        });
        let bars = Bars {
            title: words.failures,
            empty: self.language.pick("Неудач не было", "Nothing failed"),
            bars: bars.collect(),
        };
        let chart = bars.draw("reasons");
        Ok(Markup::from(Failures { words, chart }.render()?))
    }

    /// What was given up, with a button for each: a card.
    pub fn letters(&self, letters: &Letters<'_>) -> Result<Markup, PageError> {
        let line = |row| LetterLine {
            row,
            died: self.moment(row.died_at),
            reason: cut(&row.reason, REASON_LENGTH),
        };
        let given_up: u64 = letters.queue.iter().map(|queue| queue.dead_letters).sum();
        let card = LettersCard {
            more: given_up.saturating_sub(letters.rows.len() as u64),
            words: Words::of(self.language),
            letters,
            rows: letters.rows.iter().map(line).collect(),
        };
        Ok(Markup::from(card.render()?))
    }

    /// What is waiting: a card. Kinds of which there is nothing are left out, but for `always`.
    pub fn queue(
        &self,
        figures: &[QueueFigures],
        always: &str,
        name: fn(&str, Language) -> String,
    ) -> Result<Markup, PageError> {
        let language = self.language;
        let dash = || "–".to_owned();
        let rows = figures
            .iter()
            // What never happens here need not be read by anybody.
            .filter(|queue| queue.kind == always || queue.depth > 0 || queue.dead_letters > 0)
            .map(|queue| QueueLine {
                name: name(&queue.kind, language),
                depth: language.count(queue.depth),
                oldest: match queue.depth {
                    0 => dash(),
                    _ => language.duration(Duration::from_secs(queue.oldest_age_seconds)),
                },
                next: match queue.next_at {
                    None => dash(),
                    Some(at) if at <= self.at => language.pick("сейчас", "now").to_owned(),
                    Some(at) => self.moment(at),
                },
                dead: language.count(queue.dead_letters),
            });
        let card = QueueCard {
            words: Words::of(language),
            rows: rows.collect(),
        };
        Ok(Markup::from(card.render()?))
    }

    /// How the connection is: a card.
    pub fn connection(&self, connection: &ConnectionFigures) -> Result<Markup, PageError> {
        let language = self.language;
        let dash = || "–".to_owned();
        let moment = |at| self.moment(at);
        let mut facts = vec![
            (
                language.pick("Аккаунт", "Account"),
                connection.account.clone().unwrap_or_else(dash),
            ),
            (
                language.pick("Токены обновлены", "Tokens renewed"),
                connection.renewed_at.map_or_else(dash, moment),
            ),
            (
                language.pick("Действуют до", "Valid until"),
                match (connection.long_lived, connection.expires_at) {
                    (true, _) => language
                        .pick("долгосрочный токен", "a long-lived token")
                        .to_owned(),
                    (false, at) => at.map_or_else(dash, moment),
                },
            ),
        ];
        let earlier: Vec<_> = connection.renewals.iter().skip(1).copied().collect();
        if !earlier.is_empty() {
            let told: Vec<_> = earlier.into_iter().map(moment).collect();
            facts.push((language.pick("До этого", "Before that"), told.join(", ")));
        }
        let badge = if connection.connected {
            ("good", language.pick("подключено", "connected"))
        } else if connection.needs_reconnect {
            ("bad", language.pick("доступ отозван", "access refused"))
        } else {
            ("warn", language.pick("не подключено", "not connected"))
        };
        let card = StandingCard {
            words: Words::of(language),
            facts,
            badge,
        };
        Ok(Markup::from(card.render()?))
    }
}

/// Why an attempt failed, by the word that is counted.
pub fn reason_name(reason: &str, language: Language) -> String {
    let (russian, english) = match reason {
        "connect" => ("нет связи с amoCRM", "no connection to amoCRM"),
        "timeout" | "deadline" => ("amoCRM не ответил вовремя", "no answer in time"),
        "transport" => ("связь прервалась", "the connection broke"),
        "rate_limited" => ("слишком много запросов (429)", "too many requests (429)"),
        "blocked" => ("amoCRM блокирует (403)", "blocked by amoCRM (403)"),
        "not_configured" => ("не настроено", "not configured"),
        "not_connected" => ("аккаунт не подключён", "not connected"),
        "needs_reconnect" | "unauthorized" | "refused" => (
            "доступ отозван: подключите снова",
            "access refused: connect again",
        ),
        "payment_required" => ("не оплачен тариф (402)", "payment required (402)"),
        "forbidden" => ("не хватает прав (403)", "not allowed (403)"),
        "not_found" => ("не найдено (404)", "not found (404)"),
        "validation" => ("amoCRM отверг значение", "a value was refused"),
        "rejected" => ("amoCRM отверг запрос", "the request was refused"),
        "server" => ("ошибка amoCRM (5xx)", "amoCRM failed (5xx)"),
        "decode" => ("непонятный ответ", "an answer nobody understands"),
        "missing" => ("нет поля или воронки", "a field or pipeline is missing"),
        "gone" => ("сделки больше нет", "the deal is gone"),
        "killed" => ("процессы гибли на этом", "processes died at it"),
        "callback" => (
            "платформа не приняла сообщение",
            "the platform did not take a callback",
        ),
        "no_contact" => ("контакт так и не появился", "no contact until the end"),
        "no_deal" => ("сделка так и не появилась", "no deal until the end"),
        "not_in_pipeline" => (
            "сделки нет в воронке курса",
            "no deal in the course's pipeline",
        ),
        other => return other.to_owned(),
    };
    language.pick(russian, english).to_owned()
}

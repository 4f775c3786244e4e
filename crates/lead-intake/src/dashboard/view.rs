//! The page: figures in words and pictures.

use std::time::Duration;

use askama::Template;
use connection::dashboard::{DASHBOARD_PATH, LetterRow, Letters, View};
use service_kit::dashboard::chart::{
    Bar, Bars, Columns, Funnel, Label, Line, Lines, Scale, Series, Step,
};
use service_kit::dashboard::{DayRow, Days, Frame, Markup, PageError, Range, Swatch, Tile, tiles};
use service_kit::http::Language;

use super::figures::{Figures, SourceFigures};
use super::words;
use crate::config::Config;
use crate::worker::{DELIVER, KINDS};

/// Ticks of the delays, in seconds.
const DELAY_TICKS: [f64; 8] = [0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0];

/// What stands between the frame's head and foot.
#[derive(Debug, Template)]
#[template(path = "dashboard.html")]
struct Body {
    words: Words,
    notice: Markup,
    tiles: Markup,
    leads: Markup,
    funnel: Markup,
    stages: Vec<StageRow>,
    lost: String,
    delays: Markup,
    delay_legend: [Swatch; 2],
    delay_days: Vec<DelayRow>,
    histogram: Markup,
    failures: Markup,
    failed: Markup,
    queue: Markup,
    connection: Markup,
}

#[derive(Debug)]
struct StageRow {
    name: String,
    leads: String,
    of_previous: String,
    of_all: String,
}

#[derive(Debug)]
struct DelayRow {
    day: String,
    delivered: String,
    median: String,
    p95: String,
}

service_kit::words! {
    struct Words;
    table: "Таблица", "Table";
    day: "День", "Day";
    total: "Всего", "Total";
    funnel: "Конверсия по этапам", "Conversion by stage";
    funnel_note: "Лиды, пришедшие за период: сколько дошло до этапа или дальше, и доля от предыдущего этапа.",
        "Leads of the period: how many reached each stage or went further, and their part of the stage before.";
    stage: "Этап", "Stage";
    of_previous: "От предыдущего", "Of previous";
    of_all: "От всех", "Of all";
    lost: "Потеряно на разных этапах", "Lost at any stage";
    delays: "Время до первой доставки в amoCRM", "Time to first delivery to amoCRM";
    delivered: "Доставлено", "Delivered";
    median: "Медиана", "Median";
    p95: "95 % не дольше", "95% no longer";
    histogram: "Сколько лидов за какое время", "How many leads took how long";
}

/// The page of these figures.
pub(super) fn frame(
    config: &Config,
    figures: &Figures,
    days: u32,
    language: Language,
    may_retry: bool,
) -> Result<Frame<'static>, PageError> {
    let view = View {
        language,
        zone: config.dashboard.time_zone(),
        at: figures.at,
    };
    let body = body(config, figures, days, &view, may_retry)?.render()?;
    Ok(view.frame("lead-intake", DASHBOARD_PATH, days, Markup::from(body)))
}

fn body(
    config: &Config,
    figures: &Figures,
    days: u32,
    view: &View,
    may_retry: bool,
) -> Result<Body, PageError> {
    let language = view.language;
    let dash = || "–".to_owned();
    let word = |status: &str| words::status(status, &config.intake.stages, language);
    let delay = |millis: Option<u64>| {
        millis.map_or_else(dash, |it| language.duration(Duration::from_millis(it)))
    };
    let waits = language.pick(
        "лиды принимаются и ждут в очереди",
        "leads are taken and wait in the queue",
    );
    let days_of_leads = Days {
        id: "leads",
        title: language.pick("Лиды по дням и источникам", "Leads by day and source"),
        language,
        chart: leads(figures, language),
        legend: figures
            .leads
            .sources
            .iter()
            .enumerate()
            .map(|(place, source)| Swatch {
                class: colour(place, source),
                name: source_name(source, language),
                figure: language.count(source.total),
            })
            .collect(),
        rows: figures
            .periods
            .iter()
            .enumerate()
            .rev()
            .map(|(place, period)| {
                let of = |counts: &[u64]| language.count(counts.get(place).copied().unwrap_or(0));
                DayRow {
                    day: period.label(language).full,
                    total: of(&figures.leads.by_period),
                    parts: figures
                        .leads
                        .sources
                        .iter()
                        .map(|source| of(&source.by_period))
                        .collect(),
                }
            })
            .collect(),
    };
    let letters = Letters {
        subject: language.pick("Лид", "Lead"),
        rows: figures
            .failures
            .dead_letters
            .iter()
            .map(|letter| LetterRow {
                id: letter.id,
                subject: letter.lead.map(|lead| lead.to_string()),
                link: letter.lead.map(|lead| format!("/api/leads/{lead}")),
                job: words::job(&letter.kind, language),
                died_at: letter.died_at,
                reason: letter.error.as_ref().unwrap_or(&letter.reason).clone(),
            })
            .collect(),
        queue: &figures.queue,
        query: Range::query(days, language),
        may_retry,
        command: "lead-intake dead-letters retry --all",
    };
    Ok(Body {
        words: Words::of(language),
        notice: view.notice(&figures.connection, waits)?,
        tiles: tiles(&first(figures, language), language)?,
        leads: days_of_leads.draw()?,
        funnel: funnel(figures, language, &word),
        stages: figures
            .stages
            .iter()
            .enumerate()
            .map(|(place, stage)| StageRow {
                name: word(&stage.status),
                leads: language.count(stage.leads),
                of_previous: match place {
                    0 => dash(),
                    _ => language.share(stage.leads, stage.of),
                },
                of_all: language.share(stage.leads, figures.leads.total),
            })
            .collect(),
        lost: match figures.lost {
            0 => "0".to_owned(),
            lost => format!(
                "{} ({})",
                language.count(lost),
                language.share(lost, figures.leads.total)
            ),
        },
        delays: delays(figures, language),
        delay_legend: [
            ("s0", language.pick("медиана", "median")),
            ("s1", language.pick("95 % не дольше", "95% no longer")),
        ]
        .map(|(class, name)| Swatch {
            class: class.to_owned(),
            name: name.to_owned(),
            figure: String::new(),
        }),
        delay_days: figures
            .periods
            .iter()
            .zip(&figures.delivery.by_period)
            .rev()
            .map(|(period, it)| DelayRow {
                day: period.label(language).full,
                delivered: language.count(it.delivered),
                median: delay(it.median_ms),
                p95: delay(it.p95_ms),
            })
            .collect(),
        histogram: histogram(figures, language),
        failures: view.failures(&figures.failures.reasons)?,
        failed: view.letters(&letters)?,
        queue: view.queue(&figures.queue, DELIVER, words::job)?,
        connection: view.connection(&figures.connection)?,
    })
}

fn first(figures: &Figures, language: Language) -> Vec<Tile> {
    let delivery = &figures.delivery;
    let delay = |millis: Option<u64>| {
        millis.map_or_else(
            || "–".to_owned(),
            |it| language.duration(Duration::from_millis(it)),
        )
    };
    // Letters are planned far ahead: they are no queue that somebody waits in.
    let waiting = || {
        let queue = figures.queue.iter().filter(|queue| queue.depth > 0);
        queue.filter(|queue| KINDS.contains(&queue.kind.as_str()))
    };
    let depth = waiting().map(|queue| queue.depth).sum();
    let oldest = waiting().map(|queue| queue.oldest_age_seconds).max();
    let won = figures.stages.last().map_or(0, |stage| stage.leads);
    let total = figures.leads.total;
    let failed = figures.failures.failed_leads;
    vec![
        Tile {
            name: language.pick("Лидов", "Leads"),
            figure: language.count(total),
            note: language.pick("за период", "in this period").to_owned(),
            is_bad: false,
        },
        Tile {
            name: language.pick("Доставлено", "Delivered"),
            figure: language.count(delivery.delivered),
            note: language.share(delivery.delivered, total),
            is_bad: false,
        },
        Tile {
            name: language.pick("Завершено", "Completed"),
            figure: language.count(won),
            note: language.share(won, total),
            is_bad: false,
        },
        Tile {
            name: language.pick("До доставки", "To delivery"),
            figure: delay(delivery.median_ms),
            note: format!("p95: {}", delay(delivery.p95_ms)),
            is_bad: false,
        },
        Tile {
            name: language.pick("В очереди", "In the queue"),
            figure: language.count(depth),
            note: oldest.map_or_else(String::new, |seconds| {
                let told = language.duration(Duration::from_secs(seconds));
                format!("{}: {told}", language.pick("старшему", "the oldest"))
            }),
            is_bad: false,
        },
        Tile {
            name: language.pick("Не доставлено", "Not delivered"),
            figure: language.count(failed),
            note: match failed {
                0 => String::new(),
                _ => language
                    .pick("нужен человек", "somebody has to look")
                    .to_owned(),
            },
            is_bad: failed > 0,
        },
    ]
}

fn labels(figures: &Figures, language: Language) -> Vec<Label> {
    let periods = figures.periods.iter();
    periods.map(|period| period.label(language)).collect()
}

fn source_name(source: &SourceFigures, language: Language) -> String {
    match &source.source {
        Some(name) => name.clone(),
        None if source.is_rest => language.pick("остальные", "others").to_owned(),
        None => language.pick("без метки", "no mark").to_owned(),
    }
}

/// The others always look the same, wherever they stand.
fn colour(place: usize, source: &SourceFigures) -> String {
    if source.is_rest {
        "s8".to_owned()
    } else {
        format!("s{place}")
    }
}

fn leads(figures: &Figures, language: Language) -> Markup {
    let total = language.count(figures.leads.total);
    let best: Vec<_> = figures.leads.sources.iter().take(3).collect();
    let best = best
        .iter()
        .map(|source| {
            format!(
                "{}: {}",
                source_name(source, language),
                language.count(source.total)
            )
        })
        .collect::<Vec<_>>()
        .join(", ");
    let description = match language {
        Language::Russian => format!("Всего лидов: {total}. Больше всего: {best}."),
        Language::English => format!("{total} leads. Most of them: {best}."),
    };
    let mut series: Vec<_> = figures
        .leads
        .sources
        .iter()
        .map(|source| Series {
            name: source_name(source, language),
            values: source.by_period.clone(),
        })
        .collect();
    // The ninth colour is that of the others.
    let rest = figures.leads.sources.iter().position(|it| it.is_rest);
    if let Some(place) = rest {
        while series.len() < 9 {
            series.insert(
                place,
                Series {
                    name: String::new(),
                    values: Vec::new(),
                },
            );
        }
    }
    let columns = Columns {
        title: language.pick("Лиды по дням и источникам", "Leads by day and source"),
        description: &description,
        empty: language.pick("Лидов пока нет", "No leads yet"),
        language,
        labels: labels(figures, language),
        series,
    };
    columns.draw("leads")
}

#[expect(clippy::cast_precision_loss, reason = "pictures are not that precise")]
fn funnel(figures: &Figures, language: Language, word: &dyn Fn(&str) -> String) -> Markup {
    let steps = figures.stages.iter().enumerate().map(|(place, stage)| {
        let count = language.count(stage.leads);
        Step {
            name: word(&stage.status),
            count: stage.leads as f64,
            told: match place {
                0 => count,
                _ => format!("{count} · {}", language.share(stage.leads, stage.of)),
            },
        }
    });
    let funnel = Funnel {
        title: language.pick("Конверсия по этапам", "Conversion by stage"),
        empty: language.pick("Лидов пока нет", "No leads yet"),
        steps: steps.collect(),
    };
    funnel.draw("funnel")
}

#[expect(clippy::cast_precision_loss, reason = "pictures are not that precise")]
fn delays(figures: &Figures, language: Language) -> Markup {
    let values = |of: fn(&super::figures::Delay) -> Option<u64>| {
        let delays = figures.delivery.by_period.iter();
        delays
            .map(|delay| of(delay).map(|millis| millis as f64 / 1_000.0))
            .collect()
    };
    let told = |millis: Option<u64>| {
        millis.map_or_else(
            || "–".to_owned(),
            |it| language.duration(Duration::from_millis(it)),
        )
    };
    let (median, p95) = (
        told(figures.delivery.median_ms),
        told(figures.delivery.p95_ms),
    );
    let description = match language {
        Language::Russian => format!("Медиана: {median}. 95 % не дольше: {p95}."),
        Language::English => format!("Median: {median}. 95% no longer than: {p95}."),
    };
    let lines = Lines {
        title: language.pick(
            "Время до первой доставки по дням",
            "Time to first delivery by day",
        ),
        description: &description,
        empty: language.pick("Доставок пока нет", "No deliveries yet"),
        labels: labels(figures, language),
        lines: vec![
            Line {
                name: language.pick("медиана", "median").to_owned(),
                values: values(|delay| delay.median_ms),
            },
            Line {
                name: language.pick("95 %", "95%").to_owned(),
                values: values(|delay| delay.p95_ms),
            },
        ],
        scale: Scale::Logarithmic(DELAY_TICKS.to_vec()),
        format: |language, seconds| {
            language.duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
        },
        language,
    };
    lines.draw("delays")
}

#[expect(clippy::cast_precision_loss, reason = "pictures are not that precise")]
fn histogram(figures: &Figures, language: Language) -> Markup {
    let delivery = &figures.delivery;
    let mut above = 0;
    let mut bars = Vec::new();
    for bucket in &delivery.histogram {
        let told = |millis| language.duration(Duration::from_millis(millis));
        let name = match bucket.up_to_ms {
            Some(up_to) if above == 0 => {
                format!("{} {}", language.pick("до", "up to"), told(up_to))
            }
            Some(up_to) => format!("{} – {}", told(above), told(up_to)),
            None => format!("{} {}", language.pick("дольше", "over"), told(above)),
        };
        above = bucket.up_to_ms.unwrap_or(above);
        let figure = format!(
            "{} · {}",
            language.count(bucket.leads),
            language.share(bucket.leads, delivery.delivered)
        );
        bars.push(Bar::new(name, bucket.leads as f64, figure));
    }
    let bars = Bars {
        title: language.pick(
            "Сколько лидов за какое время",
            "How many leads took how long",
        ),
        empty: language.pick("Доставок пока нет", "No deliveries yet"),
        bars,
    };
    bars.draw("histogram")
}

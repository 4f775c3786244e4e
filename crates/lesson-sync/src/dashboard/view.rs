//! The page: figures in words and pictures.

use std::time::Duration;

use askama::Template;
use connection::dashboard::{DASHBOARD_PATH, LetterRow, Letters, View};
use connection::float;
use service_kit::dashboard::chart::{Columns, Funnel, Series, Step};
use service_kit::dashboard::{DayRow, Days, Frame, Markup, PageError, Range, Swatch, Tile, tiles};
use service_kit::http::Language;
use store::{LESSON_CALLBACK, LESSON_FINAL, LESSON_SYNC};

use super::figures::{CourseFigures, Figures};
use crate::config::Config;

/// What stands between the frame's head and foot.
#[derive(Debug, Template)]
#[template(path = "dashboard.html")]
struct Body {
    words: Words,
    notice: Markup,
    tiles: Markup,
    outcomes: Markup,
    courses: Vec<CourseCard>,
    waiting: Vec<(String, String)>,
    failures: Markup,
    failed: Markup,
    queue: Markup,
    connection: Markup,
}

/// A course: how many students finished which lesson.
#[derive(Debug)]
struct CourseCard {
    id: String,
    name: String,
    funnel: Markup,
}

service_kit::words! {
    struct Words;
    course: "Курс", "Course";
    funnel_note: "Сколько студентов за период прошли урок, и доля от предыдущего урока.",
        "How many students finished the lesson within these days, and their part of the lesson before.";
    waiting: "Ждут появления в amoCRM", "Waiting for amoCRM to know them";
    waiting_note: "Их уроки записаны; сделка переедет сама, когда заявка появится.",
        "Their lessons are kept; the deal moves by itself once there is an application.";
    waiting_none: "Никто не ждёт.", "Nobody waits.";
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
    let body = body(figures, days, &view, may_retry)?.render()?;
    Ok(view.frame("lesson-sync", DASHBOARD_PATH, days, Markup::from(body)))
}

fn body(figures: &Figures, days: u32, view: &View, may_retry: bool) -> Result<Body, PageError> {
    let language = view.language;
    let waits = language.pick(
        "уроки принимаются и ждут в очереди",
        "lessons are taken and wait in the queue",
    );
    let letters = Letters {
        subject: language.pick("Студент №", "Student no."),
        rows: figures
            .failures
            .dead_letters
            .iter()
            .map(|letter| LetterRow {
                id: letter.id,
                subject: letter.student.map(|student| student.to_string()),
                link: None,
                job: job(&letter.kind, language),
                died_at: letter.died_at,
                reason: letter.error.as_ref().unwrap_or(&letter.reason).clone(),
            })
            .collect(),
        queue: &figures.queue,
        query: Range::query(days, language),
        may_retry,
        command: "lesson-sync retry",
    };
    Ok(Body {
        words: Words::of(language),
        notice: view.notice(&figures.connection, waits)?,
        tiles: tiles(&first(figures, language), language)?,
        outcomes: outcomes(figures, language).draw()?,
        courses: figures
            .courses
            .iter()
            .enumerate()
            .map(|(place, course)| card(place, course, language))
            .collect(),
        waiting: figures
            .waiting
            .iter()
            .map(|it| {
                let name = outcome_name(&it.reason, language);
                (name, language.count(it.students))
            })
            .collect(),
        failures: view.failures(&figures.failures.reasons)?,
        failed: view.letters(&letters)?,
        queue: view.queue(&figures.queue, LESSON_SYNC, job)?,
        connection: view.connection(&figures.connection)?,
    })
}

fn first(figures: &Figures, language: Language) -> Vec<Tile> {
    let today = language.pick("сегодня", "today");
    let tile = |name, count, note: String| Tile {
        name,
        figure: language.count(count),
        note,
        is_bad: false,
    };
    let depth = figures.queue.iter().map(|queue| queue.depth).sum();
    let oldest = figures.queue.iter().filter(|queue| queue.depth > 0);
    let oldest = oldest.map(|queue| queue.oldest_age_seconds).max();
    let waiting = figures.waiting.iter().map(|it| it.students).sum();
    let dead: u64 = figures.queue.iter().map(|queue| queue.dead_letters).sum();
    let since = |seconds| {
        let told = language.duration(Duration::from_secs(seconds));
        format!("{}: {told}", language.pick("старшему", "the oldest"))
    };
    vec![
        tile(
            language.pick("Сделок передвинуто", "Deals moved"),
            figures.today.moved,
            today.to_owned(),
        ),
        tile(
            language.pick("Уроков пройдено", "Lessons finished"),
            figures.today.finished,
            today.to_owned(),
        ),
        tile(
            language.pick("Передвинуто за период", "Moved in this period"),
            figures.outcome("moved"),
            String::new(),
        ),
        tile(
            language.pick("В очереди", "In the queue"),
            depth,
            oldest.map_or_else(String::new, since),
        ),
        tile(
            language.pick("Ждут amoCRM", "Wait for amoCRM"),
            waiting,
            language
                .pick("нет контакта или сделки", "no contact or deal yet")
                .to_owned(),
        ),
        Tile {
            name: language.pick("Не получилось", "Given up"),
            figure: language.count(dead),
            note: match dead {
                0 => String::new(),
                _ => language
                    .pick("нужен человек", "somebody has to look")
                    .to_owned(),
            },
            is_bad: dead > 0,
        },
    ]
}

fn outcomes(figures: &Figures, language: Language) -> Days {
    let title = language.pick(
        "Что стало с уроками, по дням",
        "What became of lessons, by day",
    );
    let told: Vec<_> = figures
        .outcomes
        .iter()
        .map(|it| {
            format!(
                "{}: {}",
                outcome_name(&it.outcome, language),
                language.count(it.total)
            )
        })
        .collect();
    let description = format!("{}.", told.join(", "));
    let columns = Columns {
        title,
        description: &description,
        empty: language.pick("Уроков пока нет", "No lessons yet"),
        language,
        labels: figures
            .periods
            .iter()
            .map(|it| it.label(language))
            .collect(),
        series: figures
            .outcomes
            .iter()
            .map(|it| Series {
                name: outcome_name(&it.outcome, language),
                values: it.by_period.clone(),
            })
            .collect(),
    };
    let legend = figures.outcomes.iter().enumerate();
    let days = figures.periods.iter().enumerate().rev();
    Days {
        id: "lessons",
        title,
        language,
        chart: columns.draw("outcomes"),
        legend: legend
            .map(|(place, it)| Swatch {
                class: format!("s{}", place.min(8)),
                name: outcome_name(&it.outcome, language),
                figure: language.count(it.total),
            })
            .collect(),
        rows: days
            .map(|(place, period)| {
                let parts = figures.outcomes.iter();
                let parts: Vec<_> = parts
                    .map(|it| it.by_period.get(place).copied().unwrap_or(0))
                    .collect();
                DayRow {
                    day: period.label(language).full,
                    total: language.count(parts.iter().sum()),
                    parts: parts.into_iter().map(|it| language.count(it)).collect(),
                }
            })
            .collect(),
    }
}

fn card(place: usize, course: &CourseFigures, language: Language) -> CourseCard {
    let mut before = None;
    let steps = course.lessons.iter().map(|lesson| {
        let count = language.count(lesson.students);
        let told = match before.replace(lesson.students) {
            None => count,
            Some(before) => format!("{count} · {}", language.share(lesson.students, before)),
        };
        Step {
            name: format!(
                "{} {}",
                language.pick("Урок", "Lesson"),
                lesson.lesson_number
            ),
            count: float(lesson.students),
            told,
        }
    });
    let funnel = Funnel {
        title: language.pick("Студенты по урокам", "Students by lesson"),
        empty: language.pick("Уроков пока нет", "No lessons yet"),
        steps: steps.collect(),
    };
    CourseCard {
        id: format!("course-{place}"),
        name: course.course.clone(),
        funnel: funnel.draw(&format!("funnel-{place}")),
    }
}

/// What a lesson has ended as, or waits for.
fn outcome_name(outcome: &str, language: Language) -> String {
    let (russian, english) = match outcome {
        "moved" => ("сделка передвинута", "deal moved"),
        "ahead" => ("сделка уже там или дальше", "deal there already or further"),
        "closed" => ("сделка закрыта, не тронута", "deal closed, left alone"),
        "failed" => ("не получилось", "failed"),
        "no_contact" => ("ждёт контакта", "waits for a contact"),
        "no_deal" => ("ждёт сделки", "waits for a deal"),
        "not_in_pipeline" => ("ждёт сделки в воронке", "waits for a deal in the pipeline"),
        "final" => ("итоговое действие", "final action done"),
        "final_closed" | "final_gone" | "final_dropped" => {
            ("итоговое действие пропущено", "final action left out")
        }
        "final_failed" => ("итоговое действие не вышло", "final action failed"),
        other => return other.to_owned(),
    };
    language.pick(russian, english).to_owned()
}

/// What a kind of jobs does.
fn job(kind: &str, language: Language) -> String {
    let (russian, english) = match kind {
        LESSON_SYNC => ("движение сделок", "moving deals"),
        LESSON_FINAL => ("итоговые действия", "final actions"),
        LESSON_CALLBACK => ("сообщения платформе", "telling the platform"),
        other => return other.to_owned(),
    };
    language.pick(russian, english).to_owned()
}

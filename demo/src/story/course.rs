//! A student of an online academy finishes lessons: the deal follows, and amoCRM's troubles are not the student's.

use std::time::{Duration, Instant};

use amocrm_emulator::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::crm::{Crm, list, number, text};
use crate::story::Stage;
use crate::teller::{Broken, Expecting as _, Step, Teller, Told, ensure};
use crate::wait::{LONG, OFTEN, SELDOM, until};
use crate::words::{Language, say};

/// The academy's pipeline, and its stages: the first is where deals begin, then those of the lessons.
pub(super) const PIPELINE: &str = "onAI Academy";
pub(super) const STAGES: [&str; 4] = [
    "НОВАЯ ЗАЯВКА",
    "ПРОШЕЛ ПЕРВЫЙ УРОК",
    "ПРОШЕЛ ВТОРОЙ УРОК",
    "ПРОШЕЛ ТРЕТИЙ УРОК",
];
/// The beginning of the student's e-mail, which must be in no log.
pub(super) const MAILBOX: &str = "anna.sokolova.";
/// Longer than this nobody should wait for an answer, also on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A student of the course.
struct Student {
    email: String,
    deal: i64,
}

/// The academy makes its pipeline, unless it has one.
pub(super) async fn opened(crm: &Crm) -> anyhow::Result<()> {
    let path = "/api/v4/leads/pipelines";
    let pipelines = crm.all(path, "pipelines").await?;
    if pipelines.iter().any(|known| known["name"] == PIPELINE) {
        return Ok(());
    }
    let statuses: Vec<_> = (1..)
        .zip(STAGES)
        .map(|(place, name)| json!({"name": name, "sort": place * 10, "color": "#fffeb2"}))
        .collect();
    let pipeline = json!([{
        "name": PIPELINE, "is_main": false, "is_unsorted_on": false, "sort": 500,
        "_embedded": {"statuses": statuses}
    }]);
    crm.post(path, &pipeline).await?;
    Ok(())
}

/// An application, two lessons, and a third while amoCRM is away.
pub(super) async fn finished(teller: &mut Teller, stage: &Stage<'_>) -> Result<(), Broken> {
    let language = teller.language();
    let student = teller.step(apply(language, stage)).await?;
    for lesson in [1, 2] {
        teller
            .step(follow(language, stage, &student, lesson))
            .await?;
    }
    teller.step(away(language, stage, &student)).await?;
    teller.step(made_up_for(language, stage, &student)).await
}

async fn apply(language: Language, stage: &Stage<'_>) -> Step<Student> {
    let expected = "a deal at the first stage of the course";
    let (pipeline, stages) = pipeline(&stage.crm).await.expecting(expected)?;
    let email = format!("{MAILBOX}{}@example.com", stage.began);
    // Written as the form had it.
    let written = email.to_uppercase();
    let application = json!([{
        "name": "Заявка на курс", "pipeline_id": pipeline, "status_id": stages[0],
        "_embedded": {"contacts": [{
            "first_name": "Анна",
            "custom_fields_values": [{"field_code": "EMAIL", "values": [{"value": written, "enum_code": "WORK"}]}]
        }]}
    }]);
    let made = stage
        .crm
        .post("/api/v4/leads/complex", &application)
        .await
        .expecting(expected)?;
    let deal = number(&made, "/0/id");
    ensure(deal > 0, expected, &made)?;
    let first = STAGES[0];
    let told = Told::new(say!(
        language,
        "A student applies for a course: deal {deal} is at «{first}»",
        "Студентка подаёт заявку на курс: сделка {deal} на этапе «{first}»"
    ));
    Ok((Student { email, deal }, told))
}

async fn follow(
    language: Language,
    stage: &Stage<'_>,
    student: &Student,
    lesson: usize,
) -> Step<()> {
    let expected = "the lesson taken at once, and the deal at its stage";
    let answered = tell(stage, student, lesson).await.expecting(expected)?;
    let moved = arrives(stage, student, lesson).await.expecting(expected)?;
    let (name, deal) = (STAGES[lesson], student.deal);
    let told = Told::new(say!(
        language,
        "Lesson {lesson} is finished: the platform is answered in {answered} ms, deal {deal} is at «{name}» {moved} ms later",
        "Урок {lesson} пройден: платформа получила ответ за {answered} мс, через {moved} мс сделка {deal} на этапе «{name}»"
    ));
    Ok(((), told))
}

async fn away(language: Language, stage: &Stage<'_>, student: &Student) -> Step<()> {
    let expected = "the lesson taken at once, and kept";
    let emulator = stage.house.emulator().expecting(expected)?;
    emulator.fault(Fault::server_error(503).path("/api/v4").always());
    let answered = tell(stage, student, 3).await.expecting(expected)?;
    let tried = until(LONG, OFTEN, async || {
        let requests = emulator.requests();
        let refused = requests.iter().filter(|it| it.status == Some(503)).count();
        (refused > 0)
            .then_some(refused)
            .ok_or_else(|| "nobody asked amoCRM".to_owned())
    })
    .await
    .expecting(expected)?;
    let progress = progress(stage, student).await.expecting(expected)?;
    let state = text(&progress, "/courses/0/lessons/2/state");
    ensure(tried > 0 && state == "queued", expected, &progress)?;
    let told = Told::new(say!(
        language,
        "amoCRM answers 503 to everything; lesson 3 is finished all the same, and answered in {answered} ms",
        "amoCRM на всё отвечает 503; урок 3 всё равно пройден, ответ получен за {answered} мс"
    ))
    .detail(say!(
        language,
        "the student notices nothing; the lesson is stored and waits",
        "студентка ничего не замечает; урок сохранён и ждёт"
    ));
    Ok(((), told))
}

async fn made_up_for(language: Language, stage: &Stage<'_>, student: &Student) -> Step<()> {
    let expected = "the deal at the stage of lesson 3";
    stage.house.emulator().expecting(expected)?.clear_faults();
    let moved = arrives(stage, student, 3).await.expecting(expected)?;
    let log = stage.house.lessons_url("/api/sync/log?limit=3");
    let log = stage.http.get(&log).await.expecting(expected)?;
    let log = log.json_of(&[200]).expecting(expected)?;
    let rows = list(&log, "/rows");
    let is_explained = rows.len() == 3
        && rows
            .iter()
            .all(|row| row["outcome"] == "moved" && number(row, "/lead_id") == student.deal);
    ensure(is_explained, "three rows that say «moved»", &log)?;
    let (name, deal) = (STAGES[3], student.deal);
    let told = Told::new(say!(
        language,
        "amoCRM is back: {moved} ms later deal {deal} is at «{name}»",
        "amoCRM снова отвечает: через {moved} мс сделка {deal} на этапе «{name}»"
    ))
    .detail(say!(
        language,
        "the log has a row for each of the three lessons",
        "в журнале по строке на каждый из трёх уроков"
    ));
    Ok(((), told))
}

/// The platform tells of a lesson. Returns how many milliseconds it waited.
async fn tell(stage: &Stage<'_>, student: &Student, lesson: usize) -> anyhow::Result<u128> {
    let url = stage.house.lessons_url("/api/lessons/completed");
    let body = json!({"email": student.email, "lesson_number": lesson});
    let asked = Instant::now();
    let answer = stage.http.json(Method::POST, &url, None, &body).await?;
    let took = asked.elapsed();
    answer.json_of(&[202])?;
    anyhow::ensure!(took < AT_ONCE, "the answer took {} ms", took.as_millis());
    Ok(took.as_millis())
}

/// Waits until lesson-sync says that the lesson has ended, and amoCRM shows the stage. Returns milliseconds.
async fn arrives(stage: &Stage<'_>, student: &Student, lesson: usize) -> anyhow::Result<u128> {
    let since = Instant::now();
    let state = format!("/courses/0/lessons/{}/state", lesson - 1);
    until(LONG, OFTEN, async || {
        let progress = progress(stage, student)
            .await
            .map_err(|error| format!("{error:#}"))?;
        match text(&progress, &state).as_str() {
            "done" => Ok(()),
            _ => Err(progress.to_string()),
        }
    })
    .await?;
    let took = since.elapsed().as_millis();
    let (_, stages) = pipeline(&stage.crm).await?;
    let path = format!("/api/v4/leads/{}", student.deal);
    until(LONG, SELDOM, async || {
        let deal = stage.crm.get(&path).await;
        let deal = deal.map_err(|error| format!("{error:#}"))?;
        let at = number(&deal, "/status_id");
        (at == stages[lesson])
            .then_some(())
            .ok_or_else(|| format!("deal {} is at stage {at}", student.deal))
    })
    .await?;
    Ok(took)
}

async fn progress(stage: &Stage<'_>, student: &Student) -> anyhow::Result<Value> {
    let path = format!("/api/lessons/progress?email={}", student.email);
    let answer = stage.http.get(&stage.house.lessons_url(&path)).await?;
    answer.json_of(&[200])
}

/// The course's pipeline and its stages, in their order.
async fn pipeline(crm: &Crm) -> anyhow::Result<(i64, Vec<i64>)> {
    let pipelines = crm.all("/api/v4/leads/pipelines", "pipelines").await?;
    let ours = pipelines.iter().find(|known| known["name"] == PIPELINE);
    let ours = ours.unwrap_or(&Value::Null);
    let find = |name: &str| {
        let mut statuses = list(ours, "/_embedded/statuses").iter();
        let status = statuses.find(|status| status["name"] == name);
        status.map_or(0, |status| number(status, "/id"))
    };
    let stages: Vec<i64> = STAGES.into_iter().map(find).collect();
    anyhow::ensure!(
        stages.iter().all(|stage| *stage > 0),
        "no such pipeline: {ours}"
    );
    Ok((number(ours, "/id"), stages))
}

//! Twenty at once: none lost, none twice, and never more requests than amoCRM allows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::crm::{list, number, tags};
use crate::http::Answer;
use crate::story::Stage;
use crate::teller::{Broken, Expecting as _, Failed, Progress, Step, Teller, Told, ensure};
use crate::traffic::Mark;
use crate::wait::until;
use crate::words::{Language, say};

const VISITORS: usize = 20;
/// Requests that amoCRM allows an integration within a second.
const PER_SECOND: usize = 7;
/// How often to look; every look is a line in the log.
const EVERY: Duration = Duration::from_millis(100);
/// Twenty leads of a handful of requests each, at seven a second, several times over.
const LONGEST: Duration = Duration::from_mins(1);

/// Posts, waits, counts.
pub(super) async fn delivered(teller: &mut Teller, stage: &Stage<'_>) -> Result<(), Broken> {
    let language = teller.language();
    let tag = format!("demo-{}", stage.began);
    let emulator = stage.house.emulator().map_err(|_| Broken)?;
    let mark = Mark::now(emulator);
    let ids = teller.step(post_all(language, stage, &tag)).await?;
    let progress = teller.progress();
    let all = async {
        let waited = all_delivered(language, stage, progress, &ids).await?;
        arrived(language, stage, &tag, waited).await
    };
    teller.step(all).await?;
    teller
        .step(async { on_the_wire(language, stage, mark) })
        .await
}

async fn post_all(language: Language, stage: &Stage<'_>, tag: &str) -> Step<Vec<i64>> {
    let expected = "every form answered with 201 or 202";
    let url = stage.house.intake_url("/api/leads");
    let posts = (0..VISITORS).map(|visitor| {
        let (http, url) = (&stage.http, url.as_str());
        async move {
            let name = format!("Гость {}", visitor + 1);
            let phone = format!("+7916556{visitor:04}");
            let fields = [
                ("name", name.as_str()),
                ("phone", &phone),
                ("utm_source", "burst"),
                ("tags[]", tag),
            ];
            let started = Instant::now();
            let answer = http.post_form(url, &fields, &[]).await?;
            anyhow::Ok((answer, started.elapsed()))
        }
    });
    let mut answers = Vec::new();
    for answer in join_all(posts).await {
        answers.push(answer.expecting(expected)?);
    }
    let mut ids = Vec::new();
    for (answer, _) in &answers {
        let receipt = answer.json_of(&[201, 202]).expecting(expected)?;
        ids.push(number(&receipt, "/id"));
    }
    let count = |status| {
        answers
            .iter()
            .filter(|(answer, _): &&(Answer, _)| answer.status == status)
            .count()
    };
    let (made, queued) = (count(201), count(202));
    let slowest = answers
        .iter()
        .map(|(_, took)| took.as_millis())
        .max()
        .unwrap_or_default();
    let told = Told::new(say!(
        language,
        "{VISITORS} forms are sent together; each is stored and answered within {slowest} ms",
        "Отправлено форм разом: {VISITORS}; каждая сохранена и получила ответ за {slowest} мс"
    ))
    .detail(say!(
        language,
        "in amoCRM by then: {made}, on their way: {queued}",
        "к этому моменту в amoCRM: {made}, в пути: {queued}"
    ));
    Ok((ids, told))
}

/// Waits for the last one; only lead-intake is asked, so that looking costs amoCRM nothing.
async fn all_delivered(
    language: Language,
    stage: &Stage<'_>,
    progress: Progress,
    ids: &[i64],
) -> Result<Duration, Failed> {
    let expected = "every lead delivered";
    let started = Instant::now();
    let url = stage
        .house
        .intake_url("/api/leads?limit=250&state=delivered");
    let wanted: BTreeSet<i64> = ids.iter().copied().collect();
    until(LONGEST, EVERY, async || {
        let look =
            async || -> anyhow::Result<Value> { stage.http.get(&url).await?.json_of(&[200]) };
        let leads = look().await.map_err(|error| format!("{error:#}"))?;
        let there = list(&leads, "/leads")
            .iter()
            .filter(|lead| wanted.contains(&number(lead, "/id")))
            .count();
        let text = say!(
            language,
            "in amoCRM: {there} of {VISITORS}",
            "в amoCRM: {there} из {VISITORS}"
        );
        progress.show(&text);
        if there == wanted.len() {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await
    .expecting(expected)?;
    Ok(started.elapsed())
}

async fn arrived(language: Language, stage: &Stage<'_>, tag: &str, waited: Duration) -> Step<()> {
    let expected = "as many deals and contacts in amoCRM as there were visitors";
    let deals = stage.crm.all("/api/v4/leads?with=contacts", "leads").await;
    let mut deals = deals.expecting(expected)?;
    deals.retain(|deal| tags(deal).iter().any(|own| own == tag));
    let contacts: BTreeSet<i64> = deals
        .iter()
        .flat_map(|deal| list(deal, "/_embedded/contacts"))
        .map(|contact| number(contact, "/id"))
        .collect();
    let (deals, contacts) = (deals.len(), contacts.len());
    ensure(
        deals == VISITORS && contacts == VISITORS,
        expected,
        format!("{deals} deals, {contacts} contacts"),
    )?;
    let seconds = format!("{:.1}", waited.as_secs_f64());
    let told = Told::new(say!(
        language,
        "{seconds} s later amoCRM has {deals} deals of {contacts} contacts: none lost, none twice",
        "Через {seconds} с в amoCRM сделок: {deals}, контактов: {contacts}; ничего не потеряно и не задвоено"
    ));
    Ok(((), told))
}

fn on_the_wire(language: Language, stage: &Stage<'_>, mark: Mark) -> Step<()> {
    let expected = "never more than seven requests within a second, and no 429";
    let emulator = stage.house.emulator().expecting(expected)?;
    let traffic = mark.since(emulator);
    let (requests, peak, throttled) = (
        traffic.requests(),
        traffic.peak_per_second(),
        traffic.answered(429),
    );
    ensure(
        requests > 0 && peak <= PER_SECOND && throttled == 0,
        expected,
        format!("{requests} requests, at most {peak} within a second, 429: {throttled}"),
    )?;
    let seconds = format!("{:.1}", traffic.seconds());
    let told = Told::new(say!(
        language,
        "amoCRM has counted {requests} requests in {seconds} s, at most {peak} within any second, no 429",
        "amoCRM насчитала запросов: {requests} за {seconds} с, не больше {peak} в любую секунду, 429 — ни одного"
    ))
    .detail(say!(
        language,
        "it allows {PER_SECOND} a second",
        "она разрешает {PER_SECOND} в секунду"
    ));
    Ok(((), told))
}

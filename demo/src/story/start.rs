//! The programs start, and say so themselves.

use crate::crm::{Crm, integration, list, number, text};
use crate::house::{GATEWAY, House, INTAKE, LESSONS, shown};
use crate::http::Http;
use crate::story::{Stage, course};
use crate::teller::{Broken, Expecting as _, Failed, Step, Teller, Told, ensure};
use crate::wait::{LONG, OFTEN, until};
use crate::words::{Language, say};

/// The emulator, then lead-intake, then the gateway that brings it webhooks, then lesson-sync.
pub(super) async fn all<'a>(
    teller: &mut Teller,
    house: &'a mut House,
) -> Result<Stage<'a>, Broken> {
    let language = teller.language();
    let (http, crm, began) = teller.step(emulator(language, house)).await?;
    teller.step(intake(language, house, &http)).await?;
    teller.step(gateway(language, house, &http)).await?;
    teller.step(lessons(language, house, &http, &crm)).await?;
    Ok(Stage {
        house,
        http,
        crm,
        began,
    })
}

async fn emulator(language: Language, house: &mut House) -> Step<(Http, Crm, i64)> {
    let expected = "an emulator of amoCRM that tells its account";
    house.start_emulator().await.expecting(expected)?;
    let emulator = house.emulator().expecting(expected)?;
    let http = Http::new().expecting(expected)?;
    let crm = Crm::open(&http, emulator).await.expecting(expected)?;
    let account = crm.get("/api/v4/account").await.expecting(expected)?;
    let (id, name, subdomain) = (
        number(&account, "/id"),
        text(&account, "/name"),
        text(&account, "/subdomain"),
    );
    ensure(id > 0, expected, &account)?;
    let url = emulator.base_url();
    let told = Told::new(say!(
        language,
        "amoCRM (the emulator) answers at {url}",
        "amoCRM (эмулятор) отвечает на {url}"
    ))
    .detail(say!(
        language,
        "account {id} «{name}», {subdomain}.amocrm.ru",
        "аккаунт {id} «{name}», {subdomain}.amocrm.ru"
    ));
    let began = emulator.now();
    Ok(((http, crm, began), told))
}

async fn intake(language: Language, house: &mut House, http: &Http) -> Step<()> {
    let expected = "lead-intake ready, with its database open";
    house.start_intake().await.expecting(expected)?;
    let database = ready(http, &house.intake_url("/health"), expected).await?;
    let url = house.intake_url("");
    let file = shown(&house.workshop.database(INTAKE));
    let told = Told::new(say!(
        language,
        "lead-intake answers at {url}: ready",
        "lead-intake отвечает на {url}: готов"
    ))
    .detail(format!("{database}: {file}"));
    Ok(((), told))
}

async fn gateway(language: Language, house: &mut House, http: &Http) -> Step<()> {
    let expected = "webhook-gateway ready, with its database open";
    let amocrm = house.emulator().expecting(expected)?.base_url().to_owned();
    let token = integration(http, &amocrm, "webhook-gateway")
        .await
        .expecting(expected)?;
    house.start_gateway(token).await.expecting(expected)?;
    let database = ready(http, &house.gateway_url("/health"), expected).await?;
    let url = house.gateway_url("");
    let file = shown(&house.workshop.database(GATEWAY));
    let told = Told::new(say!(
        language,
        "webhook-gateway answers at {url}: ready, with lead-intake as its subscriber",
        "webhook-gateway отвечает на {url}: готов, его подписчик — lead-intake"
    ))
    .detail(format!("{database}: {file}"));
    Ok(((), told))
}

async fn lessons(language: Language, house: &mut House, http: &Http, crm: &Crm) -> Step<()> {
    let expected = "lesson-sync ready, with its database open";
    course::opened(crm).await.expecting(expected)?;
    let amocrm = house.emulator().expecting(expected)?.base_url().to_owned();
    let token = integration(http, &amocrm, LESSONS)
        .await
        .expecting(expected)?;
    house
        .start_lessons(token, course::PIPELINE, &course::STAGES[1..])
        .await
        .expecting(expected)?;
    let database = ready(http, &house.lessons_url("/health"), expected).await?;
    let url = house.lessons_url("");
    let file = shown(&house.workshop.database(LESSONS));
    let pipeline = course::PIPELINE;
    let told = Told::new(say!(
        language,
        "lesson-sync answers at {url}: ready, for the pipeline «{pipeline}»",
        "lesson-sync отвечает на {url}: готов, для воронки «{pipeline}»"
    ))
    .detail(format!("{database}: {file}"));
    Ok(((), told))
}

/// Waits until a service is ready. Returns what it says of its database.
async fn ready(http: &Http, health: &str, expected: &str) -> Result<String, Failed> {
    let report = until(LONG, OFTEN, async || {
        let answer = http
            .get(health)
            .await
            .map_err(|error| format!("{error:#}"))?;
        answer.json_of(&[200]).map_err(|error| format!("{error:#}"))
    })
    .await
    .expecting(expected)?;
    ensure(report["ready"] == true, expected, &report)?;
    let database = list(&report, "/parts")
        .iter()
        .find(|part| part["name"] == "database")
        .map(|part| text(part, "/detail"));
    Ok(database.unwrap_or_default())
}

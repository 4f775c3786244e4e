//! A day later: the access token has expired, and nobody notices.

use reqwest::Method;
use serde_json::json;

use crate::crm::number;
use crate::story::Stage;
use crate::story::visitor::{Lead, delivered};
use crate::teller::{Broken, Expecting as _, Step, Teller, Told, ensure};
use crate::traffic::Mark;
use crate::words::{Language, say};

/// Expires the token, then sends a lead.
pub(super) async fn survived(teller: &mut Teller, stage: &Stage<'_>) -> Result<(), Broken> {
    let language = teller.language();
    teller.step(expire(language, stage)).await?;
    teller.step(next_lead(language, stage)).await
}

async fn expire(language: Language, stage: &Stage<'_>) -> Step<()> {
    let expected = "an access token that expires";
    let emulator = stage.house.emulator().expecting(expected)?;
    let url = format!("{}/_emulator/tokens/expire", emulator.base_url());
    let whose = json!({ "client_id": emulator.credentials().client_id });
    let answer = stage.http.json(Method::POST, &url, None, &whose).await;
    let answer = answer
        .expecting(expected)?
        .json_of(&[200])
        .expecting(expected)?;
    ensure(number(&answer, "/expired") > 0, expected, &answer)?;
    let told = Told::new(say!(
        language,
        "amoCRM no longer takes the access token, and lead-intake has not been told",
        "amoCRM больше не принимает токен доступа, а lead-intake об этом не знает"
    ));
    Ok(((), told))
}

async fn next_lead(language: Language, stage: &Stage<'_>) -> Step<()> {
    let expected = "the next lead delivered, after 401 and one renewal";
    let emulator = stage.house.emulator().expecting(expected)?;
    let mark = Mark::now(emulator);
    let fields = [
        ("name", "Тимур Сафин"),
        ("phone", "+7 916 555-01-43"),
        ("utm_source", "telegram"),
    ];
    let url = stage.house.intake_url("/api/leads");
    let answer = stage
        .http
        .post_form(&url, &fields, &[])
        .await
        .expecting(expected)?;
    let Lead { id, deal, .. } = delivered(stage, &answer).await.expecting(expected)?;
    let traffic = mark.since(emulator);
    let (refused, renewals, attempts) = (
        traffic.answered(401),
        traffic.grants("refresh_token"),
        traffic.grant_attempts("refresh_token"),
    );
    ensure(
        refused >= 1 && renewals == 1 && attempts == 1,
        expected,
        format!("401: {refused}, renewals: {renewals} of {attempts} tried"),
    )?;
    let told = Told::new(say!(
        language,
        "The next lead arrives all the same: lead {id} is deal {deal}",
        "Следующая заявка всё равно доходит: заявка {id} — сделка {deal}"
    ))
    .detail(say!(
        language,
        "it cost {refused} answer with 401 and {renewals} renewal, which brought a new token",
        "amoCRM ответила 401 (раз: {refused}), новый токен получен обновлением (раз: {renewals})"
    ));
    Ok(((), told))
}

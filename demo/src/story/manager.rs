//! A stage changes there, and is known here; a status changes here, and the deal moves there.

use lead_intake::LeadStatus;
use reqwest::Method;
use serde_json::{Value, json};

use crate::crm::number;
use crate::story::Stage;
use crate::story::connect::Pipeline;
use crate::story::gateway::delivery;
use crate::story::visitor::{Lead, lead_view, unlike};
use crate::teller::{Broken, Expecting as _, Step, Teller, Told, ensure};
use crate::wait::{LONG, OFTEN, SELDOM, until};
use crate::words::{Language, say};

/// Both ways.
pub(super) async fn moves_the_deal(
    teller: &mut Teller,
    stage: &Stage<'_>,
    pipeline: &Pipeline,
    lead: Lead,
) -> Result<(), Broken> {
    let language = teller.language();
    teller
        .step(in_the_crm(language, stage, pipeline, lead))
        .await?;
    teller
        .step(in_the_service(language, stage, pipeline, lead))
        .await
}

async fn in_the_crm(
    language: Language,
    stage: &Stage<'_>,
    pipeline: &Pipeline,
    lead: Lead,
) -> Step<()> {
    let expected = "the status contacted in lead-intake, by a webhook and a signed delivery";
    let Lead { id, deal, .. } = lead;
    let before = lead_view(stage, id).await.expecting(expected)?;
    ensure(
        before["status"] == "new",
        "a lead with the status new",
        &before["status"],
    )?;
    let emulator = stage.house.emulator().expecting(expected)?;
    let attempts = emulator.webhook_attempts().len();
    let name = pipeline.names.get(LeadStatus::Contacted);
    let change = json!({ "status_id": pipeline.stage(name)?, "pipeline_id": pipeline.id });
    stage
        .crm
        .patch(&format!("/api/v4/leads/{deal}"), &change)
        .await
        .expecting(expected)?;
    let moved = std::time::Instant::now();
    until(LONG, OFTEN, async || {
        let view = lead_view(stage, id)
            .await
            .map_err(|error| format!("{error:#}"))?;
        if view["status"] == "contacted" {
            Ok(())
        } else {
            Err(unlike(expected, &view).seen)
        }
    })
    .await
    .expecting(expected)?;
    let followed = moved.elapsed().as_millis();
    emulator.settle_webhooks().await;
    let delivered = emulator
        .webhook_attempts()
        .iter()
        .skip(attempts)
        .any(|attempt| attempt.code == "status_lead" && attempt.delivered);
    ensure(
        delivered,
        "a webhook status_lead that was answered with 2xx",
        "none",
    )?;
    // Recorded when lead-intake has answered, which is a moment after it has stored.
    let event = until(LONG, OFTEN, async || {
        let (event, state) = delivery(stage, deal)
            .await
            .map_err(|error| format!("{error:#}"))?;
        if state == "delivered" {
            Ok(event)
        } else {
            Err(format!("{event} is {state}"))
        }
    })
    .await
    .expecting("an event that webhook-gateway has delivered")?;
    let told = Told::new(say!(
        language,
        "Deal {deal} is moved to «{name}», and lead {id} follows: new → contacted",
        "Сделка {deal} переведена на «{name}», и заявка {id} следует за ней: new → contacted"
    ))
    .detail(say!(
        language,
        "amoCRM → webhook-gateway → lead-intake, {followed} ms after the move, as {event}",
        "amoCRM → webhook-gateway → lead-intake, через {followed} мс после перевода, событие {event}"
    ));
    Ok(((), told))
}

async fn in_the_service(
    language: Language,
    stage: &Stage<'_>,
    pipeline: &Pipeline,
    lead: Lead,
) -> Step<()> {
    let Lead { id, deal, .. } = lead;
    let name = pipeline.names.get(LeadStatus::Presentation);
    let expected = format!("the deal at «{name}»");
    let path = format!("/api/leads/{id}/status?status=presentation");
    let url = stage.house.intake_url(&path);
    let answer = stage.http.json(Method::PUT, &url, None, &Value::Null).await;
    let answer = answer
        .expecting(&expected)?
        .json_of(&[200])
        .expecting(&expected)?;
    ensure(
        answer["status"] == "presentation",
        &expected,
        &answer["status"],
    )?;
    let wanted = pipeline.stage(name)?;
    until(LONG, SELDOM, async || {
        let path = format!("/api/v4/leads/{deal}");
        let deal = stage
            .crm
            .get(&path)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let seen = number(&deal, "/status_id");
        if seen == wanted {
            Ok(())
        } else {
            Err(format!("«{}»", pipeline.stage_name(seen)))
        }
    })
    .await
    .expecting(&expected)?;
    let told = Told::new(say!(
        language,
        "Lead {id} is set to presentation here, and deal {deal} follows: it stands at «{name}»",
        "Заявка {id} переведена в presentation здесь, и сделка {deal} следует за ней: «{name}»"
    ));
    Ok(((), told))
}

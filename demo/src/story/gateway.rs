//! webhook-gateway stands between amoCRM and the systems that want to know: it subscribes itself, signs, waits, and keeps the
//! order.

use lead_intake::LeadStatus;
use reqwest::Method;
use serde_json::{Value, json};

use crate::crm::{list, number, text};
use crate::house::INTAKE;
use crate::story::Stage;
use crate::story::connect::Pipeline;
use crate::story::visitor::{Lead, lead_view};
use crate::teller::{Broken, Expecting as _, Failed, Step, Teller, Told, ensure};
use crate::wait::{LONG, OFTEN, until};
use crate::words::{Language, say};

/// Where a deal goes while lead-intake cannot be reached.
const STAGES: [LeadStatus; 2] = [LeadStatus::Selection, LeadStatus::Reservation];

/// The way of webhooks from amoCRM to the gateway.
pub(super) async fn subscribed(teller: &mut Teller, stage: &Stage<'_>) -> Result<(), Broken> {
    let language = teller.language();
    teller.step(subscribe(language, stage)).await
}

/// A pause, two moves, and both delivered once it is over.
pub(super) async fn waits(
    teller: &mut Teller,
    stage: &Stage<'_>,
    pipeline: &Pipeline,
    lead: Lead,
) -> Result<(), Broken> {
    let language = teller.language();
    teller.step(pause(language, stage)).await?;
    teller.step(moved(language, stage, pipeline, lead)).await?;
    teller.step(resumed(language, stage, lead)).await
}

async fn subscribe(language: Language, stage: &Stage<'_>) -> Step<()> {
    let expected = "a webhook of amoCRM that leads to webhook-gateway";
    let app = stage.house.gateway().expecting(expected)?;
    // What `webhook-gateway subscribe` does and prints.
    let mut printed = Vec::new();
    Box::pin(app.subscribe(&webhook_gateway::Subscribe::default(), &mut printed))
        .await
        .expecting(expected)?;
    tracing::info!(
        "subscribe: {}",
        String::from_utf8_lossy(&printed).trim().replace('\n', "; ")
    );
    let hooks = stage.crm.get("/api/v4/webhooks").await;
    let hooks = hooks.expecting(expected)?;
    let ours = stage.house.gateway_url("/webhooks/amocrm/");
    let hook = list(&hooks, "/_embedded/webhooks")
        .iter()
        .find(|hook| text(hook, "/destination").starts_with(&ours));
    let Some(hook) = hook else {
        return Err(Failed::new(expected, format!("none to {ours}…")));
    };
    let events = list(hook, "/settings").len();
    ensure(events > 0, expected, hook)?;
    let told = Told::new(say!(
        language,
        "webhook-gateway subscribes itself: amoCRM will tell it of {events} kinds of events",
        "webhook-gateway подписывается сам: amoCRM будет сообщать ему о событиях, видов: {events}"
    ))
    .detail(say!(
        language,
        "at {ours}…, whose end is a secret; each event goes on to lead-intake, signed",
        "по адресу {ours}…, конец которого — секрет; каждое событие уходит в lead-intake подписанным"
    ));
    Ok(((), told))
}

/// The delivery to lead-intake of the newest event about a deal's stage: its id, and how far it is.
pub(super) async fn delivery(stage: &Stage<'_>, deal: i64) -> anyhow::Result<(String, String)> {
    let events = events(stage, deal).await?;
    let id = text(events.first().unwrap_or(&Value::Null), "/id");
    anyhow::ensure!(!id.is_empty(), "no event about leads/{deal}");
    let url = stage.house.gateway_url(&format!("/api/events/{id}"));
    let event = stage.http.get(&url).await?.json_of(&[200])?;
    let state = list(&event, "/deliveries")
        .iter()
        .find(|delivery| delivery["subscriber"] == INTAKE)
        .map(|delivery| text(delivery, "/state"));
    Ok((id, state.unwrap_or_default()))
}

/// What the gateway has stored about a deal's stages, the newest first.
async fn events(stage: &Stage<'_>, deal: i64) -> anyhow::Result<Vec<Value>> {
    let path = format!("/api/events?type=leads.status&subject=leads/{deal}");
    let url = stage.house.gateway_url(&path);
    let page = stage.http.get(&url).await?.json_of(&[200])?;
    Ok(list(&page, "/events").to_vec())
}

async fn pause(language: Language, stage: &Stage<'_>) -> Step<()> {
    let expected = "deliveries to lead-intake stopped";
    let subscriber = operate(stage, "pause").await.expecting(expected)?;
    ensure(
        subscriber["state"] == "paused",
        expected,
        &subscriber["state"],
    )?;
    let told = Told::new(say!(
        language,
        "An operator stops the deliveries to lead-intake, as if it were being updated",
        "Оператор останавливает доставки в lead-intake, будто его обновляют"
    ));
    Ok(((), told))
}

async fn moved(language: Language, stage: &Stage<'_>, pipeline: &Pipeline, lead: Lead) -> Step<()> {
    let expected = "two moves answered to amoCRM, and none of them delivered";
    let emulator = stage.house.emulator().expecting(expected)?;
    let Lead { id, deal, .. } = lead;
    let known = events(stage, deal).await.expecting(expected)?.len();
    let attempts = emulator.webhook_attempts().len();
    let mut names = Vec::new();
    for status in STAGES {
        let name = pipeline.names.get(status);
        let change = json!({ "status_id": pipeline.stage(name)?, "pipeline_id": pipeline.id });
        let path = format!("/api/v4/leads/{deal}");
        stage.crm.patch(&path, &change).await.expecting(expected)?;
        emulator.settle_webhooks().await;
        names.push(format!("«{name}»"));
    }
    let attempts = emulator.webhook_attempts().split_off(attempts);
    let answered = attempts
        .iter()
        .filter(|attempt| attempt.code == "status_lead" && attempt.delivered)
        .count();
    let stored = events(stage, deal).await.expecting(expected)?.len() - known;
    let (_, state) = delivery(stage, deal).await.expecting(expected)?;
    let view = lead_view(stage, id).await.expecting(expected)?;
    ensure(
        (answered, stored) == (STAGES.len(), STAGES.len())
            && state == "pending"
            && view["status"] == "presentation",
        expected,
        format!(
            "{answered} answered, {stored} stored, the last is {state}, lead {id} is {}",
            view["status"]
        ),
    )?;
    let names = names.join(", ");
    let told = Told::new(say!(
        language,
        "Meanwhile the manager moves deal {deal} twice: {names}; amoCRM is answered, both events are stored and wait",
        "Тем временем менеджер двигает сделку {deal} дважды: {names}; amoCRM получила ответ, оба события сохранены и ждут"
    ));
    Ok(((), told))
}

async fn resumed(language: Language, stage: &Stage<'_>, lead: Lead) -> Step<()> {
    let expected = "both moves delivered, and the lead where its deal is";
    let Lead { id, deal, .. } = lead;
    operate(stage, "resume").await.expecting(expected)?;
    let since = std::time::Instant::now();
    let [_, last] = STAGES.map(LeadStatus::as_str);
    let (event, followed) = until(LONG, OFTEN, async || {
        let look = async || {
            let (event, state) = delivery(stage, deal).await?;
            let view = lead_view(stage, id).await?;
            anyhow::Ok((event, state, text(&view, "/status")))
        };
        let (event, state, status) = look().await.map_err(|error| format!("{error:#}"))?;
        if state == "delivered" && status == last {
            Ok((event, since.elapsed().as_millis()))
        } else {
            Err(format!("{event} is {state}, lead {id} is {status}"))
        }
    })
    .await
    .expecting(expected)?;
    let told = Told::new(say!(
        language,
        "The deliveries go on: {followed} ms later lead {id} is where its deal is: {last}",
        "Доставки продолжаются: через {followed} мс заявка {id} там же, где её сделка: {last}"
    ))
    .detail(say!(
        language,
        "the last event was {event}; it is sent only when the one before it was answered",
        "последнее событие — {event}; оно уходит, только когда на предыдущее ответили"
    ));
    Ok(((), told))
}

/// Does what an operator does with the subscriber, and gives it as it is then.
async fn operate(stage: &Stage<'_>, action: &str) -> anyhow::Result<Value> {
    let path = format!("/api/subscribers/{INTAKE}/{action}");
    let url = stage.house.gateway_url(&path);
    let answer = stage
        .http
        .json(Method::POST, &url, None, &Value::Null)
        .await?;
    let subscriber = answer.json_of(&[200])?;
    anyhow::ensure!(
        number(&subscriber, "/secrets") > 0,
        "a subscriber that signs: {subscriber}"
    );
    Ok(subscriber)
}

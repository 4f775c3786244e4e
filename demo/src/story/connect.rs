//! The administrator's way: consent in a browser, then `lead-intake provision`.

use lead_intake::StageNames;
use serde_json::Value;
use url::Url;

use crate::crm::{list, number, query, text};
use crate::http::Answer;
use crate::story::Stage;
use crate::teller::{Broken, Expecting as _, Failed, Step, Teller, Told, ensure};
use crate::traffic::Mark;
use crate::words::{Language, say};

/// So that a line of the story fits into a window.
const STAGES_PER_LINE: usize = 4;

/// The pipeline as amoCRM has it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Number and name of each stage, in order.
    pub(crate) stages: Vec<(i64, String)>,
    /// What the service calls them.
    pub(crate) names: StageNames,
}

impl Pipeline {
    /// The number of the stage with this name.
    pub(crate) fn stage(&self, name: &str) -> Result<i64, Failed> {
        self.stages
            .iter()
            .find(|(_, own)| own == name)
            .map(|(id, _)| *id)
            .ok_or_else(|| Failed::new(format!("a stage «{name}»"), format!("{:?}", self.stages)))
    }

    /// The name of a stage.
    pub(crate) fn stage_name(&self, id: i64) -> String {
        self.stages
            .iter()
            .find(|(own, _)| *own == id)
            .map_or_else(|| id.to_string(), |(_, name)| name.clone())
    }
}

/// The consent page, as far as a person reads it.
struct ConsentPage {
    url: String,
    hidden: Vec<(String, String)>,
}

/// Whether there is nothing to do for an administrator.
pub(super) async fn is_connected(stage: &Stage<'_>) -> bool {
    status(stage)
        .await
        .is_ok_and(|status| status["connected"] == true)
}

/// Goes through the OAuth code flow, page by page.
pub(super) async fn consent(teller: &mut Teller, stage: &Stage<'_>) -> Result<(), Broken> {
    let language = teller.language();
    let page = teller.step(open_page(language, stage)).await?;
    teller.step(allow(language, stage, page)).await?;
    teller.step(first_call(language, stage)).await
}

async fn open_page(language: Language, stage: &Stage<'_>) -> Step<ConsentPage> {
    let expected = "a redirect to the consent page of the integration";
    let start = stage.house.intake_url("/api/auth/amo");
    let answer = stage.http.get(&start).await.expecting(expected)?;
    let Some(url) = answer.location.clone().filter(|_| answer.status == 302) else {
        return Err(Failed::new(expected, answer.describe()));
    };
    let page = stage.http.get(&url).await.expecting(expected)?;
    ensure(page.status == 200, expected, page.describe())?;
    let integration = between(&page.text, "<h1>", "</h1>");
    let hidden = hidden_fields(&page);
    let has_state = hidden
        .iter()
        .any(|(name, value)| name == "state" && !value.is_empty());
    ensure(
        !integration.is_empty() && has_state,
        "a page that names the integration and carries our state",
        page.describe(),
    )?;
    let told = Told::new(say!(
        language,
        "GET /api/auth/amo leads to amoCRM's page: «{integration}» asks for access",
        "GET /api/auth/amo ведёт на страницу amoCRM: «{integration}» просит доступ"
    ));
    Ok((ConsentPage { url, hidden }, told))
}

async fn allow(language: Language, stage: &Stage<'_>, page: ConsentPage) -> Step<()> {
    let expected = "a redirect back with a code, and lead-intake connected by it";
    let emulator = stage.house.emulator().expecting(expected)?;
    let mark = Mark::now(emulator);
    let mut fields: Vec<(&str, &str)> = page
        .hidden
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fields.push(("action", "allow"));
    let consent = stage
        .http
        .post_form(&page.url, &fields, &[])
        .await
        .expecting(expected)?;
    let back = consent
        .location
        .as_deref()
        .and_then(|url| Url::parse(url).ok());
    let Some(back) = back.filter(|url| query(url, "code").is_some()) else {
        return Err(Failed::new(expected, consent.describe()));
    };
    let callback = stage.http.get(back.as_str()).await.expecting(expected)?;
    ensure(callback.status == 200, expected, callback.describe())?;
    let exchanged = mark.since(emulator).grants("authorization_code");
    ensure(exchanged == 1, "one code exchanged for tokens", exchanged)?;
    let status = status(stage).await.expecting(expected)?;
    ensure(status["connected"] == true, expected, &status)?;
    let account = text(&status, "/account");
    let until = minutes(&text(&status, "/expires_at"));
    let told = Told::new(say!(
        language,
        "Allow is pressed, the code is exchanged for tokens: {account} is connected",
        "Нажато «Разрешить», код обменян на токены: {account} подключён"
    ))
    .detail(say!(
        language,
        "the access token is good until {until} UTC",
        "токен доступа действует до {until} UTC"
    ));
    Ok(((), told))
}

async fn first_call(language: Language, stage: &Stage<'_>) -> Step<()> {
    let expected = "amoCRM's answer to lead-intake's own token";
    let url = stage.house.intake_url("/api/auth/amo/test");
    let answer = stage.http.get(&url).await.expecting(expected)?;
    let answer = answer.json_of(&[200]).expecting(expected)?;
    let (id, name) = (
        number(&answer, "/account_id"),
        text(&answer, "/account_name"),
    );
    ensure(answer["ok"] == true && id > 0, expected, &answer)?;
    let told = Told::new(say!(
        language,
        "With its token lead-intake asks amoCRM whose account this is: {id} «{name}»",
        "С этим токеном lead-intake спрашивает amoCRM, чей это аккаунт: {id} «{name}»"
    ));
    Ok(((), told))
}

/// Lets lead-intake prepare the account, then reads what is there.
pub(super) async fn provision(teller: &mut Teller, stage: &Stage<'_>) -> Result<Pipeline, Broken> {
    let language = teller.language();
    teller.step(provisioned(language, stage)).await
}

async fn provisioned(language: Language, stage: &Stage<'_>) -> Step<Pipeline> {
    let expected = "the pipeline with its stages, and the field for intake ids";
    let app = stage.house.intake().expecting(expected)?;
    // What `lead-intake provision` does and prints.
    let mut printed = Vec::new();
    Box::pin(lead_intake::provision::run(
        app,
        &lead_intake::provision::Arguments::default(),
        &mut printed,
    ))
    .await
    .expecting(expected)?;
    tracing::info!(
        "provision: {}",
        String::from_utf8_lossy(&printed).trim().replace('\n', "; ")
    );

    let intake = &app.config().intake;
    let pipelines = stage.crm.all("/api/v4/leads/pipelines", "pipelines").await;
    let pipelines = pipelines.expecting(expected)?;
    let Some(pipeline) = pipelines
        .iter()
        .find(|pipeline| text(pipeline, "/name") == intake.pipeline)
    else {
        return Err(Failed::new(
            expected,
            format!("no pipeline «{}»", intake.pipeline),
        ));
    };
    let mut stages: Vec<&Value> = list(pipeline, "/_embedded/statuses").iter().collect();
    // Type 1 is the stage of unsorted leads, which nobody moves a deal to.
    stages.retain(|stage| number(stage, "/type") == 0);
    stages.sort_by_key(|stage| number(stage, "/sort"));
    let pipeline = Pipeline {
        id: number(pipeline, "/id"),
        name: intake.pipeline.clone(),
        stages: stages
            .iter()
            .map(|stage| (number(stage, "/id"), text(stage, "/name")))
            .collect(),
        names: intake.stages.clone(),
    };
    let fields = stage
        .crm
        .all("/api/v4/leads/custom_fields", "custom_fields")
        .await
        .expecting(expected)?;
    let Some(field) = fields.iter().find(|field| field["code"] == "INTAKE_ID") else {
        return Err(Failed::new(expected, "no field with the code INTAKE_ID"));
    };
    let (id, name, field_name, field_id) = (
        pipeline.id,
        &pipeline.name,
        text(field, "/name"),
        number(field, "/id"),
    );
    let names: Vec<&str> = pipeline
        .stages
        .iter()
        .map(|(_, name)| name.as_str())
        .collect();
    let told = Told::new(say!(
        language,
        "The account has all it needs: pipeline «{name}» ({id}), field «{field_name}» ({field_id})",
        "В аккаунте есть всё нужное: воронка «{name}» ({id}), поле «{field_name}» ({field_id})"
    ));
    let told = names
        .chunks(STAGES_PER_LINE)
        .fold(told, |told, names| told.detail(names.join(" → ")));
    Ok((pipeline, told))
}

async fn status(stage: &Stage<'_>) -> anyhow::Result<Value> {
    let url = stage.house.intake_url("/api/auth/amo/status");
    stage.http.get(&url).await?.json_of(&[200])
}

/// The form's hidden fields, which a browser sends back untouched.
fn hidden_fields(page: &Answer) -> Vec<(String, String)> {
    page.text
        .split("<input type=\"hidden\" ")
        .skip(1)
        .map(|rest| {
            let value = between(rest, "value=\"", "\"");
            (between(rest, "name=\"", "\""), unescape(&value))
        })
        .collect()
}

fn between(text: &str, begin: &str, end: &str) -> String {
    text.split_once(begin)
        .and_then(|(_, rest)| rest.split_once(end))
        .map(|(inner, _)| inner.to_owned())
        .unwrap_or_default()
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// `2026-11-22 08:41` of `2026-11-22T08:41:07Z`.
fn minutes(instant: &str) -> String {
    instant
        .chars()
        .take(16)
        .collect::<String>()
        .replace('T', " ")
}

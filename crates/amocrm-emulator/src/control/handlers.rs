//! The control API over HTTP: read the body, call the operation, answer JSON.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::catalogs::CutPages;
use super::customers::{SwitchCustomers, set_customers_mode};
use super::duplicates::{SwitchDuplicates, set_duplicate_control};
use super::input::Input;
use super::{accounts, crm, team};
use crate::app::App;
use crate::config::OauthRules;
use crate::faults::Fault;
use crate::limits::LimitSettings;
use crate::oauth::{IssueRequest, TokenSelector};
use crate::{answer, control, oauth};

pub(super) type Answer = Result<Response, Mistake>;

/// What is wrong with a request; answered 400.
pub(super) struct Mistake(String);

impl Mistake {
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self(detail.into())
    }
}

impl IntoResponse for Mistake {
    fn into_response(self) -> Response {
        answer::problem(StatusCode::BAD_REQUEST, &self.0)
    }
}

pub(super) async fn health() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

pub(super) async fn issue_code(State(app): State<App>, input: Input) -> Answer {
    let request: IssueRequest = input.read()?;
    Ok(Json(json!({ "code": request.code(&app).map_err(Mistake::new)? })).into_response())
}

pub(super) async fn issue_long_lived(State(app): State<App>, input: Input) -> Answer {
    let request: IssueRequest = input.read()?;
    Ok(Json(request.long_lived(&app).map_err(Mistake::new)?).into_response())
}

pub(super) async fn issue_pair(State(app): State<App>, input: Input) -> Answer {
    let request: IssueRequest = input.read()?;
    let pair = request.pair(&app).map_err(Mistake::new)?;
    Ok(Json(json!({
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_in": pair.expires_in,
        "token_id": pair.token_id,
    }))
    .into_response())
}

pub(super) async fn expire_tokens(State(app): State<App>, input: Input) -> Answer {
    let selector: TokenSelector = input.read()?;
    Ok(Json(json!({ "expired": control::expire_tokens(&app, &selector) })).into_response())
}

pub(super) async fn revoke_tokens(State(app): State<App>, input: Input) -> Answer {
    let selector: TokenSelector = input.read()?;
    Ok(Json(json!({ "revoked_grants": control::revoke_tokens(&app, &selector) })).into_response())
}

pub(super) async fn clock(State(app): State<App>) -> Response {
    clock_answer(&app)
}

pub(super) async fn advance_clock(State(app): State<App>, input: Input) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Advance {
        #[serde(alias = "secs")]
        seconds: f64,
    }
    let Advance { seconds } = input.read()?;
    let by = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Mistake::new("seconds: expected a number that is not negative"))?;
    control::advance(&app, by);
    Ok(clock_answer(&app))
}

fn clock_answer(app: &App) -> Response {
    Json(json!({ "now": app.clock().now(), "offset_ms": app.clock().offset_ms() })).into_response()
}

pub(super) async fn faults(State(app): State<App>) -> Response {
    Json(json!({ "faults": app.faults().planned() })).into_response()
}

pub(super) async fn plan_fault(State(app): State<App>, input: Input) -> Answer {
    let fault = read_fault(input)?;
    Ok((StatusCode::CREATED, Json(app.faults().plan(fault))).into_response())
}

pub(super) async fn clear_faults(State(app): State<App>) -> StatusCode {
    control::clear_faults(&app);
    StatusCode::NO_CONTENT
}

pub(super) async fn remove_fault(State(app): State<App>, Path(id): Path<u64>) -> Response {
    if control::remove_fault(&app, id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        answer::problem(StatusCode::NOT_FOUND, "There is no fault with this id")
    }
}

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

pub(super) async fn requests(
    State(app): State<App>,
    Query(Since { since }): Query<Since>,
) -> Response {
    let journal = app.journal();
    Json(json!({ "requests": journal.entries(since), "counters": journal.counters() }))
        .into_response()
}

pub(super) async fn clear_requests(State(app): State<App>) -> StatusCode {
    app.journal().clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn webhooks(State(app): State<App>) -> Response {
    let deliveries = app.deliveries();
    Json(json!({ "attempts": deliveries.log(), "waiting": deliveries.waiting() })).into_response()
}

pub(super) async fn settle(State(app): State<App>) -> Response {
    control::settle(&app).await;
    webhooks(State(app)).await
}

pub(super) async fn limits(State(app): State<App>) -> Response {
    Json(app.limiter().settings()).into_response()
}

pub(super) async fn set_limits(State(app): State<App>, input: Input) -> Answer {
    let mut changes = input.into_members();
    // `"off"` is what the command line calls it.
    for value in changes
        .values_mut()
        .filter(|value| value.as_str() == Some("off"))
    {
        *value = Value::Null;
    }
    let settings: LimitSettings = merged(&app.limiter().settings(), changes)?;
    app.limiter().set(settings);
    Ok(limits(State(app)).await)
}

pub(super) async fn block(State(app): State<App>, input: Input) -> Answer {
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Block {
        account_id: Option<u64>,
        ms: Option<u64>,
    }
    let Block { account_id, ms } = input.read()?;
    if !control::block(&app, account_id, ms.map(Duration::from_millis)) {
        return Err(Mistake::new("account_id: no such account"));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn lift_block(State(app): State<App>) -> StatusCode {
    app.limiter().lift_blocks();
    StatusCode::NO_CONTENT
}

pub(super) async fn oauth_rules(State(app): State<App>) -> Response {
    Json(app.oauth_rules()).into_response()
}

pub(super) async fn set_oauth_rules(State(app): State<App>, input: Input) -> Answer {
    let rules: OauthRules = merged(&app.oauth_rules(), input.into_members())?;
    app.set_oauth_rules(rules);
    Ok(oauth_rules(State(app)).await)
}

pub(super) async fn cut_pages(State(app): State<App>, input: Input) -> Answer {
    let request: CutPages = input.read()?;
    if !request.apply(&app) {
        return Err(Mistake::new("account_id: no such account"));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn switch_customers(State(app): State<App>, input: Input) -> Answer {
    let SwitchCustomers { mode, account_id } = input.read()?;
    if !set_customers_mode(&app, account_id, mode) {
        return Err(Mistake::new("account_id: no such account"));
    }
    Ok(Json(json!({ "mode": mode })).into_response())
}

pub(super) async fn switch_duplicates(State(app): State<App>, input: Input) -> Answer {
    let SwitchDuplicates { mode, account_id } = input.read()?;
    if !set_duplicate_control(&app, account_id, mode) {
        return Err(Mistake::new("account_id: no such account"));
    }
    Ok(Json(json!({ "mode": mode })).into_response())
}

pub(super) async fn open_account(State(app): State<App>, input: Input) -> Answer {
    let opened = accounts::open(&app, input.read()?).map_err(Mistake::new)?;
    Ok((StatusCode::CREATED, Json(opened)).into_response())
}

pub(super) async fn rename_account(State(app): State<App>, input: Input) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rename {
        subdomain: String,
        #[serde(default)]
        account_id: Option<u64>,
        /// How the old host answers from now on.
        #[serde(default)]
        old_host_status: Option<u16>,
    }
    let Rename {
        subdomain,
        account_id,
        old_host_status,
    } = input.read()?;
    control::rename(&app, account_id, &subdomain).map_err(Mistake::new)?;
    if let Some(status) = old_host_status {
        app.set_oauth_rules(OauthRules {
            unknown_account_status: status,
            ..app.oauth_rules()
        });
    }
    Ok(Json(json!({ "subdomain": subdomain })).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClientId {
    client_id: Option<String>,
}

pub(super) async fn disable_integration(State(app): State<App>, input: Input) -> Answer {
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Disable {
        client_id: Option<String>,
        hook_url: Option<String>,
    }
    let Disable {
        client_id,
        hook_url,
    } = input.read()?;
    let told = oauth::disable_integration(&app, client_id.as_deref(), hook_url.as_deref()).await;
    hook_answer(told)
}

pub(super) async fn install_integration(State(app): State<App>, input: Input) -> Answer {
    let ClientId { client_id } = input.read()?;
    let told = oauth::install_from_widget(&app, client_id.as_deref()).await;
    hook_answer(told)
}

fn hook_answer(told: Result<Option<u16>, oauth::HookError>) -> Answer {
    match told {
        Ok(status) => Ok(Json(json!({ "hook_status": status })).into_response()),
        Err(oauth::HookError::UnknownClient) => Err(Mistake::new("client_id: no such integration")),
        Err(oauth::HookError::NoUser) => Err(Mistake::new("the account has no administrator")),
    }
}

pub(super) async fn set_feed(State(app): State<App>, input: Input) -> Answer {
    let rules = crm::set_feed(&app, &input.read()?).map_err(Mistake::new)?;
    Ok(Json(rules).into_response())
}

pub(super) async fn set_followers(State(app): State<App>, input: Input) -> Answer {
    crm::set_followers(&app, input.read()?).map_err(Mistake::new)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn add_note(State(app): State<App>, input: Input) -> Answer {
    let made = crm::add_note(&app, input.read()?).map_err(Mistake::new)?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

pub(super) async fn delete_task(State(app): State<App>, input: Input) -> Answer {
    crm::delete_task(&app, &input.read()?).map_err(Mistake::new)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn put_into_group(State(app): State<App>, input: Input) -> Answer {
    let group = team::put_into_group(&app, &input.read()?).map_err(Mistake::new)?;
    Ok(Json(group).into_response())
}

pub(super) async fn remove_user(State(app): State<App>, input: Input) -> Answer {
    team::remove_user(&app, &input.read()?).map_err(Mistake::new)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn receive(State(app): State<App>, input: Input) -> Answer {
    let made = crm::receive(&app, input.read()?).map_err(Mistake::new)?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

pub(super) async fn reset(State(app): State<App>) -> StatusCode {
    app.reset();
    StatusCode::NO_CONTENT
}

/// Settings with some members replaced.
fn merged<T: serde::Serialize + DeserializeOwned>(
    current: &T,
    changes: Map<String, Value>,
) -> Result<T, Mistake> {
    let mut document =
        serde_json::to_value(current).map_err(|error| Mistake::new(error.to_string()))?;
    for (name, value) in changes {
        if document.get(&name).is_none() {
            return Err(Mistake::new(format!("{name}: there is no such setting")));
        }
        document[&name] = value;
    }
    serde_json::from_value(document)
        .map_err(|error| Mistake::new(format!("the request body does not fit: {error}")))
}

/// A fault with its parameters beside the name or under `params`.
fn read_fault(input: Input) -> Result<Fault, Mistake> {
    const MEMBERS: [&str; 11] = [
        "name",
        "count",
        "path",
        "method",
        "skip",
        "ms",
        "delay_ms",
        "status",
        "html",
        "retry_after",
        "place",
    ];
    let mut members = input.into_members();
    if let Some(params) = members.remove("params") {
        let Value::Object(params) = params else {
            return Err(Mistake::new("params: expected an object"));
        };
        members.extend(params);
    }
    if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&&***name)) {
        return Err(Mistake::new(format!(
            "{unknown}: no fault has this parameter"
        )));
    }
    if let Some(ms) = members.remove("delay_ms") {
        members.entry("ms").or_insert(ms);
    }
    serde_json::from_value(Value::Object(members))
        .map_err(|error| Mistake::new(format!("the fault does not fit: {error}")))
}

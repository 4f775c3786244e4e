//! `/api/auth/amo`: connecting an account of amoCRM, and looking after the connection.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::oauth::{Callback, DisabledHook, Grant};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::http::{OpenRoute, Problem, Route};
use store::StoreError;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::page::Page;
use crate::{Crm, CrmError, Standing, crm_problem, store_problem};

mod page;

/// The routes of [`auth_routes`] that anybody may call. What is in none of these lists is for administrators.
pub const AUTH_OPEN: &[OpenRoute] = &[
    OpenRoute::new(
        "GET",
        "/api/auth/amo/callback",
        "amoCRM sends the administrator back; the single-use state proves who began",
    ),
    OpenRoute::new(
        "GET",
        "/api/auth/amo/disabled",
        "amoCRM's hook; its signature is checked",
    ),
];

/// The routes of [`auth_routes`] that viewers may read.
pub const AUTH_VIEWER: &[Route] = &[("GET", "/api/auth/amo/status")];

/// The routes of [`auth_routes`] that operators may use besides.
pub const AUTH_OPERATOR: &[Route] = &[("GET", "/api/auth/amo/test")];

/// `/api/auth/amo`: consent and its callback, status, test, renewal, revocation, and amoCRM's hook about a disabled
/// integration. Whatever state the service's own routes have, these bring theirs.
pub fn auth_routes<S: Clone + Send + Sync + 'static>(crm: Arc<Crm>) -> OpenApiRouter<S> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(callback))
        .routes(routes!(status))
        .routes(routes!(test))
        .routes(routes!(refresh))
        .routes(routes!(revoke))
        .routes(routes!(disabled))
        .with_state(crm)
}

/// How long an administrator may take to give consent.
const STATE_LIFE: Duration = Duration::from_mins(15);
/// Random bytes of a state.
const STATE_BYTES: usize = 24;

/// Sends an administrator to amoCRM's consent page.
#[utoipa::path(
    get,
    path = "/api/auth/amo",
    tag = "auth",
    responses(
        (status = 302, description = "To amoCRM's consent page"),
        (status = 409, description = "The integration's keys are not configured", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn start(State(crm): State<Arc<Crm>>) -> Result<Response, Refusal> {
    let state = random_state()?;
    let url = crm.authorize_url(&state)?;
    let store = crm.store();
    store
        .meta()
        .put_state(&setting(&state), &Bound::to(&crm), STATE_LIFE)
        .await?;
    // Not `Redirect::to`, which is a 303: 302 is what documentation and scripts of OAuth expect here.
    Ok((
        StatusCode::FOUND,
        [(http::header::LOCATION, url.to_string())],
    )
        .into_response())
}

/// Where amoCRM sends the administrator back to.
#[utoipa::path(
    get,
    path = "/api/auth/amo/callback",
    tag = "auth",
    params(
        ("code" = Option<String>, Query, description = "Authorization code"),
        ("state" = Option<String>, Query, description = "What was sent to the consent page"),
        ("referer" = Option<String>, Query, description = "The account's host"),
        ("error" = Option<String>, Query, description = "access_denied"),
    ),
    responses(
        (status = 200, description = "Connected: a page for people", content_type = "text/html"),
        (status = 400, description = "Not connected: a page that says why", content_type = "text/html"),
    )
)]
async fn callback(
    State(crm): State<Arc<Crm>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let callback = match crm.read_callback(query.as_deref().unwrap_or_default()) {
        Ok(callback) => callback,
        Err(error) => return Ok(Page::malformed(&error.to_string()).into_response()),
    };
    let grant = match callback {
        Callback::Granted(grant) => grant,
        Callback::Refused(refusal) => {
            // Used up as well: the administrator has answered.
            if let Some(state) = &refusal.state {
                crm.store().meta().take_state(&setting(state)).await?;
            }
            tracing::warn!("consent was refused");
            return Ok(Page::refused().into_response());
        }
    };
    if !is_ours(&crm, &grant).await? {
        metrics::counter!("auth_refusals_total").increment(1);
        tracing::warn!("a callback with a missing, used or unknown state was refused");
        return Ok(Page::unknown_state().into_response());
    }
    if let Err(reason) = crm.accepts(&grant.account) {
        tracing::warn!("a callback was refused: {reason}");
        return Ok(Page::malformed(&reason).into_response());
    }
    Ok(match crm.connect(&grant).await {
        Ok(linked) => Page::connected(&linked.account).into_response(),
        Err(CrmError::Store(error)) => return Err(error.into()),
        Err(error) => {
            metrics::counter!("amocrm_auth_failures_total").increment(1);
            tracing::error!("the authorization code could not be exchanged: {error}");
            Page::failed(&error.to_string()).into_response()
        }
    })
}

/// Why a request was not done.
#[derive(Debug)]
struct Refusal(Box<Problem>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<CrmError> for Refusal {
    fn from(error: CrmError) -> Self {
        crm_problem(&error).into()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        store_problem(&error).into()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

/// How the connection stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
struct AuthStatus {
    /// Keys of an integration, or a token, are configured.
    configured: bool,
    /// Requests can be made.
    connected: bool,
    /// amoCRM refuses our access; an administrator has to connect again.
    needs_reconnect: bool,
    /// The account.
    account: Option<String>,
    /// `oauth` or `long_lived_token`.
    mode: Option<String>,
    /// When the access token was received.
    obtained_at: Option<DateTime<Utc>>,
    /// When the access token expires; it is renewed before.
    expires_at: Option<DateTime<Utc>>,
    /// What to do next, for people.
    message: String,
}

impl AuthStatus {
    fn of(standing: Standing) -> Self {
        let connected = standing.connected();
        let message = if !standing.configured {
            CrmError::NotConfigured.to_string()
        } else if standing.needs_reconnect {
            CrmError::Refused.to_string()
        } else if connected && standing.long_lived {
            "connected with a long-lived token; an administrator replaces it before it expires"
                .to_owned()
        } else if connected {
            "connected; tokens are renewed by themselves".to_owned()
        } else {
            CrmError::NotConnected.to_string()
        };
        let mode = match (standing.configured, standing.long_lived) {
            (false, _) => None,
            (true, true) => Some("long_lived_token"),
            (true, false) => Some("oauth"),
        };
        let connection = standing.connection.as_ref();
        Self {
            configured: standing.configured,
            connected,
            needs_reconnect: standing.needs_reconnect,
            account: standing.account,
            mode: mode.map(str::to_owned),
            obtained_at: connection.and_then(|connection| told(connection.obtained_at)),
            expires_at: connection.and_then(|connection| told(connection.expires_at)),
            message,
        }
    }
}

/// A refresh token that was configured has no dates until it is used for the first time.
fn told(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (at > DateTime::UNIX_EPOCH).then_some(at)
}

/// Says how the connection stands, without asking amoCRM.
#[utoipa::path(
    get,
    path = "/api/auth/amo/status",
    tag = "auth",
    responses((status = 200, description = "How it stands", body = AuthStatus))
)]
async fn status(State(crm): State<Arc<Crm>>) -> Result<Json<AuthStatus>, Refusal> {
    Ok(Json(AuthStatus::of(crm.standing().await?)))
}

/// An answer of amoCRM.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
struct AuthTest {
    /// Always true; a failure is a problem body.
    ok: bool,
    /// The account's number.
    account_id: u64,
    /// The account's name.
    account_name: String,
    /// The account's subdomain.
    subdomain: String,
    /// How long amoCRM took.
    duration_ms: u64,
}

/// Asks amoCRM for the account.
#[utoipa::path(
    get,
    path = "/api/auth/amo/test",
    tag = "auth",
    responses(
        (status = 200, description = "amoCRM answers", body = AuthTest),
        (status = 409, description = "amoCRM is not connected", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "amoCRM refuses", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "amoCRM does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn test(State(crm): State<Arc<Crm>>) -> Result<Json<AuthTest>, Refusal> {
    let linked = crm.linked().await?;
    let started = Instant::now();
    let account = match linked.client.account().get().await {
        Ok(account) => account,
        Err(error) => {
            let error = CrmError::from(error);
            if error.needs_reconnect() {
                crm.note_refusal(&linked, &error).await;
            }
            return Err(error.into());
        }
    };
    Ok(Json(AuthTest {
        ok: true,
        account_id: account.id.get(),
        account_name: account.name,
        subdomain: account.subdomain,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

/// Renews the tokens now, whatever their age.
#[utoipa::path(
    post,
    path = "/api/auth/amo/refresh",
    tag = "auth",
    responses(
        (status = 200, description = "Renewed", body = AuthStatus),
        (status = 409, description = "There is nothing to renew, or amoCRM refuses it", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn refresh(State(crm): State<Arc<Crm>>) -> Result<Json<AuthStatus>, Refusal> {
    crm.renew().await?;
    Ok(Json(AuthStatus::of(crm.standing().await?)))
}

/// What became of a disconnection.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
struct Revoked {
    /// Tokens were there and are forgotten.
    revoked: bool,
    /// What remains to be done, for people.
    message: String,
}

/// Forgets the tokens.
#[utoipa::path(
    post,
    path = "/api/auth/amo/revoke",
    tag = "auth",
    responses((status = 200, description = "Forgotten", body = Revoked))
)]
async fn revoke(State(crm): State<Arc<Crm>>) -> Result<Json<Revoked>, Refusal> {
    let revoked = crm.disconnect().await?;
    tracing::info!("tokens forgotten");
    Ok(Json(Revoked {
        revoked,
        message: "the tokens are forgotten here; to end the access there as well, disable the integration in the \
                  account's settings"
            .to_owned(),
    }))
}

/// amoCRM tells that the integration was disabled in the account.
#[utoipa::path(
    get,
    path = "/api/auth/amo/disabled",
    tag = "auth",
    params(
        ("account_id" = u64, Query, description = "The account's number"),
        ("client_uuid" = String, Query, description = "The integration's id"),
        ("signature" = String, Query, description = "HMAC of both with the integration's secret"),
    ),
    responses(
        (status = 200, description = "The tokens are forgotten"),
        (status = 400, description = "A parameter is missing", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The signature is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn disabled(
    State(crm): State<Arc<Crm>>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Refusal> {
    let hook = DisabledHook::parse(query.as_deref().unwrap_or_default()).map_err(|error| {
        Refusal::from(Problem::new(StatusCode::BAD_REQUEST).detail(error.to_string()))
    })?;
    let credentials = crm.credentials().ok_or(CrmError::NotConfigured)?;
    if !hook.verify(&credentials.client_id, &credentials.client_secret) {
        metrics::counter!("auth_refusals_total").increment(1);
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail("the signature is not amoCRM's")
            .into());
    }
    let ours = crm.account_id().await?;
    if ours.is_none_or(|ours| ours == hook.account_id) {
        crm.disconnect().await?;
        tracing::warn!(
            account.id = hook.account_id,
            "the integration was disabled in the account"
        );
    }
    Ok(StatusCode::OK)
}

/// What a state was made for. Only an administrator gets one; it is worth nothing for another integration, which may
/// share the database or have been configured since.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    client_id: Option<String>,
    redirect_uri: Option<String>,
}

impl Bound {
    fn to(crm: &Crm) -> Self {
        let config = crm.config();
        Self {
            client_id: config.credentials().map(|keys| keys.client_id),
            redirect_uri: config.redirect_uri().map(str::to_owned),
        }
    }
}

/// Whether the consent was asked for by us. A widget's installation carries no state: it is believed only for the
/// account that is configured, or a stranger's account could receive our leads.
async fn is_ours(crm: &Crm, grant: &Grant) -> Result<bool, Refusal> {
    if let Some(state) = &grant.state {
        let bound = crm.store().meta().take_state(&setting(state)).await?;
        return Ok(bound.is_some_and(|bound| {
            serde_json::from_value::<Bound>(bound).is_ok_and(|bound| bound == Bound::to(crm))
        }));
    }
    Ok(grant.from_widget && crm.config().domain().as_deref() == Some(grant.account.as_str()))
}

fn random_state() -> Result<String, Refusal> {
    let mut bytes = [0_u8; STATE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!("the system gives no random numbers: {error}");
        Refusal::from(Problem::internal())
    })?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

fn setting(state: &str) -> String {
    format!("oauth/{state}")
}

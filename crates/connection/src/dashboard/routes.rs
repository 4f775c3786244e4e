//! `/dashboard` itself: whoever may see the page, and the button on it.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::HeaderMap;
use service_kit::dashboard::{Frame, PageError, Range};
use service_kit::http::{AdminAccess, ApiPath, ApiQuery, Language, Problem, Role, Route};
use store::{DeadLetter, Store, StoreError};
use utoipa_axum::router::OpenApiRouter;

use crate::store_problem;

/// Where the page is.
pub const DASHBOARD_PATH: &str = "/dashboard";
/// Where its buttons lead.
const RETRY_PATH: &str = "/dashboard/dead-letters/{id}/retry";

/// The routes of [`dashboard_routes`] that viewers may read.
pub const DASHBOARD_VIEWER: &[Route] = &[("GET", DASHBOARD_PATH)];
/// The routes of [`dashboard_routes`] that operators may use besides.
pub const DASHBOARD_OPERATOR: &[Route] = &[("POST", RETRY_PATH)];

/// A service that shows people how it is doing.
pub trait Dashboard: Clone + Send + Sync + 'static {
    /// What is shown.
    type Figures: Send + Sync;
    /// How failures are told.
    type Error: Into<Problem>;

    /// Who may see what.
    fn access(&self) -> AdminAccess;

    /// Its database.
    fn store(&self) -> &Store;

    /// The figures of the last `days`, today included.
    fn figures(&self, days: u32)
    -> impl Future<Output = Result<Self::Figures, Self::Error>> + Send;

    /// The page of the figures, with buttons or without.
    ///
    /// # Errors
    ///
    /// When a template fails.
    fn draw(
        &self,
        figures: &Self::Figures,
        days: u32,
        language: Language,
        may_retry: bool,
    ) -> Result<Frame<'static>, PageError>;

    /// Puts a dead letter back into the queue. `false` if it is not there any more.
    fn revive(&self, letter: DeadLetter) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// `/dashboard`, and the button that puts a dead letter back into the queue. A page, which the description of the API need
/// not tell.
pub fn dashboard_routes<D: Dashboard>() -> OpenApiRouter<D> {
    OpenApiRouter::new()
        .route(DASHBOARD_PATH, get(page::<D>))
        .route(RETRY_PATH, post(retry::<D>))
}

async fn page<D: Dashboard>(
    State(service): State<D>,
    ApiQuery(range): ApiQuery<Range>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = range.language(&headers);
    let days = days(&range)?;
    let figures = service.figures(days).await.map_err(Into::into)?;
    let may_retry = service.access().role(&headers) >= Some(Role::Operator);
    let frame = service.draw(&figures, days, language, may_retry);
    let frame = frame.map_err(|error| {
        tracing::error!("{error}");
        Problem::internal()
    })?;
    Ok(frame.into_response())
}

/// Shows the page again. A letter that is no longer there was retried by somebody else, which is as well.
async fn retry<D: Dashboard>(
    State(service): State<D>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(range): ApiQuery<Range>,
) -> Result<Redirect, Problem> {
    let days = days(&range)?;
    let told = |error| store_problem(&error);
    let letter = service.store().jobs().dead_letter(id).await.map_err(told)?;
    if let Some(letter) = letter {
        service.revive(letter).await.map_err(told)?;
    }
    let query = Range::query(days, range.language(&HeaderMap::new()));
    Ok(Redirect::to(&format!("{DASHBOARD_PATH}?{query}#failed")))
}

/// The days that were asked for.
///
/// # Errors
///
/// 422 that names the field.
pub fn days(range: &Range) -> Result<u32, Problem> {
    range.days().map_err(|wrong| Problem::fields(vec![wrong]))
}

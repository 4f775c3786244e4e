//! `/dashboard`: how the lessons are doing, for the people who live on them; `/api/stats` says the same to programs.
//!
//! The page is rendered here, without scripts. Its figures are sums that the store keeps
//! ([`Lessons::tallies`](store::Lessons::tallies)), so a view counts no table, however many students there are.

mod figures;
mod view;

use axum::Json;
use axum::extract::State;
use connection::dashboard::{Dashboard, days};
use service_kit::dashboard::{Frame, PageError, Range};
use service_kit::http::{AdminAccess, ApiQuery, Language, Problem};
use store::{DeadLetter, Store, StoreError};

use self::figures::Figures;
use crate::api::{ApiError, AppState};
use crate::dead_letters::revive;

impl Dashboard for AppState {
    type Figures = Figures;
    type Error = ApiError;

    fn access(&self) -> AdminAccess {
        self.config.security.access()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    async fn figures(&self, days: u32) -> Result<Figures, ApiError> {
        Figures::read(self, days).await
    }

    fn draw(
        &self,
        figures: &Figures,
        days: u32,
        language: Language,
        may_retry: bool,
    ) -> Result<Frame<'static>, PageError> {
        view::frame(&self.config, figures, days, language, may_retry)
    }

    async fn revive(&self, letter: DeadLetter) -> Result<bool, StoreError> {
        revive(&self.store, &letter).await
    }
}

/// How the lessons of the last days are doing: the figures of the dashboard.
#[utoipa::path(
    get,
    path = "/api/stats",
    tag = "lessons",
    params(("days" = Option<u32>, Query, description = "How many days, today included: 1 to 365; 30 by default", example = 30)),
    responses(
        (status = 200, description = "The figures", body = Figures),
        (status = 422, description = "The range is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stats(
    State(state): State<AppState>,
    ApiQuery(range): ApiQuery<Range>,
) -> Result<Json<Figures>, ApiError> {
    let days = days(&range)?;
    Ok(Json(Figures::read(&state, days).await?))
}

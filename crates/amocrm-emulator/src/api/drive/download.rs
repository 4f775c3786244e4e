//! The bytes of a file.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::render::sanitized;
use crate::app::App;
use crate::problem::Problem;

/// The current version.
pub(super) async fn current(
    State(app): State<App>,
    Path((account, file, _)): Path<(String, String, String)>,
) -> Response {
    serve(&app, &account, &file, None)
}

/// One of the versions.
pub(super) async fn version(
    State(app): State<App>,
    Path((account, file, version, _)): Path<(String, String, String, String)>,
) -> Response {
    serve(&app, &account, &file, Some(&version))
}

fn serve(app: &App, account: &str, file: &str, version: Option<&str>) -> Response {
    let found = app.with_world(|world| {
        let mut accounts = world.accounts.iter();
        let account = accounts.find(|known| known.uuid == account)?;
        let file = account.drive.live(file)?;
        let version = file.version(version.unwrap_or(&file.main_version))?;
        Some((
            version.content.clone()?,
            version.mime_type.clone(),
            sanitized(&version.name),
        ))
    });
    let Some((content, mime_type, name)) = found else {
        return Problem::not_found("File not found").into_response();
    };
    let mut response = (StatusCode::OK, content).into_response();
    let headers = response.headers_mut();
    let fallback = HeaderValue::from_static("application/octet-stream");
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_str(&mime_type).unwrap_or(fallback),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

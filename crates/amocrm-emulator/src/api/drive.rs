//! The file service ("drive"): sessions that take a file in parts, the files themselves, and what they hang on.
//!
//! Over plain HTTP it has the emulator's own address; through the proxy and over TLS it is `drive-b.` beside the account. Its errors are
//! taken to look like those of the API, since their form is not documented. It counts against the same rate limit: it takes the same
//! token, and no source says otherwise.

mod attachments;
mod download;
mod files;
mod filter;
mod presets;
mod render;
mod sessions;

use axum::{
    Router,
    routing::{get, post},
};

use super::call::on;
use crate::app::App;

/// The routes behind the bearer check.
pub(crate) fn routes() -> Router<App> {
    let attached = || {
        get(on(attachments::list))
            .put(on(attachments::attach))
            .delete(on(attachments::detach))
    };
    let mut router = Router::new()
        .route("/v1.0/sessions", post(on(sessions::open)))
        .route(
            "/v1.0/sessions/upload/{upload}/{part}",
            post(on(sessions::take_part)),
        )
        .route(
            "/v1.0/files",
            get(on(files::list)).delete(on(files::delete_many)),
        )
        .route("/v1.0/files/restore", post(on(files::restore_many)))
        .route(
            "/v1.0/files/{uuid}",
            get(on(files::show)).patch(on(files::update)),
        )
        .route("/v1.0/files/{uuid}/versions", get(on(files::versions)))
        .route("/api/v4/files/{uuid}/links", get(on(attachments::cards)));
    for kind in ["leads", "contacts", "companies", "customers"] {
        router = router.route(&format!("/api/v4/{kind}/{{id}}/files"), attached());
    }
    // The one client that names elements' files leaves `elements` out.
    router.route("/api/v4/catalogs/{catalog_id}/{id}/files", attached())
}

/// The links in file models; they work without a token, as the real ones do in a browser.
pub(crate) fn open_routes() -> Router<App> {
    Router::new()
        .route("/download/{account}/{file}/{name}", get(download::current))
        .route(
            "/download/{account}/{file}/{version}/{name}",
            get(download::version),
        )
}

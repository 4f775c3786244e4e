//! The Chats API ("amojo"): channels connect to accounts, bring messages in, and are told what managers write.
//!
//! It is another service than the API: no token but a signature under the channel's secret, one object per call, strictly typed, and
//! errors of its own. Over plain HTTP it has the emulator's own address, through the proxy and over TLS it is `amojo.` beside the
//! account. Its limits are not documented, so it has none here.
//!
//! <https://www.amocrm.ru/developers/content/chats/chat-api-reference>

mod call;
mod connection;
mod conversations;
mod hooks;
mod incoming;
mod managers;
mod messages;
mod people;
mod problem;
mod registry;
mod signature;
mod told;

use axum::Router;
use axum::routing::{delete, get, post};

use self::call::{on_channel, on_scope};
pub(crate) use self::managers::{Outcome, Write, react, start_typing, write};
pub use self::registry::{ChatChannel, NewChatChannel};
pub(crate) use self::registry::{channels, register};
pub(crate) use self::told::{talk_closed, talk_fields};
use crate::app::App;

/// The routes of the service.
pub(crate) fn routes() -> Router<App> {
    let at = |path: &str| format!("/v2/origin/custom/{{scope}}{path}");
    Router::new()
        .route(&at("/connect"), post(on_channel(connection::connect)))
        .route(
            &at("/disconnect"),
            delete(on_channel(connection::disconnect)),
        )
        .route(&at(""), post(on_scope(messages::take)))
        .route(&at("/chats"), post(on_scope(conversations::open)))
        .route(
            &at("/chats/{conversation}/history"),
            get(on_scope(conversations::history)),
        )
        .route(&at("/typing"), post(on_scope(conversations::typing)))
        .route(&at("/react"), post(on_scope(messages::react)))
        .route(
            &at("/{msgid}/delivery_status"),
            post(on_scope(messages::delivery_status)),
        )
}

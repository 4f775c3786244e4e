//! What tests do in the place of amoCRM's support, which registers channels, and of managers, who write in chats.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::handlers::{Answer, Mistake};
use super::input::Input;
use crate::app::App;
use crate::chats::{self, Outcome};

/// Registers a channel, or changes the one with this id.
pub(super) async fn register(State(app): State<App>, input: Input) -> Answer {
    let channel = chats::register(&app, input.read()?);
    Ok((StatusCode::CREATED, Json(channel)).into_response())
}

pub(super) async fn channels(State(app): State<App>) -> Response {
    Json(json!({"channels": chats::channels(&app)})).into_response()
}

/// All chats of all accounts: what a test needs to know of them.
pub(super) async fn list(State(app): State<App>) -> Response {
    let chats: Vec<Value> = app.with_world(|world| {
        let accounts = world.accounts.iter();
        let chats = accounts.flat_map(|account| {
            let chats = account.services.chats.list.iter();
            chats.map(|chat| {
                let messages = chat.messages.iter().map(|message| {
                    json!({
                        "id": message.id,
                        "msgid": message.msgid,
                        "delivery_status": message.delivery_status,
                        "error_code": message.error_code,
                        "reactions": message.reactions,
                        "message": message.body,
                    })
                });
                json!({
                    "id": chat.id,
                    "account_id": account.id,
                    "channel_id": chat.channel_id,
                    "conversation_id": chat.conversation_id,
                    "contact_id": chat.contact_id,
                    "lead_id": chat.lead_id,
                    "messages": messages.collect::<Vec<_>>(),
                })
            })
        });
        chats.collect()
    });
    Json(json!({"chats": chats})).into_response()
}

pub(super) async fn write(State(app): State<App>, input: Input) -> Answer {
    done(chats::write(&app, input.read()?).await)
}

pub(super) async fn start_typing(State(app): State<App>, input: Input) -> Answer {
    done(chats::start_typing(&app, input.read()?).await)
}

pub(super) async fn react(State(app): State<App>, input: Input) -> Answer {
    done(chats::react(&app, input.read()?).await)
}

fn done(outcome: Result<Outcome, String>) -> Answer {
    Ok(Json(outcome.map_err(Mistake::new)?).into_response())
}

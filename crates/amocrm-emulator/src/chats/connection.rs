//! A channel connects to an account and leaves it.

use http::StatusCode;
use serde_json::json;

use super::call::{ChannelCall, ChatAnswer, ChatReply};
use super::problem::ChatProblem;
use crate::api::Reader;
use crate::problem::Violations;
use crate::world::Account;
use crate::world::services::Connection;

/// Connects the channel, or changes how it is connected.
pub(super) fn connect(call: &mut ChannelCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let item = Reader::new(&body);
    let amojo_id = item
        .required_string("account_id", &mut out)
        .unwrap_or_default();
    let title = item.required_string("title", &mut out).unwrap_or_default();
    let version = item
        .choice("hook_api_version", &["v1", "v2"], &mut out)
        .unwrap_or("v1");
    ChatProblem::check(&out)?;
    let connection = Connection {
        channel_id: call.channel.id.clone(),
        title: title.to_owned(),
        hook_api_version: version.to_owned(),
    };
    let scope_id = format!("{}_{amojo_id}", call.channel.id);
    let connections = &mut account(call, amojo_id)?.services.chats.connections;
    connections.retain(|known| known.channel_id != connection.channel_id);
    connections.push(connection);
    Ok(ChatReply::Json(json!({
        "account_id": amojo_id,
        "scope_id": scope_id,
        "title": title,
        "hook_api_version": version,
    })))
}

/// Takes the channel out of an account; its chats stay.
pub(super) fn disconnect(call: &mut ChannelCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let amojo_id = Reader::new(&body).required_string("account_id", &mut out);
    ChatProblem::check(&out)?;
    let channel_id = call.channel.id.clone();
    let connections = &mut account(call, amojo_id.unwrap_or_default())?
        .services
        .chats
        .connections;
    let before = connections.len();
    connections.retain(|known| known.channel_id != channel_id);
    if connections.len() == before {
        return Err(ChatProblem::not_found("the channel is not connected"));
    }
    Ok(ChatReply::Empty(StatusCode::OK))
}

fn account<'a>(
    call: &'a mut ChannelCall<'_>,
    amojo_id: &str,
) -> Result<&'a mut Account, ChatProblem> {
    let mut accounts = call.world.accounts.iter_mut();
    accounts
        .find(|account| account.amojo_id == amojo_id)
        .ok_or_else(|| ChatProblem::not_found("account not found"))
}

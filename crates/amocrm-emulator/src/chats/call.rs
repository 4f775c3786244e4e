//! One call of the chats service: signed by a channel, and, where the path has a scope, about one account.

use std::future::Future;
use std::pin::Pin;

use axum::body::to_bytes;
use axum::extract::{FromRequestParts as _, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};

use super::problem::ChatProblem;
use super::signature;
use crate::app::App;
use crate::query::Query;
use crate::world::services::Channel;
use crate::world::{Account, Actor, World, WorldEvent};

const MAX_BODY_BYTES: usize = 1 << 20;

/// What an operation gives back.
pub(super) type ChatAnswer = Result<ChatReply, ChatProblem>;

/// A success.
pub(super) enum ChatReply {
    Json(Value),
    /// 200 or 204 without a body.
    Empty(StatusCode),
}

/// A call that is about a channel.
pub(super) struct ChannelCall<'a> {
    pub(super) world: &'a mut World,
    pub(super) channel: Channel,
    pub(super) body: Map<String, Value>,
}

/// A call that is about a channel in an account.
pub(super) struct ScopeCall<'a> {
    pub(super) account: &'a mut Account,
    events: &'a mut Vec<WorldEvent>,
    pub(super) channel: Channel,
    pub(super) now_ms: i64,
    pub(super) body: Map<String, Value>,
    pub(super) query: Query,
    params: Vec<(String, String)>,
}

impl ScopeCall<'_> {
    /// A text parameter of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        let mut params = self.params.iter();
        params
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// Somebody who changes the account: a user, or 0 for the client.
    pub(super) fn actor(&mut self, user_id: u64) -> Actor<'_> {
        Actor::new(self.account, self.events, self.now_ms, user_id)
    }
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Makes a handler of an operation on a channel.
pub(super) fn on_channel(
    operation: fn(&mut ChannelCall<'_>) -> ChatAnswer,
) -> impl Fn(State<App>, Request) -> Answering + Clone + Send + Sync + 'static {
    move |State(app), request| {
        Box::pin(async move {
            let answer = Signed::read(&app, request).await.and_then(|signed| {
                app.with_world(|world| {
                    let channel = signed.channel(world, signed.scope(), app.clock().now())?;
                    operation(&mut ChannelCall {
                        world,
                        channel,
                        body: signed.object()?,
                    })
                })
            });
            respond(answer)
        })
    }
}

/// Makes a handler of an operation on a channel in an account.
pub(super) fn on_scope(
    operation: fn(&mut ScopeCall<'_>) -> ChatAnswer,
) -> impl Fn(State<App>, Request) -> Answering + Clone + Send + Sync + 'static {
    move |State(app), request| {
        Box::pin(async move {
            let answer = Signed::read(&app, request)
                .await
                .and_then(|signed| run(&app, signed, operation));
            respond(answer)
        })
    }
}

fn run(app: &App, signed: Signed, operation: fn(&mut ScopeCall<'_>) -> ChatAnswer) -> ChatAnswer {
    let now_ms = app.clock().now_ms();
    app.with_world(|world| {
        let scope = signed.scope().to_owned();
        let Some((channel_id, amojo_id)) = scope.split_once('_') else {
            return Err(ChatProblem::not_found("scope not found"));
        };
        let channel = signed.channel(world, channel_id, now_ms.div_euclid(1000))?;
        let mut accounts = world.accounts.iter_mut();
        let is_connected = |account: &&mut Account| {
            let connections = &account.services.chats.connections;
            account.amojo_id == amojo_id && connections.iter().any(|it| it.channel_id == channel.id)
        };
        let Some(account) = accounts.find(is_connected) else {
            return Err(ChatProblem::not_found("scope not found"));
        };
        operation(&mut ScopeCall {
            account,
            events: &mut world.events,
            channel,
            now_ms,
            body: signed.object()?,
            query: signed.query,
            params: signed.params,
        })
    })
}

fn respond(answer: ChatAnswer) -> Response {
    match answer {
        Ok(ChatReply::Empty(status)) => status.into_response(),
        Ok(ChatReply::Json(document)) => {
            let mut response = document.to_string().into_response();
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// A request whose signature has not been looked at yet.
struct Signed {
    method: http::Method,
    path: String,
    headers: http::HeaderMap,
    query: Query,
    params: Vec<(String, String)>,
    body: bytes::Bytes,
}

impl Signed {
    async fn read(app: &App, request: Request) -> Result<Self, ChatProblem> {
        let (mut parts, body) = request.into_parts();
        let Path(params) = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, app)
            .await
            .unwrap_or(Path(Vec::new()));
        let body = to_bytes(body, MAX_BODY_BYTES)
            .await
            .map_err(|_| ChatProblem::invalid("the request body is too large"))?;
        Ok(Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            params,
            body,
        })
    }

    fn scope(&self) -> &str {
        let scope = self.params.iter().find(|(key, _)| key == "scope");
        scope.map_or("", |(_, value)| value.as_str())
    }

    /// The channel with this id, if the request is signed by it.
    fn channel(&self, world: &World, id: &str, now: i64) -> Result<Channel, ChatProblem> {
        let channel = world.channels.iter().find(|channel| channel.id == id);
        let channel = channel.ok_or_else(|| ChatProblem::not_found("channel not found"))?;
        let (method, headers) = (&self.method, &self.headers);
        signature::verify(
            &channel.secret,
            method,
            &self.path,
            headers,
            &self.body,
            now,
        )?;
        Ok(channel.clone())
    }

    fn object(&self) -> Result<Map<String, Value>, ChatProblem> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| ChatProblem::invalid("the body is not a JSON object"))
    }
}

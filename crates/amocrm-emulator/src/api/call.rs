//! One call of the API: what came in, and the account it works on.

use std::future::{Ready, ready};

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::customers;
use crate::{
    app::App,
    auth::Principal,
    hal::Answer,
    problem::{Problem, Violations},
    query::{MAX_LIMIT, Query},
    world::{
        Account, Actor, CustomersMode, EntityType, FieldOwner, WorldEvent,
        events::Change,
        feed::{Happening, Subject},
    },
};

/// amoCRM does not document a limit of bytes; this one only keeps a mistake from filling the memory.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// An operation of the API: all of it happens while the world is locked, so it is atomic.
pub(crate) type Operation = fn(&mut Context<'_>) -> Answer;

/// Makes an axum handler of an operation.
pub(crate) fn on(
    operation: Operation,
) -> impl Fn(State<App>, Call) -> Ready<Response> + Clone + Send + Sync + 'static {
    move |State(app): State<App>, call: Call| ready(call.run(&app, operation))
}

/// A request, read completely.
pub(crate) struct Call {
    principal: Principal,
    method: Method,
    path: String,
    params: Vec<(String, String)>,
    query: Query,
    body: Bytes,
}

impl FromRequest<App> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Path(params) = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, app)
            .await
            .unwrap_or(Path(Vec::new()));
        let Some(principal) = parts.extensions.get::<Principal>().cloned() else {
            // The middleware lets nobody through without a token; without it there is nobody to act for.
            return Err(Problem::plain(StatusCode::UNAUTHORIZED, "Unauthorized").into_response());
        };
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
            Problem::plain(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large")
                .into_response()
        })?;
        Ok(Self {
            principal,
            method: parts.method,
            path: parts.uri.path().to_owned(),
            params,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            body,
        })
    }
}

impl Call {
    fn run(self, app: &App, operation: Operation) -> Response {
        let now_ms = app.clock().now_ms();
        let index_delay_ms = i64::try_from(app.config().index_delay_ms).unwrap_or(i64::MAX);
        let answer = app.with_world(|world| {
            let account_id = self.principal.account_id;
            let Some((account, events)) = world.account_and_events(account_id) else {
                return Err(Problem::plain(
                    StatusCode::UNAUTHORIZED,
                    "Account not found",
                ));
            };
            operation(&mut Context {
                account,
                events,
                call: &self,
                now_ms,
                index_delay_ms,
            })
        });
        answer.into_response()
    }
}

/// What an operation works with.
pub(crate) struct Context<'a> {
    pub(crate) account: &'a mut Account,
    events: &'a mut Vec<WorldEvent>,
    call: &'a Call,
    now_ms: i64,
    index_delay_ms: i64,
}

impl<'a> Context<'a> {
    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    /// Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// From when on `query` finds what is created now.
    pub(crate) fn indexed_at_ms(&self) -> i64 {
        self.now_ms.saturating_add(self.index_delay_ms)
    }

    pub(crate) fn user_id(&self) -> u64 {
        self.call.principal.user_id
    }

    pub(crate) fn query(&self) -> &'a Query {
        &self.call.query
    }

    /// The address before `/api/v4`, for links.
    pub(crate) fn base(&self) -> &'a str {
        self.call.principal.base_url.trim_end_matches('/')
    }

    /// Where the file service is, as the caller reaches it.
    pub(crate) fn drive_url(&self) -> &'a str {
        &self.call.principal.drive_url
    }

    /// The integration whose token this is.
    pub(crate) fn client_id(&self) -> &'a str {
        &self.call.principal.client_id
    }

    /// The address of this request without its query.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.base(), self.call.path)
    }

    /// The address of an API path.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/api/v4/{path}", self.base())
    }

    /// Lets only administrators through.
    pub(crate) fn admin(&self) -> Result<(), Problem> {
        if self.call.principal.is_admin {
            Ok(())
        } else {
            Err(Problem::forbidden())
        }
    }

    /// The entity type the path begins with.
    pub(crate) fn entity(&self) -> Result<EntityType, Problem> {
        self.entity_named(self.call.path.split('/').nth(3).unwrap_or_default())
    }

    /// The entity type of this name, unless it is switched off.
    pub(crate) fn entity_named(&self, word: &str) -> Result<EntityType, Problem> {
        match EntityType::parse(word).ok_or_else(|| self.no_route())? {
            EntityType::Customers if !self.account.customers.mode.is_on() => {
                Err(Problem::customers_off())
            }
            entity => Ok(entity),
        }
    }

    /// What the custom fields of the path belong to.
    pub(crate) fn owner(&self) -> Result<FieldOwner, Problem> {
        let mut words = self.call.path.split('/').skip(3);
        match (words.next(), words.next()) {
            (Some("catalogs"), _) => {
                let id = self.id("catalog_id")?;
                let catalog = self.account.catalogs.get(id);
                catalog.ok_or_else(|| Problem::not_found("Catalog not found"))?;
                Ok(FieldOwner::Catalog(id))
            }
            (Some("customers"), Some("segments")) => {
                customers::in_mode(self, CustomersMode::Segments)?;
                Ok(FieldOwner::Segments)
            }
            _ => self.entity().map(FieldOwner::Cards),
        }
    }

    /// Whether the path goes on after `/api/v4` with this.
    pub(crate) fn is_below(&self, prefix: &str) -> bool {
        let rest = self.call.path.strip_prefix("/api/v4/");
        rest.and_then(|rest| rest.strip_prefix(prefix))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// A segment of the path, from 0.
    pub(crate) fn path_word(&self, index: usize) -> &'a str {
        self.call.path.split('/').nth(index + 1).unwrap_or_default()
    }

    /// A text parameter of the path.
    pub(crate) fn param(&self, name: &str) -> &'a str {
        self.call
            .params
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// A number in the path; a word in its place means that there is no such route.
    pub(crate) fn id(&self, name: &str) -> Result<u64, Problem> {
        self.param(name).parse().map_err(|_| self.no_route())
    }

    /// 404 in the words of amoCRM's router.
    pub(crate) fn no_route(&self) -> Problem {
        Problem::not_found(format!("Cannot {} {}!", self.call.method, self.url()))
    }

    /// The raw body, for forms.
    pub(crate) fn body(&self) -> &'a [u8] {
        &self.call.body
    }

    /// The body as a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Problem> {
        match self.json()? {
            Value::Object(map) => Ok(map),
            _ => Err(wrong_type("object")),
        }
    }

    /// The body as a list of JSON objects, 1 to 250 of them.
    pub(crate) fn items(&self) -> Result<Vec<Map<String, Value>>, Problem> {
        self.items_up_to(MAX_LIMIT)
    }

    /// The body as a list of JSON objects, or one object that stands for a list of one.
    pub(crate) fn items_or_object(&self) -> Result<Vec<Map<String, Value>>, Problem> {
        match self.json()? {
            Value::Object(map) => Ok(vec![map]),
            _ => self.items(),
        }
    }

    /// The body as a list of JSON objects.
    pub(crate) fn items_up_to(&self, limit: usize) -> Result<Vec<Map<String, Value>>, Problem> {
        let Value::Array(items) = self.json()? else {
            return Err(wrong_type("array"));
        };
        if items.is_empty() {
            return Err(empty_body());
        }
        if items.len() > limit {
            return Err(Problem::unprocessable(format!("Limit {limit} per page")));
        }
        let objects = items.into_iter().map(|item| match item {
            Value::Object(map) => Ok(map),
            _ => Err(wrong_type("object")),
        });
        objects.collect()
    }

    fn json(&self) -> Result<Value, Problem> {
        if self.call.body.iter().all(u8::is_ascii_whitespace) {
            return Err(empty_body());
        }
        serde_json::from_slice(&self.call.body)
            .map_err(|_| Problem::bad_request("Invalid request body"))
    }

    /// The user at work; see [`Actor`].
    pub(crate) fn actor(&mut self) -> Actor<'_> {
        let user_id = self.user_id();
        Actor::new(self.account, self.events, self.now_ms, user_id)
    }

    /// Tells the webhook subscribers, and nobody else.
    pub(crate) fn tell(&mut self, event: WorldEvent) {
        self.events.push(event);
    }

    /// Writes into the activity feed that the user did something now.
    pub(crate) fn record(&mut self, happening: Happening) {
        self.actor().record(happening);
    }

    /// Tells the webhook subscribers and the feed what happened to a record.
    pub(crate) fn emit(&mut self, entity: EntityType, id: u64, change: Change) {
        self.actor().emit(entity, id, change);
    }

    /// Tells the feed of a link that was made or taken away.
    pub(crate) fn emit_link(&mut self, one: Subject, other: Subject, is_linked: bool) {
        self.actor().emit_link(one, other, is_linked);
    }

    /// Tells the webhook subscribers what happened to an element of a list.
    pub(crate) fn emit_element(&mut self, catalog_id: u64, id: u64, change: Change) {
        self.actor().emit_element(catalog_id, id, change);
    }
}

fn empty_body() -> Problem {
    Problem::bad_request("Request data can not be empty")
}

fn wrong_type(expected: &str) -> Problem {
    let mut violations = Violations::default();
    violations.kind("", expected);
    Problem::invalid(violations)
}

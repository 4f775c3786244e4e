//! Error documents: the four bodies a 4xx of amoCRM can have.
//!
//! Validation errors name the item by `request_id` and the place by a dotted path, business errors name the entity by
//! its id, plain problems have a `detail` only, and 405 has no body at all.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

/// One complaint about one place in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: &'static str,
    pub(crate) path: String,
    pub(crate) detail: String,
}

/// The complaints about one item of a request.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    /// A value that is not among the allowed ones: unknown ids, options, users, stages.
    pub(crate) fn choice(&mut self, path: impl Into<String>) {
        self.push(
            "NotSupportedChoice",
            path,
            "The value you selected is not a valid choice.",
        );
    }

    /// A value of the wrong JSON type.
    pub(crate) fn kind(&mut self, path: impl Into<String>, expected: &str) {
        self.push(
            "InvalidType",
            path,
            format!("This value should be of type {expected}."),
        );
    }

    /// A required key that is absent.
    pub(crate) fn missing(&mut self, path: impl Into<String>) {
        self.push("FieldMissing", path, "This field is missing.");
    }

    /// A key that a strictly checked object does not have.
    pub(crate) fn unexpected(&mut self, path: impl Into<String>) {
        self.push("FieldNotExpected", path, "This field was not expected.");
    }

    /// A null where none is allowed.
    pub(crate) fn null(&mut self, path: impl Into<String>) {
        self.push("NotNullable", path, "This value should not be null.");
    }

    /// An empty list where something must be.
    pub(crate) fn too_few(&mut self, path: impl Into<String>) {
        self.push(
            "TooFew",
            path,
            "This collection should contain 1 element or more.",
        );
    }

    /// A list with more elements than allowed.
    pub(crate) fn too_many(&mut self, path: impl Into<String>, limit: usize) {
        self.push(
            "TooMany",
            path,
            format!("This collection should contain {limit} element or less."),
        );
    }

    /// A text longer than allowed. The code is not confirmed for amoCRM; that it is a 400 is.
    pub(crate) fn too_long(&mut self, path: impl Into<String>, limit: usize) {
        self.push(
            "TooLong",
            path,
            format!("This value is too long. It should have {limit} characters or less."),
        );
    }

    pub(crate) fn push(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.0.push(Violation {
            code,
            path: path.into(),
            detail: detail.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The complaints as a sentence, for services whose errors have no places.
    pub(crate) fn describe(&self) -> String {
        let complaints = self.0.iter().map(|v| format!("{}: {}", v.path, v.detail));
        complaints.collect::<Vec<_>>().join(" ")
    }

    fn into_json(self) -> Value {
        self.0
            .into_iter()
            .map(|v| json!({"code": v.code, "path": v.path, "detail": v.detail}))
            .collect()
    }
}

/// The complaints about a whole batch. Anything in here rejects the batch as a whole.
#[derive(Debug, Default)]
pub(crate) struct BatchErrors {
    violations: Vec<Value>,
    business: Map<String, Value>,
}

impl BatchErrors {
    /// Adds the complaints about one item.
    pub(crate) fn item(&mut self, request_id: &str, violations: Violations) {
        if !violations.is_empty() {
            self.violations
                .push(json!({"request_id": request_id, "errors": violations.into_json()}));
        }
    }

    /// Adds a broken business rule of one entity.
    pub(crate) fn business(&mut self, entity_id: impl Into<String>, message: &str) {
        self.business.insert(entity_id.into(), Value::from(message));
    }

    /// Whether the batch may be applied.
    pub(crate) fn check(self) -> Result<(), Problem> {
        if !self.violations.is_empty() {
            return Err(Problem::validation(self.violations));
        }
        if !self.business.is_empty() {
            return Err(Problem::business(self.business));
        }
        Ok(())
    }
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    document: Value,
}

impl Problem {
    /// A problem with a `detail` and nothing else.
    pub(crate) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            document: Value::Object(skeleton(status, &detail.into())),
        }
    }

    /// A refusal with a document of its own.
    pub(crate) fn with_document(status: StatusCode, document: Value) -> Self {
        Self { status, document }
    }

    /// 400 with a `detail`.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, detail)
    }

    /// 404 with a `detail`.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::plain(StatusCode::NOT_FOUND, detail)
    }

    /// 422 with a `detail`.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::plain(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 403: the user has no such right.
    pub(crate) fn forbidden() -> Self {
        Self::plain(StatusCode::FORBIDDEN, "Insufficient rights")
    }

    /// Customers are switched off.
    pub(crate) fn customers_off() -> Self {
        Self::plain(
            StatusCode::UPGRADE_REQUIRED,
            "Customers are disabled. Error 426",
        )
    }

    /// The entity lies in the trash (the vendor's number 226).
    pub(crate) fn in_trash() -> Self {
        Self::bad_request("Error 226")
    }

    /// The complaints about the single object of a request: without `request_id`, as amoCRM does.
    pub(crate) fn invalid(violations: Violations) -> Self {
        Self::validation(vec![json!({"errors": violations.into_json()})])
    }

    /// [`Problem::invalid`] with one [`Violations::choice`].
    pub(crate) fn choice(path: &str) -> Self {
        let mut violations = Violations::default();
        violations.choice(path);
        Self::invalid(violations)
    }

    /// Items of a batch deletion that are not there. This one family has `errors` on top and an object inside (03 §7.3).
    pub(crate) fn invalid_items(errors: Vec<Value>) -> Self {
        let mut document = skeleton(StatusCode::BAD_REQUEST, "Invalid request items");
        document.insert("errors".into(), Value::Array(errors));
        Self {
            status: StatusCode::BAD_REQUEST,
            document: Value::Object(document),
        }
    }

    fn validation(errors: Vec<Value>) -> Self {
        let mut document = skeleton(StatusCode::BAD_REQUEST, "Request validation failed");
        document.insert("validation-errors".into(), Value::Array(errors));
        Self {
            status: StatusCode::BAD_REQUEST,
            document: Value::Object(document),
        }
    }

    fn business(errors: Map<String, Value>) -> Self {
        let mut document = skeleton(StatusCode::BAD_REQUEST, "Invalid request body");
        document.insert("errors".into(), Value::Object(errors));
        Self {
            status: StatusCode::BAD_REQUEST,
            document: Value::Object(document),
        }
    }
}

fn skeleton(status: StatusCode, detail: &str) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert(
        "title".into(),
        status.canonical_reason().unwrap_or("Error").into(),
    );
    map.insert(
        "type".into(),
        format!("https://httpstatus.es/{}", status.as_u16()).into(),
    );
    map.insert("status".into(), status.as_u16().into());
    map.insert("detail".into(), detail.into());
    map
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.document.to_string()).into_response();
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

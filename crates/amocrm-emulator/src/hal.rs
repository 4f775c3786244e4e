//! Success answers: HAL documents, their links, and pages.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{
    problem::Problem,
    query::{MAX_LIMIT, Query},
};

/// What an operation gives back.
pub(crate) type Answer = Result<Reply, Problem>;

/// A success.
pub(crate) enum Reply {
    /// A document.
    Json(StatusCode, Value),
    /// A status without a body: 204 for an empty list, a missing entity, a deletion.
    Empty(StatusCode),
}

impl Reply {
    pub(crate) fn ok(document: Value) -> Self {
        Self::Json(StatusCode::OK, document)
    }

    pub(crate) fn created(document: Value) -> Self {
        Self::Json(StatusCode::CREATED, document)
    }

    pub(crate) fn no_content() -> Self {
        Self::Empty(StatusCode::NO_CONTENT)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Empty(status) => status.into_response(),
            Self::Json(status, document) => {
                let mut response = (status, document.to_string()).into_response();
                response.headers_mut().insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/hal+json"),
                );
                response
            }
        }
    }
}

/// `{"self": {"href": …}}`.
pub(crate) fn self_link(href: &str) -> Value {
    json!({"self": {"href": href}})
}

/// One page of a list without totals, as leads, contacts, companies, tags and notes have it.
///
/// `items` may hold one element more than the page: then there is a next page.
pub(crate) fn page(url: &str, query: &Query, collection: &str, items: Vec<Value>) -> Reply {
    page_up_to(MAX_LIMIT, url, query, collection, items)
}

/// [`page`] of a list whose pages are smaller than usual.
pub(crate) fn page_up_to(
    max_limit: usize,
    url: &str,
    query: &Query,
    collection: &str,
    mut items: Vec<Value>,
) -> Reply {
    if items.is_empty() {
        return Reply::no_content();
    }
    let limit = query.limit_up_to(max_limit);
    let more = items.len() > limit;
    items.truncate(limit);
    Reply::ok(json!({
        "_page": query.page(),
        "_links": links(url, query, limit, more, None),
        "_embedded": {collection: items},
    }))
}

/// One page of a list that knows its totals and its last page, as custom fields and users have it.
pub(crate) fn counted_page(url: &str, query: &Query, collection: &str, items: Vec<Value>) -> Reply {
    let (total, limit, number) = (items.len(), query.limit(), query.page());
    let pages = total.div_ceil(limit).max(1);
    let items: Vec<Value> = items
        .into_iter()
        .skip((number - 1).saturating_mul(limit))
        .take(limit)
        .collect();
    if items.is_empty() {
        return Reply::no_content();
    }
    Reply::ok(json!({
        "_total_items": total,
        "_page": number,
        "_page_count": pages,
        "_links": links(url, query, limit, number < pages, Some(pages)),
        "_embedded": {collection: items},
    }))
}

/// A whole collection with its total and no pages, as pipelines and groups have it.
pub(crate) fn collection(url: &str, name: &str, items: &[Value]) -> Value {
    json!({"_total_items": items.len(), "_links": self_link(url), "_embedded": {name: items}})
}

fn links(url: &str, query: &Query, limit: usize, more: bool, last: Option<usize>) -> Value {
    let number = query.page();
    let href = |page: usize| json!({"href": format!("{url}?{}", query.with_page_of(page, limit))});
    let mut links = json!({"self": href(number)});
    if more {
        links["next"] = href(number + 1);
    }
    if number > 1 {
        links["first"] = href(1);
        links["prev"] = href(number - 1);
    }
    if let Some(last) = last {
        links["last"] = href(last);
    }
    links
}

//! `/api/v4/short_links`, and what happens when somebody opens one: the contact it was made for gets a note.

use axum::{
    Extension, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header::LOCATION};
use serde_json::{Value, json};
use url::Url;

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    answer::{gateway_page, random_hex},
    app::App,
    hal::{Answer, Reply},
    hosts::Site,
    problem::{BatchErrors, Violations},
    world::{Actor, EntityType, Note, ShortLink, World},
};

/// Where short links lead to first: the emulator itself, below this path.
pub(crate) const OPEN: &str = "/s/";
const CODE_BYTES: usize = 5;

/// The route that makes short links.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/api/v4/short_links", post(on(create_many)))
}

/// The route of whoever opens one: a person, without a token.
pub(crate) fn public_routes() -> Router<App> {
    Router::new().route(&format!("{OPEN}{{code}}"), get(open))
}

/// Makes links. Contacts that are not there, or not for this user, are passed over without a word.
fn create_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let draft = read(&item, &mut out);
        errors.item(&item.request_id(index), out);
        drafts.extend(draft);
    }
    errors.check()?;
    let mut made: Vec<Value> = Vec::with_capacity(drafts.len());
    for (url, contact_id) in drafts {
        if cx.account.contacts.live(contact_id).is_none() {
            continue;
        }
        let code = code_for(cx, &url, contact_id);
        made.push(json!({
            "url": format!("{}{OPEN}{code}", cx.base()),
            "account_id": cx.account.id,
            "metadata": {"entity_type": "contacts", "entity_id": contact_id},
        }));
    }
    Ok(Reply::ok(json!({
        "_total_items": made.len(),
        "_embedded": {"short_links": made},
    })))
}

fn read(item: &Reader<'_>, out: &mut Violations) -> Option<(String, u64)> {
    let url = item.required_string("url", out);
    let is_web = |url: &str| {
        Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if url.is_some_and(|url| !is_web(url)) {
        out.push(
            "InvalidUrl",
            item.path("url"),
            "This value is not a valid URL.",
        );
    }
    item.require("metadata", out);
    let metadata = item.child("metadata", out)?;
    metadata.require("entity_type", out);
    metadata.choice("entity_type", &["contacts"], out);
    let contact = metadata.required_id("entity_id", out);
    Some((url?.to_owned(), contact?))
}

/// The code of the one link that this address has for this contact.
fn code_for(cx: &mut Context<'_>, url: &str, contact_id: u64) -> String {
    let known = cx
        .account
        .short_links
        .iter()
        .find(|(_, link)| link.contact_id == contact_id && link.url == url);
    if let Some((code, _)) = known {
        return code.clone();
    }
    let code = random_hex(CODE_BYTES);
    let link = ShortLink {
        url: url.to_owned(),
        contact_id,
        created_by: cx.user_id(),
    };
    cx.account.short_links.insert(code.clone(), link);
    code
}

/// `GET /s/{code}`: writes the note and leads on.
async fn open(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    Path(code): Path<String>,
) -> Response {
    let now_ms = app.clock().now_ms();
    let url = app.with_world(|world| follow(world, &site, &code, now_ms));
    let location = url.and_then(|url| HeaderValue::try_from(url).ok());
    let Some(location) = location else {
        return gateway_page(StatusCode::NOT_FOUND);
    };
    app.mark_changed();
    app.saved().await;
    (StatusCode::FOUND, [(LOCATION, location)]).into_response()
}

/// Where the link leads; `None` when there is none.
fn follow(world: &mut World, site: &Site, code: &str, now_ms: i64) -> Option<String> {
    let account = world
        .accounts
        .iter_mut()
        .filter(|account| site.account_id().is_none_or(|id| id == account.id))
        .find(|account| account.short_links.contains_key(code))?;
    let link = account.short_links.get(code)?.clone();
    let contact = account.contacts.live(link.contact_id);
    let Some(responsible) = contact.map(|contact| contact.responsible_user_id) else {
        return Some(link.url);
    };
    let now = now_ms.div_euclid(1000);
    let note = Note {
        id: 0,
        entity_id: link.contact_id,
        kind: "link_followed".to_owned(),
        params: json!({"url": link.url}),
        created_by: 0,
        updated_by: 0,
        created_at: now,
        updated_at: now,
        responsible_user_id: responsible,
        group_id: 0,
        is_pinned: false,
    };
    Actor::new(account, &mut world.events, now_ms, 0).add_note(EntityType::Contacts, note);
    Some(link.url)
}

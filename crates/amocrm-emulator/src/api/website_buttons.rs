//! `/api/v4/website_buttons`: the button on a site, and the chat behind it.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/website-buttons-api>

use axum::{
    Router,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, page_up_to},
    problem::{Problem, Violations},
    query::MAX_LIMIT,
    world::services::WebsiteButton,
};

const MAX_WEBSITES: usize = 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/website_buttons", get(on(list)).post(on(create)))
        .route(
            "/api/v4/website_buttons/{source_id}",
            get(on(show)).patch(on(update)),
        )
        .route(
            "/api/v4/website_buttons/{source_id}/online_chat",
            post(on(add_chat)),
        )
}

fn list(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let query = cx.query();
    // Unlike elsewhere a page is as large as it may be unless `limit` says less.
    let limit = match query.get(&["limit"]) {
        Some(_) => query.limit(),
        None => MAX_LIMIT,
    };
    let buttons = &cx.account.services.sources.buttons;
    let page: Vec<Value> = buttons
        .iter()
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1)
        .map(|button| render(cx, button))
        .collect();
    Ok(page_up_to(limit, &cx.url(), query, "website_buttons", page))
}

fn show(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let button = &cx.account.services.sources.buttons[position(cx)?];
    Ok(Reply::ok(render(cx, button)))
}

/// Accepts a button; amoCRM sets it up afterwards.
fn create(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let object = cx.object()?;
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.only(
        &["pipeline_id", "trusted_websites", "is_used_in_app", "name"],
        &mut out,
    );
    let pipeline_id = item
        .required_id("pipeline_id", &mut out)
        .unwrap_or_default();
    if item.value("pipeline_id").is_some() && cx.account.pipeline(pipeline_id).is_none() {
        out.choice("pipeline_id");
    }
    let is_used_in_app = item.bool("is_used_in_app", &mut out).unwrap_or(false);
    let websites = websites(&item, "trusted_websites", &mut out);
    if websites.is_empty() && !is_used_in_app {
        out.too_few("trusted_websites");
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let (account_id, now) = (cx.account.id, cx.now());
    let sources = &mut cx.account.services.sources;
    let source_id = sources.next_id(account_id);
    let button = WebsiteButton {
        source_id,
        button_id: sources.next_button_id(account_id),
        name: "Кнопка на сайт".to_owned(),
        pipeline_id,
        trusted_websites: websites,
        has_online_chat: false,
        created_at: now,
    };
    let document = json!({"source_id": source_id, "trusted_websites": button.trusted_websites});
    sources.buttons.push(button);
    Ok(Reply::Json(StatusCode::ACCEPTED, document))
}

/// Renames a button or lets more sites use it.
fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let position = position(cx)?;
    let object = cx.object()?;
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.only(&["trusted_websites", "name"], &mut out);
    let name = item.string("name", &mut out);
    let added = item
        .child("trusted_websites", &mut out)
        .map(|change| {
            change.only(&["add"], &mut out);
            websites(&change, "add", &mut out)
        })
        .unwrap_or_default();
    let button = &mut cx.account.services.sources.buttons[position];
    if !added.is_empty() && button.trusted_websites.is_empty() {
        // A button made for the application only stays there.
        out.push(
            "NotAllowed",
            "trusted_websites.add",
            "The button has no trusted websites.",
        );
    }
    let mut websites = button.trusted_websites.clone();
    for website in added {
        if !websites.contains(&website) {
            websites.push(website);
        }
    }
    if websites.len() > MAX_WEBSITES {
        out.too_many("trusted_websites.add", MAX_WEBSITES);
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    button.trusted_websites = websites;
    if let Some(name) = name {
        name.clone_into(&mut button.name);
    }
    show(cx)
}

/// Puts a chat behind the button; once is enough.
fn add_chat(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let position = position(cx)?;
    cx.account.services.sources.buttons[position].has_online_chat = true;
    Ok(Reply::Json(StatusCode::ACCEPTED, json!({})))
}

fn position(cx: &Context<'_>) -> Result<usize, Problem> {
    let id = cx.id("source_id")?;
    let mut buttons = cx.account.services.sources.buttons.iter();
    buttons
        .position(|button| button.source_id == id)
        .ok_or_else(|| Problem::not_found("Website button not found"))
}

fn websites(item: &Reader<'_>, key: &str, out: &mut Violations) -> Vec<String> {
    let values = item.array(key, out).unwrap_or_default();
    if values.len() > MAX_WEBSITES {
        out.too_many(item.path(key), MAX_WEBSITES);
    }
    let mut websites: Vec<String> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        match value.as_str() {
            None => out.kind(item.path(&format!("{key}.{index}")), "string"),
            Some(text) if text.is_empty() || text.contains(char::is_whitespace) => {
                out.choice(item.path(&format!("{key}.{index}")));
            }
            Some(text) if websites.iter().any(|known| known == text) => {}
            Some(text) => websites.push(text.to_owned()),
        }
    }
    websites
}

fn render(cx: &Context<'_>, button: &WebsiteButton) -> Value {
    let is_ready = button.is_ready(cx.now());
    let mut document = json!({
        "account_id": cx.account.id,
        "source_id": button.source_id,
        "button_id": button.button_id,
        "is_duplication_control_enabled": false,
        "name": button.name,
        "creation_status": if is_ready { "created" } else { "creation_pending" },
        "pipeline_id": button.pipeline_id,
    });
    if cx.query().with("scripts") {
        let script = format!(
            "<script>(function(){{window.amo_social_button={{id:\"{}\",hash:\"{:x}\"}}}})()</script>",
            button.button_id, button.source_id
        );
        document["script"] = if is_ready { script.into() } else { Value::Null };
    }
    document
}

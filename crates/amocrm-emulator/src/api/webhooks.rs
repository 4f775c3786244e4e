//! `/api/v4/webhooks`: who is told about what.

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::{call::Context, reader::Reader};
use crate::{
    hal::{Answer, Reply, collection},
    problem::{Problem, Violations},
    world::{Counters, WebhookSubscription},
};

const MAX_WEBHOOKS: usize = 100;

/// The event codes that can be subscribed to: the vendor's table, those seen in use, and for elements of lists, whose bodies the
/// vendor documents without their codes, the emulator's own.
const CODES: [&str; 39] = [
    "add_lead",
    "update_lead",
    "delete_lead",
    "restore_lead",
    "responsible_lead",
    "status_lead",
    "note_lead",
    "add_contact",
    "update_contact",
    "delete_contact",
    "restore_contact",
    "responsible_contact",
    "note_contact",
    "add_company",
    "update_company",
    "delete_company",
    "restore_company",
    "responsible_company",
    "note_company",
    "add_customer",
    "update_customer",
    "delete_customer",
    "responsible_customer",
    "note_customer",
    "add_task",
    "update_task",
    "delete_task",
    "responsible_task",
    "add_talk",
    "update_talk",
    "add_chat_template_review",
    "add_message",
    "add_outgoing_message",
    "add_unsorted",
    "update_unsorted",
    "delete_unsorted",
    "add_catalog_element",
    "update_catalog_element",
    "delete_catalog_element",
];

/// All subscriptions, or the one of `filter[destination]`.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let wanted = cx.query().get(&["filter", "destination"]);
    let hooks = cx
        .account
        .webhooks
        .iter()
        .filter(|hook| wanted.is_none_or(|wanted| hook.destination == wanted));
    let hooks: Vec<Value> = hooks.map(|hook| render(cx, hook)).collect();
    if hooks.is_empty() {
        return Ok(Reply::no_content());
    }
    Ok(Reply::ok(collection(&cx.url(), "webhooks", &hooks)))
}

/// Subscribes, or replaces the events of a destination that is subscribed already.
pub(crate) fn subscribe(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let destination = destination(&item, &mut out);
    item.require("settings", &mut out);
    let settings = settings(&item, &mut out);
    let sort = item.int("sort", &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let now = cx.now();
    let known = cx
        .account
        .webhooks
        .iter()
        .position(|hook| hook.destination == destination);
    let index = match known {
        Some(index) => index,
        None if cx.account.webhooks.len() >= MAX_WEBHOOKS => {
            return Err(Problem::unprocessable(format!(
                "Limit {MAX_WEBHOOKS} webhooks per account"
            )));
        }
        None => {
            let hook = WebhookSubscription {
                id: Counters::take(&mut cx.account.counters.webhook),
                destination,
                settings: Vec::new(),
                sort: 1,
                disabled: false,
                created_at: now,
                updated_at: now,
                created_by: cx.user_id(),
            };
            cx.account.webhooks.push(hook);
            cx.account.webhooks.len() - 1
        }
    };
    // A hook that was switched off stays so: only a person can switch it on again.
    let hook = &mut cx.account.webhooks[index];
    hook.settings = settings;
    hook.sort = sort.unwrap_or(hook.sort);
    hook.updated_at = now;
    let document = render(cx, &cx.account.webhooks[index]);
    Ok(Reply::created(document))
}

/// Unsubscribes a destination; it is named in the body.
pub(crate) fn unsubscribe(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let destination = item
        .required_string("destination", &mut out)
        .unwrap_or_default();
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let before = cx.account.webhooks.len();
    cx.account
        .webhooks
        .retain(|hook| hook.destination != destination);
    if cx.account.webhooks.len() == before {
        return Err(Problem::plain(StatusCode::NOT_FOUND, "Webhook not found"));
    }
    Ok(Reply::no_content())
}

fn destination(item: &Reader<'_>, out: &mut Violations) -> String {
    let text = item.required_string("destination", out).unwrap_or_default();
    let is_web = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !text.is_empty() && !is_web {
        out.push(
            "InvalidUrl",
            item.path("destination"),
            "This value is not a valid URL.",
        );
    }
    text.to_owned()
}

fn settings(item: &Reader<'_>, out: &mut Violations) -> Vec<String> {
    let mut settings: Vec<String> = Vec::new();
    let codes = item.array("settings", out);
    if codes.is_some_and(<[Value]>::is_empty) {
        out.too_few(item.path("settings"));
    }
    for (index, code) in codes.unwrap_or_default().iter().enumerate() {
        let path = item.path(&format!("settings.{index}"));
        match code.as_str() {
            None => out.kind(path, "string"),
            Some(code) if !CODES.contains(&code) => out.choice(path),
            Some(code) if settings.iter().any(|known| known == code) => {}
            Some(code) => settings.push(code.to_owned()),
        }
    }
    settings
}

fn render(cx: &Context<'_>, hook: &WebhookSubscription) -> Value {
    json!({
        "id": hook.id,
        "destination": hook.destination,
        "created_at": hook.created_at,
        "updated_at": hook.updated_at,
        "account_id": cx.account.id,
        "created_by": hook.created_by,
        "sort": hook.sort,
        "disabled": hook.disabled,
        "settings": hook.settings,
    })
}

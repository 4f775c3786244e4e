//! Bots: `/api/v4/bots`, the old `/api/v2/salesbot/run`, and the way back from a widget.
//!
//! A bot of the emulator says nothing: it is started on a card, and it has finished, or it waits for a widget's answer. What was
//! started is listed by `GET /_emulator/bots/runs`.

use axum::{
    Router,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, counted_page, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{
        EntityType,
        services::{Bot, RunState},
    },
};

/// Starts in one request.
const MAX_STARTS: usize = 100;
const MAX_HANDLERS: usize = 10;
const MAX_BUTTONS: usize = 25;
const MAX_SHOWN: usize = 80;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/bots", get(on(list)))
        .route("/api/v4/bots/run", post(on(run_many)))
        .route("/api/v4/bots/{id}", get(on(show)))
        .route("/api/v4/bots/{id}/run", post(on(run_one)))
        .route("/api/v4/bots/{id}/stop", post(on(stop)))
        .route("/api/v2/salesbot/run", post(on(run_old)))
        .route(
            "/api/v4/salesbot/{bot_id}/continue/{continue_id}",
            post(on(resume)),
        )
        .route(
            "/api/v4/marketingbot/{bot_id}/continue/{continue_id}",
            post(on(resume)),
        )
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let ids = query.list(&["filter", "id"]);
    let kinds = query.list(&["filter", "type_functionality"]);
    let is_wanted = |bot: &&Bot| {
        (ids.is_empty() || ids.contains(&bot.id.to_string().as_str()))
            && (kinds.is_empty() || kinds.contains(&bot.kind.as_str()))
    };
    let bots = cx.account.services.bots.list.iter();
    let items = bots.filter(is_wanted).map(|bot| render(cx, bot)).collect();
    Ok(counted_page(&cx.url(), query, "items", items))
}

fn show(cx: &mut Context<'_>) -> Answer {
    let id = cx.id("id")?;
    let bot = find(cx, id);
    Ok(bot.map_or_else(Reply::no_content, |bot| Reply::ok(render(cx, bot))))
}

fn run_one(cx: &mut Context<'_>) -> Answer {
    let (id, object) = (cx.id("id")?, cx.object()?);
    if find(cx, id).is_none() {
        return Err(Problem::not_found("Bot not found"));
    }
    let mut out = Violations::default();
    let card = read_card(cx, &Reader::new(&object), &mut out);
    let Some(card) = card.filter(|_| out.is_empty()) else {
        return Err(Problem::invalid(out));
    };
    start(cx, id, card);
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

fn run_many(cx: &mut Context<'_>) -> Answer {
    run_all(cx, read_card)?;
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

/// The method of the old API: entity types are numbers, and there is a body in the answer.
fn run_old(cx: &mut Context<'_>) -> Answer {
    run_all(cx, read_numbered_card)?;
    Ok(Reply::Json(
        StatusCode::ACCEPTED,
        json!({"_links": self_link(&cx.url()), "success": true}),
    ))
}

type ReadCard = fn(&Context<'_>, &Reader<'_>, &mut Violations) -> Option<(EntityType, u64)>;

fn run_all(cx: &mut Context<'_>, read: ReadCard) -> Result<(), Problem> {
    let items = cx.items_up_to(MAX_STARTS)?;
    let mut errors = BatchErrors::default();
    let mut starts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        let bot = item.required_id("bot_id", &mut out);
        if bot.is_some_and(|id| find(cx, id).is_none()) {
            out.choice("bot_id");
        }
        starts.extend(bot.zip(read(cx, &item, &mut out)));
        errors.item(&item.request_id(index), out);
    }
    errors.check()?;
    for (bot, card) in starts {
        start(cx, bot, card);
    }
    Ok(())
}

fn start(cx: &mut Context<'_>, bot_id: u64, card: (EntityType, u64)) {
    let (account_id, now) = (cx.account.id, cx.now());
    cx.account.services.bots.run(account_id, bot_id, card, now);
}

/// Stops what runs on a lead.
fn stop(cx: &mut Context<'_>) -> Answer {
    let (id, object) = (cx.id("id")?, cx.object()?);
    if find(cx, id).is_none() {
        return Err(Problem::not_found("Bot not found"));
    }
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.choice("entity_type", &["leads"], &mut out);
    let card = read_card(cx, &item, &mut out);
    let Some(card) = card.filter(|_| out.is_empty()) else {
        return Err(Problem::invalid(out));
    };
    let runs = &mut cx.account.services.bots.runs;
    let is_on_card = |run: &crate::world::services::BotRun| {
        run.bot_id == id && (run.entity, run.entity_id) == card && run.state == RunState::Waiting
    };
    for run in runs.iter_mut().filter(|run| is_on_card(run)) {
        run.state = RunState::Stopped;
    }
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

/// A widget answers, and the bot that waited goes on.
fn resume(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (bot, run, object) = (cx.id("bot_id")?, cx.id("continue_id")?, cx.object()?);
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.only(&["data", "execute_handlers"], &mut out);
    item.child("data", &mut out);
    let handlers = item
        .children("execute_handlers", &mut out)
        .unwrap_or_default();
    if handlers.len() > MAX_HANDLERS {
        out.too_many("execute_handlers", MAX_HANDLERS);
    }
    for handler in &handlers {
        read_handler(handler, &mut out);
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let mut runs = cx.account.services.bots.runs.iter_mut();
    let waiting = runs
        .find(|known| known.id == run && known.bot_id == bot && known.state == RunState::Waiting)
        .ok_or_else(|| Problem::not_found("No bot waits for this answer"))?;
    waiting.state = RunState::Finished;
    waiting.handlers = object.get("execute_handlers").cloned().unwrap_or_default();
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

fn read_handler(handler: &Reader<'_>, out: &mut Violations) {
    handler.require("handler", out);
    let Some(kind) = handler.choice("handler", &["show", "goto"], out) else {
        return;
    };
    handler.require("params", out);
    let Some(params) = handler.child("params", out) else {
        return;
    };
    params.require("type", out);
    if kind == "goto" {
        params.choice("type", &["question", "answer", "finish"], out);
        params.int("step", out);
        return;
    }
    let shown = params.choice("type", &["text", "buttons", "buttons_url"], out);
    let value = params.required_string("value", out);
    if value.is_some_and(|value| value.chars().count() > MAX_SHOWN) {
        out.too_long(params.path("value"), MAX_SHOWN);
    }
    if shown.is_some_and(|shown| shown != "text") {
        params.require("buttons", out);
        let buttons = params.array("buttons", out).unwrap_or_default();
        if buttons.len() > MAX_BUTTONS {
            out.too_many(params.path("buttons"), MAX_BUTTONS);
        }
    }
}

/// `entity_id` and `entity_type` in words.
fn read_card(
    cx: &Context<'_>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<(EntityType, u64)> {
    item.require("entity_type", out);
    let word = item.choice("entity_type", &["leads", "contacts", "customers"], out);
    let id = item.required_id("entity_id", out)?;
    existing(cx, item, EntityType::parse(word?), id, out)
}

/// The same in numbers: 1 a contact, 2 a lead.
fn read_numbered_card(
    cx: &Context<'_>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<(EntityType, u64)> {
    let entity = match item.required_id("entity_type", out)? {
        1 => Some(EntityType::Contacts),
        2 => Some(EntityType::Leads),
        _ => {
            out.choice(item.path("entity_type"));
            return None;
        }
    };
    let id = item.required_id("entity_id", out)?;
    existing(cx, item, entity, id, out)
}

fn existing(
    cx: &Context<'_>,
    item: &Reader<'_>,
    entity: Option<EntityType>,
    id: u64,
    out: &mut Violations,
) -> Option<(EntityType, u64)> {
    let found = entity.filter(|entity| cx.account.records(*entity).live(id).is_some());
    if found.is_none() {
        out.choice(item.path("entity_id"));
    }
    found.map(|entity| (entity, id))
}

fn find<'a>(cx: &'a Context<'_>, id: u64) -> Option<&'a Bot> {
    let mut bots = cx.account.services.bots.list.iter();
    bots.find(|bot| bot.id == id)
}

fn render(cx: &Context<'_>, bot: &Bot) -> Value {
    let mut document = Map::new();
    document.insert("id".into(), bot.id.into());
    document.insert("name".into(), bot.name.as_str().into());
    document.insert("type_functionality".into(), bot.kind.as_str().into());
    document.insert("is_visual_editor".into(), true.into());
    document.insert("settings".into(), json!({"active": bot.is_active}));
    if cx.query().with("favorite") {
        document.insert("is_favorite".into(), bot.is_favorite.into());
    }
    let link = self_link(&cx.api(&format!("bots/{}", bot.id)));
    document.insert("_links".into(), link);
    document.into()
}

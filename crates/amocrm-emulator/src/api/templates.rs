//! `/api/v4/chats/templates`: texts an integration keeps ready for chats, and their reviews.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/chat-templates-api>

mod draft;

use axum::{
    Router,
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use self::draft::Draft;
use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection, page_up_to, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::services::{ChatTemplate, Review},
};

/// Pages of templates are small.
const MAX_PAGE: usize = 50;
/// Templates of one integration. That there is a limit, answered 422, is documented; its size is not.
const MAX_TEMPLATES: usize = 250;
const MAX_REASON: usize = 65_535;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v4/chats/templates",
            get(on(list))
                .post(on(create_many))
                .patch(on(update_many))
                .delete(on(delete_many)),
        )
        .route(
            "/api/v4/chats/templates/{id}",
            get(on(show)).patch(on(update_one)).delete(on(delete_one)),
        )
        .route(
            "/api/v4/chats/templates/{id}/review",
            post(on(send_to_review)),
        )
        .route(
            "/api/v4/chats/templates/{id}/review/{review_id}",
            post(on(decide_review)),
        )
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let wanted = query.list(&["filter", "external_id"]);
    let limit = query.limit_up_to(MAX_PAGE);
    let is_wanted = |template: &&ChatTemplate| {
        let external_id = template.fields.get("external_id").and_then(Value::as_str);
        wanted.is_empty() || external_id.is_some_and(|id| wanted.contains(&id))
    };
    let page: Vec<Value> = own(cx)
        .filter(is_wanted)
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1)
        .map(|template| render(cx, template))
        .collect();
    Ok(page_up_to(
        MAX_PAGE,
        &cx.url(),
        query,
        "chat_templates",
        page,
    ))
}

fn show(cx: &mut Context<'_>) -> Answer {
    let template = find(cx)?;
    Ok(Reply::ok(render(cx, template)))
}

fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    if own(cx).count() + items.len() > MAX_TEMPLATES {
        return Err(Problem::unprocessable(format!(
            "Limit {MAX_TEMPLATES} templates per integration"
        )));
    }
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        item.require("name", &mut out);
        item.require("content", &mut out);
        let draft = Draft::read(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let (account_id, now, client_id) = (cx.account.id, cx.now(), cx.client_id());
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let templates = &mut cx.account.services.templates;
        let id = templates.next_id(account_id);
        templates.list.push(ChatTemplate {
            id,
            client_id: client_id.to_owned(),
            created_at: now,
            updated_at: now,
            fields: draft.over(Draft::defaults()),
            reviews: Vec::new(),
        });
        made.push((id, request_id));
    }
    Ok(answer(cx, made))
}

fn update_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        let id = item.required_id("id", &mut out).unwrap_or_default();
        match own(cx).find(|template| template.id == id) {
            None => out.choice("id"),
            Some(template) if is_sealed(template) => out.push("NotEditable", "id", SEALED),
            Some(_) => {}
        }
        let draft = Draft::read(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((id, request_id, draft));
    }
    errors.check()?;
    let mut made = Vec::with_capacity(drafts.len());
    for (id, request_id, draft) in drafts {
        apply(cx, id, draft);
        made.push((id, request_id));
    }
    Ok(answer(cx, made))
}

fn update_one(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let template = find(cx)?;
    let (id, is_sealed) = (template.id, is_sealed(template));
    let object = cx.object()?;
    let mut out = Violations::default();
    let draft = Draft::read(&Reader::new(&object), &mut out);
    if is_sealed {
        return Err(Problem::bad_request(SEALED));
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    apply(cx, id, draft);
    show(cx)
}

fn delete_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut ids = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        let id = item.required_id("id", &mut out).unwrap_or_default();
        if !own(cx).any(|template| template.id == id) {
            out.choice("id");
        }
        errors.item(&item.request_id(index), out);
        ids.push(id);
    }
    errors.check()?;
    remove(cx, &ids);
    Ok(Reply::no_content())
}

fn delete_one(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let id = find(cx)?.id;
    remove(cx, &[id]);
    Ok(Reply::no_content())
}

/// Sends a template to every WhatsApp number of the integration, to every source if it has none, and to nowhere in particular if it
/// has no source at all: what amoCRM does then is not documented.
fn send_to_review(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let id = find(cx)?.id;
    let client_id = cx.client_id();
    let sources = cx.account.services.sources.list.iter();
    let own: Vec<_> = sources
        .filter(|source| source.client_id == client_id)
        .collect();
    let mut targets: Vec<Option<u64>> = own
        .iter()
        .filter(|source| source.is_waba())
        .map(|source| Some(source.id))
        .collect();
    if targets.is_empty() {
        targets = own.iter().map(|source| Some(source.id)).collect();
    }
    if targets.is_empty() {
        targets.push(None);
    }
    let account_id = cx.account.id;
    let templates = &mut cx.account.services.templates;
    let reviews: Vec<Review> = targets
        .into_iter()
        .map(|source_id| Review {
            id: templates.next_review_id(account_id),
            source_id,
            status: "review".to_owned(),
            reject_reason: String::new(),
        })
        .collect();
    let documents: Vec<Value> = reviews.iter().map(render_review).collect();
    if let Some(template) = templates.list.iter_mut().find(|template| template.id == id) {
        template.reviews = reviews;
    }
    Ok(Reply::ok(collection(&cx.url(), "reviews", &documents)))
}

/// The messenger's owner decides: here the integration says it for them.
fn decide_review(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (id, review_id, object) = (find(cx)?.id, cx.id("review_id")?, cx.object()?);
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.require("status", &mut out);
    let status = item.choice("status", &["approved", "paused", "rejected"], &mut out);
    let reason = item.string("reject_reason", &mut out).unwrap_or_default();
    if reason.chars().count() > MAX_REASON {
        out.too_long("reject_reason", MAX_REASON);
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let templates = &mut cx.account.services.templates.list;
    let review = templates
        .iter_mut()
        .find(|template| template.id == id)
        .and_then(|template| {
            let mut reviews = template.reviews.iter_mut();
            reviews.find(|review| review.id == review_id)
        })
        .ok_or_else(|| Problem::not_found("Review not found"))?;
    status.unwrap_or_default().clone_into(&mut review.status);
    reason.clone_into(&mut review.reject_reason);
    Ok(Reply::ok(render_review(review)))
}

const SEALED: &str = "A WhatsApp template can be changed until it is sent to review";

fn is_sealed(template: &ChatTemplate) -> bool {
    template.is_waba() && !template.reviews.is_empty()
}

fn apply(cx: &mut Context<'_>, id: u64, draft: Draft) {
    let now = cx.now();
    let mut templates = cx.account.services.templates.list.iter_mut();
    if let Some(template) = templates.find(|template| template.id == id) {
        template.fields = draft.over(std::mem::take(&mut template.fields));
        template.updated_at = now;
    }
}

fn remove(cx: &mut Context<'_>, ids: &[u64]) {
    let templates = &mut cx.account.services.templates.list;
    templates.retain(|template| !ids.contains(&template.id));
}

fn own<'a>(cx: &'a Context<'_>) -> impl Iterator<Item = &'a ChatTemplate> {
    let client_id = cx.client_id();
    let templates = cx.account.services.templates.list.iter();
    templates.filter(move |template| template.client_id == client_id)
}

fn find<'a>(cx: &'a Context<'_>) -> Result<&'a ChatTemplate, Problem> {
    let id = cx.id("id")?;
    own(cx)
        .find(|template| template.id == id)
        .ok_or_else(|| Problem::not_found("Template not found"))
}

fn answer(cx: &Context<'_>, made: Vec<(u64, String)>) -> Reply {
    let mut items = Vec::with_capacity(made.len());
    for (id, request_id) in made {
        if let Some(template) = own(cx).find(|template| template.id == id) {
            let mut item = render(cx, template);
            item["request_id"] = request_id.into();
            items.push(item);
        }
    }
    Reply::ok(collection(&cx.url(), "chat_templates", &items))
}

fn render(cx: &Context<'_>, template: &ChatTemplate) -> Value {
    let mut document = Map::new();
    document.insert("id".into(), template.id.into());
    document.insert("account_id".into(), cx.account.id.into());
    document.insert("created_at".into(), template.created_at.into());
    document.insert("updated_at".into(), template.updated_at.into());
    document.extend(template.fields.clone());
    let link = self_link(&cx.api(&format!("chats/templates/{}", template.id)));
    document.insert("_links".into(), link);
    if cx.query().with("reviews") {
        let reviews: Vec<Value> = template.reviews.iter().map(render_review).collect();
        let is_on_review = template
            .reviews
            .iter()
            .any(|review| review.status == "review");
        document.insert("is_on_review".into(), is_on_review.into());
        document.insert("review_status".into(), template.review_status().into());
        document.insert("_embedded".into(), json!({"reviews": reviews}));
    }
    document.into()
}

fn render_review(review: &Review) -> Value {
    json!({
        "id": review.id,
        "source_id": review.source_id,
        "status": review.status,
        "reject_reason": review.reject_reason,
    })
}

//! `/api/v4/sources`: where an integration's leads come from. An integration sees and changes its own only.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/sources-api>

use axum::{Router, routing::get};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::services::Source,
};

/// Active sources of one integration.
const MAX_SOURCES: usize = 100;
/// Sources in one request.
const MAX_BATCH: usize = 50;
const MAX_EXTERNAL_ID: usize = 36;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v4/sources",
            get(on(list))
                .post(on(create_many))
                .patch(on(update_many))
                .delete(on(delete_many)),
        )
        .route(
            "/api/v4/sources/{id}",
            get(on(show)).patch(on(update_one)).delete(on(delete_one)),
        )
}

/// All sources of the integration; 204 when there are none.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let wanted = cx.query().list(&["filter", "external_id"]);
    let sources: Vec<Value> = own(cx)
        .filter(|source| wanted.is_empty() || wanted.contains(&source.external_id.as_str()))
        .map(|source| render(cx, source))
        .collect();
    if sources.is_empty() {
        return Ok(Reply::no_content());
    }
    Ok(Reply::ok(collection(&cx.url(), "sources", &sources)))
}

fn show(cx: &mut Context<'_>) -> Answer {
    let id = cx.id("id")?;
    let source = own(cx).find(|source| source.id == id);
    Ok(source.map_or_else(Reply::no_content, |source| Reply::ok(render(cx, source))))
}

fn create_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items_up_to(MAX_BATCH)?;
    if own(cx).count() + items.len() > MAX_SOURCES {
        return Err(Problem::bad_request(format!(
            "An integration has at most {MAX_SOURCES} sources"
        )));
    }
    let mut errors = BatchErrors::default();
    let mut drafts: Vec<(String, Draft)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        item.require("name", &mut out);
        item.require("external_id", &mut out);
        let draft = Draft::read(cx, &item, &mut out);
        let is_taken = |id: &str| {
            own(cx).any(|source| source.external_id == id)
                || drafts
                    .iter()
                    .any(|(_, d)| d.external_id.as_deref() == Some(id))
        };
        if draft.external_id.as_deref().is_some_and(is_taken) {
            out.push(
                "NotUnique",
                "external_id",
                "A source with this external_id exists already.",
            );
        }
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let main = cx.account.main_pipeline().map_or(0, |pipeline| pipeline.id);
        let source = Source {
            id: cx.account.services.sources.next_id(cx.account.id),
            client_id: cx.client_id().to_owned(),
            name: String::new(),
            pipeline_id: main,
            external_id: String::new(),
            is_default: false,
            origin_code: None,
            services: json!([]),
        };
        let id = source.id;
        cx.account.services.sources.list.push(source);
        draft.apply(cx, id);
        made.push((id, request_id));
    }
    Ok(answer(cx, made))
}

fn update_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items_up_to(MAX_BATCH)?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        let id = item.required_id("id", &mut out).unwrap_or_default();
        let draft = Draft::read(cx, &item, &mut out);
        draft.check_change(cx, id, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((id, request_id, draft));
    }
    errors.check()?;
    let mut made = Vec::with_capacity(drafts.len());
    for (id, request_id, draft) in drafts {
        draft.apply(cx, id);
        made.push((id, request_id));
    }
    Ok(answer(cx, made))
}

fn update_one(cx: &mut Context<'_>) -> Answer {
    let (id, object) = (cx.id("id")?, cx.object()?);
    let (item, mut out) = (Reader::new(&object), Violations::default());
    let draft = Draft::read(cx, &item, &mut out);
    if !own(cx).any(|source| source.id == id) {
        return Err(Problem::not_found("Source not found"));
    }
    draft.check_change(cx, id, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    draft.apply(cx, id);
    show(cx)
}

/// Deletes all that are named, or nothing.
fn delete_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items_up_to(MAX_BATCH)?;
    let (mut ids, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let id = item.get("id").and_then(Value::as_u64).unwrap_or_default();
        if !own(cx).any(|source| source.id == id) {
            errors.push(json!({
                "request_id": Reader::new(item).request_id(index),
                "errors": {
                    "code": "EntityNotFound",
                    "path": "id",
                    "detail": format!("source with id = {id} not found"),
                },
            }));
        }
        ids.push(id);
    }
    if !errors.is_empty() {
        return Err(Problem::invalid_items(errors));
    }
    remove(cx, &ids);
    Ok(Reply::no_content())
}

fn delete_one(cx: &mut Context<'_>) -> Answer {
    let id = cx.id("id")?;
    if !own(cx).any(|source| source.id == id) {
        return Err(Problem::plain(StatusCode::NOT_FOUND, "Source not found"));
    }
    remove(cx, &[id]);
    Ok(Reply::no_content())
}

fn remove(cx: &mut Context<'_>, ids: &[u64]) {
    let sources = &mut cx.account.services.sources.list;
    sources.retain(|source| !ids.contains(&source.id));
}

fn own<'a>(cx: &'a Context<'_>) -> impl Iterator<Item = &'a Source> {
    let client_id = cx.client_id();
    let sources = cx.account.services.sources.list.iter();
    sources.filter(move |source| source.client_id == client_id)
}

/// What a write says about a source.
struct Draft {
    name: Option<String>,
    pipeline_id: Option<u64>,
    external_id: Option<String>,
    is_default: Option<bool>,
    /// As JSON, because null clears it.
    origin_code: Option<Value>,
    services: Option<Value>,
}

impl Draft {
    fn read(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Self {
        const KEYS: [&str; 8] = [
            "id",
            "name",
            "pipeline_id",
            "external_id",
            "default",
            "origin_code",
            "services",
            "request_id",
        ];
        item.only(&KEYS, out);
        let name = item.string("name", out);
        if name.is_some_and(|name| name.trim().is_empty()) {
            out.push(
                "NotBlank",
                item.path("name"),
                "This value should not be blank.",
            );
        }
        let pipeline_id = item.id("pipeline_id", out);
        if pipeline_id.is_some_and(|id| cx.account.pipeline(id).is_none()) {
            out.choice(item.path("pipeline_id"));
        }
        let external_id = item.string("external_id", out);
        let is_plain = |text: &str| {
            (1..=MAX_EXTERNAL_ID).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        if external_id.is_some_and(|text| !is_plain(text)) {
            out.push(
                "InvalidFormat",
                item.path("external_id"),
                format!("This value should be 1 to {MAX_EXTERNAL_ID} printable ASCII characters."),
            );
        }
        let origin_code = item.string("origin_code", out);
        for service in item.children("services", out).unwrap_or_default() {
            service.choice("type", &["whatsapp"], out);
            service.child("params", out);
            service.children("pages", out);
        }
        Self {
            name: name.map(str::to_owned),
            pipeline_id,
            external_id: external_id.map(str::to_owned),
            is_default: item.bool("default", out),
            origin_code: (origin_code.is_some() || item.is_null("origin_code"))
                .then(|| origin_code.into()),
            services: item.value("services").cloned(),
        }
    }

    /// A source must be there to be changed, and its `external_id` never changes.
    fn check_change(&self, cx: &Context<'_>, id: u64, out: &mut Violations) {
        match own(cx).find(|source| source.id == id) {
            None => out.choice("id"),
            Some(source) => {
                let wanted = self.external_id.as_deref();
                if wanted.is_some_and(|wanted| wanted != source.external_id) {
                    out.unexpected("external_id");
                }
            }
        }
    }

    fn apply(self, cx: &mut Context<'_>, id: u64) {
        let client_id = cx.client_id();
        let sources = &mut cx.account.services.sources.list;
        if self.is_default == Some(true) {
            // There is one default per integration.
            for source in sources
                .iter_mut()
                .filter(|source| source.client_id == client_id)
            {
                source.is_default = false;
            }
        }
        let Some(source) = sources.iter_mut().find(|source| source.id == id) else {
            return;
        };
        if let Some(name) = self.name {
            source.name = name;
        }
        if let Some(external_id) = self.external_id {
            source.external_id = external_id;
        }
        if let Some(origin_code) = self.origin_code {
            source.origin_code = origin_code.as_str().map(str::to_owned);
        }
        if let Some(services) = self.services {
            source.services = services;
        }
        source.pipeline_id = self.pipeline_id.unwrap_or(source.pipeline_id);
        source.is_default = self.is_default.unwrap_or(source.is_default);
    }
}

fn answer(cx: &Context<'_>, made: Vec<(u64, String)>) -> Reply {
    let mut items = Vec::with_capacity(made.len());
    for (id, request_id) in made {
        if let Some(source) = own(cx).find(|source| source.id == id) {
            let mut item = render(cx, source);
            item["request_id"] = request_id.into();
            items.push(item);
        }
    }
    Reply::ok(collection(&cx.url(), "sources", &items))
}

fn render(cx: &Context<'_>, source: &Source) -> Value {
    let mut document = Map::new();
    document.insert("id".into(), source.id.into());
    document.insert("name".into(), source.name.as_str().into());
    document.insert("pipeline_id".into(), source.pipeline_id.into());
    document.insert("external_id".into(), source.external_id.as_str().into());
    document.insert("default".into(), source.is_default.into());
    document.insert("origin_code".into(), source.origin_code.clone().into());
    document.insert("services".into(), source.services.clone());
    let link = self_link(&cx.api(&format!("sources/{}", source.id)));
    document.insert("_links".into(), link);
    document.into()
}

//! `/api/v4/leads/pipelines`.

use serde_json::{Value, json};

use super::{
    call::Context,
    reader::Reader,
    statuses::{self, StatusDraft},
};
use crate::{
    hal::{Answer, Reply, collection, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{Counters, Pipeline, is_closing},
};

const MAX_PIPELINES: usize = 50;
const DEFAULT_SORT: i64 = 100;

#[derive(Debug, Default)]
struct Draft {
    name: Option<String>,
    sort: Option<i64>,
    is_main: Option<bool>,
    is_unsorted_on: Option<bool>,
    statuses: Vec<StatusDraft>,
}

/// All pipelines; `page` and `limit` mean nothing here.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let items: Vec<Value> = cx
        .account
        .pipelines
        .iter()
        .map(|pipeline| render(cx, pipeline))
        .collect();
    Ok(Reply::ok(collection(&cx.url(), "pipelines", &items)))
}

/// One pipeline.
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let pipeline = cx
        .account
        .pipeline(cx.id("id")?)
        .ok_or_else(|| Problem::not_found("Pipeline not found"))?;
    Ok(Reply::ok(render(cx, pipeline)))
}

/// Creates pipelines; each gets the unsorted stage, 142 and 143 besides its own.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        item.require("name", &mut out);
        let mut draft = read(&item, &mut out);
        draft.statuses = read_statuses(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    if cx.account.pipelines.len() + drafts.len() > MAX_PIPELINES {
        return Err(Problem::bad_request(format!(
            "Limit {MAX_PIPELINES} pipelines per account"
        )));
    }
    let ids: Vec<(u64, String)> = drafts
        .into_iter()
        .map(|(request_id, draft)| (create(cx, draft), request_id))
        .collect();
    let made = ids.iter().filter_map(|(id, request_id)| {
        let mut item = render(cx, cx.account.pipeline(*id)?);
        item["request_id"] = request_id.as_str().into();
        Some(item)
    });
    Ok(Reply::ok(collection(
        &cx.url(),
        "pipelines",
        &made.collect::<Vec<_>>(),
    )))
}

/// Changes a pipeline; its statuses have routes of their own.
pub(crate) fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let id = cx.id("id")?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let draft = read(&item, &mut out);
    if let Some(embedded) = item.child("_embedded", &mut out)
        && embedded.value("statuses").is_some()
    {
        out.unexpected(embedded.path("statuses"));
    }
    // The main flag can be taken over by another pipeline, not put down.
    if draft.is_main == Some(false)
        && cx
            .account
            .pipeline(id)
            .is_some_and(|pipeline| pipeline.is_main)
    {
        out.choice(item.path("is_main"));
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let pipeline = cx
        .account
        .pipeline_mut(id)
        .ok_or_else(|| Problem::choice("id"))?;
    pipeline.name = draft.name.unwrap_or_else(|| pipeline.name.clone());
    pipeline.sort = draft.sort.unwrap_or(pipeline.sort);
    pipeline.is_unsorted_on = draft.is_unsorted_on.unwrap_or(pipeline.is_unsorted_on);
    if draft.is_main == Some(true) {
        cx.account.set_main_pipeline(id);
    }
    let pipeline = cx
        .account
        .pipeline(id)
        .ok_or_else(|| Problem::choice("id"))?;
    let mut document = render(cx, pipeline);
    if item.value("request_id").is_some() {
        document["request_id"] = item.request_id(0).into();
    }
    Ok(Reply::ok(document))
}

/// Deletes a pipeline without leads.
pub(crate) fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let id = cx.id("id")?;
    let pipeline = cx
        .account
        .pipeline(id)
        .ok_or_else(|| Problem::choice("id"))?;
    let holds_leads = cx.account.leads.iter().any(|record| {
        record
            .lead
            .as_ref()
            .is_some_and(|lead| lead.pipeline_id == id)
    });
    if holds_leads {
        return Err(Problem::unprocessable(
            "Only pipelines without leads can be deleted",
        ));
    }
    if pipeline.is_main || cx.account.pipelines.len() == 1 {
        return Err(Problem::bad_request("The main pipeline can not be deleted"));
    }
    cx.account.pipelines.retain(|pipeline| pipeline.id != id);
    Ok(Reply::no_content())
}

fn read(item: &Reader<'_>, out: &mut Violations) -> Draft {
    let name = item.string("name", out).map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        out.push(
            "NotBlank",
            item.path("name"),
            "This value should not be blank.",
        );
    }
    Draft {
        name,
        sort: item.int("sort", out),
        is_main: item.bool("is_main", out),
        is_unsorted_on: item.bool("is_unsorted_on", out),
        statuses: Vec::new(),
    }
}

/// The API demands stages with a new pipeline, although its documentation does not.
fn read_statuses(item: &Reader<'_>, out: &mut Violations) -> Vec<StatusDraft> {
    let items = item
        .child("_embedded", out)
        .and_then(|embedded| embedded.children("statuses", out));
    let Some(items) = items else {
        out.missing(item.path("_embedded.statuses"));
        return Vec::new();
    };
    if items.is_empty() {
        out.too_few(item.path("_embedded.statuses"));
    }
    if items.len() > statuses::MAX_STATUSES - 3 {
        out.too_many(item.path("_embedded.statuses"), statuses::MAX_STATUSES - 3);
    }
    items
        .iter()
        .map(|status| {
            let draft = statuses::read(status, out);
            if draft.id.is_some_and(|id| !is_closing(id)) {
                out.choice(status.path("id"));
            }
            if draft.id.is_none() {
                status.require("name", out);
            }
            draft
        })
        .collect()
}

fn create(cx: &mut Context<'_>, draft: Draft) -> u64 {
    let now = cx.now();
    let counters = &mut cx.account.counters;
    let id = Counters::take(&mut counters.pipeline);
    let mut statuses = Pipeline::system_statuses(Counters::take(&mut counters.status));
    for status in draft.statuses {
        match status
            .id
            .and_then(|id| statuses.iter_mut().find(|known| known.id == id))
        {
            Some(closing) => closing.name = status.name.unwrap_or_else(|| closing.name.clone()),
            None => statuses.push(statuses::make(status, counters, now)),
        }
    }
    let mut pipeline = Pipeline {
        id,
        name: draft.name.unwrap_or_default(),
        sort: draft.sort.unwrap_or(DEFAULT_SORT),
        is_main: false,
        is_unsorted_on: draft.is_unsorted_on.unwrap_or(true),
        is_archive: false,
        statuses,
    };
    pipeline.normalise();
    cx.account.pipelines.push(pipeline);
    if draft.is_main == Some(true) {
        cx.account.set_main_pipeline(id);
    }
    id
}

fn render(cx: &Context<'_>, pipeline: &Pipeline) -> Value {
    let statuses: Vec<Value> = pipeline
        .statuses
        .iter()
        .map(|status| statuses::render(cx, pipeline.id, status))
        .collect();
    json!({
        "id": pipeline.id,
        "name": pipeline.name,
        "sort": pipeline.sort,
        "is_main": pipeline.is_main,
        "is_unsorted_on": pipeline.is_unsorted_on,
        "is_archive": pipeline.is_archive,
        "account_id": cx.account.id,
        "_links": self_link(&cx.api(&format!("leads/pipelines/{}", pipeline.id))),
        "_embedded": {"statuses": statuses},
    })
}

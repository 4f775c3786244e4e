//! `/api/v4/leads/pipelines/{id}/statuses`.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{call::Context, reader::Reader};
use crate::{
    hal::{Answer, Reply, collection, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{Counters, Description, EntityType, Pipeline, Status, events::Change},
};

/// Stages of a pipeline, the three system ones included.
pub(crate) const MAX_STATUSES: usize = 100;
const MAX_DESCRIPTIONS: usize = 3;
const MAX_DESCRIPTION_CHARS: usize = 1000;
const DEFAULT_SORT: i64 = 100;

/// The colours a stage, or a status of customers, may be given.
pub(crate) const COLORS: [&str; 21] = [
    "#fffeb2", "#fffd7f", "#fff000", "#ffeab2", "#ffdc7f", "#ffce5a", "#ffdbdb", "#ffc8c8",
    "#ff8f92", "#d6eaff", "#c1e0ff", "#98cbff", "#ebffb1", "#deff81", "#87f2c0", "#f9deff",
    "#f3beff", "#ccc8f9", "#eb93ff", "#f2f3f4", "#e6e8ea",
];

/// A checked write to a stage.
#[derive(Debug, Default)]
pub(crate) struct StatusDraft {
    pub(crate) id: Option<u64>,
    pub(crate) name: Option<String>,
    sort: Option<i64>,
    color: Option<String>,
    descriptions: Option<Vec<(String, String)>>,
}

/// All stages of a pipeline.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let pipeline = pipeline(cx)?;
    let items: Vec<Value> = pipeline
        .statuses
        .iter()
        .map(|status| render(cx, pipeline.id, status))
        .collect();
    Ok(Reply::ok(collection(&cx.url(), "statuses", &items)))
}

/// One stage.
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let pipeline = pipeline(cx)?;
    let status = pipeline
        .status(cx.id("status_id")?)
        .ok_or_else(|| Problem::not_found("Status not found"))?;
    Ok(Reply::ok(render(cx, pipeline.id, status)))
}

/// Adds stages.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let pipeline_id = cx.id("id")?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        item.require("name", &mut out);
        let draft = read(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    if pipeline(cx)?.statuses.len() + drafts.len() > MAX_STATUSES {
        return Err(Problem::bad_request(format!(
            "Limit {MAX_STATUSES} statuses per pipeline"
        )));
    }
    let now = cx.now();
    let mut ids = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let status = make(draft, &mut cx.account.counters, now);
        ids.push((status.id, request_id));
        let pipeline = cx
            .account
            .pipeline_mut(pipeline_id)
            .ok_or_else(|| Problem::choice("id"))?;
        pipeline.statuses.push(status);
        pipeline.normalise();
    }
    let pipeline = pipeline(cx)?;
    let made = ids.iter().filter_map(|(id, request_id)| {
        let mut item = render(cx, pipeline_id, pipeline.status(*id)?);
        item["request_id"] = request_id.as_str().into();
        Some(item)
    });
    Ok(Reply::ok(collection(
        &cx.url(),
        "statuses",
        &made.collect::<Vec<_>>(),
    )))
}

/// Changes a stage. Of the closing stages only the name can be changed.
pub(crate) fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (pipeline_id, status_id) = (cx.id("id")?, cx.id("status_id")?);
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let draft = read(&item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let now = cx.now();
    let pipeline = cx
        .account
        .pipelines
        .iter_mut()
        .find(|pipeline| pipeline.id == pipeline_id);
    let pipeline = pipeline.ok_or_else(|| Problem::choice("id"))?;
    let status = pipeline
        .statuses
        .iter_mut()
        .find(|status| status.id == status_id);
    let status = status.ok_or_else(|| Problem::choice("status_id"))?;
    status.name = draft.name.unwrap_or_else(|| status.name.clone());
    if let Some(descriptions) = draft.descriptions {
        status.descriptions = make_descriptions(descriptions, &mut cx.account.counters, now);
    }
    if status.is_editable {
        status.color = draft.color.unwrap_or_else(|| status.color.clone());
        status.sort = draft.sort.unwrap_or(status.sort);
        pipeline.normalise();
    }
    show(cx)
}

/// Deletes a stage; its leads go to the first one that is left.
pub(crate) fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (pipeline_id, status_id) = (cx.id("id")?, cx.id("status_id")?);
    let pipeline = cx
        .account
        .pipeline_mut(pipeline_id)
        .ok_or_else(|| Problem::choice("id"))?;
    let status = pipeline
        .status(status_id)
        .ok_or_else(|| Problem::choice("status_id"))?;
    if !status.is_own() {
        return Err(Problem::choice("status_id"));
    }
    if pipeline
        .statuses
        .iter()
        .filter(|status| status.is_own())
        .count()
        == 1
    {
        return Err(Problem::bad_request(
            "The last status of a pipeline can not be deleted",
        ));
    }
    pipeline.statuses.retain(|status| status.id != status_id);
    pipeline.normalise();
    let first = pipeline.first_stage();
    let (now, user) = (cx.now(), cx.user_id());
    let inside = cx.account.leads.iter().filter(|record| {
        record
            .lead
            .as_ref()
            .is_some_and(|lead| (lead.pipeline_id, lead.status_id) == (pipeline_id, status_id))
    });
    for id in inside.map(|record| record.id).collect::<Vec<_>>() {
        cx.account.leads.update(id, |record| {
            record.updated_at = now.max(record.updated_at);
            record.updated_by = user;
            if let Some(lead) = &mut record.lead {
                lead.status_id = first;
            }
        });
        cx.emit(EntityType::Leads, id, Change::Updated);
        cx.emit(
            EntityType::Leads,
            id,
            Change::Moved {
                old_status_id: status_id,
                old_pipeline_id: pipeline_id,
            },
        );
    }
    Ok(Reply::no_content())
}

fn pipeline<'a>(cx: &'a Context<'_>) -> Result<&'a Pipeline, Problem> {
    let id = cx.id("id")?;
    cx.account
        .pipeline(id)
        .ok_or_else(|| Problem::not_found("Pipeline not found"))
}

/// Reads a stage.
pub(crate) fn read(item: &Reader<'_>, out: &mut Violations) -> StatusDraft {
    let name = item.string("name", out).map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        out.push(
            "NotBlank",
            item.path("name"),
            "This value should not be blank.",
        );
    }
    StatusDraft {
        id: item.id("id", out),
        name,
        sort: item.int("sort", out),
        color: item.choice("color", &COLORS, out).map(str::to_owned),
        descriptions: read_descriptions(item, out),
    }
}

fn read_descriptions(item: &Reader<'_>, out: &mut Violations) -> Option<Vec<(String, String)>> {
    let items = item.children("descriptions", out)?;
    if items.len() > MAX_DESCRIPTIONS {
        out.too_many(item.path("descriptions"), MAX_DESCRIPTIONS);
    }
    let mut read: Vec<(String, String)> = Vec::with_capacity(items.len());
    for item in items {
        item.require("level", out);
        let level = item.choice("level", &["newbie", "candidate", "master"], out);
        let text = item.required_string("description", out).unwrap_or_default();
        if text.chars().count() > MAX_DESCRIPTION_CHARS {
            out.too_long(item.path("description"), MAX_DESCRIPTION_CHARS);
        }
        let Some(level) = level else { continue };
        if read.iter().any(|(known, _)| known == level) {
            out.choice(item.path("level"));
        }
        read.push((level.to_owned(), text.to_owned()));
    }
    Some(read)
}

/// Makes a stage of a draft.
pub(crate) fn make(draft: StatusDraft, counters: &mut Counters, now: i64) -> Status {
    Status {
        id: Counters::take(&mut counters.status),
        name: draft.name.unwrap_or_default(),
        sort: draft.sort.unwrap_or(DEFAULT_SORT),
        is_editable: true,
        color: draft.color.unwrap_or_else(|| COLORS[0].to_owned()),
        kind: 0,
        descriptions: make_descriptions(draft.descriptions.unwrap_or_default(), counters, now),
    }
}

fn make_descriptions(
    drafts: Vec<(String, String)>,
    counters: &mut Counters,
    now: i64,
) -> Vec<Description> {
    let make = |(level, text)| Description {
        id: Counters::take(&mut counters.description),
        level,
        text,
        created_at: now,
        updated_at: now,
    };
    drafts.into_iter().map(make).collect()
}

/// A stage as amoCRM answers it.
pub(crate) fn render(cx: &Context<'_>, pipeline_id: u64, status: &Status) -> Value {
    let mut document = json!({
        "id": status.id,
        "name": status.name,
        "sort": status.sort,
        "is_editable": status.is_editable,
        "pipeline_id": pipeline_id,
        "color": status.color,
        "type": status.kind,
        "account_id": cx.account.id,
        "_links": self_link(&cx.api(&format!("leads/pipelines/{pipeline_id}/statuses/{}", status.id))),
    });
    if cx.query().with("descriptions") {
        let descriptions = status.descriptions.iter().map(|description| {
            json!({
                "id": description.id,
                "account_id": cx.account.id,
                "created_at": text_date(description.created_at),
                "updated_at": text_date(description.updated_at),
                "created_by": 0,
                "updated_by": 0,
                "pipeline_id": pipeline_id,
                "status_id": status.id,
                "level": description.level,
                "description": description.text,
            })
        });
        document["descriptions"] = descriptions.collect();
    }
    document
}

/// The one place of the API with dates as text.
fn text_date(at: i64) -> String {
    DateTime::from_timestamp(at, 0)
        .map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

//! A checked definition of a custom field.

use serde_json::Value;

use super::nested::read_nested;
use crate::{
    api::{call::Context, reader::Reader},
    problem::Violations,
    world::{
        CatalogType, DEFAULT_GROUP, EntityType, FieldDefinition, FieldOwner, StageRef, has_enums,
    },
};

/// What a write to a definition asks for. What is `None` stays as it is.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) code: Option<String>,
    pub(super) sort: Option<i64>,
    /// The default group is named by its own id here.
    pub(super) group_id: Option<String>,
    pub(super) is_api_only: Option<bool>,
    pub(super) currency: Option<String>,
    pub(super) remind: Option<String>,
    pub(super) tracking_callback: Option<String>,
    pub(super) search_in: Option<String>,
    pub(super) chained_lists: Option<Value>,
    pub(super) required_statuses: Option<Vec<StageRef>>,
    pub(super) hidden_statuses: Option<Vec<StageRef>>,
    pub(super) enums: Option<Vec<EnumDraft>>,
    pub(super) is_visible: Option<bool>,
    pub(super) is_required: Option<bool>,
    pub(super) is_deletable: Option<bool>,
    pub(super) settings: Option<Value>,
}

/// An option as it was sent.
#[derive(Debug)]
pub(super) struct EnumDraft {
    pub(super) id: Option<u64>,
    pub(super) value: Option<String>,
    pub(super) sort: i64,
    pub(super) code: Option<String>,
    /// What the client calls an option of a tree.
    pub(super) request_id: Option<String>,
    pub(super) parent: Option<Parent>,
}

/// What is above an option of a tree.
#[derive(Debug)]
pub(super) enum Parent {
    /// An option that is there.
    Id(u64),
    /// One that is made by the same request.
    Request(String),
}

/// Reads a definition; `before` is the one to change.
pub(super) fn read(
    cx: &Context<'_>,
    owner: FieldOwner,
    before: Option<&FieldDefinition>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Draft {
    let kind = read_kind(cx, owner, before, item, out);
    if before.is_none() {
        item.require("name", out);
        item.require("type", out);
    }
    let mut draft = Draft {
        name: item.string("name", out).map(str::to_owned),
        code: item.string("code", out).map(str::to_owned),
        sort: item.int("sort", out),
        is_api_only: item.bool("is_api_only", out),
        remind: item
            .choice("remind", &["never", "day", "week", "month"], out)
            .map(str::to_owned),
        tracking_callback: item.string("tracking_callback", out).map(str::to_owned),
        search_in: read_search_in(cx, item, out),
        chained_lists: item
            .array("chained_lists", out)
            .map(|lists| Value::Array(lists.to_vec())),
        required_statuses: read_stages(cx, item, "required_statuses", out),
        hidden_statuses: read_stages(cx, item, "hidden_statuses", out),
        kind,
        is_visible: item.bool("is_visible", out),
        is_required: item.bool("is_required", out),
        is_deletable: item.bool("is_deletable", out),
        settings: item.value("settings").cloned(),
        ..Draft::default()
    };
    let kind = draft
        .kind
        .as_deref()
        .or(before.map(|field| field.kind.as_str()))
        .unwrap_or_default();
    if kind == "monetary" {
        // Needed with every write of a monetary field, also when it does not change.
        draft.currency = item.required_string("currency", out).map(str::to_owned);
    }
    if kind == "category" {
        draft.enums = read_nested(before, item, out);
    } else if has_enums(kind) {
        draft.enums = read_enums(before, item, out);
    }
    if !matches!(kind, "multitext" | "category")
        && has_enums(kind)
        && before.is_none()
        && draft.enums.is_none()
        && item.value("enums").is_none()
    {
        out.missing(item.path("enums"));
    }
    draft.group_id = read_group(cx, owner, item, out);
    check_code(cx, owner, before, &draft, item, out);
    draft
}

/// The type, which cannot change, although clients send it with every change.
fn read_kind(
    cx: &Context<'_>,
    owner: FieldOwner,
    before: Option<&FieldDefinition>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<String> {
    let kind = item.string("type", out)?;
    let fits = match before {
        Some(field) => field.kind == kind,
        None => is_allowed(cx, owner, kind),
    };
    if !fits {
        out.choice(item.path("type"));
    }
    Some(kind.to_owned())
}

/// Which types a person can add to what. `multitext` is not among them: PHONE and EMAIL come with the account.
fn is_allowed(cx: &Context<'_>, owner: FieldOwner, kind: &str) -> bool {
    use EntityType::{Customers, Leads};
    let is_card = matches!(owner, FieldOwner::Cards(_));
    match kind {
        "text" | "numeric" | "checkbox" | "select" | "multiselect" | "date" | "url"
        | "date_time" | "textarea" | "radiobutton" | "streetaddress" => true,
        "smart_address" | "birthday" | "legal_entity" => {
            is_card && owner != FieldOwner::Cards(Customers)
        }
        "monetary" => is_card,
        "file" => owner != FieldOwner::Segments,
        "tracking_data" => owner == FieldOwner::Cards(Leads),
        "chained_list" => {
            matches!(owner, FieldOwner::Cards(Leads | Customers))
        }
        "price" | "category" | "linked_entity" => matches!(owner, FieldOwner::Catalog(_)),
        "items" | "payer" | "supplier" => match owner {
            FieldOwner::Catalog(id) => cx
                .account
                .catalogs
                .get(id)
                .is_some_and(|catalog| catalog.kind == CatalogType::Invoices),
            _ => false,
        },
        _ => false,
    }
}

/// A code is unique among the fields of an entity type, and that of a predefined field cannot be changed.
fn check_code(
    cx: &Context<'_>,
    owner: FieldOwner,
    before: Option<&FieldDefinition>,
    draft: &Draft,
    item: &Reader<'_>,
    out: &mut Violations,
) {
    let Some(code) = &draft.code else { return };
    let is_taken = cx
        .account
        .field_by_code(owner, code)
        .is_some_and(|other| before.is_none_or(|field| field.id != other.id));
    let is_fixed =
        before.is_some_and(|field| field.is_predefined && field.code.as_ref() != Some(code));
    if is_taken || is_fixed {
        out.choice(item.path("code"));
    }
}

fn read_group(
    cx: &Context<'_>,
    owner: FieldOwner,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<String> {
    if item.is_null("group_id") {
        return Some(DEFAULT_GROUP.to_owned());
    }
    let id = item.string("group_id", out)?;
    let known = cx
        .account
        .groups_of(owner)
        .iter()
        .any(|group| group.id == id);
    if !known {
        out.choice(item.path("group_id"));
    }
    Some(id.to_owned())
}

/// What a `linked_entity` field searches in: cards, or the elements of a list named by its id.
fn read_search_in(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Option<String> {
    let text = match item.value("search_in")? {
        Value::Number(id) => id.to_string(),
        _ => item.string("search_in", out)?.to_owned(),
    };
    let is_cards = ["contacts", "companies", "contacts_and_companies"].contains(&text.as_str());
    let is_list = || {
        text.parse()
            .is_ok_and(|id| cx.account.catalogs.get(id).is_some())
    };
    if !is_cards && !is_list() {
        out.choice(item.path("search_in"));
    }
    Some(text)
}

fn read_stages(
    cx: &Context<'_>,
    item: &Reader<'_>,
    key: &str,
    out: &mut Violations,
) -> Option<Vec<StageRef>> {
    let items = item.children(key, out)?;
    let mut stages = Vec::with_capacity(items.len());
    for item in items {
        let (Some(pipeline_id), Some(status_id)) = (
            item.required_id("pipeline_id", out),
            item.required_id("status_id", out),
        ) else {
            continue;
        };
        match cx.account.pipeline(pipeline_id) {
            None => out.choice(item.path("pipeline_id")),
            Some(pipeline) if pipeline.status(status_id).is_none() => {
                out.choice(item.path("status_id"));
            }
            Some(_) => stages.push(StageRef {
                status_id,
                pipeline_id,
            }),
        }
    }
    Some(stages)
}

fn read_enums(
    before: Option<&FieldDefinition>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Vec<EnumDraft>> {
    let items = item.children("enums", out)?;
    if items.is_empty() {
        out.too_few(item.path("enums"));
    }
    let mut enums: Vec<EnumDraft> = Vec::with_capacity(items.len());
    for (index, item) in (0..).zip(items) {
        let id = item.id("id", out);
        let known = id.is_some_and(|id| before.is_some_and(|field| field.option(id).is_some()));
        if id.is_some() && !known {
            out.choice(item.path("id"));
        }
        if !known {
            item.require("value", out);
        }
        let code = item.string("code", out).map(str::to_owned);
        if code.is_some() && enums.iter().any(|other| other.code == code) {
            out.choice(item.path("code"));
        }
        let value = item.string("value", out).map(str::to_owned);
        enums.push(EnumDraft {
            id,
            value,
            sort: item.int("sort", out).unwrap_or(index),
            code,
            request_id: None,
            parent: None,
        });
    }
    Some(enums)
}

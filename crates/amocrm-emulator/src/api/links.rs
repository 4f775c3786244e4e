//! Links between cards: `/{entity}/{id}/links`, `link`, `unlink`, and the mass forms without an id.

mod target;

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub(crate) use self::target::read_element;
use self::target::{Target, is_on, read_target};
use super::{call::Context, reader::Reader, records::read_user};
use crate::{
    hal::{Answer, Reply, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{ElementLink, EntityType, card_and_contact, feed::Subject},
};

#[derive(Debug)]
struct Draft {
    id: u64,
    target: Target,
    request_id: Option<String>,
    /// On whose behalf; otherwise the user of the request.
    updated_by: Option<u64>,
}

/// `GET /{entity}/{id}/links`.
pub(crate) fn list_one(cx: &mut Context<'_>) -> Answer {
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    if cx.account.records(entity).live(id).is_none() {
        return Err(Problem::not_found("Entity not found"));
    }
    let items = read_links(cx, entity, id)
        .iter()
        .map(|target| render(cx, entity, id, target, false))
        .collect();
    Ok(paged(cx, items))
}

/// `GET /{entity}/links?filter[entity_id][]=…`; the filter is required.
pub(crate) fn list_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let ids = cx.query().list(&["filter", "entity_id"]);
    if ids.is_empty() {
        let mut out = Violations::default();
        out.missing("filter.entity_id");
        return Err(Problem::invalid(out));
    }
    let ids: BTreeSet<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let live = ids
        .into_iter()
        .filter(|id| cx.account.records(entity).live(*id).is_some());
    let items = live
        .flat_map(|id| {
            read_links(cx, entity, id)
                .into_iter()
                .map(move |target| (id, target))
        })
        .map(|(id, target)| render(cx, entity, id, &target, true))
        .collect();
    Ok(paged(cx, items))
}

/// `POST /{entity}/{id}/link`.
pub(crate) fn link_one(cx: &mut Context<'_>) -> Answer {
    let id = existing(cx)?;
    link(cx, Some(id))
}

/// `POST /{entity}/link`.
pub(crate) fn link_many(cx: &mut Context<'_>) -> Answer {
    link(cx, None)
}

/// `POST /{entity}/{id}/unlink`.
pub(crate) fn unlink_one(cx: &mut Context<'_>) -> Answer {
    let id = existing(cx)?;
    unlink(cx, Some(id))
}

/// `POST /{entity}/unlink`.
pub(crate) fn unlink_many(cx: &mut Context<'_>) -> Answer {
    unlink(cx, None)
}

fn existing(cx: &Context<'_>) -> Result<u64, Problem> {
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    match cx.account.records(entity).get(id) {
        Some(record) if record.is_deleted => Err(Problem::in_trash()),
        Some(_) => Ok(id),
        None => Err(Problem::not_found("Entity not found")),
    }
}

fn link(cx: &mut Context<'_>, id: Option<u64>) -> Answer {
    let entity = cx.entity()?;
    let drafts = read_drafts(cx, entity, id, true)?;
    let mut made = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let is_new = !is_linked(cx, entity, &draft);
        match &draft.target {
            Target::Card(other, to, is_main) => {
                cx.account.links.link((entity, draft.id), (*other, *to));
                let pair = card_and_contact((entity, draft.id), (*other, *to));
                if let Some(((entity, id), contact)) = pair.filter(|_| *is_main) {
                    cx.account.links.set_main(entity, id, contact);
                }
            }
            Target::Element(link) => cx
                .account
                .links
                .link_element(entity, draft.id, link.clone()),
        }
        touch(cx, entity, draft.id, draft.updated_by);
        if is_new {
            cx.emit_link(
                Subject::Card(entity, draft.id),
                draft.target.subject(),
                true,
            );
        }
        let mut item = render(cx, entity, draft.id, &draft.target, true);
        if let Some(request_id) = draft.request_id {
            item["request_id"] = request_id.into();
        }
        made.push(item);
    }
    Ok(Reply::ok(
        json!({"_total_items": made.len(), "_links": self_link(&cx.url()), "_embedded": {"links": made}}),
    ))
}

fn unlink(cx: &mut Context<'_>, id: Option<u64>) -> Answer {
    let entity = cx.entity()?;
    for draft in read_drafts(cx, entity, id, false)? {
        let was_linked = is_linked(cx, entity, &draft);
        let other_side = draft.target.subject();
        match draft.target {
            Target::Card(other, to, _) => {
                cx.account.links.unlink((entity, draft.id), (other, to));
            }
            Target::Element(link) => {
                cx.account
                    .links
                    .unlink_element(entity, draft.id, link.element_id, link.catalog_id);
            }
        }
        touch(cx, entity, draft.id, draft.updated_by);
        if was_linked {
            cx.emit_link(Subject::Card(entity, draft.id), other_side, false);
        }
    }
    Ok(Reply::no_content())
}

fn is_linked(cx: &Context<'_>, entity: EntityType, draft: &Draft) -> bool {
    let links = &cx.account.links;
    match &draft.target {
        Target::Card(other, to, _) => links.linked(entity, draft.id, *other).any(|id| id == *to),
        Target::Element(wanted) => links.elements(entity, draft.id).iter().any(|link| {
            (link.catalog_id, link.element_id) == (wanted.catalog_id, wanted.element_id)
        }),
    }
}

/// A changed link counts as a change of the card.
fn touch(cx: &mut Context<'_>, entity: EntityType, id: u64, updated_by: Option<u64>) {
    let (now, user) = (cx.now(), updated_by.unwrap_or(cx.user_id()));
    cx.account.records_mut(entity).update(id, |record| {
        record.updated_at = now.max(record.updated_at);
        record.updated_by = user;
    });
}

fn read_drafts(
    cx: &Context<'_>,
    entity: EntityType,
    id: Option<u64>,
    must_exist: bool,
) -> Result<Vec<Draft>, Problem> {
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let from = id.or_else(|| {
            let from = item.required_id("entity_id", &mut out)?;
            if cx.account.records(entity).live(from).is_none() {
                out.choice("entity_id");
            }
            Some(from)
        });
        let target = read_target(cx, entity, &item, must_exist, &mut out);
        let metadata = item.child("metadata", &mut Violations::default());
        let updated_by = metadata.and_then(|it| read_user(cx, &it, "updated_by", true, &mut out));
        if let (Some(id), Some(target)) = (from, target) {
            let request_id = item
                .value("request_id")
                .is_some()
                .then(|| item.request_id(index));
            drafts.push(Draft {
                id,
                target,
                request_id,
                updated_by,
            });
        }
        errors.item(&item.request_id(index), out);
    }
    errors.check()?;
    Ok(drafts)
}

fn read_links(cx: &Context<'_>, entity: EntityType, id: u64) -> Vec<Target> {
    let query = cx.query();
    let cards = EntityType::ALL
        .into_iter()
        .filter(|other| is_on(cx, *other));
    let cards = cards.flat_map(|other| {
        let ids = cx
            .account
            .links
            .linked(entity, id, other)
            .filter(move |to| cx.account.records(other).live(*to).is_some());
        ids.map(move |to| Target::Card(other, to, is_main(cx, entity, id, other, to)))
    });
    let catalogs = &cx.account.catalogs;
    let elements = cx
        .account
        .links
        .elements(entity, id)
        .iter()
        .filter(|link| catalogs.has_element(link.catalog_id, link.element_id))
        .cloned()
        .map(Target::Element);
    let mut targets: Vec<Target> = cards.chain(elements).collect();

    let wanted = query.list(&["filter", "to_entity_id"]);
    let kinds = query.list(&["filter", "to_entity_type"]);
    // Id and type work only as a pair.
    if !wanted.is_empty() && !kinds.is_empty() {
        targets.retain(|target| {
            let (kind, to) = target.name();
            kinds.contains(&kind) && wanted.contains(&to.to_string().as_str())
        });
    }
    if let Some(catalog) = query
        .get(&["filter", "to_catalog_id"])
        .and_then(|id| id.parse::<u64>().ok())
    {
        targets
            .retain(|target| matches!(target, Target::Element(link) if link.catalog_id == catalog));
    }
    targets
}

fn is_main(cx: &Context<'_>, entity: EntityType, id: u64, other: EntityType, to: u64) -> bool {
    card_and_contact((entity, id), (other, to)).is_some_and(|((entity, id), contact)| {
        cx.account.links.main_contact(entity, id) == Some(contact)
    })
}

fn render(
    cx: &Context<'_>,
    entity: EntityType,
    id: u64,
    target: &Target,
    with_source: bool,
) -> Value {
    let (kind, to) = target.name();
    let metadata = match target {
        Target::Element(link) => element_metadata(link),
        Target::Card(other, to, _) if card_and_contact((entity, id), (*other, *to)).is_some() => {
            json!({"main_contact": is_main(cx, entity, id, *other, *to)})
        }
        Target::Card(..) => Value::Null,
    };
    let mut item = json!({"to_entity_id": to, "to_entity_type": kind, "metadata": metadata});
    if with_source {
        item["entity_id"] = id.into();
        item["entity_type"] = entity.as_str().into();
    }
    item
}

/// `metadata` of an element of a list, in links and in `_embedded.catalog_elements`. The quantity is a fraction even when it is
/// whole, and a price that is not the default one is named.
pub(crate) fn element_metadata(link: &ElementLink) -> Value {
    let mut metadata = json!({"quantity": link.quantity, "catalog_id": link.catalog_id});
    if let Some(price) = link.price_id {
        metadata["price_id"] = price.into();
    }
    metadata
}

/// A page of links: a total without page numbers.
fn paged(cx: &Context<'_>, items: Vec<Value>) -> Reply {
    let query = cx.query();
    let (page, limit, total) = (query.page(), query.limit(), items.len());
    let items: Vec<Value> = items
        .into_iter()
        .skip((page - 1).saturating_mul(limit))
        .take(limit)
        .collect();
    if items.is_empty() {
        return Reply::no_content();
    }
    let href = |page: usize| format!("{}?{}", cx.url(), query.with_page(page));
    let mut links = self_link(&href(page));
    if page.saturating_mul(limit) < total {
        links["next"] = json!({"href": href(page + 1)});
    }
    Reply::ok(json!({"_total_items": total, "_links": links, "_embedded": {"links": items}}))
}

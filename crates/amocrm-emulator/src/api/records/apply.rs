//! Applying a checked write, and telling the webhooks.

use super::{
    customer::{new_state, status_change},
    draft::Draft,
};
use crate::{
    api::call::Context,
    world::{
        EntityType, LeadState, Record,
        events::Change,
        feed::{self, Subject},
    },
};

/// Creates a record; its id.
pub(crate) fn create(cx: &mut Context<'_>, entity: EntityType, mut draft: Draft) -> u64 {
    let now = cx.now();
    let id = cx.account.counters.record(entity);
    let mut record = Record::new(id, cx.user_id(), now);
    record.indexed_at_ms = cx.indexed_at_ms();
    if entity == EntityType::Leads {
        record.lead = Some(LeadState::default());
    }
    if entity == EntityType::Customers {
        record.customer = Some(new_state(cx));
    }
    let contacts = std::mem::take(&mut draft.contacts);
    let companies = std::mem::take(&mut draft.companies);
    record.is_unsorted = draft.is_hidden;
    let is_hidden = draft.is_hidden;
    fill(cx, entity, &mut record, draft);
    if record.name.is_empty() {
        record.name = made_up_name(entity, id);
    }
    cx.account.records_mut(entity).insert(record);
    let mut partners = Vec::with_capacity(companies.len() + contacts.len());
    for company in companies {
        cx.account
            .links
            .link((entity, id), (EntityType::Companies, company));
        partners.push(Subject::Card(EntityType::Companies, company));
    }
    for (contact, is_main) in contacts {
        cx.account
            .links
            .link((entity, id), (EntityType::Contacts, contact));
        if is_main {
            cx.account.links.set_main(entity, id, contact);
        }
        partners.push(Subject::Card(EntityType::Contacts, contact));
    }
    // What is hidden is told of when somebody shows it.
    if is_hidden {
        return id;
    }
    cx.emit(entity, id, Change::Added);
    for partner in partners {
        cx.emit_link(Subject::Card(entity, id), partner, true);
    }
    id
}

/// Changes a record.
pub(crate) fn update(cx: &mut Context<'_>, entity: EntityType, id: u64, draft: Draft) {
    let Some(before) = cx.account.records(entity).get(id).cloned() else {
        return;
    };
    let mut record = before.clone();
    record.lag_search(cx.now_ms(), cx.indexed_at_ms());
    record.updated_at = cx.now().max(before.updated_at);
    record.updated_by = cx.user_id();
    fill(cx, entity, &mut record, draft);
    let after = record.clone();
    cx.account.records_mut(entity).insert(record);
    cx.emit(entity, id, Change::Updated);
    for happening in feed::differences(cx.account, entity, &before, &after) {
        cx.record(happening);
    }
    if let (Some(old), Some(new)) = (&before.lead, &after.lead)
        && (old.status_id, old.pipeline_id) != (new.status_id, new.pipeline_id)
    {
        cx.emit(
            entity,
            id,
            Change::Moved {
                old_status_id: old.status_id,
                old_pipeline_id: old.pipeline_id,
            },
        );
    }
    if entity == EntityType::Leads {
        let stage = |record: &Record| record.lead.as_ref().map(|lead| lead.status_id);
        let is_moved = stage(&before) != stage(&after);
        cx.actor().unsorted_lead_changed(id, is_moved);
    }
    if let Some(happening) = status_change(&before, &after) {
        cx.record(happening);
    }
    if before.responsible_user_id != after.responsible_user_id {
        cx.emit(
            entity,
            id,
            Change::Handed {
                old_user_id: before.responsible_user_id,
            },
        );
    }
}

fn fill(cx: &mut Context<'_>, entity: EntityType, record: &mut Record, draft: Draft) {
    fill_name(record, &draft);
    record.responsible_user_id = draft
        .responsible_user_id
        .unwrap_or(record.responsible_user_id);
    record.group_id = cx
        .account
        .user(record.responsible_user_id)
        .map_or(0, |user| user.group_id);
    record.created_by = draft.created_by.unwrap_or(record.created_by);
    record.updated_by = draft.updated_by.unwrap_or(record.updated_by);
    record.created_at = draft.created_at.unwrap_or(record.created_at);
    record.updated_at = draft.updated_at.unwrap_or(record.updated_at);
    if let Some(lead) = &mut record.lead {
        lead.price = draft.price.unwrap_or(lead.price);
        if let Some(placing) = &draft.placing {
            placing.apply(lead, cx.now());
        }
    }
    if let (Some(state), Some(draft)) = (&mut record.customer, draft.customer) {
        draft.apply(state);
    }
    for change in draft.values {
        change.apply(&mut record.values);
    }
    record.tags = draft.tagging.apply(cx.account, entity, &record.tags);
}

/// A name that is sent stays as it is; parts that are sent make the name, the first one first.
fn fill_name(record: &mut Record, draft: &Draft) {
    if let Some(name) = &draft.name
        && !name.is_empty()
    {
        record.name.clone_from(name);
    }
    if draft.first_name.is_some() || draft.last_name.is_some() {
        if let Some(first) = &draft.first_name {
            record.first_name.clone_from(first);
        }
        if let Some(last) = &draft.last_name {
            record.last_name.clone_from(last);
        }
        let full = format!("{} {}", record.first_name, record.last_name)
            .trim()
            .to_owned();
        if !full.is_empty() {
            record.name = full;
        }
    }
}

fn made_up_name(entity: EntityType, id: u64) -> String {
    match entity {
        EntityType::Leads => format!("Сделка #{id}"),
        EntityType::Contacts => format!("Контакт #{id}"),
        EntityType::Companies => format!("Компания #{id}"),
        EntityType::Customers => format!("Покупатель #{id}"),
    }
}
